export {
  type ConfluentOptions,
  confluentJson,
  type JsonSchema,
  jsonSchemaOf,
} from './confluent.js'
export type { KafkaModule } from './connection.js'
export { KafkaError, type KafkaErrorCode, type KafkaErrorDetails } from './errors.js'
export { kafka } from './kafka.js'
export type {
  ConsumerOptions,
  KafkaClient,
  KafkaConsumer,
  KafkaProducer,
  KafkaRecord,
  KafkaStatus,
  ProducerOptions,
  ReceivedRecord,
} from './kafka-client.js'
export { type ConnectionOptions, KafkajsClient } from './kafkajs-client.js'
export type { KafkaOptions, KeyOption, TopicKeys } from './options.js'
export { envelope, json, type Serde, type TickContext } from './serde.js'
