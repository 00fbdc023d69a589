/**
 * What this package needs of a Kafka client, and no more. `kafkajs-client.ts` is the implementation; another client
 * takes its place by implementing this.
 */
export interface KafkaClient {
  /** A producer: idempotent, acknowledged by all replicas. */
  producer(options: ProducerOptions): KafkaProducer
  /** A member of a consumer group. */
  consumer(options: ConsumerOptions): KafkaConsumer
  /** A producer of transactions. */
  transactor(options: TransactorOptions): KafkaTransactor
  /** Reads partitions from given places on, without a group. */
  reader(options: ReaderOptions): KafkaReader
  /** Makes the topics that do not exist, where that is wanted. @returns those that do not exist after all. */
  ensureTopics(topics: readonly NewTopic[], create: boolean): Promise<readonly string[]>
  /** The settings of a topic, by name; none where they may not be known. */
  topicSettings(topic: string): Promise<ReadonlyMap<string, string>>
  /** What there is of each partition of a topic: from `low` up to, and without, `high`. */
  bounds(topic: string): Promise<ReadonlyMap<number, Bounds>>
  /** The first offset of each partition whose record is of that time or later; the end where there is none. */
  offsetsAt(topic: string, timeMs: number): Promise<ReadonlyMap<number, bigint>>
}

/** How to make a topic; what is left out is as the broker has it. */
export interface NewTopic {
  readonly topic: string
  readonly partitions?: number
  readonly settings?: Readonly<Record<string, string>>
}

export interface Bounds {
  readonly low: bigint
  readonly high: bigint
}

export interface ReaderOptions {
  /** By topic and partition, the offset of the first record that is wanted. */
  readonly from: ReadonlyMap<string, ReadonlyMap<number, bigint>>
  /** Takes some records of one partition, in order; more come when the promise is kept. */
  readonly onRecords: (records: readonly ReceivedRecord[]) => void | Promise<void>
  /** Told how far a partition has been read: the offset of what comes next. */
  readonly onPosition?: (topic: string, partition: number, next: bigint) => void
  readonly onStatus?: (status: KafkaStatus) => void
}

export interface KafkaReader {
  /** Reads no more of a partition, until {@link resume}. */
  pause(topic: string, partition: number): void
  resume(topic: string, partition: number): void
  close(): Promise<void>
}

/** A record to produce. A `null` value is a tombstone. */
export interface KafkaRecord {
  readonly topic: string
  readonly key: string | null
  readonly value: string | Uint8Array | null
  readonly headers?: Readonly<Record<string, string>>
  /** @defaultValue that of the key's hash */
  readonly partition?: number
}

/** A record that was read. Its parts may be decoded when they are asked for: take from it what is needed, and no copy. */
export interface ReceivedRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: string
  readonly key: string | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
  /** Milliseconds since the epoch. */
  readonly timestampMs: number
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
  /** Make topics that do not exist yet. @defaultValue true */
  readonly createTopics?: boolean
  readonly onStatus: (status: KafkaStatus) => void
  /** Told of a record that the broker will never take, for example one that is too large. */
  readonly onRefused: (record: KafkaRecord, error: Error) => void
}

export interface KafkaProducer {
  /**
   * Queues a record; records go out in order, in batches, as fast as the broker takes them.
   * @throws KafkaError `QUEUE_FULL` beyond the bounds, `RECORD_REFUSED` for one that is beyond them by itself, `CLOSED` after {@link close}.
   */
  send(record: KafkaRecord): void
  /** Records that the broker has not acknowledged. */
  readonly pending: number
  /** How full the queue is, by records or by bytes: 1 is its bound. */
  readonly fill: number
  /** Fulfilled when everything that was queued before is acknowledged. @throws KafkaError `TIMED_OUT`. */
  flush(timeoutMs: number): Promise<void>
  /** Refuses new records, sends those that wait, within the time, and disconnects. */
  close(timeoutMs: number): Promise<void>
}

/** Partitions by topic. */
export type Assignment = Readonly<Record<string, readonly number[]>>

export interface ConsumerOptions {
  readonly groupId: string
  readonly topics: readonly string[]
  /** Where a group begins that has not committed yet. */
  readonly from: 'earliest' | 'latest'
  /** Make topics that do not exist yet. */
  readonly createTopics: boolean
  /** After how long without a sign of life a member is replaced. @defaultValue 10_000 */
  readonly sessionTimeoutMs?: number
  /** Partitions that are handed on at the same time, at most; each stays in order. @defaultValue 6 */
  readonly concurrency?: number
  /** Who commits: the consumer, when the records were taken, or whoever takes them, in a transaction. @defaultValue 'consumer' */
  readonly commits?: 'consumer' | 'transactor'
  /** Gives partitions of the same number to the same member, whatever the topic. @defaultValue round robin */
  readonly assignor?: PartitionAssignor
  readonly onStatus: (status: KafkaStatus) => void
  /** Told what this member reads from now on. */
  readonly onAssigned?: (assignment: Assignment) => void
  /** Told that a partition begins anew, as when its topic was made anew: what is known of how far it was taken counts for nothing. */
  readonly onBegunAnew?: (partition: number) => Promise<void>
  /**
   * Takes some records of one partition, in order; they are committed when the promise is kept. One that is broken has them
   * delivered again. `next` is the offset of what comes next, where that is known: behind them may be what holds no records, such
   * as the mark of their transaction.
   */
  readonly onRecords: (
    records: readonly ReceivedRecord[],
    alive: () => Promise<void>,
    next?: bigint,
  ) => Promise<void>
}

/** A member of a group, with what it told about itself, and what it was given. */
export interface GroupMember {
  readonly memberId: string
  /** What it told, as JSON; `undefined` when that was nothing. */
  readonly tells: unknown
  readonly assignment: Assignment
}

/** Says who of a group reads what. */
export interface PartitionAssignor {
  /** All members of a group must have the same one. */
  readonly name: string
  /** What this member tells the others of itself: JSON. */
  tell(): unknown
  /** Asked of one member for all. `partitions` are those of each topic. */
  assign(
    members: readonly Pick<GroupMember, 'memberId' | 'tells'>[],
    partitions: Assignment,
  ): Readonly<Record<string, Assignment>>
}

export interface KafkaConsumer {
  /** Stops reading partitions of a topic, all of them where none are named, until {@link resume}; rebalances do not end it. */
  pause(topic: string, partitions?: readonly number[]): void
  resume(topic: string, partitions?: readonly number[]): void
  /** The members of the group, as the broker sees them. */
  members(): Promise<readonly GroupMember[]>
  /** Leaves the group, within the time. */
  close(timeoutMs: number): Promise<void>
}

/** How far a group has come on one partition. */
export interface Progress {
  /** By topic, the offset of the next record. */
  readonly offsets: ReadonlyMap<string, bigint>
  /** What was committed beside the offsets, by which who committed them knows its own; empty where nothing was. */
  readonly mark: string
}

export interface TransactorOptions {
  /** Only one transactor of an id writes: the one that was opened last. */
  readonly transactionalId: string
  readonly groupId: string
  /** Whose offsets are committed. */
  readonly topics: readonly string[]
  readonly partition: number
  /** Whether the offsets are committed in the transaction; else whoever consumes commits them. @defaultValue true */
  readonly commitsOffsets?: boolean
  /** Make topics that do not exist yet. @defaultValue true */
  readonly createTopics?: boolean
  /** Told of a record that the broker will never take; what is returned is produced in its place. */
  readonly onRefused: (record: KafkaRecord, error: Error) => KafkaRecord | undefined
}

/** Produces records and commits what was consumed for them, all or nothing. */
export interface KafkaTransactor {
  /** Ends whoever has the id, and what they left undone. @returns how far the group has come; nobody else can change it any more. */
  open(): Promise<Progress>
  /**
   * One transaction. When it fails, it may have happened or not: {@link open} tells, by the mark. Where there are no offsets, or they
   * are not committed here, there is none.
   * @returns by `TOPIC/PARTITION`, the offset behind the last record that was produced there.
   */
  commit(records: readonly KafkaRecord[], progress: Progress): Promise<ReadonlyMap<string, bigint>>
  close(): Promise<void>
}
