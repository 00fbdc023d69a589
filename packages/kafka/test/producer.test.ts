import { randomUUID } from 'node:crypto'
import { KafkajsClient, type KafkaRecord, type KafkaStatus } from '@gw/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { afterEach, describe, expect, inject, test } from 'vitest'

const brokers = inject('brokers')

describe.skipIf(brokers === undefined)('a producer', () => {
  const statuses: KafkaStatus[] = []
  const refused: [KafkaRecord, Error][] = []
  const record = (topic: string, value: string): KafkaRecord => ({ topic, key: 'k', value })
  const open = () =>
    new KafkajsClient({ brokers: [brokers ?? ''] }).producer({
      maxPendingRecords: 10,
      maxPendingBytes: 8 * 2 ** 20,
      onStatus: (status) => statuses.push(status),
      onRefused: (...refusal) => refused.push(refusal),
    })

  async function endOf(topic: string): Promise<number> {
    const admin = new Kafka({ brokers: [brokers ?? ''], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    const [partition] = await admin.fetchTopicOffsets(topic)
    await admin.disconnect()
    return Number(partition?.high)
  }

  afterEach(() => {
    statuses.length = 0
    refused.length = 0
  })

  test('a topic that fails keeps no other waiting, is named, and its records are not given up', async () => {
    const producer = open()
    const good = `good-${randomUUID()}`
    producer.send(record('not a name!', 'a'))
    producer.send(record(good, 'b'))
    await expect.poll(() => producer.pending, { timeout: 20_000 }).toBe(1)
    expect(await endOf(good)).toBe(1)
    expect(statuses.at(-1)).toMatchObject({
      state: 'recovering',
      message: expect.stringContaining('not a name!'),
    })
    expect(refused).toEqual([])
    await expect(producer.close(100)).rejects.toMatchObject({
      code: 'TIMED_OUT',
      topic: 'not a name!',
    })
  })

  test('a flush waits for what was queued before it, not for what comes later', async () => {
    const producer = open()
    const good = `good-${randomUUID()}`
    producer.send(record(good, 'a'))
    const flushed = producer.flush(20_000)
    producer.send(record('not a name!', 'b'))
    await flushed
    expect(await endOf(good)).toBe(1)
    expect(producer.pending).toBe(1)
    await expect(producer.close(100)).rejects.toMatchObject({ code: 'TIMED_OUT' })
  })

  test('a record that is too large is told, and those around it are delivered', async () => {
    const producer = open()
    const topic = `large-${randomUUID()}`
    for (const value of ['a', 'b'.repeat(2_000_000), 'c']) producer.send(record(topic, value))
    await producer.flush(30_000)
    expect(refused.map(([{ value }, error]) => [value?.[0], error.message])).toEqual([
      ['b', expect.stringContaining('larger')],
    ])
    expect(await endOf(topic)).toBe(2)
    await producer.close(5_000)
  })

  test('records beyond the bound are refused with a code', async () => {
    const producer = open()
    const topic = `full-${randomUUID()}`
    for (let i = 0; i < 10; i++) producer.send(record(topic, 'a'))
    expect(() => producer.send(record(topic, 'a'))).toThrow(
      expect.objectContaining({ code: 'QUEUE_FULL', topic }),
    )
    await producer.close(20_000)
    expect(() => producer.send(record(topic, 'a'))).toThrow(
      expect.objectContaining({ code: 'CLOSED', topic }),
    )
  })
})
