import type { LiveGateway, Module } from '@gw/channels'
import type { AnyChannels } from '@gw/protocol'
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
}

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
  return new KafkaConnection(options)
}

class KafkaConnection<C extends AnyChannels> implements KafkaModule<C> {
  readonly name: string
  readonly requires: readonly never[] = []
  status: { producer: KafkaStatus; consumer: KafkaStatus } = { producer: CLOSED, consumer: CLOSED }
  deadLetters = 0
  readonly connect: NonNullable<Module<C>['connect']>
  readonly #options: KafkaOptions<C>
  readonly #subscriber: Subscriber<C>
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
    const client = options.client ?? new KafkajsClient(options)
    const { topics } = this.#subscriber
    this.#producer = client.producer({
      maxPendingRecords: options.maxPendingRecords ?? 100_000,
      maxPendingBytes: options.maxPendingBytes ?? 64 * 2 ** 20,
      onStatus: (status) => this.#report('producer', status),
      onRefused: (record, error) => this.#refused(record, error),
    })
    this.#stopPublishing = publish(gateway, this.#producer, options, (error) => this.#failed(error))
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
    this.#stopPublishing?.()
    this.#subscriber.stop()
    await this.#consumer?.close(drainTimeoutMs)
    await this.#producer?.close(drainTimeoutMs)
  }

  async #take(records: readonly ReceivedRecord[], alive: () => Promise<void>): Promise<void> {
    for (const record of records) {
      try {
        this.#subscriber.take(record)
      } catch (error) {
        this.#deadLetter(record, error)
      }
    }
    await this.#subscriber.room(alive)
    // Committed is what the graph has taken, and what the broker has of the dead letters.
    await this.#subscriber.settled(alive)
    if (this.#producer !== undefined && this.#producer.pending > 0 && this.deadLetters > 0) {
      await this.#producer.flush(30_000)
    }
  }

  #deadLetter(record: ReceivedRecord, error: unknown): void {
    this.deadLetters++
    this.#producer?.send({
      topic: this.#options.deadLetterTopic ?? 'gw.dead-letters',
      key: record.key,
      value: record.value,
      headers: {
        ...record.headers,
        'gw-error': messageOf(error),
        'gw-topic': record.topic,
        'gw-partition': String(record.partition),
        'gw-offset': record.offset,
      },
    })
  }

  #refused(record: KafkaRecord, error: Error): void {
    this.deadLetters++
    this.#report('producer', {
      state: 'running',
      message: `topic ${record.topic} refused a record: ${error.message}`,
    })
  }

  #failed(error: unknown): void {
    this.#report('producer', { state: 'recovering', message: messageOf(error) })
  }

  #report(connection: 'producer' | 'consumer', status: KafkaStatus): void {
    this.status = { ...this.status, [connection]: status }
    this.#options.onStatus?.(connection, status)
  }
}
