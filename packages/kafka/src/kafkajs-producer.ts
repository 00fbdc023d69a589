import type { Kafka, Producer } from 'kafkajs'
import { Backoff, pause, within } from './backoff.js'
import { KafkaError, messageOf } from './errors.js'
import type { KafkaProducer, KafkaRecord, ProducerOptions } from './kafka-client.js'
import { mendTopic } from './kafkajs-admin.js'
import { partitionerOfKeys } from './kafkajs-partitioner.js'
import { isFinal, isOfTopic, isRefusal } from './kafkajs-records.js'
import type { Request } from './kafkajs-request.js'
import { sizeOf, TopicQueue } from './topic-queue.js'

const RETRY_LOOK_MS = 20
/** kafkajs tries for a minute before it says that a broker gives no answers; after so long it is told. */
const UNANSWERED_MS = 15_000
/** kafkajs can hang here. */
const DISCONNECT_MS = 5_000

/**
 * A queue for each topic in front of a kafkajs producer: one request at a time, in order, each with all that has gathered
 * meanwhile. A request that fails is repeated as it was until it succeeds, by the same producer, so that the broker writes it
 * once, with a new connection where needed; a topic that fails keeps no other waiting; only a record that the broker will never
 * take is left out, and told.
 */
export class KafkajsProducer implements KafkaProducer {
  readonly #kafka: Kafka
  readonly #options: ProducerOptions
  readonly #stop = new AbortController()
  readonly #backoff = new Backoff()
  readonly #queues = new Map<string, TopicQueue>()
  #producer: Producer | undefined
  #isConnected = false
  #pending = 0
  #bytes = 0
  #isClosing = false
  #isRunning = false

  constructor(kafka: Kafka, options: ProducerOptions) {
    this.#kafka = kafka
    this.#options = options
    void this.#run()
  }

  get pending(): number {
    return this.#pending
  }

  get fill(): number {
    const { maxPendingRecords, maxPendingBytes } = this.#options
    return Math.max(this.#pending / maxPendingRecords, this.#bytes / maxPendingBytes)
  }

  send(record: KafkaRecord): void {
    const { topic } = record
    if (this.#isClosing) throw new KafkaError('CLOSED', 'the Kafka producer is closed', { topic })
    const bytes = sizeOf(record)
    const { maxPendingRecords, maxPendingBytes } = this.#options
    if (bytes > maxPendingBytes) {
      throw new KafkaError(
        'RECORD_REFUSED',
        `a record of ${bytes} bytes finds no room however long it waits: raise maxPendingBytes`,
        { topic },
      )
    }
    if (this.#pending >= maxPendingRecords || this.#bytes + bytes > maxPendingBytes) {
      throw new KafkaError(
        'QUEUE_FULL',
        `${this.#pending} records wait for the Kafka broker: it is down or too slow; raise maxPendingRecords or maxPendingBytes, or publish less`,
        { topic },
      )
    }
    let queue = this.#queues.get(topic)
    if (queue === undefined) {
      queue = new TopicQueue(topic)
      this.#queues.set(topic, queue)
    }
    queue.push(record)
    this.#pending++
    this.#bytes += bytes
    if (!this.#isRunning) void this.#run()
  }

  async flush(timeoutMs: number): Promise<void> {
    const queues = [...this.#queues.values()]
    if (await within(Promise.all(queues.map((queue) => queue.flushed())), timeoutMs)) return
    const late = queues.filter(({ pending }) => pending > 0).map(({ topic }) => topic)
    throw new KafkaError(
      'TIMED_OUT',
      `${this.#pending} records for ${late.join(', ')} were not acknowledged in ${timeoutMs} ms`,
      { ...(late[0] === undefined ? {} : { topic: late[0] }) },
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
    const { signal } = this.#stop
    this.#isRunning = true
    // What is sent in this turn of the event loop goes out together.
    await new Promise((resolve) => setImmediate(resolve))
    while (!signal.aborted && (this.#pending > 0 || !this.#isConnected)) {
      if (this.#pending === 0) await this.#connectIdle()
      const waiting = [...this.#queues.values()].filter(({ pending }) => pending > 0)
      const due = waiting.filter(({ retryAtMs }) => retryAtMs <= Date.now())
      // A record for another topic may come meanwhile: look again soon.
      if (due.length === 0 && waiting.length > 0) await pause(RETRY_LOOK_MS, signal)
      for (const queue of due) {
        if (!signal.aborted) await this.#deliver(queue)
      }
    }
    this.#isRunning = false
  }

  /** Connects before there is anything to send, so that the status tells whether it could be sent. */
  async #connectIdle(): Promise<void> {
    try {
      await this.#connected()
    } catch (error) {
      await this.#recoverConnection(error)
    }
  }

  /** One request a topic: in a request for several, one bad topic fails them all. */
  async #deliver(queue: TopicQueue): Promise<void> {
    const request = queue.next()
    const unanswered = setTimeout(() => this.#tellUnanswered(queue), UNANSWERED_MS)
    try {
      const producer = await this.#connected()
      const { topic } = queue
      const sent = await producer.send({ topic, acks: -1, messages: request.messages })
      const rest = request.unwritten(sent)
      if (rest === undefined) this.#settle(queue)
      else queue.split([rest])
    } catch (error) {
      if (isRefusal(error)) this.#refuse(queue, request, error)
      else if (error instanceof KafkaError && error.code === 'UNKNOWN_TOPIC') {
        // Nothing of it was written.
        queue.split([request.anew()])
        await this.#tryLater(queue, () => error)
      } else await this.#recover(queue, error)
    } finally {
      clearTimeout(unanswered)
    }
  }

  #tellUnanswered({ topic, pending }: TopicQueue): void {
    const seconds = UNANSWERED_MS / 1_000
    const message = `topic "${topic}": the broker has not answered for ${seconds} s, ${pending} records wait`
    this.#options.onStatus({ state: 'recovering', message })
  }

  /** Something in it is refused: finds out what. */
  #refuse(queue: TopicQueue, request: Request, error: unknown): void {
    const parts = request.parts()
    if (parts.length > 0) {
      queue.split(parts)
      return
    }
    const refusal = error instanceof Error ? error : new Error(messageOf(error))
    // First told, then settled: what is sent in its place is waited for with it.
    this.#options.onRefused(request.records[0] as KafkaRecord, refusal)
    this.#settle(queue)
  }

  #settle(queue: TopicQueue): void {
    const settled = queue.settle()
    this.#pending -= settled.length
    for (const record of settled) this.#bytes -= sizeOf(record)
    this.#backoff.reset()
    this.#tellRunning()
  }

  #tellRunning(): void {
    const failing = [...this.#queues.values()].find(({ failure }) => failure !== '')
    this.#options.onStatus(
      failing === undefined
        ? { state: 'running', message: '' }
        : { state: 'recovering', message: failing.failure },
    )
  }

  async #recover(queue: TopicQueue, error: unknown): Promise<void> {
    if (isOfTopic(error)) {
      const { createTopics = true } = this.#options
      await this.#tryLater(queue, () => mendTopic(this.#kafka, queue.topic, error, createTopics))
    } else {
      queue.isUnanswered = true
      await this.#recoverConnection(error)
    }
  }

  /** One topic fails, unless `mend` says of nothing that is wrong with it any more. */
  async #tryLater(
    queue: TopicQueue,
    mend: () => KafkaError | Promise<KafkaError | undefined>,
  ): Promise<void> {
    await this.#disconnect()
    // kafkajs asks for the metadata of each topic that it ever sent to: a bad one would fail the others for ever.
    if (![...this.#queues.values()].some(({ isUnanswered }) => isUnanswered)) this.#forget()
    const failure = await mend()
    if (failure === undefined) return
    queue.fail(failure.message)
    this.#options.onStatus({ state: 'recovering', message: failure.message })
  }

  async #recoverConnection(error: unknown): Promise<void> {
    const { signal } = this.#stop
    const disconnected = this.#disconnect()
    if (!signal.aborted) {
      this.#options.onStatus({ state: 'recovering', message: messageOf(error) })
    }
    await disconnected
    if (isFinal(error)) this.#forget()
    await this.#backoff.wait(signal)
  }

  /** Connects what was there before: by its id, the broker knows a request that it has already. */
  async #connected(): Promise<Producer> {
    this.#producer ??= this.#kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: this.#options.createTopics ?? true,
      createPartitioner: partitionerOfKeys,
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 },
    })
    if (!this.#isConnected) {
      this.#options.onStatus({ state: 'connecting', message: '' })
      const producer = this.#producer
      await producer.connect()
      this.#isConnected = true
      if (this.#stop.signal.aborted) {
        await this.#disconnect()
        throw new KafkaError('CLOSED', 'the Kafka producer is closed')
      }
      this.#tellRunning()
      return producer
    }
    return this.#producer
  }

  /** Takes another producer, with an id of its own, from now on: what was not answered may be written twice. */
  #forget(): void {
    this.#producer = undefined
  }

  async #disconnect(): Promise<void> {
    const producer = this.#producer
    this.#isConnected = false
    if (producer === undefined) return
    const isDone = await within(
      producer.disconnect().catch(() => undefined),
      DISCONNECT_MS,
    )
    if (!isDone) this.#forget()
  }
}
