import type { ChannelKind } from './contract.js'
import type { ErrorCode, FieldError } from './errors.js'
import type { Position } from './position.js'
import type { Filter } from './query.js'

/** Name that a client gives a message, up to 2^53 or 128 characters; a message with one is answered. */
export type MessageId = number | string

/** Where a subscription starts. A time is ISO 8601. */
export type From = 'now' | 'snapshot' | Position | { readonly time: string }

/** How ticks that a slow reader has not taken yet are delivered. */
export type DeliveryMode = 'nonCollapsing' | 'lastValue' | 'burst'

/** What a client may send on the socket. Messages without `id` mean what they mean in the reference. */
export type ClientMessage = SubscribeMessage | UnsubscribeMessage | SendMessage | BatchMessage

export interface SubscribeMessage {
  readonly action: 'subscribe'
  readonly id?: MessageId
  readonly channel: string
  readonly key?: string
  readonly from?: From
  readonly where?: Filter
  readonly select?: readonly string[]
  readonly mode?: DeliveryMode
  readonly positions?: boolean
  /** Name of a state of the channel, of which the reader keeps a copy: {@link StateMessage}s tell when that is not enough. */
  readonly state?: string
}

export interface UnsubscribeMessage {
  readonly action: 'unsubscribe'
  readonly id?: MessageId
  readonly channel: string
  readonly key?: string
}

export interface SendMessage {
  readonly action: 'send'
  readonly id?: MessageId
  readonly channel: string
  readonly key?: string
  readonly data: unknown
  readonly messageId?: string
  readonly expect?: Position
}

export interface BatchMessage {
  readonly action: 'batch'
  readonly id: MessageId
  readonly sends: readonly {
    readonly channel: string
    readonly key?: string
    readonly data: unknown
  }[]
  readonly messageId?: string
}

/** What the server sends on the socket. */
export type ServerMessage =
  | Acknowledgement
  | ErrorMessage
  | DataMessage
  | ReferenceDataMessage
  | SnapshotEndMessage
  | GapMessage
  | RemovedMessage
  | StateMessage
  | ProgressMessage

export interface Acknowledgement {
  readonly id: MessageId
  readonly ok: true
  readonly epoch?: string
  readonly offset?: number
  readonly kind?: ChannelKind
  readonly recovered?: boolean
  /** Of a send: the completed records. */
  readonly data?: readonly unknown[]
  readonly durability?: 'memory' | 'os' | 'fsync'
}

export interface ErrorMessage {
  readonly id: MessageId
  readonly ok: false
  readonly code: ErrorCode
  readonly detail: unknown
  readonly errors?: readonly FieldError[]
}

/** A tick, for a subscription that was made with an `id`. */
export interface DataMessage {
  readonly sub: MessageId
  readonly channel: string
  readonly key?: string
  readonly kind: ChannelKind
  readonly data: readonly unknown[]
  readonly epoch?: string
  readonly offset?: number
  readonly snapshot?: true
}

/** A tick, for a subscription without `id`, as in the reference. The heartbeat has the text `PING` as data. */
export interface ReferenceDataMessage {
  readonly channel: string
  readonly key?: string
  readonly data: readonly unknown[] | 'PING'
}

export interface SnapshotEndMessage {
  readonly sub: MessageId
  readonly channel: string
  readonly snapshotEnd: true
  readonly epoch: string
  readonly offset: number
}

export interface GapMessage {
  readonly sub: MessageId
  readonly channel: string
  readonly key?: string
  readonly gap: {
    readonly from: number
    readonly to: number
    readonly reason: 'slow' | 'history'
  }
}

export interface RemovedMessage {
  readonly sub: MessageId
  readonly channel: string
  readonly key: string
  readonly removed: true
}

/**
 * First, and again whenever the state that was named has changed otherwise than the ticks tell: records were put in or taken out
 * without a tick, or some may be seen no more. A copy of another version is to be made anew.
 */
export interface StateMessage {
  readonly sub: MessageId
  readonly channel: string
  readonly stateVersion: string
}

export interface ProgressMessage {
  readonly sub: MessageId
  readonly progress: Position
}
