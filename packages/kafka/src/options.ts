import type { AnyChannels, ChannelName, ValueOf } from '@gw/protocol'
import type { KafkaClient, KafkaStatus, ReceivedRecord } from './kafka-client.js'
import type { ConnectionOptions } from './kafkajs-client.js'
import type { Serde } from './serde.js'

/**
 * Key of the records of a channel on a topic: a text for all, or an attribute of the struct. Keys of a basket are the
 * keys of its records unless something else is said.
 */
export type KeyOption = string | { readonly attribute: string }

/** Topics of a channel, each with the key of its records. */
export interface TopicKeys<Key> {
  readonly [topic: string]: Key
}

/** Where dead letters go unless something else is said. */
export const DEAD_LETTERS = 'gw.dead-letters'

/** Options of {@link kafka}. */
export interface KafkaOptions<C extends AnyChannels> extends ConnectionOptions {
  /** Name of the module. @defaultValue 'kafka' */
  readonly name?: string
  /** Channels that go to topics: each tick is a record. */
  readonly publish?: { readonly [K in ChannelName<C>]?: TopicKeys<KeyOption> }
  /**
   * Channels that come from topics: each record is a tick. Only records with the given key are taken; `''` takes all.
   * On a basket the record's key is the basket's.
   */
  readonly subscribe?: { readonly [K in ChannelName<C>]?: TopicKeys<string> }
  /** Changes what goes out, by channel; `undefined` drops the record, `null` makes it a tombstone. */
  readonly publishProcessors?: {
    readonly [K in ChannelName<C>]?: (value: ValueOf<C, K>, topic: string) => unknown
  }
  /** Headers of the records of a channel. */
  readonly publishHeaders?: {
    readonly [K in ChannelName<C>]?: (
      value: ValueOf<C, K>,
      topic: string,
    ) => Readonly<Record<string, string>>
  }
  /** Changes what came in, by channel, before it is validated; `undefined` drops the record. */
  readonly subscribeProcessors?: {
    readonly [K in ChannelName<C>]?: (value: unknown, record: ReceivedRecord) => unknown
  }
  /** How values become text. @defaultValue JSON */
  readonly serde?: Serde
  /**
   * Commits what was consumed, and what the graph made of it, in one transaction for each batch of records: what is read with
   * `read_committed` shows each record's effects once, whatever fails. What timers and sends make is at least once.
   * @defaultValue false: at least once
   */
  readonly exactlyOnce?: boolean
  /** Consumer group; it goes on where it stopped. @defaultValue the name `gw` and the client's id */
  readonly groupId?: string
  /** Where a new group begins. @defaultValue 'earliest' */
  readonly from?: 'earliest' | 'latest'
  /** Make topics that do not exist, with the broker's defaults. @defaultValue true */
  readonly createTopics?: boolean
  /** Where records go that cannot be read or do not fit the contract, with the reason in headers. @defaultValue 'gw.dead-letters' */
  readonly deadLetterTopic?: string
  /** Records that wait for the broker, at most. @defaultValue 100_000 */
  readonly maxPendingRecords?: number
  /** Bytes that wait for the broker, at most. @defaultValue 64 MiB */
  readonly maxPendingBytes?: number
  /** Records that wait for the engine, at most; reading pauses meanwhile. @defaultValue 10_000 */
  readonly maxInFlight?: number
  /** How long a stop waits for records to be acknowledged. @defaultValue 5_000 */
  readonly drainTimeoutMs?: number
  /** After how long without a sign of life the group replaces this member. @defaultValue 10_000 */
  readonly sessionTimeoutMs?: number
  /** Name of a channel that is added, and ticks how the connections do. @defaultValue none */
  readonly statusChannel?: string
  /** Told how the connections do. */
  readonly onStatus?: (connection: 'producer' | 'consumer', status: KafkaStatus) => void
  /** Another client than kafkajs. */
  readonly client?: KafkaClient
}

/** The channels of `publish` or `subscribe`, with their topics. */
export function topicsOf<Key>(
  option: object | undefined,
): [channel: string, topics: TopicKeys<Key>][] {
  return Object.entries(option ?? {}).filter(([, topics]) => topics !== undefined)
}
