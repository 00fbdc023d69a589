import { GraphError } from './errors.js'
import { type Edge, type NodeSpec, outputOf } from './graph.js'
import type { Tick } from './outputs.js'
import type { Series } from './series.js'
import { checkSpan, type Span, Ticks } from './span.js'
import type { Duration, Timestamp } from './time.js'

/** What to do with the beginning of a stretch of time: take a tick exactly there, leave it out, or show what was in force then. */
export type HistoryStart = 'inclusive' | 'exclusive' | 'extrapolate'

/**
 * The last ticks of an edge, as a node sees them in a cycle. It is live: keep what you read, not the view.
 * Ticks are counted back from the last one, which is 0.
 */
export interface History<T> {
  /** Ticks since the start of the run, those no longer kept included. */
  readonly count: number
  /** Ticks that are kept at present. */
  readonly length: number
  /**
   * The value `back` ticks ago.
   * @throws GraphError `HISTORY_EXCEEDED` beyond what is kept; `NOT_TICKED` when there is no such tick yet and no fallback.
   */
  value(back?: number, fallback?: T): T
  /** The time of the tick `back` ticks ago. @throws as {@link value} does. */
  time(back?: number): Timestamp
  /**
   * The value in force at `time`, which is that of the last tick at or before it; of several at one time, the last,
   * or the first if so asked.
   * @throws GraphError `HISTORY_EXCEEDED` when `time` is longer ago than the history was asked for by duration;
   * `NOT_TICKED` when there was no tick yet and no fallback.
   */
  valueAt(time: Timestamp, fallback?: T, pick?: 'first' | 'last'): T
  /** The time of that tick. @throws as {@link valueAt} does. */
  timeAt(time: Timestamp, pick?: 'first' | 'last'): Timestamp
  /**
   * The ticks from `from` ticks ago to `to` ticks ago, both included, oldest first: as many as there are.
   * @throws GraphError `HISTORY_EXCEEDED` when `from` is beyond what is kept.
   */
  items(from?: number, to?: number): readonly Tick<T>[]
  /** The ticks from one time to another, both included, oldest first. @throws as {@link valueAt} does. */
  itemsBetween(from: Timestamp, to: Timestamp, start?: HistoryStart): readonly Tick<T>[]
}

/**
 * Keeps the last ticks of `x`: `ticks(n)` of them, or those of the last `ms(n)`. The edge carries a view of them and
 * ticks when `x` does; O(1) a tick. All that ask for the history of one edge share it, and the longest span counts, that of a
 * `delay` by ticks and of a `graphOutput` included; the latter keeps everything unless told otherwise.
 * A tick from before the span may be gone, also while its value was in force when the span began.
 * @throws GraphError `INVALID_OPTION` when the span is not above 0.
 * @example
 * ```ts
 * node('change', { past: history(price, ticks(2)) }, ({ past }) => () =>
 *   past.value.value(0) - past.value.value(1, 0))
 * ```
 */
export function history<T>(x: Edge<T>, span: Span): Edge<History<T>> {
  checkSpan('history', 'the span', span, 1)
  const keeper = widen(x, span)
  const { bounds } = keeper
  keeper.edge ??= outputOf(
    x.graph.add({
      name: 'history',
      inputs: [x],
      setup: ([x], _outputs, context) => {
        const past = new LiveHistory(bounds, () => context.now)
        return () => {
          past.push((x as Series).value, context.now)
          return past
        }
      },
    }),
  )
  return keeper.edge as Edge<History<T>>
}

/** @internal Lets those that ask for the history of `x` have as much of it; all of it without a span. */
export function keepHistory(x: Edge<unknown>, span: Span | undefined): void {
  widen(x, span ?? new Ticks(Number.POSITIVE_INFINITY))
}

function widen(x: Edge<unknown>, span: Span): Keeper {
  const ports = keepers.get(x.node) ?? new Map<number, Keeper>()
  keepers.set(x.node, ports)
  const keeper = ports.get(x.port) ?? { bounds: { count: 0, age: 0 }, edge: undefined }
  ports.set(x.port, keeper)
  const { bounds } = keeper
  if (span instanceof Ticks) bounds.count = Math.max(bounds.count, span.count)
  else bounds.age = Math.max(bounds.age, span)
  return keeper
}

/** Places for a history that keeps all ticks. */
const FIRST_PLACES = 16

interface Bounds {
  /** Ticks to keep; 0 when nobody asked by number, `Infinity` for all. */
  count: number
  /** Age of the oldest tick to keep; 0 when nobody asked by duration. */
  age: Duration
}

interface Keeper {
  readonly bounds: Bounds
  edge: Edge<History<unknown>> | undefined
}

const keepers = new WeakMap<NodeSpec, Map<number, Keeper>>()

class LiveHistory<T> implements History<T> {
  count = 0
  length = 0
  readonly #bounds: Bounds
  readonly #now: () => Timestamp
  #head = 0
  #values: (T | undefined)[]
  #times: Float64Array<ArrayBuffer>

  constructor(bounds: Bounds, now: () => Timestamp) {
    this.#bounds = bounds
    this.#now = now
    const { count } = bounds
    this.#values = new Array(count === Number.POSITIVE_INFINITY ? FIRST_PLACES : Math.max(count, 1))
    this.#times = new Float64Array(this.#values.length)
  }

  push(value: T, time: Timestamp): void {
    if (this.length === this.#values.length) {
      const { count, age } = this.#bounds
      if (this.length < count || (age > 0 && time - this.#timeOf(0) <= age)) this.#grow()
      else this.#drop()
    }
    const at = this.#at(this.length++)
    this.#values[at] = value
    this.#times[at] = time
    this.count++
  }

  value(back = 0, fallback?: T): T {
    return this.#has(back, fallback !== undefined)
      ? (this.#valueOf(this.length - 1 - back) as T)
      : (fallback as T)
  }

  time(back = 0): Timestamp {
    this.#has(back, false)
    return this.#timeOf(this.length - 1 - back)
  }

  valueAt(time: Timestamp, fallback?: T, pick: 'first' | 'last' = 'last'): T {
    const at = this.#find(time, pick)
    if (at >= 0) return this.#valueOf(at) as T
    if (fallback === undefined) throw notTicked()
    return fallback
  }

  timeAt(time: Timestamp, pick: 'first' | 'last' = 'last'): Timestamp {
    const at = this.#find(time, pick)
    if (at < 0) throw notTicked()
    return this.#timeOf(at)
  }

  items(from: number = this.length - 1, to = 0): readonly Tick<T>[] {
    if (from < this.length || !this.#has(from, true)) {
      return this.#slice(Math.max(0, this.length - 1 - from), this.length - 1 - to)
    }
    return []
  }

  itemsBetween(
    from: Timestamp,
    to: Timestamp,
    start: HistoryStart = 'inclusive',
  ): readonly Tick<T>[] {
    const inForce = this.#find(from, 'last')
    let first = inForce + 1
    if (start === 'inclusive') {
      const sameTime = this.#find(from, 'first')
      if (sameTime >= 0 && this.#timeOf(sameTime) === from) first = sameTime
    }
    const ticks = this.#slice(first, this.#find(to, 'last'))
    if (start !== 'extrapolate' || inForce < 0) return ticks
    return [[from, this.#valueOf(inForce) as T], ...ticks]
  }

  #slice(first: number, last: number): readonly Tick<T>[] {
    const ticks: Tick<T>[] = []
    for (let i = first; i <= last; i++) ticks.push([this.#timeOf(i), this.#valueOf(i) as T])
    return ticks
  }

  /** Whether the tick is there; `mayLack` tells whether one that has not come yet is no error. */
  #has(back: number, mayLack: boolean): boolean {
    const isPlace = back >= 0 && Number.isInteger(back)
    if (isPlace && back < this.length) return true
    const { count, age } = this.#bounds
    if (!isPlace || back < this.count || (age === 0 && back >= count)) {
      throw new GraphError(
        'HISTORY_EXCEEDED',
        `${back} ticks back is beyond the history that is kept, ${this.length} ticks: ask for more in history()`,
      )
    }
    if (!mayLack) throw notTicked()
    return false
  }

  /** Place of the last tick at or before `time`, or of the first with that tick's time; -1 if there is none. */
  #find(time: Timestamp, pick: 'first' | 'last'): number {
    if (!(this.#now() - time <= this.#bounds.age)) {
      throw new GraphError(
        'HISTORY_EXCEEDED',
        `${this.#now() - time} microseconds ago is beyond the history that is kept by duration, ${this.#bounds.age}: ask for more in history()`,
      )
    }
    let low = 0
    let high = this.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#timeOf(middle) <= time) low = middle + 1
      else high = middle
    }
    let at = low - 1
    while (pick === 'first' && at > 0 && this.#timeOf(at - 1) === this.#timeOf(at)) at--
    return at
  }

  #timeOf(place: number): Timestamp {
    return this.#times[this.#at(place)] as number
  }

  #valueOf(place: number): T | undefined {
    return this.#values[this.#at(place)]
  }

  /** Where the tick with `place` others before it lies in the ring. */
  #at(place: number): number {
    const at = this.#head + place
    return at < this.#values.length ? at : at - this.#values.length
  }

  #drop(): void {
    this.#values[this.#head] = undefined
    this.#head = this.#at(1)
    this.length--
  }

  #grow(): void {
    const size = this.#values.length * 2
    const times = new Float64Array(size)
    const values: (T | undefined)[] = new Array(size)
    for (let i = 0; i < this.length; i++) {
      times[i] = this.#timeOf(i)
      values[i] = this.#valueOf(i)
    }
    this.#times = times
    this.#values = values
    this.#head = 0
  }
}

function notTicked(): GraphError {
  return new GraphError(
    'NOT_TICKED',
    'there is no such tick yet: check count, or give a fallback to return',
  )
}
