import type { AnyChannels, ChannelName } from '@gw/protocol'
import type { KafkaOptions } from './options.js'
import type { Partitioner } from './partition-of-key.js'
import type { Store } from './store.js'

/** Options of `cluster`: those of `kafka`, and what is said here. All gateways of a cluster have the same, but for addresses and folders. */
export interface ClusterOptions<C extends AnyChannels> extends KafkaOptions<C> {
  /** The group is the cluster. */
  readonly groupId: string
  /** By which attribute the records of a channel belong to a partition: that of their Kafka key. */
  readonly by: { readonly [K in ChannelName<C>]?: string }
  /** Stores of the modules that survive: their changes go to the changelog. */
  // biome-ignore lint/suspicious/noExplicitAny: stores of any values, and a store takes what it gives.
  readonly stores?: readonly Store<any>[]
  /** The compacted topic of all state. @defaultValue the group and `-changelog` */
  readonly changelogTopic?: string
  /** Gateways that hold a copy of each partition's state, beside the one that works on it. @defaultValue 0 */
  readonly standbys?: number
  /** Where copies of the state are kept, so that a restart reads only what came later. @defaultValue none */
  readonly checkpoints?: {
    readonly folder: string
    /** @defaultValue 30_000 */
    readonly everyMs?: number
  }
  /** Channels whose ticks, of all gateways, tick on another channel of each. */
  readonly relay?: { readonly [K in ChannelName<C>]?: string }
  /** Where the other gateways reach this one. @defaultValue 127.0.0.1, on a free port */
  readonly listen?: { readonly host?: string; readonly port?: number }
  /** How the others call that address, when it is not the one that is listened on. */
  readonly advertise?: string
  /** What the gateways show each other: without it they listen on this machine only. @defaultValue the group's name */
  readonly secret?: string
  /** Where this gateway's web server is, to be shown on `/cluster`; asked when it is needed. */
  readonly web?: () => string | undefined
  /** How long a peer may take to answer. @defaultValue 10_000 */
  readonly peerTimeoutMs?: number
  /** How long a call waits while the owner of what it needs is away, or its partition moves. @defaultValue 15_000 */
  readonly ownerTimeoutMs?: number
  /** To which partition a key belongs, as those who produce the topics have it. @defaultValue as Java's clients */
  readonly partitioner?: Partitioner
}
