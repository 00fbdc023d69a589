import { Kafka, type KafkaConfig, logLevel } from 'kafkajs'
import type {
  ConsumerOptions,
  KafkaClient,
  KafkaConsumer,
  KafkaProducer,
  ProducerOptions,
} from './kafka-client.js'
import { KafkajsConsumer } from './kafkajs-consumer.js'
import { KafkajsProducer } from './kafkajs-producer.js'

/** How to reach the brokers; TLS and SASL options are those of kafkajs. */
export interface ConnectionOptions {
  readonly brokers: readonly string[]
  /** @defaultValue 'gw' */
  readonly clientId?: string
  readonly ssl?: KafkaConfig['ssl']
  readonly sasl?: KafkaConfig['sasl']
}

/**
 * kafkajs 2.2.4, with its known faults mended here and in the two files beside it: it has no batching, gives up
 * reconnecting after a few tries unless told otherwise on the client (not only on the producer), logs ordinary
 * rebalances as errors, and ends consumers without a word.
 */
export class KafkajsClient implements KafkaClient {
  readonly #kafka: Kafka

  constructor(options: ConnectionOptions) {
    const { brokers, clientId = 'gw', ssl, sasl } = options
    this.#kafka = new Kafka({
      brokers: [...brokers],
      clientId,
      ...(ssl === undefined ? {} : { ssl }),
      ...(sasl === undefined ? {} : { sasl }),
      connectionTimeout: 3_000,
      requestTimeout: 10_000,
      // Our own supervision decides when to stop trying.
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 },
      // What matters reaches people through status; the rest is noise of ordinary rebalances.
      logLevel: logLevel.NOTHING,
    })
  }

  producer(options: ProducerOptions): KafkaProducer {
    return new KafkajsProducer(this.#kafka, options)
  }

  consumer(options: ConsumerOptions): KafkaConsumer {
    return new KafkajsConsumer(this.#kafka, options)
  }
}
