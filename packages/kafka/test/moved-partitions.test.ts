import type { ICustomPartitioner, Message, ProducerBatch, ProducerRecord } from 'kafkajs'
import { beforeEach, expect, test } from 'vitest'
import { KafkajsProducer } from '../src/kafkajs-producer.js'
import { KafkajsTransactor } from '../src/kafkajs-transactor.js'

/** By partition, what was written there. */
const written = new Map<number, string[]>()
let sends = 0

/**
 * As kafkajs with two brokers, where a partition moves while they are written to: tried again, it leaves out what has moved to the broker that
 * has answered, and counts as sent.
 */
function kafkaWith({ createPartitioner }: { createPartitioner: ICustomPartitioner }) {
  const partitionOf = createPartitioner()
  const partitionMetadata = [0, 1, 2, 3].map((partitionId) => ({ partitionId, leader: 1 }))
  const send = async ({ topic, messages }: ProducerRecord) => {
    const hasMoved = sends++ === 0
    const acknowledged = new Set<number>()
    for (const message of messages as Message[]) {
      const partition = partitionOf({
        topic,
        partitionMetadata: partitionMetadata as never,
        message,
      })
      if (hasMoved && partition % 2 === 1) continue
      acknowledged.add(partition)
      written.set(partition, [...(written.get(partition) ?? []), String(message.value)])
    }
    return [...acknowledged].map((partition) => ({ partition, baseOffset: '0', errorCode: 0 }))
  }
  const none = async (_: ProducerBatch) => undefined
  const ends = { sendOffsets: none, commit: none }
  return {
    send,
    connect: none,
    disconnect: none,
    transaction: async () => ({ send, ...ends }),
  }
}

const kafka = {
  producer: kafkaWith,
  admin: () => ({
    connect: async () => undefined,
    disconnect: async () => undefined,
    fetchOffsets: async () => [],
  }),
} as never

const records = Array.from({ length: 20 }, (_, at) => ({
  topic: 'orders',
  key: `k${at % 10}`,
  value: String(at),
}))

/** All of them, once, and in order in each partition. */
function expectAll(): void {
  const values = [...written.values()].flat().map(Number)
  expect(values.sort((a, b) => a - b)).toEqual(records.map((_, at) => at))
  for (const ofPartition of written.values()) {
    expect(ofPartition).toEqual([...ofPartition].sort((a, b) => Number(a) - Number(b)))
  }
  expect(written.size).toBeGreaterThan(2)
}

beforeEach(() => {
  written.clear()
  sends = 0
})

test('a producer writes what moved to another broker while it was written', async () => {
  const producer = new KafkajsProducer(kafka, {
    maxPendingRecords: 100,
    maxPendingBytes: 1_000_000,
    onStatus: () => undefined,
    onRefused: () => undefined,
  })
  for (const record of records) producer.send(record)
  await producer.close(5_000)
  expectAll()
})

test('a transaction holds what moved to another broker while it was written', async () => {
  const transactor = new KafkajsTransactor(kafka, {
    transactionalId: 'totals-0',
    groupId: 'totals',
    topics: ['orders'],
    partition: 0,
    onRefused: () => undefined,
  })
  const progress = await transactor.open()
  await transactor.commit(records, progress)
  expectAll()
})
