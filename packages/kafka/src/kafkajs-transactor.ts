import type { Kafka, Producer, Transaction } from 'kafkajs'
import { bounded, within } from './backoff.js'
import { messageOf } from './errors.js'
import type { KafkaRecord, KafkaTransactor, Progress, TransactorOptions } from './kafka-client.js'
import { mendTopic, withAdmin } from './kafkajs-admin.js'
import { partitionerOfKeys } from './kafkajs-partitioner.js'
import { isOfTopic, isRefusal } from './kafkajs-records.js'
import { Request } from './kafkajs-request.js'

/** Longer than a commit with its retries takes; then the broker aborts what was left open. */
const TRANSACTION_MS = 60_000
const OPEN_MS = 30_000
/** kafkajs waits without end for answers on a connection that dies while it is being closed. */
const DISCONNECT_MS = 5_000
/** Records of one request at most. */
const REQUEST_RECORDS = 10_000

/** Transactions of one id with kafkajs: one at a time. A failure costs the connection; the next `open` says what became of it. */
export class KafkajsTransactor implements KafkaTransactor {
  readonly #kafka: Kafka
  readonly #options: TransactorOptions
  #producer: Producer | undefined
  /** Begun already: with the first one kafkajs fences others. */
  #transaction: Transaction | undefined

  constructor(kafka: Kafka, options: TransactorOptions) {
    this.#kafka = kafka
    this.#options = options
  }

  async open(): Promise<Progress> {
    await this.close()
    const producer = this.#kafka.producer({
      transactionalId: this.#options.transactionalId,
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: this.#options.createTopics ?? true,
      createPartitioner: partitionerOfKeys,
      transactionTimeout: TRANSACTION_MS,
    })
    this.#producer = producer
    const begin = async (): Promise<Transaction> => {
      await producer.connect()
      return producer.transaction()
    }
    this.#transaction = await bounded(begin(), OPEN_MS, `opening ${this.#options.transactionalId}`)
    const { groupId, topics, partition } = this.#options
    const fetched = await withAdmin(this.#kafka, (admin) =>
      admin.fetchOffsets({ groupId, topics: [...topics] }),
    )
    const offsets = new Map<string, bigint>()
    const marks = new Set<string>()
    for (const { topic, partitions } of fetched) {
      // A topic without partitions is one of which the broker does not know enough yet: no offset would mean that all is to be done.
      if (partitions.length === 0) throw new Error(`the partitions of "${topic}" are not known`)
      const place = partitions.find((one) => one.partition === partition)
      if (place === undefined || place.offset === '-1') continue
      offsets.set(topic, BigInt(place.offset))
      marks.add(place.metadata ?? '')
    }
    return { offsets, mark: [...marks].join() }
  }

  /** Past the time after which the broker aborts it, a transaction is not waited for. */
  commit(
    records: readonly KafkaRecord[],
    progress: Progress,
  ): Promise<ReadonlyMap<string, bigint>> {
    const work = this.#commit(records, progress)
    return bounded(work, TRANSACTION_MS, `a transaction of ${this.#options.transactionalId}`)
  }

  async #commit(
    records: readonly KafkaRecord[],
    progress: Progress,
  ): Promise<ReadonlyMap<string, bigint>> {
    const transaction = this.#transaction ?? (await this.#producer?.transaction())
    this.#transaction = undefined
    if (transaction === undefined) throw new Error('the transactor is not open')
    const produced = new Map<string, bigint>()
    for (const [topic, ofTopic] of byTopic(records)) {
      for (let at = 0; at < ofTopic.length; at += REQUEST_RECORDS) {
        const some = ofTopic.slice(at, at + REQUEST_RECORDS)
        await this.#produce(transaction, topic, new Request(some), produced)
      }
    }
    const { groupId, partition, commitsOffsets = true } = this.#options
    const { offsets, mark } = progress
    if (commitsOffsets && offsets.size > 0) {
      const topics = [...offsets].map(([topic, offset]) => ({
        topic,
        partitions: [{ partition, offset: String(offset), metadata: mark }],
      }))
      await transaction.sendOffsets({ consumerGroupId: groupId, topics })
    }
    await transaction.commit()
    return produced
  }

  async close(): Promise<void> {
    const producer = this.#producer
    this.#producer = undefined
    this.#transaction = undefined
    if (producer === undefined) return
    await within(
      producer.disconnect().catch(() => undefined),
      DISCONNECT_MS,
    )
  }

  /** A record that the broker refuses is found in smaller and smaller parts; those around it are produced, in order. */
  async #produce(
    transaction: Transaction,
    topic: string,
    request: Request,
    produced: Map<string, bigint>,
  ): Promise<void> {
    const { records, messages } = request
    let rest: Request | undefined
    try {
      const sent = await transaction.send({ topic, acks: -1, messages })
      for (const { partition, baseOffset } of sent) {
        const [only] = records
        // Where one lands of several is known only when all go to one partition.
        const count = records.length === 1 || only?.partition !== undefined ? records.length : 0
        if (baseOffset !== undefined) {
          produced.set(`${topic}/${partition}`, BigInt(baseOffset) + BigInt(count))
        }
      }
      rest = request.unwritten(sent)
    } catch (error) {
      if (isOfTopic(error)) {
        // The transaction is over; when the topic was made, the next one finds it.
        const { createTopics = true } = this.#options
        throw (await mendTopic(this.#kafka, topic, error, createTopics)) ?? error
      }
      if (!isRefusal(error)) throw error
      const parts = request.parts()
      for (const part of parts) await this.#produce(transaction, topic, part, produced)
      if (parts.length > 0) return
      const refusal = error instanceof Error ? error : new Error(messageOf(error))
      const instead = this.#options.onRefused(records[0] as KafkaRecord, refusal)
      if (instead === undefined) return
      await this.#produce(transaction, instead.topic, new Request([instead]), produced)
    }
    if (rest !== undefined) await this.#produce(transaction, topic, rest, produced)
  }
}

function byTopic(records: readonly KafkaRecord[]): ReadonlyMap<string, readonly KafkaRecord[]> {
  const topics = new Map<string, KafkaRecord[]>()
  for (const record of records) {
    const known = topics.get(record.topic)
    if (known === undefined) topics.set(record.topic, [record])
    else known.push(record)
  }
  return topics
}
