import type { Kafka, Message, Producer } from 'kafkajs'
import { Backoff, within } from './backoff.js'
import { KafkaError, messageOf } from './errors.js'
import type { KafkaProducer, KafkaRecord, ProducerOptions } from './kafka-client.js'

/** Records of one request at most: 500 and more a request is forty times as fast as one. */
const BATCH_RECORDS = 2_000
const BATCH_BYTES = 512 * 1_024

/**
 * A queue in front of a kafkajs producer: one request at a time, in order, each with all that has gathered meanwhile.
 * A request that fails is repeated until it succeeds, with a new connection where needed; only a record that the broker
 * will never take is left out, and told.
 */
export class KafkajsProducer implements KafkaProducer {
  readonly #kafka: Kafka
  readonly #options: ProducerOptions
  readonly #stop = new AbortController()
  readonly #backoff = new Backoff()
  #producer: Producer | undefined
  #queue: KafkaRecord[] = []
  #bytes = 0
  #inFlight = 0
  #isClosing = false
  #running: Promise<void> | undefined
  #flushed: (() => void)[] = []

  constructor(kafka: Kafka, options: ProducerOptions) {
    this.#kafka = kafka
    this.#options = options
  }

  get pending(): number {
    return this.#queue.length + this.#inFlight
  }

  send(record: KafkaRecord): void {
    if (this.#isClosing) {
      throw new KafkaError('CLOSED', 'the Kafka producer is closed', { topic: record.topic })
    }
    const bytes = sizeOf(record)
    const { maxPendingRecords, maxPendingBytes } = this.#options
    if (this.pending >= maxPendingRecords || this.#bytes + bytes > maxPendingBytes) {
      throw new KafkaError(
        'QUEUE_FULL',
        `${this.pending} records wait for the Kafka broker: it is down or too slow; raise maxPending or publish less`,
        { topic: record.topic },
      )
    }
    this.#queue.push(record)
    this.#bytes += bytes
    this.#running ??= this.#run()
  }

  async flush(timeoutMs: number): Promise<void> {
    if (this.pending === 0) return
    const flushed = new Promise<void>((resolve) => this.#flushed.push(resolve))
    if (await within(flushed, timeoutMs)) return
    throw new KafkaError(
      'TIMED_OUT',
      `${this.pending} records were not acknowledged in ${timeoutMs} ms`,
    )
  }

  async close(timeoutMs: number): Promise<void> {
    this.#isClosing = true
    const deadline = Date.now() + timeoutMs
    try {
      await this.flush(timeoutMs)
    } finally {
      this.#stop.abort()
      const left = Math.max(deadline - Date.now(), 500)
      await within(this.#disconnect(), left)
      this.#options.onStatus({ state: 'closed', message: '' })
    }
  }

  async #run(): Promise<void> {
    // What is sent in this turn of the event loop goes out together.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#queue.length > 0 && !this.#stop.signal.aborted) {
      const batch = this.#takeBatch()
      await this.#deliver(batch)
      this.#inFlight = 0
      for (const record of batch) this.#bytes -= sizeOf(record)
    }
    this.#running = undefined
    if (this.#queue.length === 0) for (const resolve of this.#flushed.splice(0)) resolve()
  }

  #takeBatch(): KafkaRecord[] {
    let bytes = 0
    let count = 0
    while (count < this.#queue.length && count < BATCH_RECORDS && bytes < BATCH_BYTES) {
      bytes += sizeOf(this.#queue[count++] as KafkaRecord)
    }
    const batch = this.#queue.slice(0, count)
    this.#queue = this.#queue.slice(count)
    this.#inFlight = count
    return batch
  }

  /** One request a topic: in a request for several, one bad topic fails them all. */
  async #deliver(batch: readonly KafkaRecord[]): Promise<void> {
    const byTopic = new Map<string, KafkaRecord[]>()
    for (const record of batch) {
      const records = byTopic.get(record.topic)
      if (records === undefined) byTopic.set(record.topic, [record])
      else records.push(record)
    }
    for (const [topic, records] of byTopic) await this.#deliverTo(topic, records)
  }

  async #deliverTo(topic: string, records: readonly KafkaRecord[]): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        const producer = await this.#connected()
        await producer.send({ topic, acks: -1, messages: records.map(messageFor) })
        this.#backoff.reset()
        this.#options.onStatus({ state: 'running', message: '' })
        return
      } catch (error) {
        if (isRefusal(error)) {
          if (records.length === 1) {
            const [record] = records
            const refusal = error instanceof Error ? error : new Error(messageOf(error))
            this.#options.onRefused(record as KafkaRecord, refusal)
            return
          }
          // One of them is refused: find out which.
          const middle = records.length >> 1
          await this.#deliverTo(topic, records.slice(0, middle))
          await this.#deliverTo(topic, records.slice(middle))
          return
        }
        this.#options.onStatus({ state: 'recovering', message: messageOf(error) })
        await this.#disconnect()
        await this.#backoff.wait(signal)
      }
    }
  }

  async #connected(): Promise<Producer> {
    if (this.#producer === undefined) {
      this.#options.onStatus({ state: 'connecting', message: '' })
      const producer = this.#kafka.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        allowAutoTopicCreation: true,
        retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 10 },
      })
      await producer.connect()
      this.#producer = producer
    }
    return this.#producer
  }

  async #disconnect(): Promise<void> {
    const producer = this.#producer
    this.#producer = undefined
    await producer?.disconnect().catch(() => undefined)
  }
}

function messageFor({ key, value, headers }: KafkaRecord): Message {
  return { key, value, ...(headers === undefined ? {} : { headers: { ...headers } }) }
}

/** UTF-16 units stand for bytes: near enough for a bound. */
function sizeOf({ key, value }: KafkaRecord): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + 64
}

/** Whether the broker says of the record itself that it will never take it. */
function isRefusal(error: unknown): boolean {
  const type = (error as { readonly type?: unknown }).type
  return (
    type === 'MESSAGE_TOO_LARGE' ||
    type === 'RECORD_LIST_TOO_LARGE' ||
    type === 'INVALID_RECORD' ||
    type === 'INVALID_TOPIC_EXCEPTION' ||
    type === 'TOPIC_AUTHORIZATION_FAILED'
  )
}
