import type { Input, Timestamp } from '@gw/core'
import type { ChannelKind, Position } from '@gw/protocol'
import type { ChannelLog } from './channel-log.js'
import type { ChannelTick } from './live.js'
import type { Place } from './lookup.js'

/** A tick as the outside sees it. */
export class Tick implements ChannelTick {
  readonly log: ChannelLog
  readonly key: string | undefined
  readonly value: unknown
  readonly removed: boolean
  readonly time: Timestamp
  readonly epoch: string
  readonly offset: number
  /** Number of the tick among all of the channel. */
  readonly total: number
  #json: string | undefined

  constructor(log: ChannelLog, of: KeyLog, value: unknown, time: Timestamp, removed: boolean) {
    this.log = log
    this.key = of.key
    this.value = value
    this.removed = removed
    this.time = time
    this.epoch = of.epoch
    this.offset = of.offset
    this.total = log.total
  }

  get channel(): string {
    return this.log.name
  }

  get kind(): ChannelKind {
    return this.log.kind
  }

  get position(): Position {
    return { epoch: this.epoch, offset: this.offset }
  }

  get json(): string {
    if (this.#json === undefined) {
      const text = JSON.stringify(this.value)
      this.#json = this.log.isList ? text : `[${text}]`
    }
    return this.#json
  }
}

/** Counts the ticks of a channel, or of one key of a basket, and knows the last one. */
export class KeyLog {
  readonly key: string | undefined
  readonly place: Place
  readonly epoch: string
  offset = 0
  /** The engine's side of a plain channel or fixed key; a dynamic key has its value here. */
  input: Input<unknown> | undefined
  value: unknown
  time: Timestamp = 0
  #last: Tick | undefined

  constructor(place: Place, epoch: string) {
    this.key = place.key
    this.place = place
    this.epoch = epoch
  }

  get position(): Position {
    return { epoch: this.epoch, offset: this.offset }
  }

  /** The last tick; one object for all who ask. */
  lastTick(log: ChannelLog): Tick | undefined {
    if (this.offset === 0) return undefined
    if (this.#last?.offset !== this.offset) {
      this.#last =
        this.input === undefined
          ? new Tick(log, this, this.value, this.time, false)
          : new Tick(log, this, this.input.value, this.input.time, false)
    }
    return this.#last
  }

  /** @internal */
  setLast(tick: Tick): void {
    this.#last = tick
  }
}
