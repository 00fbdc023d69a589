import type { Position } from '@gw/protocol'

/** A tick. */
export interface DataEvent<T, Key extends string = string> {
  readonly type: 'data'
  readonly value: T
  /** The key that ticked, of a basket. */
  readonly key?: Key | undefined
  readonly position?: Position | undefined
  /** It belongs to the snapshot that the subscription starts with. */
  readonly snapshot?: true | undefined
}

/** Records of a snapshot follow, at the start and whenever the place to resume from was lost; what was known before is void. */
export interface SnapshotStartEvent {
  readonly type: 'snapshotStart'
}

/** The snapshot is complete; ticks follow. */
export interface SnapshotEndEvent {
  readonly type: 'snapshotEnd'
  readonly position?: Position
}

/** Ticks are missing here. */
export interface GapEvent<Key extends string = string> {
  readonly type: 'gap'
  readonly key?: Key | undefined
  /** Offsets of the first and last missing tick, where known. */
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** `slow`: this reader did not keep up; `history`: the server no longer had what the connection missed. */
  readonly reason: 'slow' | 'history'
}

/** A key of a dynamic basket has gone. */
export interface RemovedEvent<Key extends string = string> {
  readonly type: 'removed'
  readonly key: Key
}

/** The state of which a reader keeps a copy has this version: a copy of another has to be made anew. Not part of the client's types. */
export interface StateEvent {
  readonly type: 'state'
  readonly version: string
}

/** What a subscription brings. */
export type SubscriptionEvent<T = unknown, Key extends string = string> =
  | DataEvent<T, Key>
  | SnapshotStartEvent
  | SnapshotEndEvent
  | GapEvent<Key>
  | RemovedEvent<Key>
