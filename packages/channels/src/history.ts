import type { Timestamp } from '@gw/core'
import type { Tick } from './tick.js'

/** The recent ticks of one channel, for those who have missed some. Kept in memory; a journal would keep them elsewhere. */
export interface TickHistory {
  /** Takes a tick in, with the size of its value as JSON. */
  add(tick: Tick, bytes: number): void
  /** What is kept, the oldest first. */
  readonly ticks: readonly Tick[]
  /** Engine time of the newest tick that is kept no more; `undefined` when all are. */
  readonly forgotten: Timestamp | undefined
}

/** How far back a history reaches. */
export interface HistoryLimits {
  readonly maxTicks: number
  /** Of the values as JSON, estimated. */
  readonly maxBytes: number
}

/** A history in memory, bounded by count and size: beyond either the oldest ticks go. */
export class MemoryHistory implements TickHistory {
  forgotten: Timestamp | undefined
  readonly #limits: HistoryLimits
  #ticks: Tick[] = []
  #sizes: number[] = []
  #head = 0
  #bytes = 0

  constructor(limits: HistoryLimits) {
    this.#limits = limits
  }

  get ticks(): readonly Tick[] {
    return this.#ticks.slice(this.#head)
  }

  add(tick: Tick, bytes: number): void {
    const { maxTicks, maxBytes } = this.#limits
    this.#ticks.push(tick)
    this.#sizes.push(bytes)
    this.#bytes += bytes
    while (
      this.#ticks.length - this.#head > maxTicks ||
      (this.#bytes > maxBytes && this.#ticks.length > this.#head)
    ) {
      this.forgotten = (this.#ticks[this.#head] as Tick).time
      this.#bytes -= this.#sizes[this.#head] as number
      this.#head++
    }
    if (this.#head > 1_024 && this.#head * 2 > this.#ticks.length) {
      this.#ticks = this.#ticks.slice(this.#head)
      this.#sizes = this.#sizes.slice(this.#head)
      this.#head = 0
    }
  }
}
