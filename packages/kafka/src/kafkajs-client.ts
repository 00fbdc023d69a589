import { Kafka, type KafkaConfig, logLevel } from 'kafkajs'
import type {
  Bounds,
  ConsumerOptions,
  KafkaClient,
  KafkaConsumer,
  KafkaProducer,
  KafkaReader,
  KafkaTransactor,
  NewTopic,
  ProducerOptions,
  ReaderOptions,
  TransactorOptions,
} from './kafka-client.js'
import { orderAbortedTransactions } from './kafkajs-aborted.js'
import { boundsOf, ensureTopics, offsetsAt, settingsOf } from './kafkajs-admin.js'
import { KafkajsConsumer } from './kafkajs-consumer.js'
import { heartbeatWhileFetching } from './kafkajs-heartbeats.js'
import { quietIdleConnections } from './kafkajs-idle.js'
import { loginOf } from './kafkajs-login.js'
import { KafkajsProducer } from './kafkajs-producer.js'
import { KafkajsReader } from './kafkajs-reader.js'
import { KafkajsTransactor } from './kafkajs-transactor.js'

/**
 * How to reach the brokers; TLS and SASL options are those of kafkajs. Each connection logs in with what `sasl` has then: a getter
 * in it gives a login that changes.
 */
export interface ConnectionOptions {
  readonly brokers: readonly string[]
  /** @defaultValue 'gw' */
  readonly clientId?: string
  readonly ssl?: KafkaConfig['ssl']
  readonly sasl?: KafkaConfig['sasl']
}

/**
 * kafkajs 2.2.4, with its known faults mended here and in the files `kafkajs-*.ts` beside it: it has no batching, gives up
 * reconnecting after a few tries unless told otherwise on the client (not only on the producer), logs ordinary
 * rebalances as errors, ends consumers without a word, lets members of groups die that a broker has wait, wakes up every millisecond when idle, waits long between two
 * transactions, and hands on records of aborted ones where several ran at once.
 */
export class KafkajsClient implements KafkaClient {
  readonly #kafka: Kafka
  /** The next transaction begins while the broker still writes the end of the last: try again soon. */
  readonly #transactional: Kafka

  constructor(options: ConnectionOptions) {
    quietIdleConnections()
    heartbeatWhileFetching()
    orderAbortedTransactions()
    this.#kafka = kafkaOf(options, 100)
    this.#transactional = kafkaOf(options, 8)
  }

  producer(options: ProducerOptions): KafkaProducer {
    return new KafkajsProducer(this.#kafka, options)
  }

  consumer(options: ConsumerOptions): KafkaConsumer {
    return new KafkajsConsumer(this.#kafka, options)
  }

  transactor(options: TransactorOptions): KafkaTransactor {
    return new KafkajsTransactor(this.#transactional, options)
  }

  reader(options: ReaderOptions): KafkaReader {
    return new KafkajsReader(this.#kafka, options)
  }

  ensureTopics(topics: readonly NewTopic[], create: boolean): Promise<readonly string[]> {
    return ensureTopics(this.#kafka, topics, create)
  }

  topicSettings(topic: string): Promise<ReadonlyMap<string, string>> {
    return settingsOf(this.#kafka, topic)
  }

  bounds(topic: string): Promise<ReadonlyMap<number, Bounds>> {
    return boundsOf(this.#kafka, topic)
  }

  offsetsAt(topic: string, timeMs: number): Promise<ReadonlyMap<number, bigint>> {
    return offsetsAt(this.#kafka, topic, timeMs)
  }
}

function kafkaOf(options: ConnectionOptions, firstRetryMs: number): Kafka {
  const { brokers, clientId = 'gw', ssl, sasl } = options
  return new Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl: loginOf(sasl) }),
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    // Our own supervision decides when to stop trying.
    retry: {
      initialRetryTime: firstRetryMs,
      maxRetryTime: 1_000,
      retries: firstRetryMs < 100 ? 9 : 5,
    },
    // What matters reaches people through status; the rest is noise of ordinary rebalances.
    logLevel: logLevel.NOTHING,
  })
}
