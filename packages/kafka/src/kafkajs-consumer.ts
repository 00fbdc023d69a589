import type { Consumer, EachBatchPayload, IHeaders, Kafka, KafkaMessage } from 'kafkajs'
import { Backoff, within } from './backoff.js'
import { KafkaError, messageOf } from './errors.js'
import type { ConsumerOptions, KafkaConsumer, ReceivedRecord } from './kafka-client.js'
import { ensureTopics } from './topics.js'

/** Records that are handed on, and committed, together. */
const CHUNK = 2_000

/**
 * A kafkajs consumer that is built anew, with longer and longer waits, whenever it fails to start or ends by itself,
 * until it is closed. Offsets are committed by us, after the records were taken.
 */
export class KafkajsConsumer implements KafkaConsumer {
  readonly #kafka: Kafka
  readonly #options: ConsumerOptions
  readonly #stop = new AbortController()
  readonly #backoff = new Backoff()
  readonly #running: Promise<void>
  #hasBegun = false
  /** Broken while it is not known where to begin. */
  #begun: Promise<void> = Promise.resolve()
  #consumer: Consumer | undefined

  constructor(kafka: Kafka, options: ConsumerOptions) {
    this.#kafka = kafka
    this.#options = options
    this.#running = this.#supervise()
  }

  async close(timeoutMs: number): Promise<void> {
    this.#stop.abort()
    await within(this.#running, timeoutMs)
    this.#options.onStatus({ state: 'closed', message: '' })
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      let reason = 'the consumer ended'
      try {
        this.#options.onStatus({ state: 'connecting', message: '' })
        reason = await this.#runOnce()
      } catch (error) {
        reason = messageOf(error)
      }
      await this.#consumer?.disconnect().catch(() => undefined)
      this.#consumer = undefined
      if (signal.aborted) return
      this.#options.onStatus({ state: 'recovering', message: reason })
      await this.#backoff.wait(signal)
    }
  }

  /** Runs a consumer until it ends. @returns why. */
  async #runOnce(): Promise<string> {
    const { groupId, topics, from, createTopics } = this.#options
    const missing = await ensureTopics(this.#kafka, topics, createTopics)
    if (missing.length > 0) {
      throw new KafkaError(
        'UNKNOWN_TOPIC',
        `topic ${missing.join(', ')} does not exist: create it, or set createTopics`,
        { topic: missing[0] as string },
      )
    }
    const consumer = this.#kafka.consumer({
      groupId,
      sessionTimeout: 10_000,
      heartbeatInterval: 500,
      // The default of 5 s is what joining, leaving and ending wait for.
      maxWaitTimeInMs: 200,
      allowAutoTopicCreation: false,
      retry: {
        initialRetryTime: 100,
        maxRetryTime: 1_000,
        retries: 5,
        restartOnFailure: async () => false,
      },
    })
    this.#consumer = consumer
    const ended = new Promise<string>((resolve) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => resolve(payload.error.message))
      this.#stop.signal.addEventListener('abort', () => resolve('closed'), { once: true })
    })
    await consumer.connect()
    // This also decides what happens when an offset has been deleted: from the beginning loses nothing.
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      this.#begun =
        from === 'latest' ? this.#begin(consumer, payload.memberAssignment) : this.#begun
      this.#begun.then(
        () => {
          this.#backoff.reset()
          this.#options.onStatus({ state: 'running', message: '' })
        },
        (error) => this.#options.onStatus({ state: 'recovering', message: messageOf(error) }),
      )
    })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => this.#take(consumer, payload),
    })
    return ended
  }

  /**
   * Has the group begin at the ends of the partitions that it never committed on. It is committed at once, so that a
   * restart goes on from there; what is found later, such as a new partition, is read from its beginning.
   */
  async #begin(
    consumer: Consumer,
    assignment: Readonly<Record<string, readonly number[]>>,
  ): Promise<void> {
    if (this.#hasBegun) return
    const { groupId } = this.#options
    const topics = Object.keys(assignment)
    const admin = this.#kafka.admin()
    await admin.connect()
    try {
      const starts = []
      for (const { topic, partitions } of await admin.fetchOffsets({ groupId, topics })) {
        const ends = await admin.fetchTopicOffsets(topic)
        for (const { partition, offset } of partitions) {
          const end = ends.find((one) => one.partition === partition)?.high
          const isNew = offset === '-1' && assignment[topic]?.includes(partition)
          if (isNew && end !== undefined) starts.push({ topic, partition, offset: end })
        }
      }
      if (starts.length > 0) await consumer.commitOffsets(starts)
      for (const start of starts) consumer.seek(start)
      this.#hasBegun = true
    } finally {
      await admin.disconnect()
    }
  }

  async #take(consumer: Consumer, payload: EachBatchPayload): Promise<void> {
    const { batch, heartbeat, isRunning, isStale, resolveOffset } = payload
    const { topic, partition, messages } = batch
    await this.#begun
    for (let at = 0; at < messages.length; at += CHUNK) {
      if (!isRunning() || isStale() || this.#stop.signal.aborted) return
      const chunk = messages.slice(at, at + CHUNK)
      await this.#options.onRecords(
        chunk.map((message) => receivedFrom(topic, partition, message)),
        heartbeat,
      )
      const last = (chunk[chunk.length - 1] as KafkaMessage).offset
      resolveOffset(last)
      await consumer.commitOffsets([{ topic, partition, offset: String(BigInt(last) + 1n) }])
      await heartbeat()
    }
  }
}

function receivedFrom(topic: string, partition: number, message: KafkaMessage): ReceivedRecord {
  return {
    topic,
    partition,
    offset: message.offset,
    key: message.key?.toString() ?? null,
    value: message.value?.toString() ?? null,
    headers: headersOf(message.headers),
    timestampMs: Number(message.timestamp),
  }
}

function headersOf(headers: IHeaders | undefined): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers ?? {})) {
    const first = Array.isArray(value) ? value[0] : value
    if (first !== undefined) texts[name] = first.toString()
  }
  return texts
}
