import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { channel, defineChannels, defineModule, Gateway, struct } from '@gw/channels'
import { node } from '@gw/core'
import { aggregate, type ClusterModule, type ClusterOptions, cluster, store } from '@gw/kafka'
import { afterAll, afterEach, describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { committedRecords, createTopic, produce } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

const Order = struct('Order', { symbol: z.string(), quantity: z.number() })

/** A release: what it keeps of each symbol, in a state and in a store. */
interface Release {
  /** Fields of a total, beside its symbol and sum. */
  readonly fields?: z.ZodRawShape
  readonly sum?: z.ZodType<number>
  readonly by?: 'symbol' | 'sum'
  readonly total?: (symbol: string, sum: number) => object
}

const folder = mkdtempSync(join(tmpdir(), 'gw-contract-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(brokers === undefined)('the state of a gateway whose contract has changed', () => {
  const open = new Set<{ stop(): Promise<void> }>()

  afterEach(async () => {
    await Promise.all([...open].map((gateway) => gateway.stop()))
    open.clear()
  })

  async function start(topic: string, release: Release, more: Partial<ClusterOptions<never>> = {}) {
    const { fields = {}, sum = z.number(), by = 'symbol', total = () => ({}) } = release
    const Total = struct('Total', { symbol: z.string(), sum: z.number(), ...fields })
    const channels = defineChannels({
      orders: channel(Order),
      totals: channel(Total, { state: { by } }),
    })
    const sums = store<number>('sums', { schema: sum })
    const totals = defineModule(channels, 'totals', (c) => {
      const folded = aggregate(c.getChannel('orders'), sums, {
        by: ({ symbol }) => symbol,
        initial: 0,
        step: (before, { quantity }) => before + quantity,
      })
      c.setChannel(
        'totals',
        node('total', { folded }, ({ folded }, context) => () => {
          const { key, value } = folded.value
          return Total.make(context, { symbol: key, sum: value, ...total(key, value) } as never)
        }),
      )
    })
    const statuses: string[] = []
    const module = cluster({
      brokers: [broker],
      groupId: `of-${topic}`,
      by: { orders: 'symbol' },
      subscribe: { orders: { [topic]: '' } },
      stores: [sums],
      exactlyOnce: true,
      sessionTimeoutMs: 6_000,
      deadLetterTopic: `dead-${topic}`,
      onStatus: (connection, { message }) => {
        if (connection === 'consumer') statuses.push(message)
      },
      ...(more as object),
    } as ClusterOptions<(typeof channels)['channels']>)
    const gateway = new Gateway({ channels, modules: [totals, module] })
    await gateway.start()
    open.add(gateway)
    const totalsHere = () =>
      gateway.channels.query('totals').map((total) => {
        const { id, timestamp, ...rest } = total as Record<string, unknown>
        return rest
      })
    return { module, totals: totalsHere, statuses, gateway, sums }
  }
  type Started = Awaited<ReturnType<typeof start>>

  async function stop({ gateway }: Started): Promise<void> {
    open.delete(gateway)
    await gateway.stop()
  }
  const ready = (...members: readonly { readonly module: Pick<ClusterModule<never>, 'ready'> }[]) =>
    expect
      .poll(() => members.flatMap(({ module }) => module.ready), { timeout: 20_000 })
      .toEqual([0])

  const order = (symbol: string, quantity: number) => ({
    key: symbol,
    value: JSON.stringify({ symbol, quantity }),
  })
  const A = { symbol: 'a', sum: 1 }
  const B = { symbol: 'b', sum: 2 }

  /** A topic with what the first release has made of two orders. */
  async function withState(more: Partial<ClusterOptions<never>> = {}): Promise<string> {
    const topic = randomUUID()
    await createTopic(broker, topic, 1)
    await produce(broker, topic, [order('a', 1), order('b', 2)])
    const first = await start(topic, {}, more)
    await expect.poll(first.totals, { timeout: 20_000 }).toEqual([A, B])
    await stop(first)
    return topic
  }

  test('what a default completes is restored, and the release before can go on', async () => {
    const topic = await withState()
    const fields = { currency: z.string().default('EUR') }
    const second = await start(topic, { fields })
    await ready(second)
    expect(second.totals()).toEqual([
      { ...A, currency: 'EUR' },
      { ...B, currency: 'EUR' },
    ])
    expect(second.module.unrestored).toBe(0)
    await stop(second)
    const back = await start(topic, {})
    await ready(back)
    expect(back.totals()).toEqual([A, B])
  })

  test('what does not fit is told with its place, blocks nothing, stays, and is a dead letter when another record takes its place', async () => {
    const topic = await withState()
    const desk = { fields: { desk: z.string() }, total: () => ({ desk: 'x' }) }
    const checkpoints = { folder: join(folder, topic) }
    const second = await start(topic, desk, { checkpoints })
    await ready(second)
    const changelog = `of-${topic}-changelog`
    expect(second.totals()).toEqual([])
    expect(second.sums.get('a')).toBe(1)
    expect(second.module.unrestored).toBe(2)
    const errors = [...second.module.unrestoredRecords()]
    expect(errors).toMatchObject(
      ['a', 'b'].map((symbol) => ({
        code: 'INVALID_RECORD',
        topic: changelog,
        partition: 0,
        offset: expect.stringMatching(/^\d+$/),
        message: expect.stringMatching(new RegExp(`state totals.*${symbol}.*desk`)),
      })),
    )
    const place = `${changelog}/0@${errors[0]?.offset}`
    expect(second.module.status.consumer).toMatchObject({
      state: 'running',
      message: expect.stringContaining('not restored, and stay in the changelog: 2: '),
    })
    expect(second.module.status.consumer.message).toContain(place)
    expect(second.statuses.join()).toContain(place)
    await stop(second)

    // It is told again by what begins from the checkpoint of this contract.
    const third = await start(topic, desk, { checkpoints })
    await ready(third)
    expect(third.module.restored).toBe(0)
    expect([...third.module.unrestoredRecords()].map(({ offset }) => offset)).toEqual(
      errors.map(({ offset }) => offset),
    )
    await produce(broker, topic, [order('a', 10)])
    await expect.poll(third.totals, { timeout: 20_000 }).toEqual([{ ...A, sum: 11, desk: 'x' }])
    await expect
      .poll(() => committedRecords(broker, `dead-${topic}`), { timeout: 20_000 })
      .toMatchObject([
        {
          key: '["state totals","[\\"a\\"]"]',
          value: expect.stringContaining('"sum":1'),
          headers: {
            'gw-topic': changelog,
            'gw-partition': '0',
            'gw-offset': errors[0]?.offset,
            'gw-error': expect.stringContaining('desk'),
          },
        },
      ])
    expect(third.module).toMatchObject({ unrestored: 1, deadLetters: 1 })
    expect(third.module.status.consumer.message).toContain(
      'not restored, and stay in the changelog: 1: ',
    )
    await stop(third)

    // The release before finds what it had, though there is a checkpoint of the other one; what the other has written does not fit it.
    const back = await start(topic, {}, { checkpoints })
    await ready(back)
    expect(back.totals()).toEqual([B])
    expect(back.sums.get('a')).toBe(11)
    expect([...back.module.unrestoredRecords()].map(({ message }) => message)).toEqual([
      expect.stringMatching(/"\[\\"a\\"\]".*desk/),
    ])
  })

  test('a copy that stands by is checked, too, and so are stores with a schema', async () => {
    const topic = await withState()
    const release = { sum: z.number().max(1) }
    const members = [
      await start(topic, release, { standbys: 1 }),
      await start(topic, release, { standbys: 1 }),
    ] as const
    await ready(...members)
    const [owner, other] =
      members[0].module.ready.length === 1 ? members : ([members[1], members[0]] as const)
    await expect.poll(() => other.module.copied, { timeout: 20_000 }).toBe(4)
    await stop(owner)
    await ready(other)
    expect(other.module.restored).toBe(0)
    expect(other.totals()).toEqual([A, B])
    expect([...other.sums.entries()]).toEqual([['a', 1]])
    expect([...other.module.unrestoredRecords()].map(({ message }) => message)).toEqual([
      expect.stringMatching(/"sums","b".*<=1/),
    ])
  })

  test('a state that is kept by something else does not take records under the keys of before', async () => {
    const topic = await withState()
    const second = await start(topic, { by: 'sum' })
    await ready(second)
    expect(second.totals()).toEqual([])
    expect(second.module.unrestored).toBe(2)
  })

  test('records that its own release has made are restored as they are', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 1)
    await produce(broker, topic, [order('a', 1)])
    // A node vouches for what it makes: nothing has checked that.
    const release = { fields: { desk: z.string() }, total: () => ({ desk: 7 }) }
    const first = await start(topic, release)
    const made = [{ ...A, desk: 7 }]
    await expect.poll(first.totals, { timeout: 20_000 }).toEqual(made)
    await stop(first)
    const second = await start(topic, release)
    await ready(second)
    expect(second.module).toMatchObject({ restored: 2, unrestored: 0 })
    expect(second.totals()).toEqual(made)
  })

  test('what is no record of a changelog is told with its offset, and those behind it are restored', async () => {
    const topic = await withState()
    const changelog = `of-${topic}-changelog`
    const odd = [
      { key: 'no json', value: '1' },
      { key: '["sums"]', value: '1' },
      { key: '["sums",5]', value: '1' },
      { key: 'null', value: '1' },
      { key: '["sums","c"]', value: 'no json' },
      { key: '["gone","c"]', value: '{"of":"a store that is no more"}' },
      { key: '["sums","d"]', value: '4' },
    ]
    await produce(broker, changelog, odd)
    const second = await start(topic, {})
    await ready(second)
    expect(second.totals()).toEqual([A, B])
    expect([...second.sums.entries()]).toEqual([
      ['a', 1],
      ['b', 2],
      ['d', 4],
    ])
    const errors = [...second.module.unrestoredRecords()]
    expect(errors.map(({ message }) => message)).toEqual([
      expect.stringContaining('no json'),
      expect.stringContaining('["sums"]'),
      expect.stringContaining('["sums",5]'),
      expect.stringContaining('null'),
      expect.stringContaining('"c"'),
    ])
    const [from = 0, ...offsets] = errors.map(({ offset }) => Number(offset))
    expect(offsets).toEqual([1, 2, 3, 4].map((each) => from + each))
    // A record of the key, or none, takes its place.
    await produce(broker, changelog, [
      { key: 'no json', value: null },
      { key: '["sums","c"]', value: '3' },
    ])
    await stop(second)
    const third = await start(topic, {})
    await ready(third)
    expect(third.module.unrestored).toBe(3)
    expect(third.sums.get('c')).toBe(3)
  })
})
