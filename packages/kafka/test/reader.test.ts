import { randomUUID } from 'node:crypto'
import { KafkajsClient } from '@gw/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, inject, test } from 'vitest'
import { createTopic, produce } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

describe.skipIf(brokers === undefined)('a reader', () => {
  test('goes never beyond an open transaction, nor stops at marks and aborted records', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 2)
    const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING })
    const transactional = kafka.producer({
      transactionalId: randomUUID(),
      maxInFlightRequests: 1,
      idempotent: true,
    })
    await transactional.connect()
    const begin = async (...values: string[]) => {
      const transaction = await transactional.transaction()
      const messages = values.map((value) => ({ partition: 0, value }))
      await transaction.send({ topic, messages })
      return transaction
    }
    await (await begin('a', 'b', 'c')).commit()
    await (await begin('w', 'x', 'y', 'z')).abort()
    const open = await begin('d', 'e')
    const values: string[] = []
    const others: string[] = []
    let next = 0n
    const reader = new KafkajsClient({ brokers: [broker] }).reader({
      from: new Map([
        [
          topic,
          new Map([
            [0, 0n],
            [1, 0n],
          ]),
        ],
      ]),
      onRecords: (records) => {
        for (const { partition, value } of records) {
          const heard = partition === 0 ? values : others
          heard.push(String(value))
        }
      },
      onPosition: (_, partition, position) => {
        if (partition === 0) next = position
      },
    })
    // Three records and their mark, four that were aborted and theirs: the open transaction begins here.
    await expect.poll(() => next, { timeout: 30_000 }).toBe(9n)
    const plain = kafka.producer()
    await plain.connect()
    for (const value of ['1', '2', '3']) {
      await plain.send({ topic, messages: [{ partition: 1, value }] })
      // So often the other partition was fetched, and had nothing.
      await expect.poll(() => others.at(-1), { timeout: 30_000 }).toBe(value)
    }
    expect(next).toBe(9n)
    await open.commit()
    await expect.poll(() => next, { timeout: 30_000 }).toBe(12n)
    expect(values).toEqual(['a', 'b', 'c', 'd', 'e'])
    await reader.close()
    await Promise.all([plain.disconnect(), transactional.disconnect()])
  })

  test('gives nothing of aborted transactions that ended in the midst of each other', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 1)
    const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING })
    const begin = async () => {
      const producer = kafka.producer({ transactionalId: randomUUID(), maxInFlightRequests: 1 })
      await producer.connect()
      const transaction = await producer.transaction()
      return {
        send: (value: string) => transaction.send({ topic, messages: [{ value }] }),
        commit: () => transaction.commit().then(() => producer.disconnect()),
        abort: () => transaction.abort().then(() => producer.disconnect()),
      }
    }
    const [first, second, third] = await Promise.all([begin(), begin(), begin()])
    await first.send('aborted last')
    await second.send('aborted first')
    await third.send('a')
    await second.abort()
    await third.send('b')
    await first.send('aborted last')
    await third.commit()
    await first.abort()
    await produce(broker, topic, [{ value: 'c' }])
    const values: string[] = []
    const reader = new KafkajsClient({ brokers: [broker] }).reader({
      from: new Map([[topic, new Map([[0, 0n]])]]),
      onRecords: (records) => {
        for (const { value } of records) values.push(String(value))
      },
    })
    await expect.poll(() => values.at(-1), { timeout: 30_000 }).toBe('c')
    expect(values).toEqual(['a', 'b', 'c'])
    await reader.close()
  })

  test('reads nothing of what was paused before it had connected, until that is resumed', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 2)
    await produce(broker, topic, [
      { partition: 0, value: 'a' },
      { partition: 1, value: 'b' },
    ])
    const values: string[] = []
    const from = new Map([
      [0, 0n],
      [1, 0n],
    ])
    const reader = new KafkajsClient({ brokers: [broker] }).reader({
      from: new Map([[topic, from]]),
      onRecords: (records) => {
        for (const { value } of records) values.push(String(value))
      },
    })
    reader.pause(topic, 0)
    await expect.poll(() => values, { timeout: 30_000 }).toEqual(['b'])
    await produce(broker, topic, [{ partition: 1, value: 'c' }])
    await expect.poll(() => values, { timeout: 30_000 }).toEqual(['b', 'c'])
    reader.resume(topic, 0)
    await expect.poll(() => values, { timeout: 30_000 }).toEqual(['b', 'c', 'a'])
    await reader.close()
  })

  test('tells of records that were deleted while it was paused, and goes on behind them', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 1)
    await produce(broker, topic, [{ value: 'a' }])
    const values: string[] = []
    const messages = new Set<string>()
    const reader = new KafkajsClient({ brokers: [broker] }).reader({
      from: new Map([[topic, new Map([[0, 0n]])]]),
      onRecords: (records) => {
        for (const { value } of records) values.push(String(value))
      },
      onStatus: ({ message }) => messages.add(message),
    })
    await expect.poll(() => values, { timeout: 30_000 }).toEqual(['a'])
    reader.pause(topic, 0)
    await produce(broker, topic, [{ value: 'b' }, { value: 'c' }, { value: 'd' }])
    const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] })
    await admin.disconnect()
    reader.resume(topic, 0)
    await expect.poll(() => values, { timeout: 30_000 }).toEqual(['a', 'd'])
    await reader.close()
    expect([...messages].join()).toContain(`${topic}/0@1 to 2`)
  })
})
