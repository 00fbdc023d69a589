import type { Timestamp } from '@gw/core'
import type {
  AnyChannels,
  BasketName,
  ChannelKind,
  ChannelName,
  DeliveryMode,
  From,
  InputOf,
  KeyOf,
  Position,
  Query,
  RecordOf,
  SendName,
  StageName,
  StateName,
  StateRecordOf,
  TypedQuery,
  TypesOf,
  ValueOf,
} from '@gw/protocol'
import type { z } from 'zod'
import type { ChannelOptions, Contract } from './contract.js'
import type { DeadLetters } from './dead-letters.js'
import type { GatewayDescription } from './description.js'
import type { Module } from './module.js'
import type { StagingChange, StagingEvent, StagingRequest } from './staging.js'
import type { StateChange } from './state.js'

/** What `last` and `next` answer: of a whole basket, the records by key. */
export type AnswerOf<C extends AnyChannels, K extends keyof C> = TypesOf<
  C[K]
>['kind'] extends 'basket'
  ? { readonly [Key in KeyOf<C, K>]?: ValueOf<C, K> }
  : ValueOf<C, K>

/** What a send takes: one record, or several; on a basket without a key, records by key. */
export type SendInput<C extends AnyChannels, K extends keyof C> = TypesOf<
  C[K]
>['kind'] extends 'list'
  ? InputOf<C, K>
  : InputOf<C, K> | readonly InputOf<C, K>[]

/** One tick of a channel, or of one key of a basket, as the outside sees it. One object for all who watch. */
export interface ChannelTick<T = unknown> {
  readonly channel: string
  readonly key: string | undefined
  readonly kind: ChannelKind
  readonly value: T
  /** The key of a dynamic basket has gone; `value` is its last. */
  readonly removed: boolean
  /** Engine time. */
  readonly time: Timestamp
  readonly position: Position
  /** The JSON text of the records, always of an array; made once, when first read. */
  readonly json: string
}

/** Options of a wait. */
export interface WaitOptions {
  /** @defaultValue 10 minutes */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** Options of {@link LiveChannels.last}. */
export interface LastOptions extends WaitOptions {
  /** Position to wait for. */
  readonly atLeast: Position
}

/** Options of {@link LiveChannels.nextTicks}. */
export interface NextOptions extends WaitOptions {
  /** Waits for a tick for which it says yes; others pass by, none is missed. @defaultValue any tick */
  readonly matches?: (tick: ChannelTick) => boolean
}

/** Says of a record, and of where it ticked, whether it is meant; the key is that of a basket. */
export type RecordFilter = (record: unknown, channel: string, key: string | undefined) => boolean

/** Options of a send. */
export interface SendOptions {
  /** The same id again, within the window, answers as the first did and sends nothing; 1 to 128 characters. */
  readonly messageId?: string
  /** Send only if the channel or key is still at this position; of a send to a whole basket, if all of it is. */
  readonly expect?: Position
  /** Name of who sends; modules see it. A `messageId` is that sender's own. */
  readonly origin?: string
  /** Sees each completed record before any is sent; what it throws refuses all of them. */
  readonly check?: (record: unknown, channel: string, key: string | undefined) => void
}

/** Options of the calls that change stagings. */
export interface StageOptions extends Pick<SendOptions, 'origin' | 'check'> {
  /**
   * Sees each record that is staged and that the call would replace, take out, drop or release, with the id of its staging, before
   * anything is changed; records of an id that is added or removed, in whichever staging they are. What it throws refuses the call.
   */
  readonly checkStaged?: (record: unknown, stagingId: string) => void
}

/** Options of {@link LiveChannels.releaseAndWait}. */
export interface ReleaseOptions {
  /** Name of who staged or released each record; modules see it. */
  readonly origins?: readonly (string | undefined)[]
}

/** A staging, as a module keeps it. */
export type KeptStaging = readonly [
  id: string,
  records: readonly unknown[],
  /** Name of who staged each record, where that is known. */
  origins?: readonly (string | undefined)[],
]

/**
 * The stagings of a channel, for a module that keeps them for several gateways. Those of this gateway are as they are; who keeps
 * them says with `restore` which they are, and does what nodes of the graph ask.
 */
export interface Stagings {
  /** Validates and completes what is to be staged, and stages nothing. @throws ChannelsError `INVALID_RECORD`. */
  complete(input: unknown): readonly unknown[]
  /** The records that {@link StageOptions.checkStaged} sees of a change, by staging. */
  touched(change: StagingChange): StageAnswer<unknown>
  /** Has these be the stagings, the oldest first. Nobody is told of it; records are not checked, and a look-up finds them. */
  restore(stagings: Iterable<KeptStaging>): void
  /** Drops what has ticked elsewhere, as a release does: records that are as these, and stagings of which no record is left. */
  released(stagings: StageAnswer<unknown>): void
  /** Has what nodes of the graph ask for go to `listener` instead of being done here; what it throws is an error of their module. */
  takeRequests(listener: (request: StagingRequest) => void): void
}

/** Outcome of a send. */
export interface SendReceipt<T> {
  /** The completed records, in the order given. */
  readonly records: readonly T[]
  /** Position of the last of them; while the engine is behind, the first that it can have. */
  readonly position: Position
}

/** One send of a batch. */
export interface BatchSend {
  readonly channel: string
  readonly key?: string
  /** One record; of a list channel, a list. */
  readonly data: unknown
}

/** What the outside knows of a channel: enough to serve and describe it. */
export interface ChannelInfo {
  readonly name: string
  readonly kind: ChannelKind
  /** Whether somebody provides it; a channel that nobody provides answers `NO_PROVIDER`. */
  readonly provided: boolean
  /** Keys of a basket, now. */
  readonly keys: readonly string[]
  readonly dynamic: boolean
  readonly sendable: boolean
  readonly staged: boolean
  /** Schema of one record: of a list channel, of its elements. */
  readonly recordSchema: z.ZodType
  /** Schema of what ticks. */
  readonly schema: z.ZodType
  readonly options: ChannelOptions
}

/** What the outside knows of a state. */
export interface StateInfo {
  readonly name: string
  readonly channel: string
  readonly by: readonly string[]
  /** Records kept of each key, where that is not one. */
  readonly keep?: number | 'all'
  /** Records kept in all. */
  readonly maxRecords: number
  /** The one key of a basket that is kept. */
  readonly key?: string
}

/** Options of {@link LiveChannels.watch}. */
export interface WatchOptions {
  /** @defaultValue 'now' */
  readonly from?: From
}

/**
 * The running channels, for everything that is not a node: calls are synchronous, except those that wait.
 * Names are checked by the compiler where the contract is known; transports use it with plain strings.
 */
export interface LiveChannels<C extends AnyChannels> {
  readonly contract: Contract<C>
  /** All channels, in the order of the contract; without the fields. */
  readonly info: readonly ChannelInfo[]
  readonly states: readonly StateInfo[]
  /** Static values by name. */
  readonly fields: { readonly [name: string]: unknown }

  /**
   * What ticked last; `undefined` before the first tick. Of a whole basket, the keys that have ticked.
   * @throws ChannelsError `UNKNOWN_CHANNEL`, `UNKNOWN_KEY`, `NO_PROVIDER`, `NOT_RUNNING`.
   */
  last<K extends ChannelName<C>>(name: K): AnswerOf<C, K> | undefined
  last<K extends BasketName<C>>(name: K, key: KeyOf<C, K>): ValueOf<C, K> | undefined
  /** The same once the channel or key has reached a position: what was sent there is seen. @throws as {@link atLeast}. */
  last<K extends ChannelName<C>>(name: K, options: LastOptions): Promise<AnswerOf<C, K> | undefined>
  last<K extends BasketName<C>>(
    name: K,
    key: KeyOf<C, K>,
    options: LastOptions,
  ): Promise<ValueOf<C, K> | undefined>
  /** The ticks behind {@link last}, with position and JSON: one, or of a whole basket one for each key. */
  lastTicks(name: string, key?: string): readonly ChannelTick[]
  /** The ticks of the recent past, as far as the history holds them, the oldest first; with those that removed a key. */
  recentTicks(name: string, key?: string): readonly ChannelTick[]
  /** Position of the last tick of a channel or key. */
  positionOf(name: string, key?: string): Position
  /** Waits until a channel or key has reached a position. @throws ChannelsError `POSITION_TIMEOUT`, `POSITION_MISMATCH` for another epoch. */
  atLeast(
    name: string,
    key: string | undefined,
    position: Position,
    options?: WaitOptions,
  ): Promise<void>
  /** Waits for the next tick. Of a whole basket: for the next cycle in which any key ticks. @throws ChannelsError `NEXT_TIMEOUT`, `NOT_RUNNING`. */
  next<K extends ChannelName<C>>(name: K, options?: WaitOptions): Promise<AnswerOf<C, K>>
  next<K extends BasketName<C>>(
    name: K,
    key: KeyOf<C, K>,
    options?: WaitOptions,
  ): Promise<ValueOf<C, K>>
  /** As {@link next}, answering as {@link lastTicks} does. */
  nextTicks(
    name: string,
    key: string | undefined,
    options?: NextOptions,
  ): Promise<readonly ChannelTick[]>

  /** Records of a state that match; with `isVisible`, as if there were no others than those. @throws ChannelsError `NO_STATE`, `INVALID_QUERY`. */
  query<S extends StateName<C>>(
    state: S,
    query?: TypedQuery<StateRecordOf<C, S>> | Query,
    isVisible?: RecordFilter,
  ): readonly StateRecordOf<C, S>[]
  /** All records of a state in the order in which they came: the first goes out first, when there are more than are kept. @throws ChannelsError `NO_STATE`. */
  arrivals(state: string, isVisible?: RecordFilter): readonly unknown[]
  /** Number of records of a state that match. */
  count<S extends StateName<C>>(
    state: S,
    query?: TypedQuery<StateRecordOf<C, S>> | Query,
    isVisible?: RecordFilter,
  ): number

  /**
   * Puts records into a state without ticking, as if they had been kept: for modules that restore a state from elsewhere. The
   * records are those of an earlier run, the oldest first; they are not checked. Of a basket, with the key on which they ticked.
   * @throws ChannelsError `NO_STATE`.
   */
  restoreState(state: string, records: Iterable<unknown>, basketKey?: string): void
  /** Takes all records of some keys out of a state; a key is the values of `by`. @throws ChannelsError `NO_STATE`. */
  forgetState(state: string, keys: Iterable<readonly unknown[]>): void
  /** A text that is another after each {@link restoreState} and {@link forgetState}, and in each run. @throws ChannelsError `NO_STATE`. */
  stateRevision(state: string): string
  /**
   * Calls `listener` for each change of a state, within the cycle that makes it; one that throws is not called again.
   * @returns what ends it. @throws ChannelsError `NO_STATE`.
   */
  watchState(state: string, listener: (change: StateChange) => void): () => void

  /**
   * Validates, completes and sends a record; an idle engine has run its cycle when this returns.
   * @throws ChannelsError `INVALID_RECORD` (nothing is sent), `NOT_SENDABLE`, `UNKNOWN_KEY`, `OVERLOADED`, `NOT_RUNNING`, `POSITION_MISMATCH`.
   */
  send<K extends SendName<C>>(
    name: K,
    input: InputOf<C, K>,
    key?: KeyOf<C, K>,
    options?: SendOptions,
  ): ValueOf<C, K>
  /** Sends several: all or nothing on validation; each ticks on its own, of a list channel all tick as one list. */
  sendAll(
    name: string,
    inputs: readonly unknown[],
    key?: string,
    options?: SendOptions,
  ): SendReceipt<unknown>
  /**
   * Validates and completes records as a send would, and sends nothing: for modules that send them elsewhere.
   * @throws ChannelsError `INVALID_RECORD`, `NOT_SENDABLE`, `UNKNOWN_KEY`.
   */
  complete(name: string, inputs: readonly unknown[], key?: string): readonly unknown[]
  /** As {@link complete}, of a send to several keys of a basket: the records of each. @throws as {@link complete}; `BAD_REQUEST`. */
  completeBasket(
    name: string,
    inputs: { readonly [key: string]: unknown },
  ): { readonly [key: string]: readonly unknown[] }
  /** As {@link complete}, of a batch: the records of each send. @throws as {@link complete}; `BAD_REQUEST`. */
  completeBatch(sends: readonly BatchSend[]): readonly (readonly unknown[])[]
  /** Sends one record, or list, to each named key of a basket in one cycle. */
  sendBasket(
    name: string,
    inputs: { readonly [key: string]: unknown },
    options?: SendOptions,
  ): SendReceipt<unknown>
  /**
   * Sends to several channels and keys, to each one record, in one cycle: all or nothing.
   * @throws ChannelsError as {@link send}; `BAD_REQUEST` when a channel or key comes twice.
   */
  sendBatch(
    sends: readonly BatchSend[],
    options?: Omit<SendOptions, 'expect'>,
  ): readonly SendReceipt<unknown>[]
  /** As {@link send}, fulfilled when a cycle has taken the record. */
  sendAndWait<K extends SendName<C>>(
    name: K,
    input: InputOf<C, K>,
    key?: KeyOf<C, K>,
    options?: SendOptions & WaitOptions,
  ): Promise<ValueOf<C, K>>

  /** As {@link sendAll}, fulfilled when cycles have taken all of them: the position is exact. */
  sendAllAndWait(
    name: string,
    inputs: readonly unknown[],
    key?: string,
    options?: SendOptions & WaitOptions,
  ): Promise<SendReceipt<unknown>>
  /** As {@link sendBasket}, fulfilled when the cycle has taken all of them: the position is exact. */
  sendBasketAndWait(
    name: string,
    inputs: { readonly [key: string]: unknown },
    options?: SendOptions & WaitOptions,
  ): Promise<SendReceipt<unknown>>
  /** As {@link sendBatch}, fulfilled when the cycle has taken all of them: the positions are exact. */
  sendBatchAndWait(
    sends: readonly BatchSend[],
    options?: Omit<SendOptions, 'expect'> & WaitOptions,
  ): Promise<readonly SendReceipt<unknown>[]>

  /** A recent struct of the channel's type by id; with no name, of any type; with `isVisible`, the newest for which it says yes. */
  lookup(id: string, name?: string, isVisible?: RecordFilter): unknown

  /**
   * Opens a staging when no record is given, else adds it: to the newest staging, or a new one; with `[]` to each that lacks it.
   * @throws ChannelsError `NO_STAGE`, `STAGING_MISUSE`, `INVALID_RECORD`, `OVERLOADED`, as the others below do.
   */
  stageAdd<K extends StageName<C>>(
    name: K,
    input: InputOf<C, K> | undefined,
    ids?: readonly string[],
    options?: StageOptions,
  ): StageAnswer<RecordOf<C, K>>
  /**
   * Without the id of a record: drops the newest staging, or all with `[]`, or empties the named ones. With it: takes the record out of
   * the newest staging that has it, or of all with `[]`, or of the named ones. What is not there is passed over.
   */
  stageRemove<K extends StageName<C>>(
    name: K,
    recordId: string | undefined,
    ids?: readonly string[],
    options?: Pick<StageOptions, 'checkStaged'>,
  ): StageAnswer<RecordOf<C, K>>
  /** Ticks the records of all stagings, or of the named ones (with `[]` of none), in order, and drops these. */
  stageRelease<K extends StageName<C>>(
    name: K,
    ids?: readonly string[],
    options?: Pick<StageOptions, 'origin' | 'checkStaged'>,
  ): StageAnswer<RecordOf<C, K>>
  /**
   * As {@link stageRelease}, but `ticks` has the records tick, and tells which of them have: for modules that have them tick on another
   * gateway, with {@link releaseAndWait}. Meanwhile the stagings are not there; records that have not ticked are staged again where
   * they were, all of them when it fails.
   */
  stageReleaseElsewhere(
    name: string,
    ids: readonly string[] | undefined,
    ticks: (held: StageAnswer<unknown>) => Promise<ReadonlySet<unknown>>,
  ): Promise<StageAnswer<unknown>>
  /**
   * Has records tick on a staged channel as a release does, of a list channel as one list; fulfilled when cycles have taken them.
   * @throws ChannelsError `NO_STAGE`, `INVALID_RECORD` (nothing ticks), `OVERLOADED`, `NOT_RUNNING`.
   */
  releaseAndWait(
    name: string,
    records: readonly unknown[],
    options?: ReleaseOptions & WaitOptions,
  ): Promise<SendReceipt<unknown>>
  /** The stagings of a channel, for modules that keep them for several gateways. @throws ChannelsError `NO_STAGE`. */
  stagings(name: string): Stagings
  stageList<K extends StageName<C>>(name: K, id?: string): readonly string[]
  stageLookup<K extends StageName<C>>(name: K, id?: string): StageAnswer<RecordOf<C, K>>
  /** Calls `listener` for each change of a staging of the channel, at once. @returns what ends it. */
  watchStage<K extends StageName<C>>(
    name: K,
    listener: (event: StagingEvent<RecordOf<C, K>>) => void,
  ): () => void

  /**
   * Calls `listener` for each tick, after its cycle, in order. Nobody watching costs nothing.
   * With `from: 'snapshot'` or a position, what is there comes first, at once, without gap or overlap; the outcome says whether
   * the history reached back far enough.
   */
  watch(
    name: string,
    key: string | undefined,
    listener: (tick: ChannelTick) => void,
    options?: WatchOptions,
  ): Watch
  /** The ticks of a channel, or of one key, as they come; a full buffer applies its mode: see {@link SubscribeOptions}. */
  subscribe<K extends ChannelName<C>>(
    name: K,
    options?: SubscribeOptions,
  ): Subscription<ValueOf<C, K>>
  subscribe<K extends BasketName<C>>(
    name: K,
    key: KeyOf<C, K>,
    options?: SubscribeOptions,
  ): Subscription<ValueOf<C, K>>
}

/**
 * The ticks of a subscription. It ends when its reader leaves the loop, when its signal is aborted and when the gateway
 * stops; with the error when the gateway fails.
 */
export interface Subscription<T = unknown> extends AsyncIterableIterator<ChannelTick<T>> {
  /** Whether all ticks since the position asked for were there; always true otherwise. */
  readonly recovered: boolean
  /** Ticks that were dropped because the reader was slow. */
  readonly dropped: number
  [Symbol.asyncDispose](): Promise<void>
}

/** Stagings, by id, with their records. */
export interface StageAnswer<T> {
  readonly [stagingId: string]: readonly T[]
}

/** A running watch. */
export interface Watch {
  /** Whether all ticks since the position asked for were there; always true otherwise. */
  readonly recovered: boolean
  /** Ticks between the position asked for and now, or the snapshot, in order; the listener gets what follows them. */
  readonly initial: readonly ChannelTick[]
  /** Position at which live ticks begin. Of a whole basket: the sum over its keys. */
  readonly position: Position
  stop(): void
}

/** Options of {@link LiveChannels.subscribe}. */
export interface SubscribeOptions extends WatchOptions {
  /** @defaultValue 'nonCollapsing' */
  readonly mode?: DeliveryMode
  /** Ticks that wait for the reader, at most; beyond it the oldest are dropped and counted. @defaultValue 10_000 */
  readonly maxBuffered?: number
  readonly signal?: AbortSignal
}

/** Health of a gateway. */
export interface Health {
  /** The engine runs and takes sends. */
  readonly live: boolean
  /** Every module has started, and the gateway is neither stopping nor failed. */
  readonly ready: boolean
  /** How far the engine is behind, in milliseconds. */
  readonly lagMs: number
  readonly cycles: number
  /** Engine time of the last cycle, ISO 8601. */
  readonly now: string
  readonly error?: unknown
}

/** The gateway as a started module sees it. */
export interface LiveGateway<C extends AnyChannels = AnyChannels> {
  readonly channels: LiveChannels<C>
  readonly health: Health
  /** Every enabled module, in order: a web server asks them for routes of their own. */
  readonly modules: readonly Module<never>[]
  /** How the modules are wired: who gets and sets what, where loops are cut, what is unused. */
  readonly description: GatewayDescription
  /** Inputs at which nodes of modules failed whose policy is `deadLetter`. */
  readonly deadLetters: DeadLetters
  /** Stops the gateway, as its own `stop` does. */
  stop(): Promise<void>
}
