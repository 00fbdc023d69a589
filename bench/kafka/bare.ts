import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel, type Producer } from 'kafkajs'
import { numberOf, type Order, orderOf } from './contract.js'

/** The same work with kafkajs alone, with the same settings: each in milliseconds. */
export class Bare {
  readonly #kafka: Kafka

  constructor(broker: string) {
    this.#kafka = new Kafka({
      brokers: [broker],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 8, retries: 12 },
    })
  }

  async createTopic(
    topic: string,
    partitions: number,
    settings: Record<string, string> = {},
  ): Promise<void> {
    const admin = this.#kafka.admin()
    await admin.connect()
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitions, configEntries }],
      waitForLeaders: true,
    })
    await admin.disconnect()
  }

  /** Waits until a group has so many members and each knows what it reads. */
  async groupOf(groupId: string, members: number): Promise<void> {
    const admin = this.#kafka.admin()
    await admin.connect()
    for (;;) {
      const [group] = (await admin.describeGroups([groupId])).groups
      if (group?.state === 'Stable' && group.members.length === members) break
      await sleep(100)
    }
    await admin.disconnect()
  }

  /** Produces texts that are made here. */
  async fill(
    topic: string,
    records: number,
    of: (i: number) => { key: string; value: string },
  ): Promise<void> {
    const producer = await this.#connected()
    for (let at = 0; at < records; at += 5_000) {
      const length = Math.min(5_000, records - at)
      await producer.send({ topic, messages: Array.from({ length }, (_, i) => of(at + i)) })
    }
    await producer.disconnect()
  }

  /** Produces orders as JSON, in batches, one after the other. */
  async publish(topic: string, records: number, batch: number): Promise<number> {
    const producer = await this.#connected()
    const started = performance.now()
    for (let at = 0; at < records; at += batch) {
      const messages = Array.from({ length: Math.min(batch, records - at) }, (_, i) =>
        messageOf(orderOf(at + i)),
      )
      await producer.send({ topic, acks: -1, messages })
    }
    const elapsed = performance.now() - started
    await producer.disconnect()
    return elapsed
  }

  /** Reads a topic, parses and commits by batch: from the first record to the last. */
  async subscribe(topic: string, records: number): Promise<number> {
    const consumer = this.#kafka.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 200 })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    let count = 0
    let started = 0
    const elapsed = await new Promise<number>((resolve, reject) => {
      consumer
        .run({
          autoCommit: false,
          eachBatch: async ({ batch, heartbeat, resolveOffset }) => {
            started ||= performance.now()
            for (const { value } of batch.messages) if (orderIn(value).symbol !== '') count++
            resolveOffset(batch.lastOffset())
            const offset = String(BigInt(batch.lastOffset()) + 1n)
            await consumer.commitOffsets([{ topic, partition: batch.partition, offset }])
            await heartbeat()
            if (count >= records) resolve(performance.now() - started)
          },
        })
        .catch(reject)
    })
    await consumer.disconnect()
    return elapsed
  }

  /** Reads a topic and writes each record to another, exactly once: a transaction a batch. */
  async exactlyOnce(from: string, to: string, records: number): Promise<number> {
    const groupId = randomUUID()
    const consumer = this.#kafka.consumer({ groupId, maxWaitTimeInMs: 200 })
    const producer = this.#kafka.producer({
      transactionalId: groupId,
      idempotent: true,
      maxInFlightRequests: 1,
    })
    await producer.connect()
    await consumer.connect()
    await consumer.subscribe({ topic: from, fromBeginning: true })
    let count = 0
    let started = 0
    const elapsed = await new Promise<number>((resolve, reject) => {
      consumer
        .run({
          autoCommit: false,
          eachBatch: async ({ batch, heartbeat, resolveOffset }) => {
            started ||= performance.now()
            const messages = batch.messages.map(({ value }) => messageOf(orderIn(value)))
            const transaction = await producer.transaction()
            await transaction.send({ topic: to, messages })
            const offset = String(BigInt(batch.lastOffset()) + 1n)
            await transaction.sendOffsets({
              consumerGroupId: groupId,
              topics: [{ topic: from, partitions: [{ partition: batch.partition, offset }] }],
            })
            await transaction.commit()
            resolveOffset(batch.lastOffset())
            await heartbeat()
            count += messages.length
            if (count >= records) resolve(performance.now() - started)
          },
        })
        .catch(reject)
    })
    await consumer.disconnect()
    await producer.disconnect()
    return elapsed
  }

  /** Sends what has gathered since the last request was acknowledged; tells who reads it the number of each. */
  async pipe(topic: string, onOrder: (i: number) => void): Promise<Pipe> {
    const consumer = this.#kafka.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 200 })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: ({ batch }) => {
        for (const { value } of batch.messages) onOrder(numberOf(orderIn(value)))
        return Promise.resolve()
      },
    })
    const producer = await this.#connected()
    let waiting: Order[] = []
    let isSending = false
    const send = async (): Promise<void> => {
      isSending = true
      while (waiting.length > 0) {
        const messages = waiting.map(messageOf)
        waiting = []
        await producer.send({ topic, acks: -1, messages })
      }
      isSending = false
    }
    return {
      push: (order) => {
        waiting.push(order)
        if (!isSending) void send()
      },
      close: async () => {
        await producer.disconnect()
        await consumer.disconnect()
      },
    }
  }

  async #connected(): Promise<Producer> {
    const producer = this.#kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    return producer
  }
}

/** Takes orders on one side of a topic. */
export interface Pipe {
  push(order: Order): void
  close(): Promise<void>
}

function messageOf(order: Order): { readonly key: string; readonly value: string } {
  return { key: order.symbol, value: JSON.stringify(order) }
}

function orderIn(value: Buffer | null): Order {
  return JSON.parse(value?.toString() ?? '') as Order
}
