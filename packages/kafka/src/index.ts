export { cluster } from './cluster.js'
export type { ClusterMember } from './cluster-members.js'
export type { ClusterModule } from './cluster-module.js'
export type { ClusterOptions } from './cluster-options.js'
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
  Assignment,
  Bounds,
  ConsumerOptions,
  GroupMember,
  KafkaClient,
  KafkaConsumer,
  KafkaProducer,
  KafkaReader,
  KafkaRecord,
  KafkaStatus,
  KafkaTransactor,
  NewTopic,
  PartitionAssignor,
  ProducerOptions,
  Progress,
  ReaderOptions,
  ReceivedRecord,
  TransactorOptions,
} from './kafka-client.js'
export { type ConnectionOptions, KafkajsClient } from './kafkajs-client.js'
export type { KafkaOptions, KeyOption, TopicKeys } from './options.js'
export { javaPartitioner, type Partitioner } from './partition-of-key.js'
export { type ReplayModule, type ReplayOptions, type ReplayPlace, replayKafka } from './replay.js'
export { envelope, json, type Serde, type TickContext } from './serde.js'
export { type AggregateOptions, aggregate, type Store, type StoreOptions, store } from './store.js'
