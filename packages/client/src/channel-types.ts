import type {
  AliasOf,
  AnyChannels,
  BasketKeyOf,
  ChannelTypes,
  DeliveryMode,
  InputOf,
  KeyOf,
  Path,
  Position,
  SendName,
  TypedQuery,
  TypesOf,
} from '@gw/protocol'
import type { CallOptions } from './deadline.js'
import type { GatewayClientError } from './errors.js'
import type { SubscriptionEvent } from './events.js'
import type { Delivered, ElementOf, PathOf, Projection } from './projection.js'
import type {
  KeyedValue,
  SubscribeOptions,
  Subscription,
  Watch,
  WatchOptions,
} from './subscription.js'

/** Calls on channel `K` of a contract: those that its kind and options allow. */
export type ChannelClient<C extends AnyChannels, K extends keyof C> = ClientOf<TypesOf<C[K]>>

type ClientOf<T extends ChannelTypes> = T['kind'] extends 'field'
  ? FieldClient<T['value']>
  : Typed<T> &
      (T['kind'] extends 'basket'
        ? BasketReads<T['value'], BasketKeyOf<T>>
        : ChannelReads<T['value']>) &
      (T['send'] extends true
        ? T['kind'] extends 'basket'
          ? BasketSends<T['value'], T['input'], BasketKeyOf<T>>
          : ChannelSends<T['kind'], T['value'], T['input']>
        : unknown) &
      (T['stage'] extends true
        ? { readonly stage: StageCalls<ElementOf<T['value']>, ElementOf<T['input']>> }
        : unknown) &
      StateReads<ElementOf<T['value']>, T['state'], AliasOf<T>>

/** A client's channel carries the types of its channel on, for what is built on it. `~types` is never there at run time. */
export interface Typed<out T extends ChannelTypes> {
  readonly '~types'?: T
}

/** A static value of the gateway. */
export interface FieldClient<V> {
  value(options?: CallOptions): Promise<V>
}

/** Options of `last`. */
export interface LastOptions extends CallOptions {
  /** Answers when the channel or key has come to this position, so that what was sent is seen. */
  readonly atLeast?: Position | undefined
}

/** Reads of a channel. */
export interface ChannelReads<V> {
  /** What ticked last; `undefined` before the first tick. */
  last(options?: LastOptions): Promise<V | undefined>
  /** The next tick from now. Waits as long as the server does (10 minutes, by default). */
  next(options?: CallOptions): Promise<V>
  /** The ticks, as an iterable. */
  subscribe<const S extends PathOf<V> = never, M extends DeliveryMode = 'nonCollapsing'>(
    options?: SubscribeOptions<ElementOf<V>, S, M>,
  ): Subscription<Delivered<V, S, M>>
  /** The ticks, as calls of a function. */
  watch<const S extends PathOf<V> = never, M extends DeliveryMode = 'nonCollapsing'>(
    listener: (event: SubscriptionEvent<Delivered<V, S, M>, never>) => void,
    options?: WatchOptions<ElementOf<V>, S, M> & OnError,
  ): Watch
  /** A recent record by its id; `undefined` when there is none, or it is too long ago. */
  lookup(id: string, options?: CallOptions): Promise<ElementOf<V> | undefined>
}

/** Reads of a basket: of one key, or of all. */
export interface BasketReads<V, Key extends string> {
  /** What ticked last on a key; without one, on every key that has ticked. */
  last(key: Key, options?: LastOptions): Promise<V | undefined>
  last(options?: LastOptions): Promise<{ readonly [K in Key]?: V }>
  /** The next tick of a key; without one, of the next cycle in which any key ticks, with the last of the others. */
  next(key: Key, options?: CallOptions): Promise<V>
  next(options?: CallOptions): Promise<{ readonly [K in Key]?: V }>
  /** The ticks of a key, or of all keys with their names, as an iterable. */
  subscribe<const S extends PathOf<V> = never, M extends DeliveryMode = 'nonCollapsing'>(
    key: Key,
    options?: SubscribeOptions<ElementOf<V>, S, M>,
  ): Subscription<Delivered<V, S, M>, Delivered<V, S, M>, Key>
  subscribe<const S extends PathOf<V> = never, M extends DeliveryMode = 'nonCollapsing'>(
    options?: SubscribeOptions<ElementOf<V>, S, M>,
  ): Subscription<KeyedValue<Delivered<V, S, M>, Key>, Delivered<V, S, M>, Key>
  /** The ticks of a key, or of all keys, as calls of a function. */
  watch<const S extends PathOf<V> = never, M extends DeliveryMode = 'nonCollapsing'>(
    key: Key,
    listener: (event: SubscriptionEvent<Delivered<V, S, M>, Key>) => void,
    options?: WatchOptions<ElementOf<V>, S, M> & OnError,
  ): Watch
  watch<const S extends PathOf<V> = never, M extends DeliveryMode = 'nonCollapsing'>(
    listener: (event: SubscriptionEvent<Delivered<V, S, M>, Key>) => void,
    options?: WatchOptions<ElementOf<V>, S, M> & OnError,
  ): Watch
  /** A recent record by its id; `undefined` when there is none, or it is too long ago. */
  lookup(id: string, options?: CallOptions): Promise<ElementOf<V> | undefined>
}

/** What a callback's subscription does when it ends in an error. */
export interface OnError {
  readonly onError?: (error: GatewayClientError) => void
}

/** Options of a send. */
export interface SendOptions extends CallOptions {
  /** Name of this send: said again with the same name, within the server's window, it happens once. @defaultValue a random one */
  readonly messageId?: string
  /** Send only if the channel or key is still at this position; otherwise `POSITION_MISMATCH`. */
  readonly expect?: Position
}

/** Outcome of a send. */
export interface SendReceipt<T> {
  /** The records, completed with id, timestamp and defaults, in the order given. */
  readonly records: readonly T[]
  /** Place of the last of them; everything up to here has been seen by who reads at it. */
  readonly position: Position | undefined
  /** What they survive: `memory` nothing, `os` the end of the process, `fsync` a loss of power. */
  readonly durability: 'memory' | 'os' | 'fsync' | undefined
}

/** A list to read from; what is no list stays as it is. */
type ListOf<Input> = Input extends readonly (infer Element)[] ? readonly Element[] : Input

/** Sends to a channel. */
export interface ChannelSends<Kind, V, Input> {
  /** Sends one record, or the list of a list channel; answers what it was completed to. */
  send(input: ListOf<Input>, options?: SendOptions): Promise<V>
  /** Sends several: all or none, each of them one tick; on a list channel they tick as one list. */
  sendAll(
    inputs: Kind extends 'list' ? ListOf<Input> : readonly Input[],
    options?: SendOptions,
  ): Promise<SendReceipt<ElementOf<V>>>
}

/** Sends to a basket. */
export interface BasketSends<V, Input, Key extends string> {
  /** Sends one record to a key. */
  send(input: Input, key: Key, options?: SendOptions): Promise<V>
  /** Sends several to a key: all or none. */
  sendAll(inputs: readonly Input[], key: Key, options?: SendOptions): Promise<SendReceipt<V>>
  /** Sends to several keys at once: all or none, in one cycle. */
  sendBasket(
    inputs: { readonly [K in Key]?: Input },
    options?: SendOptions,
  ): Promise<SendReceipt<V>>
}

/** One send of several to different channels. */
export type BatchSend<C extends AnyChannels> = {
  [K in SendName<C>]: {
    readonly channel: K
    /** A record or several; of a list channel, the list. */
    readonly data: TypesOf<C[K]>['kind'] extends 'list'
      ? ListOf<InputOf<C, K>>
      : InputOf<C, K> | readonly InputOf<C, K>[]
  } & (TypesOf<C[K]>['kind'] extends 'basket' ? { readonly key: KeyOf<C, K> } : unknown)
}[SendName<C>]

/** Options of a query on a channel with further states. */
export interface QueryOptions<Alias extends string = never> extends CallOptions {
  /** Name of the state. @defaultValue that of the channel */
  readonly state?: Alias
}

/** Reads of the state, or states, of a channel. */
export type StateReads<R, HasState, Alias extends string> = [HasState] extends [true]
  ? StateCalls<R, QueryOptions<Alias>, false>
  : [Alias] extends [never]
    ? unknown
    : StateCalls<R, QueryOptions<Alias> & { readonly state: Alias }, true>

/** Queries on a state. */
export interface StateCalls<R, Options, Named extends boolean> {
  /** The records that match, in the order of their keys or as sorted. */
  query<const S extends Path<R> = never>(
    ...args: Named extends true
      ? [query: TypedQuery<R, S>, options: Options]
      : [query?: TypedQuery<R, S>, options?: Options]
  ): Promise<Projection<R, S>[]>
  /** How many records match. */
  count(
    ...args: Named extends true
      ? [query: Pick<TypedQuery<R>, 'where'>, options: Options]
      : [query?: Pick<TypedQuery<R>, 'where'>, options?: Options]
  ): Promise<number>
}

/** Records of stagings, by staging id. */
export interface Stagings<R> {
  readonly [stagingId: string]: readonly R[]
}

/** Staging: records that are collected first and tick when they are released. Without ids the newest staging is meant, `[]` means all. */
export interface StageCalls<R, Input> {
  /** Adds a record to stagings; without a record, opens a new one. */
  add(input?: Input, ids?: readonly string[], options?: CallOptions): Promise<Stagings<R>>
  /** Takes a record out; without one, drops a staging. */
  remove(recordId?: string, ids?: readonly string[], options?: CallOptions): Promise<Stagings<R>>
  /** Lets stagings tick, record by record; without ids, all of them. */
  release(ids?: readonly string[], options?: CallOptions): Promise<Stagings<R>>
  /** Ids of the stagings, oldest first. */
  list(options?: CallOptions): Promise<readonly string[]>
  /** Contents of a staging, or of all. */
  contents(id?: string, options?: CallOptions): Promise<Stagings<R>>
}
