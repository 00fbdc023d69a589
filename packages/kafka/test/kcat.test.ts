import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { channel, defineChannels, Gateway, struct } from '@gw/channels'
import { envelope, type KafkaOptions, kafka } from '@gw/kafka'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { createTopic } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

const Order = struct('Order', {
  x: z.int(),
  side: z.enum(['BUY', 'SELL']).default('BUY'),
  seconds: z.number().default(0),
})
const channels = defineChannels({
  orders: channel(Order, { send: true }),
  orderLists: channel(z.array(Order), { send: true }),
})
type Channels = (typeof channels)['channels']

/** What librdkafka says and hears: kcat with some arguments, given some lines. */
function kcat(args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      'kcat',
      ['-b', broker, ...args],
      { timeout: 30_000 },
      (error, stdout, stderr) => (error === null ? resolve(stdout) : reject(new Error(stderr))),
    )
    child.stdin?.end(input)
  })
}

const written = async (topic: string, lines: readonly string[], ...more: string[]) =>
  kcat(['-P', '-t', topic, '-K', '|', '-X', 'acks=all', ...more], `${lines.join('\n')}\n`)

const read = async (topic: string, format: string): Promise<string[]> => {
  const isolation = ['-X', 'isolation.level=read_committed']
  const text = await kcat([
    '-C',
    '-t',
    topic,
    '-o',
    'beginning',
    '-e',
    '-q',
    '-f',
    format,
    ...isolation,
  ])
  return text.split('\n').filter((line) => line !== '')
}

describe.skipIf(brokers === undefined || !inject('kcat'))('librdkafka, with kcat,', () => {
  const open: Gateway<Channels>[] = []
  afterEach(async () => {
    await Promise.all(open.splice(0).map((gateway) => gateway.stop()))
  })

  async function start(options: Partial<KafkaOptions<Channels>>) {
    const module = kafka<Channels>({ brokers: [broker], groupId: randomUUID(), ...options })
    const gateway = new Gateway({ channels, modules: [module] })
    await gateway.start()
    open.push(gateway)
    return { gateway, module }
  }

  test.each([
    { form: 'plain', more: [] },
    { form: 'compressed', more: ['-z', 'gzip'] },
  ])(
    "writes topics in the form of the reference's module, $form, which are read",
    async ({ more }) => {
      const [topic, lists] = [randomUUID(), randomUUID()]
      await createTopic(broker, topic, 1)
      await createTopic(broker, lists, 1)
      const first = '"id":"i1","timestamp":"2024-01-01T01:02:03.000004+00:00"'
      await written(
        topic,
        [
          `key|{${first},"x":1,"side":"SELL","seconds":1.5}`,
          'key|{"id":"i2","timestamp":"2024-01-01T01:02:04+00:00","x":2,"side":"BUY"}',
        ],
        ...more,
      )
      await written(lists, [`key|[{${first},"x":3},{"id":"i4","x":4}]`], ...more)
      const { gateway, module } = await start({
        subscribe: { orders: { [topic]: 'key' }, orderLists: { [lists]: 'key' } },
      })
      await expect.poll(() => module.received, { timeout: 20_000 }).toBe(3)
      expect(module.deadLetters).toBe(0)
      const ticks = gateway.channels.recentTicks('orders').map(({ value }) => value)
      expect(ticks).toMatchObject([
        { id: 'i1', x: 1, side: 'SELL', seconds: 1.5 },
        { id: 'i2', x: 2, side: 'BUY' },
      ])
      expect((ticks[0] as { timestamp: string }).timestamp).toMatch(/^2024-01-01T01:02:03\.000004/)
      expect(gateway.channels.last('orderLists')).toMatchObject([
        { id: 'i1', x: 3 },
        { id: 'i4', x: 4 },
      ])
    },
  )

  test("writes the reference's envelope with the engine's time, which is read", async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 1)
    const inner = JSON.stringify(JSON.stringify({ x: 7, side: 'SELL' }))
    await written(topic, [`key|{"encoding":${inner},"csp_timestamp":1704067200005}`])
    const { gateway, module } = await start({
      serde: envelope,
      subscribe: { orders: { [topic]: 'key' } },
    })
    await expect.poll(() => module.received, { timeout: 20_000 }).toBe(1)
    expect(gateway.channels.last('orders')).toMatchObject({ x: 7, side: 'SELL' })
  })

  test('reads what a gateway publishes: values, keys, headers, lists, the envelope', async () => {
    const [topic, lists, enveloped] = [randomUUID(), randomUUID(), randomUUID()]
    for (const name of [topic, lists, enveloped]) await createTopic(broker, name, 1)
    const { gateway, module } = await start({
      publish: { orders: { [topic]: { attribute: 'side' } }, orderLists: { [lists]: 'all' } },
      publishHeaders: { orders: ({ x }) => ({ x: String(x) }) },
    })
    const other = await start({ serde: envelope, publish: { orders: { [enveloped]: 'key' } } })
    const sent = gateway.channels.send('orders', { x: 1, side: 'SELL' })
    gateway.channels.send('orders', { x: 2 })
    gateway.channels.send('orderLists', [{ x: 3 }, { x: 4 }])
    other.gateway.channels.send('orders', { x: 5 })
    await expect.poll(() => module.pending + other.module.pending, { timeout: 20_000 }).toBe(0)
    const [first, second] = await read(topic, '%k|%h|%s\n')
    expect(first).toBe(`SELL|x=1|${JSON.stringify(sent)}`)
    expect(second).toMatch(/^BUY\|x=2\|\{/)
    const [list] = await read(lists, '%k|%s\n')
    expect(JSON.parse((list as string).slice('all|'.length))).toMatchObject([{ x: 3 }, { x: 4 }])
    const [wrapped] = await read(enveloped, '%s\n')
    const { encoding, csp_timestamp: time } = JSON.parse(wrapped as string) as {
      encoding: string
      csp_timestamp: number
    }
    expect(JSON.parse(encoding)).toMatchObject({ x: 5 })
    expect(Math.abs(time - Date.now())).toBeLessThan(60_000)
  })

  test('reads what was committed, exactly once, and nothing of the marks of transactions', async () => {
    const [from, to] = [randomUUID(), randomUUID()]
    await createTopic(broker, from, 1)
    await createTopic(broker, to, 1)
    const { module } = await start({
      exactlyOnce: true,
      subscribe: { orders: { [from]: '' } },
      publish: { orders: { [to]: 'key' } },
    })
    await written(
      from,
      Array.from({ length: 50 }, (_, x) => `key|{"x":${x}}`),
    )
    await expect.poll(() => module.received, { timeout: 20_000 }).toBe(50)
    await expect.poll(() => module.uncommitted, { timeout: 20_000 }).toBe(0)
    const lines = await read(to, '%s\n')
    expect(lines.map((line) => (JSON.parse(line) as { x: number }).x)).toEqual(
      Array.from({ length: 50 }, (_, x) => x),
    )
  })

  test('writes a header without a value, of a record that cannot be read: it is a dead letter', async () => {
    const [topic, deadLetterTopic] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 1)
    await createTopic(broker, deadLetterTopic, 1)
    await written(topic, ['k|nonsense'], '-H', 'empty', '-H', 'full=é')
    await written(topic, ['k|{"x":1}'])
    const { gateway } = await start({ subscribe: { orders: { [topic]: '' } }, deadLetterTopic })
    await expect.poll(() => gateway.channels.last('orders')?.x, { timeout: 20_000 }).toBe(1)
    const [letter] = await read(deadLetterTopic, '%s %h\n')
    expect(letter).toMatch(/^nonsense empty=,full=é,gw-error=/)
  })
})
