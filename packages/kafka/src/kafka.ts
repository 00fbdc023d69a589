import type { LiveGateway, Module } from '@gw/channels'
import type { AnyChannels } from '@gw/protocol'
import { pause } from './backoff.js'
import { KafkaError, messageOf } from './errors.js'
import type {
  KafkaConsumer,
  KafkaProducer,
  KafkaRecord,
  KafkaStatus,
  ReceivedRecord,
} from './kafka-client.js'
import { KafkajsClient } from './kafkajs-client.js'
import { type KafkaOptions, type KeyOption, topicsOf } from './options.js'
import { publish } from './publisher.js'
import { Subscriber } from './subscriber.js'

/** The module, and how its connections do. */
export interface KafkaModule<C extends AnyChannels> extends Module<C> {
  readonly status: { readonly producer: KafkaStatus; readonly consumer: KafkaStatus }
  /** Records that were sent to the dead-letter topic, or that the broker refused. */
  readonly deadLetters: number
  /** Ticks that found no room in the queue to the broker, or had no key, and were not published. */
  readonly unpublished: number
}

const WAIT_MS = 5
const QUICK_TURNS = 20
const MAX_PENDING_RECORDS = 100_000
const DEAD_LETTER_MS = 30_000
/** Characters that a dead letter keeps of a record that is too large. */
const TRUNCATED_LENGTH = 10_000

const CLOSED: KafkaStatus = { state: 'closed', message: '' }

/**
 * Connects channels to Kafka topics, both ways. Delivery is at least once: what is published is acknowledged by all
 * replicas, and offsets are committed when the engine has taken the records. A record that cannot be read goes to the
 * dead-letter topic and never stops the stream. The gateway starts and runs whether the brokers are there or not.
 *
 * @throws KafkaError `INVALID_OPTIONS` without brokers, or with neither `publish` nor `subscribe`.
 * @example
 * ```ts
 * kafka<typeof channels.channels>({
 *   brokers: ['127.0.0.1:9092'],
 *   publish: { fills: { 'fills-topic': { attribute: 'symbol' } } },
 *   subscribe: { orders: { 'orders-topic': '' } },
 * })
 * ```
 */
export function kafka<C extends AnyChannels>(options: KafkaOptions<C>): KafkaModule<C> {
  if (options.brokers.length === 0 || options.brokers.some((broker) => !/^.+:\d+$/.test(broker))) {
    throw new KafkaError(
      'INVALID_OPTIONS',
      'brokers is a list of HOST:PORT with at least one element',
    )
  }
  if (options.publish === undefined && options.subscribe === undefined) {
    throw new KafkaError('INVALID_OPTIONS', 'say which channels to publish, or to subscribe')
  }
  return new KafkaConnection(options)
}

class KafkaConnection<C extends AnyChannels> implements KafkaModule<C> {
  readonly name: string
  readonly requires: readonly never[] = []
  status: { producer: KafkaStatus; consumer: KafkaStatus } = { producer: CLOSED, consumer: CLOSED }
  deadLetters = 0
  unpublished = 0
  readonly connect: NonNullable<Module<C>['connect']>
  readonly #options: KafkaOptions<C>
  readonly #subscriber: Subscriber<C>
  #stop = new AbortController()
  #producer: KafkaProducer | undefined
  #consumer: KafkaConsumer | undefined
  #stopPublishing: (() => void) | undefined

  constructor(options: KafkaOptions<C>) {
    this.name = options.name ?? 'kafka'
    this.#options = options
    this.#subscriber = new Subscriber(options)
    this.connect = (channels) => {
      this.#subscriber.connect(channels)
      // Getting a channel keeps it in the graph.
      for (const [channel] of topicsOf<KeyOption>(options.publish))
        channels.getChannel(channel as never)
    }
  }

  start(gateway: LiveGateway<C>): void {
    const options = this.#options
    this.#stop = new AbortController()
    const client = options.client ?? new KafkajsClient(options)
    const { topics } = this.#subscriber
    this.#producer = client.producer({
      maxPendingRecords: options.maxPendingRecords ?? MAX_PENDING_RECORDS,
      maxPendingBytes: options.maxPendingBytes ?? 64 * 2 ** 20,
      onStatus: (status) => this.#report('producer', status),
      onRefused: (record, error) => this.#refused(record, error),
    })
    this.#stopPublishing = publish(gateway, this.#producer, options, (channel, error) =>
      this.#unpublished(channel, error),
    )
    if (topics.length === 0) return
    this.#subscriber.start(gateway)
    this.#consumer = client.consumer({
      groupId: options.groupId ?? `gw-${options.clientId ?? 'gw'}`,
      topics,
      from: options.from ?? 'earliest',
      createTopics: options.createTopics ?? true,
      onStatus: (status) => this.#report('consumer', status),
      onRecords: (records, alive) => this.#take(records, alive),
    })
  }

  async stop(): Promise<void> {
    const { drainTimeoutMs = 5_000 } = this.#options
    // The consumer ends while the engine still takes what was read: only that is committed.
    await this.#consumer?.close(drainTimeoutMs)
    this.#stop.abort()
    this.#stopPublishing?.()
    await this.#producer?.close(drainTimeoutMs)
  }

  async #take(records: readonly ReceivedRecord[], alive: () => Promise<void>): Promise<void> {
    let hasDeadLetters = false
    for (const record of records) {
      try {
        this.#subscriber.take(record)
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error
        hasDeadLetters = true
        await this.#deadLetter(record, error, alive)
      }
    }
    // Committed is what the graph has taken, and what the broker has of the dead letters.
    await this.#until(() => this.#subscriber.pending === 0, alive)
    if (hasDeadLetters) await this.#acknowledged(alive)
    // A broker that is slow to take what the graph makes of the records slows their intake.
    const { maxPendingRecords = MAX_PENDING_RECORDS } = this.#options
    await this.#until(() => (this.#producer?.pending ?? 0) <= maxPendingRecords / 2, alive)
  }

  /** Waits for a condition, as a live member of the group. @throws KafkaError `CLOSED` when the module is stopped. */
  async #until(condition: () => boolean, alive: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop
    let turns = 0
    while (!condition()) {
      if (signal.aborted) throw new KafkaError('CLOSED', 'the Kafka module is stopped')
      // The engine mostly needs one turn of the event loop only; a broker that is down needs longer.
      await (turns++ < QUICK_TURNS ? new Promise(setImmediate) : pause(WAIT_MS, signal))
      if (turns > QUICK_TURNS) await alive()
    }
  }

  /** Waits until the broker has what was sent so far. */
  async #acknowledged(alive: () => Promise<void>): Promise<void> {
    let isDone = false
    const flushed = this.#producer?.flush(DEAD_LETTER_MS).finally(() => {
      isDone = true
    })
    flushed?.catch(() => undefined)
    await this.#until(() => isDone, alive)
    // The records are delivered again when their dead letters could not be.
    await flushed
  }

  async #deadLetter(
    record: ReceivedRecord,
    error: unknown,
    alive: () => Promise<void>,
  ): Promise<void> {
    const letter = {
      topic: this.#deadLetterTopic,
      key: record.key,
      value: record.value,
      headers: {
        ...record.headers,
        'gw-error': messageOf(error),
        'gw-topic': record.topic,
        'gw-partition': String(record.partition),
        'gw-offset': record.offset,
      },
    }
    await this.#until(() => this.#sent(letter), alive)
    this.deadLetters++
  }

  /** Whether there was room for a record. */
  #sent(record: KafkaRecord): boolean {
    try {
      this.#producer?.send(record)
      return true
    } catch (error) {
      if (error instanceof KafkaError && error.code === 'QUEUE_FULL') return false
      throw error
    }
  }

  get #deadLetterTopic(): string {
    return this.#options.deadLetterTopic ?? 'gw.dead-letters'
  }

  /** What the broker will never take becomes a dead letter that fits: its first characters, with the reason. */
  #refused(record: KafkaRecord, error: Error): void {
    const message = `topic "${record.topic}" refused a record: ${error.message}`
    this.#report('producer', { state: 'running', message })
    const isLetter = record.topic === this.#deadLetterTopic
    if (!isLetter) this.deadLetters++
    if (record.headers?.['gw-truncated'] !== undefined) return
    const value = record.value ?? ''
    this.#sent({
      topic: this.#deadLetterTopic,
      key: record.key?.slice(0, TRUNCATED_LENGTH) ?? null,
      value: value.slice(0, TRUNCATED_LENGTH),
      headers: {
        ...(isLetter ? gatewayHeaders(record.headers) : { 'gw-topic': record.topic }),
        'gw-error': isLetter ? `${record.headers?.['gw-error']}; ${message}` : message,
        'gw-truncated': String(value.length),
      },
    })
  }

  #unpublished(channel: string, error: unknown): void {
    this.unpublished++
    const message = `channel "${channel}": ${this.unpublished} ticks were not published: ${messageOf(error)}`
    this.#report('producer', { state: 'recovering', message })
  }

  #report(connection: 'producer' | 'consumer', status: KafkaStatus): void {
    this.status = { ...this.status, [connection]: status }
    this.#options.onStatus?.(connection, status)
  }
}

/** The headers that say where a dead letter comes from. */
function gatewayHeaders(headers: KafkaRecord['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers ?? {}).filter(([name]) => name.startsWith('gw-')),
  )
}
