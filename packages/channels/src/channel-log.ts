import type { Timestamp } from '@gw/core'
import type { ChannelKind, Position } from '@gw/protocol'
import type { z } from 'zod'
import { ChannelsError } from './errors.js'
import type { TickHistory } from './history.js'
import type { ChannelTick } from './live.js'
import type { Lookup } from './lookup.js'
import { measureJson } from './measure-json.js'
import { acceptsNullAt } from './paths.js'
import { type Struct, structsOf } from './struct.js'
import { KeyLog, Tick } from './tick.js'

/** What the logs of a run share. */
export interface LogBookOptions {
  /** New for each run. */
  readonly epoch: string
  /** Opens the history of a channel; `undefined` keeps none. */
  readonly openHistory: ((channel: string) => TickHistory) | undefined
  /** Gets what ticks, to be found by id. */
  readonly lookup: Lookup | undefined
  /** Told of a listener that threw; it is not called again. */
  readonly onListenerFailed: (channel: string, error: unknown) => void
}

/** The logs of all channels of a run. What ticks in a cycle is told when the cycle is complete, in the order of its ticks. */
export class LogBook {
  readonly options: LogBookOptions
  #ticks: Tick[] = []
  #spare: Tick[] = []

  constructor(options: LogBookOptions) {
    this.options = options
  }

  /** @internal Has `tick` told after the cycle. */
  tell(tick: Tick, afterCycle: (callback: () => void) => void): void {
    if (this.#ticks.length === 0) afterCycle(this.#tellAll)
    this.#ticks.push(tick)
  }

  readonly #tellAll = (): void => {
    const ticks = this.#ticks
    this.#ticks = this.#spare
    for (const tick of ticks) tick.log.deliver(tick)
    if (ticks.length === 1) ticks[0]?.log.settle(ticks)
    else for (const log of new Set(ticks.map((tick) => tick.log))) log.settle(ticks)
    // Not by its length: at 0 the array would give its room back.
    while (ticks.length > 0) ticks.pop()
    this.#spare = ticks
  }
}

/** Somebody who listens to a channel. */
interface Listener {
  readonly key: string | undefined
  readonly after: number
  readonly listener: (tick: ChannelTick) => void
}

/** Somebody who waits for something to happen on a channel. */
interface Waiter {
  readonly key: string | undefined
  /** @returns whether the wait is over; what it throws ends the wait. */
  readonly check: (ticks: readonly Tick[]) => boolean
  readonly fail: (error: unknown) => void
}

/** What was sent into one cycle. */
export interface SentCycle {
  /** Whether the engine has begun it: before that, what ticks was not sent, be it equal. */
  hasBegun: boolean
}

/** A record that was sent and has not come out yet. */
export interface InFlight {
  /** What will tick; nodes on the way may change it. */
  value: unknown
  /** Of a basket: the key that it is sent to. */
  readonly key: string | undefined
  /** Of all that was sent into one cycle, where keys may tick in another order than they were sent in. */
  readonly cycle: SentCycle
  readonly seen: (position: Position) => void
}

/** The ticks of one channel: positions, the recent past, and those who want to know. */
export class ChannelLog {
  readonly name: string
  readonly kind: ChannelKind
  readonly isList: boolean
  readonly isBasket: boolean
  /** Ticks of all keys. */
  total = 0
  /** Whether {@link observe} has to be told of ticks. */
  isObserved: boolean
  readonly #schema: z.ZodType
  readonly #structs: readonly Struct[]
  readonly #book: LogBook
  readonly #keys = new Map<string | undefined, KeyLog>()
  readonly #history: TickHistory | undefined
  #listeners: readonly Listener[] = []
  #waiters: readonly Waiter[] = []
  readonly #inFlight: InFlight[] = []
  #removals = 0
  readonly #nullable = new Map<string, boolean>()

  constructor(name: string, kind: ChannelKind, schema: z.ZodType, book: LogBook) {
    this.name = name
    this.kind = kind
    this.isBasket = kind === 'basket'
    this.isList = schema.def.type === 'array'
    this.#schema = schema
    this.#structs = structsOf(schema)
    this.#book = book
    this.#history = book.options.openHistory?.(name)
    this.isObserved = this.#history !== undefined
  }

  /** Records that were sent and have not come out yet. */
  get inFlight(): number {
    return this.#inFlight.length
  }

  get epoch(): string {
    return this.#book.options.epoch
  }

  /** How many keys have a log. */
  get keyCount(): number {
    return this.#keys.size
  }

  /** Keys that have a log: those of a fixed basket, the living ones of a dynamic one. */
  get keys(): IterableIterator<string | undefined> {
    return this.#keys.keys()
  }

  /** The log of a key, which is made when it is new. */
  keyLog(key: string | undefined): KeyLog {
    let log = this.#keys.get(key)
    if (log === undefined) {
      const epoch = this.#removals === 0 ? this.epoch : `${this.epoch}-${this.#removals}`
      log = new KeyLog({ structs: this.#structs, channel: this.name, key }, epoch)
      this.#keys.set(key, log)
    }
    return log
  }

  find(key: string | undefined): KeyLog | undefined {
    return this.#keys.get(key)
  }

  positionOf(key: string | undefined): Position {
    if (this.isBasket && key === undefined) return { epoch: this.epoch, offset: this.total }
    return this.#keys.get(key)?.position ?? { epoch: this.epoch, offset: 0 }
  }

  /** The last tick of a key, or of each key of a whole basket, in the order of the keys. */
  lastTicks(key: string | undefined): readonly Tick[] {
    if (this.isBasket && key === undefined) {
      const ticks: Tick[] = []
      for (const log of this.#keys.values()) {
        const tick = log.lastTick(this)
        if (tick !== undefined) ticks.push(tick)
      }
      return ticks
    }
    const tick = this.#keys.get(key)?.lastTick(this)
    return tick === undefined ? [] : [tick]
  }

  /** Takes a tick in, in its cycle; only while {@link isObserved}. */
  observe(
    keyLog: KeyLog,
    value: unknown,
    time: Timestamp,
    removed: boolean,
    afterCycle: (callback: () => void) => void,
  ): void {
    const bytes = this.#history === undefined ? 0 : this.#sizeOf(keyLog, value)
    const tick = new Tick(this, keyLog, value, time, removed)
    if (!removed) keyLog.setLast(tick)
    this.#history?.add(tick, bytes)
    const { lookup } = this.#book.options
    if (lookup !== undefined && !removed) lookup.add(keyLog.place, value)
    if (this.#inFlight.length > 0) this.#takeInFlight(keyLog.key, value)?.seen(tick.position)
    if (this.#listeners.length > 0 || this.#waiters.length > 0) this.#book.tell(tick, afterCycle)
    this.#updateObserved()
  }

  /** A key of a dynamic basket has gone: its position ends, and begins anew should the key come back. */
  remove(keyLog: KeyLog): void {
    this.#removals++
    this.#keys.delete(keyLog.key)
  }

  /** Ticks of a key, or of the whole basket, that came after `position`; `undefined` when the history does not reach back. */
  since(key: string | undefined, position: Position): readonly Tick[] | undefined {
    const now = this.positionOf(key)
    if (position.epoch !== now.epoch || position.offset > now.offset) return undefined
    const missing = now.offset - position.offset
    if (missing === 0) return []
    const isWhole = this.isBasket && key === undefined
    const ticks = this.#kept.filter((tick) =>
      isWhole
        ? tick.total > position.offset
        : tick.key === key && tick.epoch === position.epoch && tick.offset > position.offset,
    )
    return ticks.length === missing ? ticks : undefined
  }

  /** Ticks from `time` on; `undefined` when the history does not reach back. */
  sinceTime(key: string | undefined, time: Timestamp): readonly Tick[] | undefined {
    const forgotten = this.#history?.forgotten ?? Number.NEGATIVE_INFINITY
    if (this.#history === undefined || forgotten >= time) return undefined
    return this.#kept.filter((tick) => tick.time >= time && (key === undefined || tick.key === key))
  }

  /** Ticks that the history holds, the oldest first. */
  recent(key: string | undefined): readonly Tick[] {
    const ticks = this.#kept
    return key === undefined ? ticks : ticks.filter((tick) => tick.key === key)
  }

  /** Calls `listener` for later ticks. @returns what ends it. */
  listen(key: string | undefined, listener: (tick: ChannelTick) => void): () => void {
    const entry: Listener = { key, after: this.total, listener }
    this.#listeners = [...this.#listeners, entry]
    this.isObserved = true
    return () => this.#unlisten(entry)
  }

  /** Has `check` called after each cycle in which the channel or key ticked. @returns what ends it. */
  wait(waiter: Waiter): () => void {
    this.#waiters = [...this.#waiters, waiter]
    this.isObserved = true
    return () => this.#unwait(waiter)
  }

  /** Tells when a record that was sent has come out. */
  expect(sent: InFlight): void {
    this.#inFlight.push(sent)
    this.isObserved = true
  }

  /** Nodes made something else of what was sent, or let it not come out. */
  changeInFlight(key: string | undefined, value: unknown, changed: unknown): void {
    if (this.#inFlight.length === 0) return
    const sent = this.#inFlight.find((other) => other.key === key && Object.is(other.value, value))
    if (sent === undefined) return
    if (changed !== undefined) sent.value = changed
    else {
      this.forgetInFlight(sent)
      sent.seen(this.positionOf(key))
    }
  }

  /** What was sent will not come out any more. */
  forgetInFlight(sent: InFlight): void {
    const at = this.#inFlight.indexOf(sent)
    if (at !== -1) this.#inFlight.splice(at, 1)
    this.#updateObserved()
  }

  /** Takes out the record that has come out as `value`: one of the cycle that was sent first. */
  #takeInFlight(key: string | undefined, value: unknown): InFlight | undefined {
    const flying = this.#inFlight
    const cycle = flying[0]?.cycle
    if (cycle?.hasBegun !== true) return undefined
    for (let at = 0; at < flying.length; at++) {
      const sent = flying[at] as InFlight
      if (sent.cycle !== cycle) return undefined
      if (sent.key !== key || !Object.is(sent.value, value)) continue
      if (at === 0) flying.shift()
      else flying.splice(at, 1)
      return sent
    }
    return undefined
  }

  /** @internal */
  deliver(tick: Tick): void {
    for (const entry of this.#listeners) {
      if (entry.after >= tick.total || (entry.key !== undefined && entry.key !== tick.key)) continue
      try {
        entry.listener(tick)
      } catch (error) {
        this.#unlisten(entry)
        this.#book.options.onListenerFailed(this.name, error)
      }
    }
  }

  /** @internal */
  settle(ticks: readonly Tick[]): void {
    for (const waiter of this.#waiters) {
      const mine = ticks.filter(
        (tick) => tick.log === this && (waiter.key === undefined || tick.key === waiter.key),
      )
      if (mine.length === 0) continue
      try {
        if (waiter.check(mine)) this.#unwait(waiter)
      } catch (error) {
        // What one of those who wait asks for is no business of the engine.
        this.#unwait(waiter)
        waiter.fail(error)
      }
    }
    this.#updateObserved()
  }

  /** Ends all waits. */
  close(error: unknown): void {
    const waiters = this.#waiters
    this.#waiters = []
    this.#listeners = []
    for (const waiter of waiters) waiter.fail(error)
  }

  #unlisten(entry: Listener): void {
    this.#listeners = this.#listeners.filter((other) => other !== entry)
    this.#updateObserved()
  }

  #unwait(waiter: Waiter): void {
    this.#waiters = this.#waiters.filter((other) => other !== waiter)
    this.#updateObserved()
  }

  #updateObserved(): void {
    this.isObserved =
      this.#history !== undefined ||
      this.#listeners.length > 0 ||
      this.#waiters.length > 0 ||
      this.#inFlight.length > 0
  }

  get #kept(): readonly Tick[] {
    return this.#history?.ticks ?? []
  }

  /** A tick that JSON cannot carry has no position: the outside never sees it, and its offset goes to the next one. */
  #sizeOf(keyLog: KeyLog, value: unknown): number {
    try {
      return measureJson(value, this.#refuseAt)
    } catch (error) {
      keyLog.offset--
      this.total--
      this.#takeInFlight(keyLog.key, value)?.seen(keyLog.position)
      throw error instanceof RangeError
        ? this.#notJson('an object that contains itself, or nests too deep', { cause: error })
        : error
    }
  }

  /** NaN and infinities go out as null, which a field must be declared to hold. */
  readonly #refuseAt = (path: readonly string[]): void => {
    const dotted = path.join('.')
    let isNullable = this.#nullable.get(dotted)
    if (isNullable === undefined) {
      isNullable = acceptsNullAt(this.#schema, path)
      this.#nullable.set(dotted, isNullable)
    }
    if (isNullable) return
    throw this.#notJson(
      `what JSON cannot carry${dotted === '' ? '' : ` at "${dotted}"`}: declare the field nullable, or do not tick NaN and infinities`,
    )
  }

  #notJson(what: string, details: { readonly cause?: unknown } = {}): ChannelsError {
    return new ChannelsError('NOT_JSON', `channel "${this.name}" ticked ${what}`, {
      channel: this.name,
      ...details,
    })
  }
}
