import { randomUUID } from 'node:crypto'
import {
  basket,
  channel,
  defineChannels,
  defineModule,
  dynamicBasket,
  Gateway,
  struct,
} from '@gw/channels'
import { map } from '@gw/core'
import { envelope, kafka } from '@gw/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { startBroker } from './broker/broker.js'
import { committedRecords, createTopic, produce } from './broker/topics.js'

const brokers = inject('brokers')

const Order = struct('Order', {
  symbol: z.string(),
  quantity: z.number().positive(),
  inner: z.object({ key: z.string() }).optional(),
  'own.key': z.string().optional(),
})
const channels = defineChannels({
  orders: channel(Order, { send: true }),
  fills: channel(Order),
  lone: channel(Order),
  batches: channel(z.array(Order), { send: true }),
  sides: basket(['buy', 'sell'], Order, { send: true }),
  books: dynamicBasket(Order),
})
type Channels = (typeof channels)['channels']

/** Fills every order at once. */
const market = defineModule(channels, 'market', (c) => {
  c.setChannel(
    'fills',
    map(c.getChannel('orders'), (order) => order),
  )
})

/** The records of a topic, read by kafkajs itself. */
async function recordsOf(
  broker: string,
  topic: string,
  count: number,
): Promise<{ key: string | undefined; value: string; headers: Record<string, string> }[]> {
  const client = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING })
  // The gateway makes the topic with its first record, which may be later.
  const admin = client.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic }], waitForLeaders: true })
  await admin.disconnect()
  const reader = client.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 100 })
  await reader.connect()
  await reader.subscribe({ topics: [topic], fromBeginning: true })
  const records: { key: string | undefined; value: string; headers: Record<string, string> }[] = []
  await new Promise<void>((resolve, reject) => {
    reader
      .run({
        eachMessage: ({ message }) => {
          const headers = Object.entries(message.headers ?? {}).map(([k, v]) => [k, String(v)])
          records.push({
            key: message.key?.toString(),
            value: message.value?.toString() ?? '',
            headers: Object.fromEntries(headers),
          })
          if (records.length === count) resolve()
          return Promise.resolve()
        },
      })
      .catch(reject)
  })
  await reader.disconnect()
  return records
}

describe.skipIf(brokers === undefined)('against a real broker', () => {
  const broker = brokers ?? ''
  const open: { stop(): Promise<void> }[] = []
  const topic = (name: string): string => `${name}-${randomUUID()}`

  async function start(
    options: Omit<Parameters<typeof kafka<Channels>>[0], 'brokers'>,
    address = broker,
  ) {
    const module = kafka<Channels>({ brokers: [address], ...options })
    const gateway = new Gateway({ channels, modules: [market, module] })
    await gateway.start()
    open.push(gateway)
    return { gateway, module }
  }

  beforeEach(() => {
    open.length = 0
  })

  afterEach(async () => {
    for (const gateway of open) await gateway.stop()
  })

  test('each tick of a channel is a record, keyed by an attribute or a constant', async () => {
    const [byAttribute, byConstant] = [topic('orders'), topic('orders')]
    const { gateway } = await start({
      publish: { orders: { [byAttribute]: { attribute: 'symbol' }, [byConstant]: 'all' } },
    })
    const a = gateway.channels.send('orders', { symbol: 'A', quantity: 1 })
    const b = gateway.channels.send('orders', { symbol: 'B', quantity: 2 })
    expect(await recordsOf(broker, byAttribute, 2)).toMatchObject([
      { key: 'A', value: JSON.stringify(a) },
      { key: 'B', value: JSON.stringify(b) },
    ])
    expect((await recordsOf(broker, byConstant, 2)).map(({ key }) => key)).toEqual(['all', 'all'])
  })

  test('records of a topic tick on a channel, those of other keys do not', async () => {
    const name = topic('orders')
    const { gateway: source } = await start({
      publish: { orders: { [name]: { attribute: 'symbol' } } },
    })
    const { gateway } = await start({
      subscribe: { orders: { [name]: 'B' } },
      groupId: randomUUID(),
    })
    source.channels.send('orders', { symbol: 'A', quantity: 1 })
    const sent = source.channels.send('orders', { symbol: 'B', quantity: 2 })
    await expect.poll(() => gateway.channels.last('fills'), { timeout: 20_000 }).toEqual(sent)
  })

  test('two topics of a channel become one, and one topic feeds two channels; keys and headers come from the record', async () => {
    const [first, second] = [topic('orders'), topic('orders')]
    const { gateway } = await start({
      subscribe: { orders: { [first]: '', [second]: '' }, lone: { [first]: '' } },
      subscribeProcessors: {
        orders: (value, { headers }) => {
          const order = value as { quantity: number }
          if (order.quantity === 3) return undefined
          return { ...order, symbol: headers.desk ?? 'none' }
        },
      },
      groupId: randomUUID(),
    })
    const { gateway: source } = await start({
      publish: {
        orders: { [first]: { attribute: 'inner.key' }, [second]: { attribute: 'own\\.key' } },
      },
      publishProcessors: {
        orders: (order, to) => (to === second ? { ...order, quantity: 9 } : order),
      },
      publishHeaders: { orders: ({ symbol }) => ({ desk: `of ${symbol}` }) },
    })
    const seen: unknown[] = []
    gateway.channels.watch('orders', undefined, ({ value }) => seen.push(value))
    for (const quantity of [2, 3]) {
      const key = `n${quantity}`
      source.channels.send('orders', { symbol: 'A', quantity, inner: { key }, 'own.key': key })
    }
    await expect.poll(() => seen.length, { timeout: 20_000 }).toBe(3)
    expect(seen).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ symbol: 'of A', quantity: 2 }),
        expect.objectContaining({ symbol: 'of A', quantity: 9 }),
      ]),
    )
    await expect.poll(() => gateway.channels.last('lone')?.quantity, { timeout: 20_000 }).toBe(3)
    for (const each of [first, second]) {
      expect((await recordsOf(broker, each, 2)).map(({ key }) => key)).toEqual(['n2', 'n3'])
    }
  })

  test('null from a processor is a tombstone', async () => {
    const name = topic('orders')
    const { gateway } = await start({
      publish: { orders: { [name]: { attribute: 'symbol' } } },
      publishProcessors: { orders: (order) => (order.quantity > 1 ? order : null) },
    })
    gateway.channels.send('orders', { symbol: 'A', quantity: 2 })
    gateway.channels.send('orders', { symbol: 'A', quantity: 1 })
    expect(await recordsOf(broker, name, 2)).toMatchObject([{ key: 'A' }, { key: 'A', value: '' }])
  })

  test('a channel tells how the connections do', async () => {
    const { gateway, module } = await start({
      subscribe: { orders: { [topic('orders')]: '' } },
      groupId: randomUUID(),
      statusChannel: 'connections',
    })
    await expect.poll(() => module.status.consumer.state, { timeout: 20_000 }).toBe('running')
    const last = gateway.channels.last('connections' as never) as unknown
    expect(last).toMatchObject({ connection: 'consumer', state: 'running', message: '' })
  })

  test('an idle connection is told, and one whose listener throws does what it does', async () => {
    const name = topic('orders')
    const { gateway, module } = await start({
      publish: { orders: { [name]: 'k' } },
      subscribe: { fills: { [name]: '' } },
      groupId: randomUUID(),
      statusChannel: 'connections',
      onStatus: () => {
        throw new Error('not mine')
      },
    })
    for (const connection of ['producer', 'consumer'] as const) {
      await expect
        .poll(() => module.status[connection], { timeout: 20_000 })
        .toEqual({ state: 'running', message: 'onStatus failed: not mine' })
    }
    gateway.channels.send('orders', { symbol: 'A', quantity: 4 })
    await expect.poll(() => gateway.channels.last('fills')?.quantity, { timeout: 20_000 }).toBe(4)
  })

  test('of a topic that is paused, a partition can be read', async () => {
    const name = topic('orders')
    await createTopic(broker, name, 2)
    const { gateway, module } = await start({
      subscribe: { orders: { [name]: '' } },
      groupId: randomUUID(),
    })
    const seen: number[] = []
    gateway.channels.watch('orders', undefined, ({ value }) =>
      seen.push((value as { quantity: number }).quantity),
    )
    const send = (partition: number, quantity: number) =>
      produce(broker, name, [{ partition, value: JSON.stringify({ symbol: 'a', quantity }) }])
    await expect.poll(() => module.status.consumer.state, { timeout: 20_000 }).toBe('running')
    module.pause(name)
    module.resume(name, [1])
    await send(0, 1)
    await send(1, 2)
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual([2])
    module.pause(name, [1])
    module.resume(name, [0])
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual([2, 1])
    await send(1, 3)
    await send(0, 4)
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual([2, 1, 4])
    module.resume(name)
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual([2, 1, 4, 3])
  })

  test("the reference's envelope is written and read", async () => {
    const name = topic('orders')
    const { gateway: source } = await start({
      publish: { orders: { [name]: 'k' } },
      serde: envelope,
    })
    const sent = source.channels.send('orders', { symbol: 'A', quantity: 1 })
    const [record] = await recordsOf(broker, name, 1)
    expect(JSON.parse(record?.value ?? '')).toEqual({
      encoding: JSON.stringify(sent),
      csp_timestamp: expect.any(Number),
    })
    const { gateway } = await start({
      subscribe: { orders: { [name]: '' } },
      serde: envelope,
      groupId: randomUUID(),
    })
    await expect.poll(() => gateway.channels.last('orders'), { timeout: 20_000 }).toEqual(sent)
  })

  test('lists, baskets and dynamic baskets go both ways', async () => {
    const [lists, sides, books] = [topic('lists'), topic('sides'), topic('books')]
    const { gateway: source } = await start({
      publish: { batches: { [lists]: 'k' }, sides: { [sides]: '', [books]: '' } },
    })
    const { gateway } = await start({
      subscribe: { batches: { [lists]: 'k' }, sides: { [sides]: '' }, books: { [books]: '' } },
      groupId: randomUUID(),
    })
    const batch = source.channels.send('batches', [
      { symbol: 'A', quantity: 1 },
      { symbol: 'B', quantity: 2 },
    ])
    const sell = source.channels.send('sides', { symbol: 'C', quantity: 3 }, 'sell')
    await expect.poll(() => gateway.channels.last('batches'), { timeout: 20_000 }).toEqual(batch)
    await expect.poll(() => gateway.channels.last('sides'), { timeout: 20_000 }).toEqual({ sell })
    await expect.poll(() => gateway.channels.last('books'), { timeout: 20_000 }).toEqual({ sell })
  })

  test('a record that cannot be read goes to the dead letters, and those behind it are taken', async () => {
    const [name, deadLetterTopic] = [topic('orders'), topic('dead')]
    const producer = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).producer()
    await producer.connect()
    await producer.send({
      topic: name,
      messages: [
        { key: 'k', value: 'not json' },
        { key: 'k', value: '{"symbol":"A"}' },
        { key: 'k', value: '{"symbol":"A","quantity":7}' },
      ],
    })
    await producer.disconnect()
    const { gateway } = await start({
      subscribe: { orders: { [name]: 'k' } },
      groupId: randomUUID(),
      deadLetterTopic,
    })
    await expect.poll(() => gateway.channels.last('fills')?.quantity, { timeout: 20_000 }).toBe(7)
    const dead = await recordsOf(broker, deadLetterTopic, 2)
    expect(
      dead.map(({ value, headers }) => [value, headers['gw-topic'], headers['gw-offset']]),
    ).toEqual([
      ['not json', name, '0'],
      ['{"symbol":"A"}', name, '1'],
    ])
    expect(dead[1]?.headers['gw-error']).toContain('quantity')
  })

  test('a group goes on where it stopped', async () => {
    const [name, groupId] = [topic('orders'), randomUUID()]
    const { gateway: source } = await start({ publish: { orders: { [name]: 'k' } } })
    const { gateway: first } = await start({ subscribe: { orders: { [name]: '' } }, groupId })
    source.channels.send('orders', { symbol: 'A', quantity: 1 })
    await expect.poll(() => first.channels.positionOf('orders').offset, { timeout: 20_000 }).toBe(1)
    await first.stop()
    source.channels.send('orders', { symbol: 'B', quantity: 2 })
    const { gateway: second } = await start({ subscribe: { orders: { [name]: '' } }, groupId })
    await expect.poll(() => second.channels.last('orders')?.symbol, { timeout: 20_000 }).toBe('B')
    expect(second.channels.positionOf('orders').offset).toBe(1)
  })

  test('a group that begins at the latest goes on where it stopped, and loses nothing when offsets are deleted', async () => {
    const [name, groupId] = [topic('orders'), randomUUID()]
    const client = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING })
    const producer = client.producer()
    await producer.connect()
    const send = (...quantities: number[]) =>
      producer.send({
        topic: name,
        messages: quantities.map((quantity) => ({
          value: JSON.stringify({ symbol: 'A', quantity }),
        })),
      })
    const read = async (): Promise<{ seen: number[]; gateway: Gateway<Channels> }> => {
      const seen: number[] = []
      const { gateway, module } = await start({
        subscribe: { orders: { [name]: '' } },
        groupId,
        from: 'latest',
      })
      gateway.channels.watch('orders', undefined, ({ value }) => {
        seen.push((value as { quantity: number }).quantity)
      })
      await expect.poll(() => module.status.consumer.state, { timeout: 20_000 }).toBe('running')
      return { seen, gateway }
    }
    await send(1, 2)
    const first = await read()
    await first.gateway.stop()
    await send(3)
    const second = await read()
    await expect.poll(() => second.seen, { timeout: 20_000 }).toEqual([3])
    await second.gateway.stop()
    await send(4, 5, 6)
    const admin = client.admin()
    await admin.connect()
    await admin.fetchTopicOffsets(name) // loads the metadata that the next call needs
    await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '4' }] })
    await admin.disconnect()
    const third = await read()
    await expect.poll(() => third.seen, { timeout: 20_000 }).toEqual([5, 6])
    await producer.disconnect()
  })

  test('a record that the broker refuses for its size is a dead letter, cut to fit', async () => {
    const [name, deadLetterTopic] = [topic('orders'), topic('dead')]
    const { gateway, module } = await start({
      publish: { orders: { [name]: { attribute: 'symbol' } } },
      publishProcessors: { orders: (order) => ({ ...order, padding: 'x'.repeat(2_000_000) }) },
      deadLetterTopic,
    })
    gateway.channels.send('orders', { symbol: 'A', quantity: 1 })
    const [dead] = await recordsOf(broker, deadLetterTopic, 1)
    expect(dead).toMatchObject({
      key: 'A',
      value: expect.stringContaining('"symbol":"A"'),
      headers: { 'gw-topic': name, 'gw-error': expect.stringContaining('larger') },
    })
    expect(Number(dead?.headers['gw-truncated'])).toBeGreaterThan(2_000_000)
    expect(module.deadLetters).toBe(1)
  })

  test('a topic that is not there, with creation off, is named; once it is made it is read, without a restart', async () => {
    const name = topic('orders')
    const { gateway, module } = await start({
      subscribe: { orders: { [name]: '' } },
      groupId: randomUUID(),
      createTopics: false,
    })
    await expect
      .poll(() => module.status.consumer, { timeout: 20_000 })
      .toMatchObject({ state: 'recovering', message: expect.stringContaining(name) })
    const producer = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).producer()
    await producer.connect()
    await producer.send({ topic: name, messages: [{ value: '{"symbol":"A","quantity":7}' }] })
    await producer.disconnect()
    await expect.poll(() => gateway.channels.last('orders')?.quantity, { timeout: 20_000 }).toBe(7)
    expect(module.status.consumer).toEqual({ state: 'running', message: '' })
  })

  test('nothing is lost when a broker, which makes no topics by itself, is killed and comes back', async () => {
    const own = await startBroker({ 'auto.create.topics.enable': 'false' })
    try {
      const [name, copy, fills, groupId] = [topic('orders'), topic('c'), topic('f'), randomUUID()]
      const { gateway } = await start(
        { publish: { orders: { [name]: 'k', [copy]: 'k' } } },
        own.address,
      )
      await start(
        {
          subscribe: { orders: { [name]: '' } },
          publish: { fills: { [fills]: 'k' } },
          exactlyOnce: true,
          groupId: randomUUID(),
          sessionTimeoutMs: 3_000,
        },
        own.address,
      )
      const { gateway: reader } = await start(
        { subscribe: { orders: { [name]: '' } }, groupId, sessionTimeoutMs: 3_000 },
        own.address,
      )
      const seen = new Set<number>()
      reader.channels.watch('orders', undefined, ({ value }) =>
        seen.add((value as { quantity: number }).quantity),
      )
      for (let i = 1; i <= 100; i++) gateway.channels.send('orders', { symbol: 'A', quantity: i })
      await expect.poll(() => seen.size, { timeout: 30_000 }).toBe(100)
      await own.crash()
      for (let i = 101; i <= 200; i++) gateway.channels.send('orders', { symbol: 'A', quantity: i })
      await own.restart()
      await expect.poll(() => seen.size, { timeout: 60_000 }).toBe(200)
      for (const made of [copy, fills]) {
        const quantities = async () =>
          (await committedRecords(own.address, made)).map(
            ({ value }) => (JSON.parse(value) as { quantity: number }).quantity,
          )
        await expect
          .poll(async () => new Set(await quantities()).size, { timeout: 60_000 })
          .toBe(200)
      }
    } finally {
      for (const gateway of open.splice(0)) await gateway.stop()
      await own.remove()
    }
  }, 120_000)
})

test('a gateway starts and stops without a broker, and says so', async () => {
  const module = kafka<Channels>({
    brokers: ['127.0.0.1:1'],
    publish: { orders: { orders: 'k' } },
    subscribe: { fills: { fills: '' } },
    drainTimeoutMs: 200,
  })
  const gateway = new Gateway({ channels, modules: [module] })
  await gateway.start()
  await expect.poll(() => module.status.consumer.state, { timeout: 20_000 }).toBe('recovering')
  gateway.channels.send('orders', { symbol: 'A', quantity: 1 })
  expect(gateway.channels.last('orders')).toMatchObject({ symbol: 'A' })
  // Stopping says that a record was not acknowledged.
  await expect(gateway.stop()).rejects.toMatchObject({ cause: { code: 'TIMED_OUT' } })
})

test('neither publish nor subscribe is refused', () => {
  expect(() => kafka<Channels>({ brokers: ['127.0.0.1:1'] })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTIONS' }),
  )
})

test('a list has no attribute to be its key: that is refused at start', async () => {
  const module = kafka<Channels>({
    brokers: ['127.0.0.1:1'],
    publish: { batches: { batches: { attribute: 'symbol' } } },
  })
  const gateway = new Gateway({ channels, modules: [module] })
  await expect(gateway.start()).rejects.toMatchObject({
    cause: { code: 'INVALID_OPTIONS', channel: 'batches', topic: 'batches' },
  })
})

test.each([[[]], [['nonsense']], [['host:']]])('brokers %j are refused', (brokers) => {
  expect(() => kafka<Channels>({ brokers, publish: {} })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTIONS' }),
  )
})
