import { randomUUID } from 'node:crypto'
import { channel, defineChannels, defineModule, Gateway, struct } from '@gw/channels'
import { node, seconds, timer, timestampOf } from '@gw/core'
import { KafkajsClient, type ReplayOptions, replayKafka } from '@gw/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { createTopic, produce } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

const Order = struct('Order', { quantity: z.number(), at: z.unknown().optional() })
const channels = defineChannels({ orders: channel(Order), seen: channel(z.array(z.unknown())) })
type Channels = (typeof channels)['channels']

/** What ticks on orders, with the engine's time. */
function recording() {
  const seen: (readonly [quantity: number, time: number])[] = []
  const module = defineModule(channels, 'recording', (c) => {
    c.setChannel(
      'seen',
      node('record', { order: c.getChannel('orders') }, ({ order }, context) => () => {
        seen.push([order.value.quantity, (context.now - T0) / 1_000])
        return [order.value.quantity]
      }),
    )
  })
  return { seen, module }
}

const T0 = timestampOf('2026-01-01T00:00:00Z')
/** A record `ms` after the start. */
const at = (partition: number, ms: number, quantity: number) => ({
  partition,
  timestamp: String(T0 / 1_000 + ms),
  value: JSON.stringify({ quantity, at: new Date(T0 / 1_000 + ms).toISOString() }),
})

/** Deletes the records of partition 0 before an offset. */
async function deleteBefore(topic: string, low: number): Promise<void> {
  const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  // kafkajs has to have asked for the topic before.
  await admin.fetchTopicOffsets(topic)
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(low) }] })
  await admin.disconnect()
}

describe.skipIf(brokers === undefined)('a replay', () => {
  const replayOf = (topic: string, more: Partial<ReplayOptions<Channels>> = {}) =>
    replayKafka<Channels>({ brokers: [broker], subscribe: { orders: { [topic]: '' } }, ...more })

  test('merges partitions in the order of their times, and ends where the topic ended', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 3)
    await produce(broker, topic, [
      at(0, 10, 1),
      at(0, 40, 4),
      at(1, 20, 2),
      at(1, 50, 5),
      at(0, 30, 3),
    ])
    const { seen, module } = recording()
    const replay = replayOf(topic, { latenessMs: 20 })
    const gateway = new Gateway({ channels, modules: [module, replay] })
    await gateway.simulate()
    expect(seen).toEqual([
      [1, 10],
      [2, 20],
      [3, 30],
      [4, 40],
      [5, 50],
    ])
    expect(replay).toMatchObject({ replayed: 5, late: 0, invalid: 0, isCaughtUp: true })
    await gateway.simulate()
    expect(seen).toHaveLength(10)
  })

  test('runs between two times or offsets; what is late ticks at the watermark, what is invalid is told', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 1)
    const bad = { partition: 0, timestamp: String(T0 / 1_000 + 35), value: 'not json' }
    await produce(broker, topic, [at(0, 10, 1), at(0, 30, 3), at(0, 20, 2), bad, at(0, 40, 4)])
    const { seen, module } = recording()
    const run = async (more: Partial<ReplayOptions<Channels>>) => {
      seen.length = 0
      const replay = replayOf(topic, more)
      await new Gateway({ channels, modules: [module, replay] }).simulate()
      return { quantities: seen.map(([quantity]) => quantity), replay }
    }
    const whole = await run({})
    expect(seen).toEqual([
      [1, 10],
      [3, 30],
      [2, 30],
      [4, 40],
    ])
    expect(whole.replay).toMatchObject({ late: 1, invalid: 1 })
    expect(whole.replay.lastInvalid).toContain(`${topic}/0@3`)
    const offsets = await run({
      from: { offsets: { [topic]: { 0: 1 } } },
      to: { offsets: { [topic]: { 0: 3 } } },
    })
    expect(offsets.quantities).toEqual([3, 2])
    const times = await run({ from: { time: T0 + 15_000 }, to: { time: T0 + 40_000 } })
    expect(times.quantities).toEqual([3, 2])
    const byAttribute = await run({ eventTime: { attribute: 'at' }, latenessMs: 20 })
    expect(byAttribute.quantities).toEqual([1, 2, 3, 4])
  })

  test('goes live without gap or overlap: old records tick at their times, new ones as they come', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 2)
    await produce(broker, topic, [at(0, 10, 1), at(1, 20, 2), at(0, 30, 3)])
    const { seen, module } = recording()
    const replay = replayOf(topic, { to: 'live', from: { time: T0 }, idleMs: 100 })
    const gateway = new Gateway({ channels, modules: [module, replay], clock: replay.clock })
    await gateway.start()
    await expect.poll(() => replay.isCaughtUp, { timeout: 20_000 }).toBe(true)
    expect(seen).toEqual([
      [1, 10],
      [2, 20],
      [3, 30],
    ])
    const before = Date.now() - T0 / 1_000
    await produce(
      broker,
      topic,
      [4, 5, 6].map((quantity) => ({
        partition: quantity % 2,
        value: JSON.stringify({ quantity }),
      })),
    )
    await expect.poll(() => seen.length, { timeout: 20_000 }).toBe(6)
    expect(
      seen
        .slice(3)
        .map(([quantity]) => quantity)
        .sort(),
    ).toEqual([4, 5, 6])
    for (const [, time] of seen.slice(3)) expect(time).toBeGreaterThanOrEqual(before - 10)
    await gateway.stop()
  })

  test('has nothing of a range that is empty, ends before it begins or lies behind the end, and all of one that is wider', async () => {
    const topic = randomUUID()
    // Partition 1 has less, partition 2 nothing.
    await createTopic(broker, topic, 3)
    await produce(broker, topic, [at(0, 10, 1), at(0, 20, 2), at(0, 30, 3), at(1, 15, 4)])
    const run = async (more: Partial<ReplayOptions<Channels>>) => {
      const { seen, module } = recording()
      const replay = replayOf(topic, more)
      await new Gateway({ channels, modules: [module, replay] }).simulate()
      expect(replay.isCaughtUp).toBe(true)
      return seen.map(([quantity]) => quantity)
    }
    const time = (ms: number) => ({ time: T0 + ms * 1_000 })
    const offset = (of: number) => ({ offsets: { [topic]: { 0: of, 1: of, 2: of } } })
    expect(await run({ from: time(20), to: time(20) })).toEqual([])
    expect(await run({ from: time(30), to: time(10) })).toEqual([])
    expect(await run({ from: time(40) })).toEqual([])
    expect(await run({ from: offset(2), to: offset(1) })).toEqual([])
    expect(await run({ from: offset(7), to: offset(9) })).toEqual([])
    expect(await run({ from: time(-10), to: time(90) })).toEqual([1, 4, 2, 3])
    expect(await run({ from: offset(0), to: offset(9) })).toEqual([1, 4, 2, 3])
    expect(await run({ from: time(15), to: offset(2) })).toEqual([4, 2])
    expect(await run({ to: { time: new Date(T0 / 1_000 + 20).toISOString() } })).toEqual([1, 4])
  })

  test('passes over what was aborted and over holes, at its ends, too', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 1)
    const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING })
    const producer = kafka.producer({
      transactionalId: randomUUID(),
      idempotent: true,
      maxInFlightRequests: 1,
    })
    await producer.connect()
    const transact = async (end: 'commit' | 'abort', ...quantities: number[]): Promise<void> => {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: quantities.map((each) => at(0, each, each)) })
      await transaction[end]()
    }
    // Offsets: 0 and a mark, 2 and 3 and a mark, 5 and a mark, 7 and 8 and a mark.
    await transact('abort', 10)
    await transact('commit', 20, 30)
    await transact('abort', 40)
    await transact('commit', 50, 60)
    const run = async (more: Partial<ReplayOptions<Channels>> = {}) => {
      const { seen, module } = recording()
      await new Gateway({ channels, modules: [module, replayOf(topic, more)] }).simulate()
      return seen.map(([quantity]) => quantity)
    }
    const offset = (of: number) => ({ offsets: { [topic]: { 0: of } } })
    expect(await run()).toEqual([20, 30, 50, 60])
    expect(await run({ from: offset(4), to: offset(6) })).toEqual([])
    expect(await run({ from: offset(3), to: offset(8) })).toEqual([30, 50])
    await transact('abort', 70, 80)
    expect(await run({ from: offset(5) })).toEqual([50, 60])
    await producer.disconnect()
  })

  test('goes live while records are written, also to partitions that the topic gets later: each comes once', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 2)
    const producer = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).producer()
    await producer.connect()
    let written = 0
    const write = async (): Promise<void> => {
      const messages = Array.from({ length: 20 }, () => {
        const value = JSON.stringify({ quantity: written++ })
        return { partition: written % 2, value }
      })
      await producer.send({ topic, messages })
    }
    for (let i = 0; i < 10; i++) await write()
    let isOver = false
    const writing = (async () => {
      while (!isOver) await write()
    })()
    const { seen, module } = recording()
    const replay = replayOf(topic, { to: 'live', idleMs: 50 })
    const gateway = new Gateway({ channels, modules: [module, replay], clock: replay.clock })
    await gateway.start()
    await expect.poll(() => replay.isCaughtUp, { timeout: 20_000 }).toBe(true)
    isOver = true
    await writing
    const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
    // What is written to one that is not there yet is written again, with what is beside it.
    await expect
      .poll(async () => (await admin.fetchTopicOffsets(topic).catch(() => [])).length, {
        timeout: 20_000,
      })
      .toBe(4)
    await admin.disconnect()
    const last = Array.from({ length: 8 }, (_, i) => ({
      partition: i % 4,
      value: JSON.stringify({ quantity: written++ }),
    }))
    await produce(broker, topic, last)
    const quantities = () => seen.map(([quantity]) => quantity).sort((a, b) => a - b)
    await expect
      .poll(quantities, { timeout: 20_000 })
      .toEqual(Array.from({ length: written }, (_, i) => i))
    await gateway.stop()
    await producer.disconnect()
  })

  test('two replays give the same ticks: of one time, those of the first partition come first', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 3)
    // Batches of their own, so that what comes first is another each time.
    for (let batch = 0; batch < 8; batch++) {
      const records = Array.from({ length: 30 }, (_, i) => {
        const n = batch * 30 + i
        return at(n % 3, Math.floor(n / 20), n)
      })
      await produce(broker, topic, records.reverse())
    }
    const run = async () => {
      const { seen, module } = recording()
      await new Gateway({
        channels,
        modules: [module, replayOf(topic, { latenessMs: 2 })],
      }).simulate()
      return seen
    }
    const first = await run()
    expect(first).toHaveLength(240)
    for (const [i, [n, time]] of first.entries()) {
      const [before = -1, beforeTime = -1] = first[i - 1] ?? []
      expect(time > beforeTime || n % 3 >= before % 3).toBe(true)
    }
    expect(await run()).toEqual(first)
  })

  test('a record that says no time that can be ticks at the one that its partition has reached, and is told', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 1, { 'message.timestamp.after.max.ms': String(2 ** 62) })
    const said = (quantity: number, time: unknown) => ({
      ...at(0, 1e6, quantity),
      value: JSON.stringify({ quantity, at: time }),
    })
    await produce(broker, topic, [
      said(1, undefined),
      said(2, '2026-01-01T01:00:00.020+01:00'),
      { ...at(0, 1e6, 0), value: null },
      said(3, 'NaN'),
      said(4, '9999-12-31T00:00:00Z'),
      said(5, T0 + 30_000),
      // Microseconds, where Kafka has milliseconds.
      { ...said(6, T0 + 35_000), timestamp: String(T0) },
      said(7, T0 + 0.5),
      said(8, '2026-01-01T00:00:00.040'),
    ])
    const run = async (more: Partial<ReplayOptions<Channels>>) => {
      const { seen, module } = recording()
      const replay = replayOf(topic, more)
      await new Gateway({ channels, modules: [module, replay] }).simulate()
      return { seen, replay }
    }
    const byAttribute = await run({ eventTime: { attribute: 'at' } })
    expect(byAttribute.seen).toEqual([
      [1, -T0 / 1_000],
      [2, 20],
      [3, 20],
      [4, 20],
      [5, 30],
      [6, 35],
      [7, 35],
      [8, 40],
    ])
    expect(byAttribute.replay).toMatchObject({ late: 0, untimed: 4, watermark: T0 + 40_000 })
    expect(byAttribute.replay.lastUntimed).toContain(`${topic}/0@7 has no time`)
    const byRecord = await run({})
    expect(byRecord.seen.map(([, ms]) => ms)).toEqual(Array.from({ length: 8 }, () => 1e6))
    expect(byRecord.replay).toMatchObject({ late: 0, untimed: 1 })
  })

  test('more records within the lateness than may wait end a simulation; live, they do not wait for all of it', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 1)
    const padding = 'x'.repeat(10_000)
    // More than one fetch.
    for (let batch = 0; batch < 10; batch++) {
      const records = Array.from({ length: 50 }, (_, i) => {
        const n = batch * 50 + i
        return { ...at(0, n, n), value: JSON.stringify({ quantity: n, at: padding }) }
      })
      await produce(broker, topic, records)
    }
    const { seen, module } = recording()
    const wide = { latenessMs: 3_600_000, maxWaiting: 20 }
    await expect(
      new Gateway({ channels, modules: [module, replayOf(topic, wide)] }).simulate(),
    ).rejects.toMatchObject({ cause: { code: 'QUEUE_FULL', topic, partition: 0 } })
    seen.length = 0
    const live = replayOf(topic, { ...wide, to: 'live', from: { time: T0 }, idleMs: 50 })
    const gateway = new Gateway({ channels, modules: [module, live], clock: live.clock })
    await gateway.start()
    await expect.poll(() => live.isCaughtUp, { timeout: 20_000 }).toBe(true)
    expect(seen.map(([n]) => n)).toEqual(Array.from({ length: 500 }, (_, n) => n))
    expect(live.late).toBe(0)
    await gateway.stop()
  })

  test('is caught up while records keep coming that wait for others, and begins anew with each run', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 1)
    // The third and the fourth happened before the place where it begins.
    await produce(broker, topic, [at(0, 0, 0), at(0, 90, 1), at(0, 50, 2), at(0, 80, 3)])
    const producer = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).producer()
    await producer.connect()
    let written = 4
    let isOver = false
    const writing = (async () => {
      while (!isOver) {
        await producer.send({
          topic,
          messages: [{ value: JSON.stringify({ quantity: written++ }) }],
        })
      }
    })()
    const { seen, module } = recording()
    const replay = replayOf(topic, {
      to: 'live',
      from: { time: T0 + 85_000 },
      latenessMs: 300,
      idleMs: 50,
    })
    const gateway = new Gateway({ channels, modules: [module, replay], clock: replay.clock })
    await gateway.start()
    await expect.poll(() => replay.isCaughtUp, { timeout: 20_000 }).toBe(true)
    expect(seen.slice(0, 3)).toEqual([
      [2, 85],
      [3, 85],
      [1, 90],
    ])
    expect(replay.late).toBe(2)
    isOver = true
    await writing
    await producer.disconnect()
    for (const run of [1, 2]) {
      if (run === 2) {
        await gateway.stop()
        seen.length = 0
        await gateway.start()
      }
      await expect.poll(() => seen.length, { timeout: 20_000 }).toBe(written - 1)
      expect(new Set(seen.map(([quantity]) => quantity)).size).toBe(written - 1)
    }
    await gateway.stop()
  })

  test('a record from the future moves neither the watermark nor the clock: others come at their times', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 2, { 'message.timestamp.after.max.ms': String(2 ** 62) })
    const now = Date.now()
    const written = (partition: number, time: number, quantity: number) => ({
      partition,
      timestamp: String(time),
      value: JSON.stringify({ quantity }),
    })
    await produce(broker, topic, [
      written(0, now - 30_000, 1),
      written(0, now + 86_400_000, 2),
      written(0, now - 20_000, 3),
      // As from a machine whose clock goes before ours.
      written(1, now + 1_800_000, 4),
    ])
    const { seen, module } = recording()
    let beats = 0
    const beating = defineModule(channels, 'beating', (c) => {
      const beat = timer(c.graph, seconds(0.05), true, { late: 'skip' })
      c.setChannel(
        'seen',
        node('beat', { beat }, () => () => [beats++]),
      )
    })
    const replay = replayOf(topic, {
      to: 'live',
      from: { time: new Date(now - 60_000).toISOString() },
      idleMs: 50,
    })
    const gateway = new Gateway({
      channels,
      modules: [module, beating, replay],
      clock: replay.clock,
    })
    await gateway.start()
    await expect.poll(() => replay.isCaughtUp, { timeout: 20_000 }).toBe(true)
    await expect.poll(() => seen.length, { timeout: 20_000 }).toBe(4)
    const since = (now * 1_000 - T0) / 1_000
    expect(seen.slice(0, 3)).toEqual([
      [1, since - 30_000],
      [2, since - 30_000],
      [3, since - 20_000],
    ])
    const [, fourth = 0] = seen[3] ?? []
    expect(fourth).toBeGreaterThan(since - 20_000)
    expect(fourth).toBeLessThan(since + 900_000)
    const { untimed, lastUntimed, late } = replay
    expect({ untimed, late }).toEqual({ untimed: 1, late: 0 })
    expect(lastUntimed).toContain(`${topic}/0@1`)
    const before = beats
    await expect.poll(() => beats, { timeout: 20_000 }).toBeGreaterThan(before + 2)
    await gateway.stop()
  })

  test.each([400, 500])(
    'what is deleted amid a simulation, up to %i of 500, is told, also when it is over',
    async (low) => {
      const topic = randomUUID()
      await createTopic(broker, topic, 1)
      const padding = 'x'.repeat(20_000)
      // More than two fetches.
      for (let n = 0; n < 500; n += 25) {
        const records = Array.from({ length: 25 }, (_, i) => ({
          ...at(0, n + i, n + i),
          value: JSON.stringify({ quantity: n + i, at: padding }),
        }))
        await produce(broker, topic, records)
      }
      const client = new KafkajsClient({ brokers: [broker] })
      const { reader } = client
      let read = 0
      client.reader = (options) =>
        reader.call(client, {
          ...options,
          onRecords: async (records) => {
            await options.onRecords(records)
            if (read === 0) await deleteBefore(topic, low)
            read += records.length
          },
        })
      const { seen, module } = recording()
      const replay = replayOf(topic, { client, brokerTimeoutMs: 1_500 })
      await new Gateway({ channels, modules: [module, replay] }).simulate()
      expect(seen).toHaveLength(read)
      expect(read).toBeLessThan(400)
      const first = read - (500 - low)
      await expect
        .poll(() => replay.status, { timeout: 20_000 })
        .toMatchObject({
          state: 'closed',
          message: expect.stringContaining(`${topic}/0@${first} to ${low - 1}`),
        })
    },
  )

  test('a topic that is not there ends the run with its name', async () => {
    const { module } = recording()
    const gateway = new Gateway({ channels, modules: [module, replayOf('not-there')] })
    await expect(gateway.simulate()).rejects.toMatchObject({
      code: 'SOURCE_FAILED',
      cause: { code: 'UNKNOWN_TOPIC', topic: 'not-there' },
    })
  })
})
