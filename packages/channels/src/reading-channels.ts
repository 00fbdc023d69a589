import type { AnyChannels, Position, Query } from '@gw/protocol'
import type { z } from 'zod'
import { checkCallOptions, checkFunction, checkIterable, checkPosition } from './call-options.js'
import type { ChannelLog } from './channel-log.js'
import type { Contract } from './contract.js'
import { pathsOf } from './contract-problems.js'
import { ChannelsError } from './errors.js'
import type {
  ChannelInfo,
  ChannelTick,
  LastOptions,
  NextOptions,
  RecordFilter,
  StateInfo,
  SubscribeOptions,
  Subscription,
  WaitOptions,
  Watch,
  WatchOptions,
} from './live.js'
import { nextTicks, reachedPosition } from './log-waits.js'
import type { Lookup } from './lookup.js'
import type { Mint } from './mint.js'
import { recordSchemaOf } from './paths.js'
import { endedError, type Sender } from './sender.js'
import { shown } from './shown.js'
import { MAX_RECORDS, type StateChange, type StateStore } from './state.js'
import { structsOf } from './struct.js'
import { TickSubscription } from './subscription.js'
import type { Tick } from './tick.js'
import { watchLog } from './watch-log.js'
import { channelOf, unknownKey, type WiredChannel } from './wired-channel.js'
import type { Wiring } from './wiring.js'

const WAIT_OPTIONS = ['timeoutMs', 'signal'] as const
const NEXT_OPTIONS = [...WAIT_OPTIONS, 'matches'] as const
const SUBSCRIBE_OPTIONS = ['mode', 'maxBuffered', 'signal'] as const

/** What the running channels need of the run behind them. */
export interface ChannelsRun {
  readonly contract: Contract<AnyChannels>
  readonly wiring: Wiring
  readonly sender: Sender
  readonly mint: Mint
  readonly lookup: Lookup | undefined
  readonly ended: { readonly error?: unknown } | undefined
  /** Keys of one dynamic basket that sends may make. */
  readonly maxKeys: number
  /** Whether what was can still be read after the end: of a simulation, which is read when it is over. */
  readonly readableAfterEnd: boolean
  /** Told of a listener to a channel, or its state, that threw; it is not called again. */
  readonly listenerFailed: (channel: string, error: unknown) => void
}

/** The running channels as they are read, by plain names. */
export class ReadingChannels {
  protected readonly run: ChannelsRun
  readonly #subscriptions = new Set<TickSubscription>()

  constructor(run: ChannelsRun) {
    this.run = run
  }

  get contract(): Contract<AnyChannels> {
    return this.run.contract
  }

  get info(): readonly ChannelInfo[] {
    return [...this.channels.values()].map(infoOf)
  }

  get states(): readonly StateInfo[] {
    return [...this.run.wiring.states.values()]
      .filter(({ channel }) => channel.isProvided)
      .map(({ name, channel, options: { by, keep, maxRecords = MAX_RECORDS, key } }) => ({
        name,
        channel: channel.name,
        by: pathsOf(by),
        ...(keep === undefined ? {} : { keep }),
        maxRecords,
        ...(key === undefined ? {} : { key }),
      }))
  }

  get fields(): { readonly [name: string]: unknown } {
    return this.run.wiring.fields
  }

  last(name: string, ...rest: readonly unknown[]): unknown {
    const [key, options] = keyAndOptions<LastOptions>(rest)
    if (options === undefined) return this.#answer(name, key, this.lastTicks(name, key))
    checkCallOptions('last', options, [], name)
    return this.atLeast(name, key, options.atLeast, options).then(() => this.last(name, key))
  }

  lastTicks(name: string, key?: string): readonly Tick[] {
    this.checkReadable()
    const log = this.provided(name, key)
    return log.lastTicks(key)
  }

  recentTicks(name: string, key?: string): readonly Tick[] {
    this.checkReadable()
    return this.provided(name, key).recent(key)
  }

  positionOf(name: string, key?: string): Position {
    this.checkReadable()
    return this.provided(name, key).positionOf(key)
  }

  async atLeast(
    name: string,
    key: string | undefined,
    position: Position,
    options?: WaitOptions,
  ): Promise<void> {
    checkPosition('atLeast', position, name)
    checkCallOptions('atLeast', options, WAIT_OPTIONS, name)
    this.#checkRunning()
    return reachedPosition(this.provided(name, key), key, position, options)
  }

  async next(name: string, ...rest: readonly unknown[]): Promise<unknown> {
    const [key, options] = keyAndOptions<WaitOptions>(rest)
    return this.#answer(name, key, await this.nextTicks(name, key, options))
  }

  async nextTicks(
    name: string,
    key: string | undefined,
    options?: NextOptions,
  ): Promise<readonly ChannelTick[]> {
    checkCallOptions('next', options, NEXT_OPTIONS, name)
    this.#checkRunning()
    return nextTicks(this.provided(name, key), key, options)
  }

  query(name: string, query?: Query, isVisible?: RecordFilter): readonly unknown[] {
    if (isVisible !== undefined) checkFunction('isVisible', isVisible, name)
    const { store, channel } = this.#state(name)
    return store.query(query, isVisible && ((record, key) => isVisible(record, channel.name, key)))
  }

  arrivals(name: string, isVisible?: RecordFilter): readonly unknown[] {
    if (isVisible !== undefined) checkFunction('isVisible', isVisible, name)
    const { store, channel } = this.#state(name)
    return store.arrivals(isVisible && ((record, key) => isVisible(record, channel.name, key)))
  }

  count(name: string, query?: Query, isVisible?: RecordFilter): number {
    if (isVisible !== undefined) checkFunction('isVisible', isVisible, name)
    const { store, channel } = this.#state(name)
    return store.count(query, isVisible && ((record, key) => isVisible(record, channel.name, key)))
  }

  restoreState(name: string, records: Iterable<unknown>, basketKey?: string): void {
    const { store } = this.#state(name)
    checkIterable('the records of restoreState', records, name)
    store.restore(records, basketKey)
  }

  forgetState(name: string, keys: Iterable<readonly unknown[]>): void {
    const { store } = this.#state(name)
    checkIterable('the keys of forgetState', keys, name)
    const all = [...keys]
    for (const key of all) checkIterable('a key of forgetState', key, name)
    store.forget(all)
  }

  stateRevision(name: string): string {
    const { store, channel } = this.#state(name)
    return `${channel.log?.epoch}.${store.revision}`
  }

  watchState(name: string, listener: (change: StateChange) => void): () => void {
    const { store, channel } = this.#state(name)
    checkFunction('the listener of watchState', listener, name)
    const stop = store.listen((change) => {
      try {
        listener(change)
      } catch (error) {
        // Within the cycle, where it would be an error of the gateway.
        stop()
        this.run.listenerFailed(channel.name, error)
      }
    })
    return stop
  }

  lookup(id: string, name?: string, isVisible?: RecordFilter): unknown {
    if (isVisible !== undefined) checkFunction('isVisible', isVisible, name)
    this.checkReadable()
    const structs =
      name === undefined ? undefined : structsOf(channelOf(this.channels, name).definition.schema)
    return this.run.lookup?.find(id, structs, isVisible)
  }

  watch(
    name: string,
    key: string | undefined,
    listener: (tick: ChannelTick) => void,
    options?: WatchOptions,
  ): Watch {
    checkFunction('the listener of watch', listener, name)
    checkCallOptions('watch', options, [], name)
    this.#checkRunning()
    return watchLog(this.#logFor(channelOf(this.channels, name), key), key, listener, options)
  }

  subscribe(name: string, ...rest: readonly unknown[]): Subscription {
    const [key, options = {}] = keyAndOptions<SubscribeOptions>(rest)
    checkCallOptions('subscribe', options, SUBSCRIBE_OPTIONS, name)
    const { mode = 'nonCollapsing', maxBuffered = 10_000, signal, from = 'now' } = options
    return new TickSubscription({
      mode,
      maxBuffered,
      signal,
      watch: (listener) => this.watch(name, key, listener, { from }),
      open: this.#subscriptions,
    })
  }

  /** @internal The run has ended: nothing more comes. */
  close(ended: { readonly error?: unknown }): void {
    const error = endedError(ended)
    for (const { log } of this.channels.values()) log?.close(error)
    for (const subscription of [...this.#subscriptions]) {
      subscription.end(ended.error === undefined ? {} : { error })
    }
  }

  protected get channels(): ReadonlyMap<string, WiredChannel> {
    return this.run.wiring.channels
  }

  #state(name: string): { readonly store: StateStore<unknown>; readonly channel: WiredChannel } {
    this.checkReadable()
    const state = this.run.wiring.states.get(name)
    if (state?.store === undefined) {
      const names = this.states.map((other) => `"${other.name}"`).join(', ')
      throw new ChannelsError(
        'NO_STATE',
        `there is no state ${shown(name)}: ${names === '' ? 'the contract declares none' : `there are ${names}`}`,
        { channel: name },
      )
    }
    if (!state.channel.isProvided) throw noProvider(state.channel, undefined)
    return { store: state.store, channel: state.channel }
  }

  /** The log of a channel of which somebody provides the key, or, of a whole basket, any key. */
  protected provided(name: string, key: string | undefined): ChannelLog {
    const channel = channelOf(this.channels, name)
    const log = this.#logFor(channel, key)
    const isProvided =
      key === undefined || channel.isDynamic ? channel.isProvided : channel.slot(key).isProvided
    if (!isProvided) throw noProvider(channel, key)
    return log
  }

  #logFor(channel: WiredChannel, key: string | undefined): ChannelLog {
    if (key !== undefined && !channel.isDynamic) channel.slot(key)
    if (key !== undefined && typeof key !== 'string') throw unknownKey(channel, key)
    return channel.log as ChannelLog
  }

  #answer(name: string, key: string | undefined, ticks: readonly ChannelTick[]): unknown {
    const channel = channelOf(this.channels, name)
    if (!channel.isBasket || key !== undefined) return ticks[0]?.value
    return Object.fromEntries(ticks.map((tick) => [tick.key, tick.value]))
  }

  protected checkReadable(): void {
    const { ended, readableAfterEnd } = this.run
    if (ended !== undefined && !readableAfterEnd) throw endedError(ended)
  }

  #checkRunning(): void {
    const { ended } = this.run
    if (ended !== undefined) throw endedError(ended)
  }
}

function keyAndOptions<O>(rest: readonly unknown[]): [string | undefined, O | undefined] {
  const [first, second] = rest
  return typeof first === 'string' || second !== undefined
    ? [first as string | undefined, second as O | undefined]
    : [undefined, first as O | undefined]
}

function infoOf(channel: WiredChannel): ChannelInfo {
  const { name, definition, isDynamic, isStaged, allSlots, log, keys } = channel
  return {
    name,
    kind: definition.kind,
    provided: channel.isProvided,
    keys: isDynamic && log !== undefined ? ([...log.keys] as string[]) : keys,
    dynamic: isDynamic,
    sendable: allSlots.some((slot) => slot.isSendable),
    staged: isStaged,
    recordSchema: recordSchemaOf(definition.schema) as z.ZodType,
    schema: definition.schema,
    options: definition.options,
  }
}

function noProvider(channel: WiredChannel, key: string | undefined): ChannelsError {
  return new ChannelsError(
    'NO_PROVIDER',
    `nobody provides "${key === undefined ? channel.name : `${channel.name}/${key}`}": no module sets it, and the outside cannot send`,
    { channel: channel.name, ...(key === undefined ? {} : { key }) },
  )
}
