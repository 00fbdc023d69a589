/**
 * What this package needs of a Kafka client, and no more. `kafkajs-client.ts` is the implementation; another client
 * takes its place by implementing this.
 */
export interface KafkaClient {
  /** A producer: idempotent, acknowledged by all replicas. */
  producer(options: ProducerOptions): KafkaProducer
  /** A member of a consumer group. */
  consumer(options: ConsumerOptions): KafkaConsumer
}

/** A record to produce. A `null` value is a tombstone. */
export interface KafkaRecord {
  readonly topic: string
  readonly key: string | null
  readonly value: string | null
  readonly headers?: Readonly<Record<string, string>>
}

/** A record that was read. */
export interface ReceivedRecord extends KafkaRecord {
  readonly partition: number
  readonly offset: string
  /** Milliseconds since the epoch. */
  readonly timestampMs: number
  readonly headers: Readonly<Record<string, string>>
}

/** How a connection does. */
export interface KafkaStatus {
  readonly state: 'connecting' | 'running' | 'recovering' | 'closed'
  /** What the last failure said; empty while all is well. */
  readonly message: string
}

export interface ProducerOptions {
  /** Records that wait for the broker, at most. */
  readonly maxPendingRecords: number
  /** Bytes of keys and values that wait for the broker, at most. */
  readonly maxPendingBytes: number
  readonly onStatus: (status: KafkaStatus) => void
  /** Told of a record that the broker will never take, for example one that is too large. */
  readonly onRefused: (record: KafkaRecord, error: Error) => void
}

export interface KafkaProducer {
  /**
   * Queues a record; records go out in order, in batches, as fast as the broker takes them.
   * @throws KafkaError `QUEUE_FULL` beyond the bounds, `CLOSED` after {@link close}.
   */
  send(record: KafkaRecord): void
  /** Records that the broker has not acknowledged. */
  readonly pending: number
  /** Fulfilled when everything that was queued before is acknowledged. @throws KafkaError `TIMED_OUT`. */
  flush(timeoutMs: number): Promise<void>
  /** Refuses new records, sends those that wait, within the time, and disconnects. */
  close(timeoutMs: number): Promise<void>
}

export interface ConsumerOptions {
  readonly groupId: string
  readonly topics: readonly string[]
  /** Where a group begins that has not committed yet. */
  readonly from: 'earliest' | 'latest'
  /** Make topics that do not exist yet. */
  readonly createTopics: boolean
  readonly onStatus: (status: KafkaStatus) => void
  /**
   * Takes some records of one partition, in order; they are committed when the promise is kept. One that is broken has them
   * delivered again.
   */
  readonly onRecords: (
    records: readonly ReceivedRecord[],
    alive: () => Promise<void>,
  ) => Promise<void>
}

export interface KafkaConsumer {
  /** Leaves the group, within the time. */
  close(timeoutMs: number): Promise<void>
}
