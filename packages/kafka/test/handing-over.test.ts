import { randomUUID } from 'node:crypto'
import { channel, defineChannels, defineModule, Gateway, struct } from '@gw/channels'
import { sink } from '@gw/core'
import { type KafkaOptions, kafka } from '@gw/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { expect, inject, test } from 'vitest'
import { z } from 'zod'
import { createTopic } from './broker/topics.js'

const brokers = inject('brokers')

const RECORDS = 60_000
const PARTITIONS = 6
const Order = struct('Order', { number: z.int() })
const channels = defineChannels({ orders: channel(Order) })
type Channels = (typeof channels)['channels']

/** Numbered orders in a topic. */
async function fill(broker: string, topic: string, count: number): Promise<void> {
  const client = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING })
  const producer = client.producer({ maxInFlightRequests: 1, idempotent: true })
  await producer.connect()
  for (let at = 0; at < count; at += 5_000) {
    const messages = Array.from({ length: Math.min(5_000, count - at) }, (_, i) => ({
      key: String(at + i),
      value: JSON.stringify({ id: '1', timestamp: '2026-01-01T00:00:00.000000Z', number: at + i }),
    }))
    await producer.send({ topic, messages })
  }
  await producer.disconnect()
}

/** Gateways of one group, which count how often each order ticks in any of them. */
class Group {
  readonly times = new Uint8Array(RECORDS)
  taken = 0
  readonly #settings: KafkaOptions<Channels>
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = []

  readonly id = randomUUID()
  readonly #takesMs: number

  /** Whose graphs take so many milliseconds for an order. */
  constructor(
    broker: string,
    topic: string,
    more: Partial<KafkaOptions<Channels>> = {},
    takesMs = 0,
  ) {
    this.#takesMs = takesMs
    this.#settings = {
      brokers: [broker],
      groupId: this.id,
      subscribe: { orders: { [topic]: '' } },
      ...more,
    }
  }

  /** A gateway that joins. */
  async join(): Promise<{ readonly gateway: Gateway<Channels>; readonly taken: () => number }> {
    let taken = 0
    const counts = defineModule(channels, 'counts', (c) => {
      sink('counts', { orders: c.getChannel('orders') }, ({ orders }) => () => {
        const until = performance.now() + this.#takesMs
        while (performance.now() < until);
        taken++
        this.taken++
        this.times[orders.value.number] = (this.times[orders.value.number] ?? 0) + 1
        for (const { count, resolve } of this.#waiting) if (this.taken === count) resolve()
      })
    })
    const gateway = new Gateway({ channels, modules: [counts, kafka<Channels>(this.#settings)] })
    await gateway.start()
    return { gateway, taken: () => taken }
  }

  /** Fulfilled in the cycle in which so many have ticked. */
  reached(count: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ count, resolve }))
  }
}

test.skipIf(brokers === undefined)(
  'members of a group come and go in the middle of all: nothing is taken twice, nothing left out',
  async () => {
    const broker = brokers as string
    const topic = `orders-${randomUUID()}`
    await createTopic(broker, topic, PARTITIONS)
    await fill(broker, topic, RECORDS)
    const group = new Group(broker, topic)
    const third = group.reached(RECORDS / 3)
    const half = group.reached(RECORDS / 2)
    const first = await group.join()
    await third
    await first.gateway.stop()
    expect(group.taken).toBeLessThan(RECORDS / 2)
    const second = await group.join()
    await half
    const last = await group.join()
    await expect.poll(() => group.taken, { timeout: 20_000 }).toBeGreaterThanOrEqual(RECORDS)
    expect(group.times.every((times) => times === 1)).toBe(true)
    await Promise.all([second, last].map(({ gateway }) => gateway.stop()))
  },
  60_000,
)

test.skipIf(brokers === undefined)(
  'a member that is stopped while it joins keeps no partition from the others',
  async () => {
    const broker = brokers as string
    const topic = `orders-${randomUUID()}`
    await createTopic(broker, topic, PARTITIONS)
    // Longer than the test waits.
    const group = new Group(broker, topic, { sessionTimeoutMs: 120_000 })
    const { gateway } = await group.join()
    const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    const state = async (): Promise<string | undefined> =>
      (await admin.describeGroups([group.id])).groups[0]?.state
    await expect.poll(state, { timeout: 20_000 }).toBe('Stable')
    const another = await group.join()
    await expect.poll(state, { timeout: 20_000, interval: 5 }).not.toBe('Stable')
    await another.gateway.stop()
    await fill(broker, topic, 600)
    await expect.poll(() => group.taken, { timeout: 20_000 }).toBe(600)
    await admin.disconnect()
    await gateway.stop()
  },
)

test.skipIf(brokers === undefined)(
  'a member whose graph takes long commits what it was handed before it leaves, or others join',
  async () => {
    const broker = brokers as string
    const topic = `orders-${randomUUID()}`
    await createTopic(broker, topic, PARTITIONS)
    await fill(broker, topic, 1_800)
    const group = new Group(broker, topic, { drainTimeoutMs: 1_500 }, 2)
    const [some, more, most] = [group.reached(50), group.reached(300), group.reached(600)]
    const first = await group.join()
    await some
    const second = await group.join()
    await more
    await first.gateway.stop()
    await most
    const last = await group.join()
    await expect.poll(() => group.taken, { timeout: 20_000 }).toBeGreaterThanOrEqual(1_800)
    await Promise.all([second, last].map(({ gateway }) => gateway.stop()))
    expect(group.times.slice(0, 1_800).every((times) => times === 1)).toBe(true)
  },
)
