import { type Timestamp, timestampOf } from '@gw/core'
import type { AnyChannels, Position, Query } from '@gw/protocol'
import type { z } from 'zod'
import type { Contract } from './contract.js'
import { pathsOf } from './contract-problems.js'
import { ChannelsError } from './errors.js'
import type {
  BatchSend,
  ChannelInfo,
  ChannelTick,
  LiveChannels,
  NextOptions,
  RecordFilter,
  SendOptions,
  SendReceipt,
  StageAnswer,
  StageOptions,
  StateInfo,
  SubscribeOptions,
  Subscription,
  WaitOptions,
  Watch,
  WatchOptions,
} from './live.js'
import type { ChannelLog, Tick } from './log.js'
import type { Lookup } from './lookup.js'
import type { Mint } from './mint.js'
import { recordSchemaOf } from './paths.js'
import { endedError, type Flight, type Sender, setOrigin, type Target } from './sender.js'
import type { Staging, StagingEvent } from './staging.js'
import type { StateStore } from './state.js'
import { structsOf } from './struct.js'
import { TickSubscription } from './subscription.js'
import { Validation } from './validation.js'
import { channelOf, type Slot, unknownKey, type WiredChannel } from './wired-channel.js'
import type { Wiring } from './wiring.js'

/** What the running channels need of the run behind them. */
export interface ChannelsRun {
  readonly contract: Contract<AnyChannels>
  readonly wiring: Wiring
  readonly sender: Sender
  readonly mint: Mint
  readonly lookup: Lookup | undefined
  readonly ended: { readonly error?: unknown } | undefined
  /** Whether what was can still be read after the end: of a simulation, which is read when it is over. */
  readonly readableAfterEnd: boolean
}

const TEN_MINUTES_MS = 600_000

/** The running channels behind {@link LiveChannels}, by plain names. */
export class RunningChannels {
  readonly #run: ChannelsRun
  readonly #subscriptions = new Set<TickSubscription>()
  readonly #stageListeners = new Map<string, Set<(event: StagingEvent) => void>>()

  constructor(run: ChannelsRun) {
    this.#run = run
  }

  /** The same under the types of a contract. */
  typed<C extends AnyChannels>(): LiveChannels<C> {
    return this as unknown as LiveChannels<C>
  }

  get contract(): Contract<AnyChannels> {
    return this.#run.contract
  }

  get info(): readonly ChannelInfo[] {
    return [...this.#channels.values()].map(infoOf)
  }

  get states(): readonly StateInfo[] {
    return [...this.#run.wiring.states.values()]
      .filter(({ channel }) => channel.isProvided)
      .map(({ name, channel, options }) => ({
        name,
        channel: channel.name,
        by: pathsOf(options.by),
      }))
  }

  get fields(): { readonly [name: string]: unknown } {
    return this.#run.wiring.fields
  }

  last(name: string, key?: string): unknown {
    const ticks = this.lastTicks(name, key)
    return this.#answer(name, key, ticks)
  }

  lastTicks(name: string, key?: string): readonly Tick[] {
    this.#checkReadable()
    const log = this.#provided(name, key)
    return log.lastTicks(key)
  }

  recentTicks(name: string, key?: string): readonly Tick[] {
    this.#checkReadable()
    return this.#provided(name, key).recent(key)
  }

  positionOf(name: string, key?: string): Position {
    this.#checkReadable()
    return this.#provided(name, key).positionOf(key)
  }

  async atLeast(
    name: string,
    key: string | undefined,
    position: Position,
    options: WaitOptions = {},
  ): Promise<void> {
    this.#checkRunning()
    const log = this.#provided(name, key)
    const { epoch } = log.positionOf(key)
    if (epoch !== position.epoch) {
      throw new ChannelsError(
        'POSITION_MISMATCH',
        `"${name}" has begun anew since ${position.epoch}:${position.offset}: read it again`,
        { channel: name },
      )
    }
    const isReached = (): boolean => log.positionOf(key).offset >= position.offset
    if (isReached()) return
    await this.#wait(log, key, options, 'POSITION_TIMEOUT', () => (isReached() ? true : undefined))
  }

  async next(name: string, ...rest: readonly unknown[]): Promise<unknown> {
    const [key, options] = keyAndOptions<WaitOptions>(rest)
    return this.#answer(name, key, await this.nextTicks(name, key, options))
  }

  async nextTicks(
    name: string,
    key: string | undefined,
    options: NextOptions = {},
  ): Promise<readonly ChannelTick[]> {
    this.#checkRunning()
    const log = this.#provided(name, key)
    const isWhole = log.isBasket && key === undefined
    const { matches } = options
    return this.#wait(log, key, options, 'NEXT_TIMEOUT', (ticks) => {
      if (isWhole) {
        const isMeant = matches === undefined || ticks.some(matches)
        return isMeant ? log.lastTicks(undefined) : undefined
      }
      const come = ticks.find((tick) => !tick.removed && matches?.(tick) !== false)
      return come === undefined ? undefined : [come]
    })
  }

  query(name: string, query?: Query, isVisible?: RecordFilter): readonly unknown[] {
    const { store, channel } = this.#state(name)
    return store.query(query, isVisible && ((record, key) => isVisible(record, channel.name, key)))
  }

  count(name: string, query?: Query, isVisible?: RecordFilter): number {
    const { store, channel } = this.#state(name)
    return store.count(query, isVisible && ((record, key) => isVisible(record, channel.name, key)))
  }

  send(name: string, input: unknown, key?: string, options?: SendOptions): unknown {
    const flight = this.#sendOne(name, input, key, options, false)
    return flight.records[0]
  }

  async sendAndWait(
    name: string,
    input: unknown,
    key?: string,
    options: SendOptions & WaitOptions = {},
  ): Promise<unknown> {
    const flight = this.#sendOne(name, input, key, options, true)
    await this.#landed(flight, name, options)
    return flight.records[0]
  }

  sendAll(
    name: string,
    inputs: readonly unknown[],
    key?: string,
    options?: SendOptions,
  ): SendReceipt<unknown> {
    const flight = this.#sendAll(name, inputs, key, options, false)
    return this.#receipt(flight, name, key)
  }

  async sendAllAndWait(
    name: string,
    inputs: readonly unknown[],
    key?: string,
    options: SendOptions & WaitOptions = {},
  ): Promise<SendReceipt<unknown>> {
    const flight = this.#sendAll(name, inputs, key, options, true)
    await this.#landed(flight, name, options)
    return this.#receipt(flight, name, key)
  }

  sendBasket(
    name: string,
    inputs: { readonly [key: string]: unknown },
    options?: SendOptions,
  ): SendReceipt<unknown> {
    const { sender, mint } = this.#run
    const channel = channelOf(this.#channels, name)
    const scope = `basket ${name}`
    let flight = sender.repeated(scope, options ?? {})
    if (flight === undefined) {
      const validation = new Validation(mint)
      const targets = Object.entries(inputs).map(([key, input]): Target => {
        const target = this.#sendable(name, key)
        return {
          ...target,
          value: validation.take(channel, channel.definition.schema, input, [key]),
        }
      })
      validation.finish()
      check(targets, options)
      flight = sender.send(scope, targets.length === 0 ? [] : [targets], options)
    }
    const log = this.#provided(name, undefined)
    const { epoch, offset } = log.positionOf(undefined)
    return {
      records: flattenLists(channel, flight.records),
      position: { epoch, offset: offset + log.inFlight },
    }
  }

  sendBatch(
    sends: readonly BatchSend[],
    options: Omit<SendOptions, 'expect'> = {},
  ): readonly SendReceipt<unknown>[] {
    const { sender, mint } = this.#run
    const scope = 'batch'
    let flight = sender.repeated(scope, options)
    if (flight === undefined) {
      const validation = new Validation(mint)
      const seen = new Set<string>()
      const targets = sends.map(({ channel: name, key, data }, i): Target => {
        const target = this.#sendable(name, key)
        const place = `${name}\0${key ?? ''}`
        if (seen.has(place)) {
          throw new ChannelsError(
            'BAD_REQUEST',
            `the batch sends to "${target.slot.name}" twice, and a cycle has one tick of it: send a list channel, or another batch`,
            { channel: name },
          )
        }
        seen.add(place)
        const { channel } = target.slot
        return {
          ...target,
          value: validation.take(channel, channel.definition.schema, data, [i, 'data']),
        }
      })
      validation.finish()
      check(targets, options)
      flight = sender.send(scope, targets.length === 0 ? [] : [targets], options)
    }
    const done = flight
    return sends.map(({ channel: name, key }, i) => {
      const channel = channelOf(this.#channels, name)
      const receipt = sender.receipt(done, i, channel.log as ChannelLog, key)
      return { records: flattenLists(channel, [done.records[i]]), position: receipt.position }
    })
  }

  lookup(id: string, name?: string, isVisible?: RecordFilter): unknown {
    this.#checkReadable()
    const structs =
      name === undefined ? undefined : structsOf(channelOf(this.#channels, name).definition.schema)
    return this.#run.lookup?.find(id, structs, isVisible)
  }

  stageAdd(
    name: string,
    input: unknown,
    ids?: readonly string[],
    { origin, check }: StageOptions = {},
  ): StageAnswer<unknown> {
    const staging = this.#staging(name)
    if (input === undefined) return staging.add([], ids)
    const channel = channelOf(this.#channels, name)
    const schema = recordSchemaOf(channel.definition.schema) as z.ZodType
    const validation = new Validation(this.#run.mint)
    const inputs = channel.definition.kind === 'list' && Array.isArray(input) ? input : [input]
    const records = inputs.map((one: unknown, i) =>
      validation.take(channel, schema, one, inputs === input ? [i] : []),
    )
    validation.finish()
    for (const record of records) check?.(record, name, undefined)
    const answer = staging.add(records as object[], ids)
    const place = { structs: structsOf(schema), channel: name, key: undefined }
    for (const record of records) {
      setOrigin(record, origin)
      this.#run.lookup?.add(place, record)
    }
    return answer
  }

  stageRemove(
    name: string,
    recordId: string | undefined,
    ids?: readonly string[],
  ): StageAnswer<unknown> {
    return this.#staging(name).remove(recordId, ids)
  }

  stageRelease(
    name: string,
    ids?: readonly string[],
    { origin }: Pick<StageOptions, 'origin'> = {},
  ): StageAnswer<unknown> {
    const staging = this.#staging(name)
    for (const records of Object.values(staging.held(ids))) {
      for (const record of records) setOrigin(record, origin)
    }
    return staging.release(ids)
  }

  stageList(name: string, id?: string): readonly string[] {
    return this.#staging(name).list(id)
  }

  stageLookup(name: string, id?: string): StageAnswer<unknown> {
    return this.#staging(name).lookup(id)
  }

  watchStage(name: string, listener: (event: StagingEvent) => void): () => void {
    this.#staging(name)
    const listeners = this.#stageListeners.get(name) ?? new Set()
    this.#stageListeners.set(name, listeners)
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  watch(
    name: string,
    key: string | undefined,
    listener: (tick: ChannelTick) => void,
    { from = 'now' }: WatchOptions = {},
  ): Watch {
    this.#checkRunning()
    const log = this.#logFor(channelOf(this.#channels, name), key)
    const position = log.positionOf(key)
    let initial: readonly ChannelTick[] = []
    let recovered = true
    if (from !== 'now') {
      const missed =
        from === 'snapshot'
          ? log.lastTicks(key)
          : 'time' in from
            ? log.sinceTime(key, timeOf(from.time))
            : log.since(key, from)
      recovered = missed !== undefined
      initial = missed ?? log.lastTicks(key)
    }
    const stop = log.listen(key, listener)
    return { recovered, initial, position, stop }
  }

  subscribe(name: string, ...rest: readonly unknown[]): Subscription {
    const [key, options = {}] = keyAndOptions<SubscribeOptions>(rest)
    const { mode = 'nonCollapsing', maxBuffered = 10_000, signal, from = 'now' } = options
    const subscription = new TickSubscription({
      mode,
      maxBuffered,
      signal,
      watch: (listener) => {
        const watch = this.watch(name, key, listener, { from })
        return {
          ...watch,
          stop: () => {
            watch.stop()
            this.#subscriptions.delete(subscription)
          },
        }
      },
    })
    this.#subscriptions.add(subscription)
    return subscription
  }

  /** @internal Tells those who listen to stagings. */
  tellStaging(event: StagingEvent, onFailed: (error: unknown) => void): void {
    for (const listener of this.#stageListeners.get(event.channel) ?? []) {
      try {
        listener(event)
      } catch (error) {
        onFailed(error)
      }
    }
  }

  /** @internal The run has ended: nothing more comes. */
  close(ended: { readonly error?: unknown }): void {
    const error = endedError(ended)
    for (const { log } of this.#channels.values()) log?.close(error)
    for (const subscription of [...this.#subscriptions]) {
      subscription.end(ended.error === undefined ? {} : { error })
    }
  }

  get #channels(): ReadonlyMap<string, WiredChannel> {
    return this.#run.wiring.channels
  }

  #sendOne(
    name: string,
    input: unknown,
    key: string | undefined,
    options: SendOptions | undefined,
    mayWait: boolean,
  ): Flight {
    const { sender, mint } = this.#run
    const target = this.#sendable(name, key)
    const scope = `one ${target.slot.name}\0${target.key ?? ''}`
    const repeated = sender.repeated(scope, options ?? {})
    if (repeated !== undefined) return repeated
    const { channel } = target.slot
    const validation = new Validation(mint)
    const value = validation.take(channel, channel.definition.schema, input)
    validation.finish()
    const cycle = [{ ...target, value }]
    check(cycle, options)
    return sender.send(scope, [cycle], options, mayWait)
  }

  #sendAll(
    name: string,
    inputs: readonly unknown[],
    key: string | undefined,
    options: SendOptions | undefined,
    mayWait: boolean,
  ): Flight {
    const { sender, mint } = this.#run
    const target = this.#sendable(name, key)
    const scope = `all ${target.slot.name}\0${target.key ?? ''}`
    const repeated = sender.repeated(scope, options ?? {})
    if (repeated !== undefined) return repeated
    const { channel } = target.slot
    const { schema } = channel.definition
    const validation = new Validation(mint)
    const values = isList(channel)
      ? [validation.take(channel, schema, inputs)]
      : inputs.map((input, i) => validation.take(channel, schema, input, [i]))
    validation.finish()
    const isNothing = inputs.length === 0
    const cycles = isNothing ? [] : values.map((value) => [{ ...target, value }])
    check(cycles.flat(), options)
    return sender.send(scope, cycles, options, mayWait)
  }

  #receipt(flight: Flight, name: string, key: string | undefined): SendReceipt<unknown> {
    const channel = channelOf(this.#channels, name)
    const { position } = this.#run.sender.receipt(
      flight,
      flight.records.length - 1,
      channel.log as ChannelLog,
      key,
    )
    return { records: flattenLists(channel, flight.records), position }
  }

  async #landed(flight: Flight, name: string, options: WaitOptions): Promise<void> {
    if (!flight.isOver) {
      await timed(options, 'POSITION_TIMEOUT', name, (done) => {
        flight.whenOver(() => done(undefined))
        return () => undefined
      })
    }
    if (flight.error !== undefined) throw flight.error
  }

  /** @throws ChannelsError `NOT_SENDABLE`, `UNKNOWN_KEY`. */
  #sendable(name: string, key: string | undefined): Omit<Target, 'value'> {
    const channel = channelOf(this.#channels, name)
    if (channel.isDynamic) {
      const slot = channel.slot(undefined)
      this.#checkSendable(slot, key)
      if (key === undefined || key === '') throw unknownKey(channel, undefined)
      return { slot, key }
    }
    const slot = channel.slot(key)
    this.#checkSendable(slot, key)
    return { slot }
  }

  #checkSendable(slot: Slot, key: string | undefined): void {
    if (slot.isSendable) return
    throw new ChannelsError(
      'NOT_SENDABLE',
      `"${slot.name}" takes nothing from outside: declare it with send: true, or call addSendChannel`,
      { channel: slot.channel.name, ...(key === undefined ? {} : { key }) },
    )
  }

  #state(name: string): { readonly store: StateStore<unknown>; readonly channel: WiredChannel } {
    this.#checkReadable()
    const state = this.#run.wiring.states.get(name)
    if (state?.store === undefined) {
      const names = this.states.map((other) => `"${other.name}"`).join(', ')
      throw new ChannelsError(
        'NO_STATE',
        `there is no state ${JSON.stringify(name)}: ${names === '' ? 'the contract declares none' : `there are ${names}`}`,
        { channel: name },
      )
    }
    if (!state.channel.isProvided) throw noProvider(state.channel, undefined)
    return { store: state.store, channel: state.channel }
  }

  #staging(name: string): Staging {
    this.#checkReadable()
    const { staging } = channelOf(this.#channels, name)
    if (staging === undefined) {
      throw new ChannelsError(
        'NO_STAGE',
        `"${name}" has no staging: declare it with stage: true, or call setStage`,
        { channel: name },
      )
    }
    return staging
  }

  /** The log of a channel of which somebody provides the key, or, of a whole basket, any key. */
  #provided(name: string, key: string | undefined): ChannelLog {
    const channel = channelOf(this.#channels, name)
    const log = this.#logFor(channel, key)
    const isProvided =
      key === undefined || channel.isDynamic ? channel.isProvided : channel.slot(key).isProvided
    if (!isProvided) throw noProvider(channel, key)
    return log
  }

  #logFor(channel: WiredChannel, key: string | undefined): ChannelLog {
    if (key !== undefined && !channel.isDynamic) channel.slot(key)
    return channel.log as ChannelLog
  }

  #answer(name: string, key: string | undefined, ticks: readonly ChannelTick[]): unknown {
    const channel = channelOf(this.#channels, name)
    if (!channel.isBasket || key !== undefined) return ticks[0]?.value
    return Object.fromEntries(ticks.map((tick) => [tick.key, tick.value]))
  }

  #wait<R>(
    log: ChannelLog,
    key: string | undefined,
    options: WaitOptions,
    code: 'NEXT_TIMEOUT' | 'POSITION_TIMEOUT',
    check: (ticks: readonly Tick[]) => R | undefined,
  ): Promise<R> {
    return timed(options, code, log.name, (done, fail) =>
      log.wait({
        key,
        check: (ticks) => {
          const result = check(ticks)
          if (result !== undefined) done(result)
          return result !== undefined
        },
        fail,
      }),
    )
  }

  #checkReadable(): void {
    const { ended, readableAfterEnd } = this.#run
    if (ended !== undefined && !readableAfterEnd) throw endedError(ended)
  }

  #checkRunning(): void {
    const { ended } = this.#run
    if (ended !== undefined) throw endedError(ended)
  }
}

/** Lets whoever sends look at what is about to be sent: the records of a list one by one. */
function check(targets: readonly Target[], options: SendOptions | undefined): void {
  if (options?.check === undefined) return
  for (const { slot, key = slot.key, value } of targets) {
    const { channel } = slot
    const records = isList(channel) ? (value as readonly unknown[]) : [value]
    for (const record of records) options.check(record, channel.name, key)
  }
}

/** Waits for `begin` to report, at most as long as the options say. */
function timed<R>(
  { timeoutMs = TEN_MINUTES_MS, signal }: WaitOptions,
  code: 'NEXT_TIMEOUT' | 'POSITION_TIMEOUT',
  channel: string,
  begin: (done: (result: R) => void, fail: (error: unknown) => void) => () => void,
): Promise<R> {
  return new Promise<R>((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason)
      return
    }
    let stop: () => void = () => undefined
    const end = (): void => {
      clearTimeout(timeout)
      signal?.removeEventListener('abort', onAbort)
      stop()
    }
    const fail = (error: unknown): void => {
      end()
      reject(error)
    }
    const onAbort = (): void => fail(signal?.reason)
    const timeout = setTimeout(
      () =>
        fail(
          new ChannelsError(code, `"${channel}" did not tick within ${timeoutMs} ms`, { channel }),
        ),
      Math.min(timeoutMs, 2 ** 31 - 1),
    )
    // A wait is no reason to keep the process: the engine is one, while it runs.
    timeout.unref?.()
    signal?.addEventListener('abort', onAbort, { once: true })
    stop = begin((result) => {
      end()
      resolve(result)
    }, fail)
  })
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

function isList({ definition }: WiredChannel): boolean {
  return definition.schema.def.type === 'array'
}

/** The records of a list channel are those of its lists. */
function flattenLists(channel: WiredChannel, values: readonly unknown[]): readonly unknown[] {
  return isList(channel) ? values.flat() : values
}

function noProvider(channel: WiredChannel, key: string | undefined): ChannelsError {
  return new ChannelsError(
    'NO_PROVIDER',
    `nobody provides "${key === undefined ? channel.name : `${channel.name}/${key}`}": no module sets it, and the outside cannot send`,
    { channel: channel.name, ...(key === undefined ? {} : { key }) },
  )
}

function timeOf(text: string): Timestamp {
  try {
    return timestampOf(text)
  } catch (cause) {
    throw new ChannelsError('BAD_REQUEST', `${JSON.stringify(text)} is no ISO 8601 time`, { cause })
  }
}
