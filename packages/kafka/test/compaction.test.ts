import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { channel, defineChannels, defineModule, Gateway, struct } from '@gw/channels'
import { node, timestampOf } from '@gw/core'
import {
  type ClusterOptions,
  cluster,
  kafka,
  type ReplayOptions,
  replayKafka,
  store,
} from '@gw/kafka'
import { afterAll, afterEach, describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { committedRecords, createTopic, produce, progressOf } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

const Order = struct('Order', { symbol: z.string(), quantity: z.number() })
const channels = defineChannels({ orders: channel(Order), sums: channel(z.number()) })
type Channels = (typeof channels)['channels']

/** Compacted as soon as the cleaner comes by: a record that is so much later than the first one closes a segment. */
const SEGMENT_MS = 100
const COMPACTED = {
  'cleanup.policy': 'compact',
  'min.cleanable.dirty.ratio': '0.01',
  'segment.ms': String(SEGMENT_MS),
}
/** A cleaner with Kafka's own settings rests for 15 s. */
const CLEANED = { timeout: 45_000, interval: 100 }
const T0 = timestampOf('2026-01-01T00:00:00Z')

const folder = mkdtempSync(join(tmpdir(), 'gw-compaction-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(brokers === undefined)('a topic that the broker has compacted', () => {
  const open = new Set<{ stop(): Promise<void> }>()

  afterEach(async () => {
    await Promise.all([...open].map((gateway) => gateway.stop()))
    open.clear()
  })

  const at = (ms: number, symbol: string, quantity: number) => ({
    key: symbol,
    value: JSON.stringify({ symbol, quantity }),
    timestamp: String(T0 / 1_000 + ms),
  })
  const quantitiesIn = async (topic: string): Promise<number[]> =>
    (await committedRecords(broker, topic)).map(
      ({ value }) => (JSON.parse(value) as { quantity: number }).quantity,
    )

  /** 30 records of three keys, a millisecond apart, of which the last of each key are left; the 31st is in the open segment. */
  async function compacted(): Promise<string> {
    const topic = randomUUID()
    await createTopic(broker, topic, 1, COMPACTED)
    const records = Array.from({ length: 30 }, (_, i) => at(i, `s${i % 3}`, i))
    // In batches of their own: a batch that is gone altogether leaves another hole than one of which some records are gone.
    for (const from of [0, 5, 20]) {
      await produce(broker, topic, records.slice(from, from === 0 ? 5 : from === 5 ? 20 : 30))
    }
    await produce(broker, topic, [at(60_000, 'last', 30)])
    await expect.poll(() => quantitiesIn(topic), CLEANED).toEqual([27, 28, 29, 30])
    return topic
  }

  test('is replayed between offsets and times that are there, and that are gone', async () => {
    const topic = await compacted()
    const run = async (more: Partial<ReplayOptions<Channels>> = {}): Promise<number[]> => {
      const seen: number[] = []
      const recording = defineModule(channels, 'recording', (c) => {
        c.setChannel(
          'sums',
          node('record', { order: c.getChannel('orders') }, ({ order }) => () => {
            seen.push(order.value.quantity)
            return order.value.quantity
          }),
        )
      })
      const replay = replayKafka<Channels>({
        brokers: [broker],
        subscribe: { orders: { [topic]: '' } },
        ...more,
      })
      await new Gateway({ channels, modules: [recording, replay] }).simulate()
      expect(replay).toMatchObject({ isCaughtUp: true, status: { message: '' } })
      return seen
    }
    const offset = (of: number) => ({ offsets: { [topic]: { 0: of } } })
    const time = (ms: number) => ({ time: T0 + ms * 1_000 })
    expect(await run()).toEqual([27, 28, 29, 30])
    expect(await run({ from: offset(3), to: offset(12) })).toEqual([])
    expect(await run({ from: offset(3), to: offset(27) })).toEqual([])
    expect(await run({ from: offset(12), to: offset(29) })).toEqual([27, 28])
    expect(await run({ from: offset(28) })).toEqual([28, 29, 30])
    expect(await run({ from: time(3), to: time(12) })).toEqual([])
    expect(await run({ from: time(12), to: time(29) })).toEqual([27, 28])
    expect(await run({ from: time(12), to: time(100) })).toEqual([27, 28, 29])
    expect(await run({ from: time(100) })).toEqual([30])
    expect(await run({ from: time(12), to: offset(5) })).toEqual([])
  })

  test('is read, what was read is committed, nothing is told as lost, and the lag is 0', async () => {
    const topic = await compacted()
    const start = async (groupId: string) => {
      const module = kafka<Channels>({
        brokers: [broker],
        groupId,
        subscribe: { orders: { [topic]: '' } },
      })
      const gateway = new Gateway({ channels, modules: [module] })
      const seen: number[] = []
      await gateway.start()
      open.add(gateway)
      gateway.channels.watch('orders', undefined, ({ value }) =>
        seen.push((value as { quantity: number }).quantity),
      )
      return { module, gateway, seen }
    }
    const groupId = randomUUID()
    const first = await start(groupId)
    await expect.poll(() => first.seen, { timeout: 20_000 }).toEqual([27, 28, 29, 30])
    await expect.poll(() => progressOf(broker, groupId, topic), { timeout: 20_000 }).toBe(0n)
    // A hole arises in front of it while it stands still.
    first.module.pause(topic)
    for (const [ms, quantity] of [
      [60_001, 31],
      [60_002, 32],
      [120_000, 33],
    ] as const) {
      await produce(broker, topic, [at(ms, quantity === 33 ? 'last' : 's0', quantity)])
    }
    await expect.poll(() => quantitiesIn(topic), CLEANED).toEqual([28, 29, 30, 32, 33])
    first.module.resume(topic)
    await expect.poll(() => first.seen, { timeout: 20_000 }).toEqual([27, 28, 29, 30, 32, 33])
    await expect.poll(() => progressOf(broker, groupId, topic), { timeout: 20_000 }).toBe(0n)
    expect(first.module.status.consumer).toEqual({ state: 'running', message: '' })
  })

  test('as a changelog is restored from, also when the marks of what was deleted are gone', async () => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    const changelog = `${groupId}-changelog`
    await createTopic(broker, topic, 1)
    await createTopic(broker, changelog, 1, { ...COMPACTED, 'delete.retention.ms': '0' })
    const start = async (more: Partial<ClusterOptions<Channels>> = {}) => {
      const sums = store<number>('sums')
      const adding = defineModule(channels, 'adding', (c) => {
        c.setChannel(
          'sums',
          node('add', { order: c.getChannel('orders') }, ({ order }) => () => {
            const { symbol, quantity } = order.value
            const sum = (sums.get(symbol) ?? 0) + quantity
            if (quantity === 0) sums.delete(symbol)
            else sums.set(symbol, sum)
            return sum
          }),
        )
      })
      const module = cluster<Channels>({
        brokers: [broker],
        groupId,
        by: { orders: 'symbol' },
        subscribe: { orders: { [topic]: '' } },
        stores: [sums],
        exactlyOnce: true,
        sessionTimeoutMs: 6_000,
        ...more,
      })
      const gateway = new Gateway({ channels, modules: [adding, module] })
      await gateway.start()
      open.add(gateway)
      await expect.poll(() => module.ready, { timeout: 20_000 }).toEqual([0])
      const stop = async (): Promise<void> => {
        open.delete(gateway)
        await gateway.stop()
      }
      return { module, sums, stop }
    }
    type Started = Awaited<ReturnType<typeof start>>
    const checkpoints = { folder: join(folder, groupId) }
    const order = (symbol: string, quantity: number) => ({
      key: symbol,
      value: JSON.stringify({ symbol, quantity }),
    })
    /** Has a gateway take orders, each as a unit of its own. */
    const take = async ({ module }: Started, ...orders: { key: string; value: string }[]) => {
      for (const each of orders) {
        const { received } = module
        await produce(broker, topic, [each])
        await expect
          .poll(() => [module.received, module.uncommitted], { timeout: 20_000 })
          .toEqual([received + 1, 0])
      }
    }
    const keysIn = async () => (await committedRecords(broker, changelog)).map(({ key }) => key)

    const first = await start({ checkpoints })
    await take(first, order('a', 1), order('b', 1), order('c', 1), order('a', 2), order('b', 2))
    await first.stop()

    // What comes later is not in the checkpoint; the mark of what was deleted is compacted away.
    const second = await start()
    await take(second, order('c', 0), order('a', 3), order('d', 1))
    for (let i = 1; (await keysIn()).includes('["sums","c"]') || (await keysIn()).length > 8; i++) {
      await take(second, order('tick', i))
    }
    const expected = [...second.sums.entries()].sort()
    expect(expected.slice(0, 3)).toEqual([
      ['a', 6],
      ['b', 3],
      ['d', 1],
    ])
    await second.stop()

    for (const more of [{}, { checkpoints }]) {
      const third = await start(more)
      expect([...third.sums.entries()].sort()).toEqual(expected)
      expect(third.module.unrestored).toBe(0)
      await third.stop()
    }
  })
})
