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
  readonly #limits: HistoryLimits
  /** A ring, of which `#count` from `#head` on are kept; it grows when it is full. */
  #ticks: (Tick | undefined)[] = []
  #sizes: number[] = []
  #head = 0
  #count = 0
  #bytes = 0
  #forgotten: Tick | undefined

  constructor(limits: HistoryLimits) {
    this.#limits = limits
  }

  get ticks(): readonly Tick[] {
    return this.#inOrder(this.#ticks) as Tick[]
  }

  get forgotten(): Timestamp | undefined {
    return this.#forgotten?.time
  }

  add(tick: Tick, bytes: number): void {
    const { maxTicks, maxBytes } = this.#limits
    if (this.#count + 1 > maxTicks) this.#forgetOldest()
    if (this.#count === this.#ticks.length) this.#grow()
    const at = this.#placeOf(this.#count)
    this.#ticks[at] = tick
    this.#sizes[at] = bytes
    this.#count++
    this.#bytes += bytes
    while (this.#bytes > maxBytes) this.#forgetOldest()
  }

  #forgetOldest(): void {
    // Nothing is read of the tick: what is that old is in no cache of the processor.
    this.#forgotten = this.#ticks[this.#head]
    this.#ticks[this.#head] = undefined
    this.#bytes -= this.#sizes[this.#head] as number
    this.#head = this.#placeOf(1)
    this.#count--
  }

  #placeOf(number: number): number {
    const at = this.#head + number
    return at < this.#ticks.length ? at : at - this.#ticks.length
  }

  #grow(): void {
    const room = Math.max(16, this.#count)
    const sizes = this.#inOrder(this.#sizes)
    this.#ticks = [...this.#inOrder(this.#ticks), ...new Array<undefined>(room).fill(undefined)]
    this.#sizes = [...sizes, ...new Array<number>(room).fill(0)]
    this.#head = 0
  }

  #inOrder<T>(ring: readonly T[]): T[] {
    const end = this.#head + this.#count
    return [...ring.slice(this.#head, end), ...ring.slice(0, Math.max(0, end - ring.length))]
  }
}
