import type { AnyChannels, Query } from '@gw/protocol'
import type { ClusterMember } from './cluster-members.js'
import type { KafkaModule } from './connection.js'
import type { KafkaError } from './errors.js'

/** One gateway of a cluster. */
export interface ClusterModule<C extends AnyChannels> extends KafkaModule<C> {
  /** The gateways of the cluster, as this one sees them now. */
  readonly members: readonly ClusterMember[]
  /** This gateway among {@link members}. */
  readonly id: string
  /** Partitions whose state is here, restored. */
  readonly ready: readonly number[]
  /** Records that were read to restore state, in this run. */
  readonly restored: number
  /** Records that were read to keep copies of the state of others, in this run. */
  readonly copied: number
  /** Records of state here that do not fit the contract as it is now: they are not restored, and stay in the changelog. */
  readonly unrestored: number
  /** What is wrong with each of them: `INVALID_RECORD` with topic, partition and offset. */
  unrestoredRecords(): IterableIterator<KafkaError>
  /** Who works on a key now; `undefined` while nobody does. */
  ownerOf(key: string): ClusterMember | undefined
  /**
   * Sends a record to whoever owns its key; fulfilled with the completed record when what it changed is committed.
   * @throws KafkaError `INVALID_OPTIONS` for a channel without `by`; ChannelsError `OWNER_AWAY`, and as `send` does.
   */
  send(channel: string, input: unknown): Promise<unknown>
  /** The value of a key in a store, wherever it is. @throws ChannelsError `OWNER_AWAY`. */
  get(store: string, key: string): Promise<unknown>
  /** Records of a state that match, of all gateways, as one would answer. @throws ChannelsError `OWNER_AWAY` when one does not: never a part of the answer. */
  query(state: string, query?: Query): Promise<readonly unknown[]>
}
