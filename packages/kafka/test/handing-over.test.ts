import { randomUUID } from 'node:crypto'
import { channel, defineChannels, defineModule, Gateway, struct } from '@gw/channels'
import { sink } from '@gw/core'
import { kafka } from '@gw/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { expect, inject, test } from 'vitest'
import { z } from 'zod'

const brokers = inject('brokers')

const RECORDS = 60_000
const PARTITIONS = 6
const Order = struct('Order', { number: z.int() })
const channels = defineChannels({ orders: channel(Order) })
type Channels = (typeof channels)['channels']

/** A topic of numbered orders. */
async function filledTopic(broker: string): Promise<string> {
  const topic = `orders-${randomUUID()}`
  const client = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  await admin.createTopics({
    topics: [{ topic, numPartitions: PARTITIONS }],
    waitForLeaders: true,
  })
  await admin.disconnect()
  const producer = client.producer({ maxInFlightRequests: 1, idempotent: true })
  await producer.connect()
  for (let at = 0; at < RECORDS; at += 5_000) {
    const messages = Array.from({ length: 5_000 }, (_, i) => ({
      key: String(at + i),
      value: JSON.stringify({ id: '1', timestamp: '2026-01-01T00:00:00.000000Z', number: at + i }),
    }))
    await producer.send({ topic, messages })
  }
  await producer.disconnect()
  return topic
}

/** Gateways of one group, which count how often each order ticks in any of them. */
class Group {
  readonly times = new Uint8Array(RECORDS)
  taken = 0
  readonly #settings: Parameters<typeof kafka<Channels>>[0]
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = []

  constructor(broker: string, topic: string) {
    this.#settings = {
      brokers: [broker],
      groupId: randomUUID(),
      subscribe: { orders: { [topic]: '' } },
    }
  }

  /** A gateway that joins. */
  async join(): Promise<{ readonly gateway: Gateway<Channels>; readonly taken: () => number }> {
    let taken = 0
    const counts = defineModule(channels, 'counts', (c) => {
      sink('counts', { orders: c.getChannel('orders') }, ({ orders }) => () => {
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
    const group = new Group(broker, await filledTopic(broker))
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
