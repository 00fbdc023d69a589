import { randomUUID } from 'node:crypto'
import net from 'node:net'
import { KafkajsClient, type KafkaRecord, type KafkaStatus } from '@gw/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { afterEach, describe, expect, inject, test, vi } from 'vitest'
import { committedRecords, createTopic, deleteTopic } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

/** Has the connections of this process break at the next answer that comes, and no other be made, until they are restored. */
function severable() {
  let isSevered = false
  const { emit } = net.Socket.prototype
  const { connect } = net
  const answers = vi.spyOn(net.Socket.prototype, 'emit').mockImplementation(function (
    this: net.Socket,
    ...event
  ) {
    if (!isSevered || String(event[0]) !== 'data') return Reflect.apply(emit, this, event)
    this.destroy()
    return Reflect.apply(emit, this, ['end'])
  })
  const connecting = vi
    .spyOn(net, 'connect')
    .mockImplementation((...where) =>
      isSevered ? connect({ host: '127.0.0.1', port: 1 }) : Reflect.apply(connect, net, where),
    )
  return {
    loseAnswers: () => {
      isSevered = true
    },
    restore: () => {
      answers.mockRestore()
      connecting.mockRestore()
    },
  }
}

describe.skipIf(brokers === undefined)('a producer', () => {
  const statuses: KafkaStatus[] = []
  const refused: [KafkaRecord, Error][] = []
  const record = (topic: string, value: string): KafkaRecord => ({ topic, key: 'k', value })
  const open = () =>
    new KafkajsClient({ brokers: [broker] }).producer({
      maxPendingRecords: 10,
      maxPendingBytes: 8 * 2 ** 20,
      onStatus: (status) => statuses.push(status),
      onRefused: (...refusal) => refused.push(refusal),
    })

  async function endOf(topic: string): Promise<number> {
    const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    const [partition] = await admin.fetchTopicOffsets(topic)
    await admin.disconnect()
    return Number(partition?.high)
  }

  test('what belonged to a partition that a topic has no more, as it was made anew, goes to those that it has', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 4)
    const producer = open()
    const send = (round: number): void => {
      for (const key of ['a', 'b', 'c', 'd', 'e']) {
        producer.send({ topic, key, value: `${key}${round}` })
      }
    }
    send(1)
    await producer.flush(20_000)
    await deleteTopic(broker, topic)
    await createTopic(broker, topic, 1)
    send(2)
    await producer.flush(20_000)
    const values = (await committedRecords(broker, topic)).map(({ value }) => value)
    expect(values.sort()).toEqual(['a2', 'b2', 'c2', 'd2', 'e2'])
    await producer.close(5_000)
  })

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

  test('what the broker wrote before its answer was lost is not written again, however long it takes to reach it', async () => {
    const topic = `lost-${randomUUID()}`
    await createTopic(broker, topic, 4)
    const producer = open()
    producer.send({ ...record(topic, 'first'), key: 'k1' })
    await producer.flush(20_000)
    const connections = severable()
    try {
      connections.loseAnswers()
      for (let i = 0; i < 5; i++) producer.send({ ...record(topic, `then ${i}`), key: `k${i}` })
      await expect.poll(() => statuses.at(-1)?.state, { timeout: 20_000 }).toBe('recovering')
      // More than the request that is tried again.
      producer.send({ ...record(topic, 'last'), key: 'k1' })
    } finally {
      connections.restore()
    }
    await producer.close(20_000)
    const values = (await committedRecords(broker, topic)).map(({ value }) => value)
    expect(values.sort()).toEqual(['first', 'last', ...[0, 1, 2, 3, 4].map((i) => `then ${i}`)])
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
