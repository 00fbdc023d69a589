import type { Edge } from '../graph.js'
import type { Timestamp } from '../time.js'
import type { SampleRing } from './sample-ring.js'
import { Incremental } from './statistic.js'
import { type WindowOptions, windowed } from './windowed.js'

/**
 * Ticks the least sample in the window. Amortised O(1). An empty window has NaN.
 * R. Harter, "The Minimum on a Sliding Window Algorithm", 2001.
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function min(x: Edge<number>, options: WindowOptions = {}): Edge<number> {
  return windowed('stats.min', x, options, Number.NaN, (samples) => {
    return new Extreme(
      samples,
      (a, b) => a < b,
      (extreme) => extreme.value,
    )
  })
}

/**
 * Ticks the greatest sample in the window. Amortised O(1). An empty window has NaN.
 * R. Harter, "The Minimum on a Sliding Window Algorithm", 2001.
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function max(x: Edge<number>, options: WindowOptions = {}): Edge<number> {
  return windowed('stats.max', x, options, Number.NaN, (samples) => {
    return new Extreme(
      samples,
      (a, b) => a > b,
      (extreme) => extreme.value,
    )
  })
}

/** Options of {@link argmin} and {@link argmax}. */
export interface ArgOptions extends Omit<WindowOptions, 'ignoreNa'> {
  /** Among equals, the latest; if false, the earliest. @defaultValue true */
  readonly returnMostRecent?: boolean
}

/**
 * Ticks the time of the least sample in the window, which NaN never is. Amortised O(1). Without a sample it is 0.
 * R. Harter, "The Minimum on a Sliding Window Algorithm", 2001.
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function argmin(x: Edge<number>, options: ArgOptions = {}): Edge<Timestamp> {
  const { returnMostRecent = true, ...rest } = options
  return windowed('stats.argmin', x, rest, 0, (samples) => {
    const beats = returnMostRecent
      ? (a: number, b: number) => a <= b
      : (a: number, b: number) => a < b
    return new Extreme(samples, beats, (extreme) => extreme.time)
  })
}

/**
 * Ticks the time of the greatest sample in the window, which NaN never is. Amortised O(1). Without a sample it is 0.
 * R. Harter, "The Minimum on a Sliding Window Algorithm", 2001.
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function argmax(x: Edge<number>, options: ArgOptions = {}): Edge<Timestamp> {
  const { returnMostRecent = true, ...rest } = options
  return windowed('stats.argmax', x, rest, 0, (samples) => {
    const beats = returnMostRecent
      ? (a: number, b: number) => a >= b
      : (a: number, b: number) => a > b
    return new Extreme(samples, beats, (extreme) => extreme.time)
  })
}

/**
 * The samples that are, or may still become, the extreme one: each is beaten by none that came after it, so the first
 * is the extreme. R. Harter, "The Minimum on a Sliding Window Algorithm", 2001 (the ascending minima).
 */
class Extreme extends Incremental<number> {
  /** Whether a newer sample makes an older one irrelevant. */
  readonly #beats: (newer: number, older: number) => boolean
  readonly #result: (extreme: Extreme) => number
  #added = 0
  #removed = 0
  // A ring: values, times, and the number of each sample.
  #head = 0
  #size = 0
  #mask = 15
  #values = new Float64Array(16)
  #times = new Float64Array(16)
  #numbers = new Float64Array(16)

  constructor(
    samples: SampleRing,
    beats: (newer: number, older: number) => boolean,
    result: (extreme: Extreme) => number,
  ) {
    super(samples)
    this.#beats = beats
    this.#result = result
  }

  get value(): number {
    return this.#size === 0 ? Number.NaN : (this.#values[this.#head] as number)
  }

  get time(): Timestamp {
    return this.#size === 0 ? 0 : (this.#times[this.#head] as number)
  }

  protected add(place: number): void {
    const x = this.samples.xs[place] as number
    const number = this.#added++
    while (this.#size > 0 && this.#beats(x, this.#values[this.#at(this.#size - 1)] as number)) {
      this.#size--
    }
    // Where nothing is ever removed, only the first can ever be asked for.
    if (!this.samples.slides && this.#size > 0) return
    if (this.#size > this.#mask) this.#grow()
    const at = this.#at(this.#size++)
    this.#values[at] = x
    this.#times[at] = this.samples.times[place] as number
    this.#numbers[at] = number
  }

  protected remove(): void {
    const number = this.#removed++
    if (this.#size > 0 && this.#numbers[this.#head] === number) {
      this.#head = (this.#head + 1) & this.#mask
      this.#size--
    }
  }

  protected clear(): void {
    this.#size = 0
    this.#removed = this.#added
  }

  result(): number {
    return this.#result(this)
  }

  #at(place: number): number {
    return (this.#head + place) & this.#mask
  }

  #grow(): void {
    const capacity = this.#mask + 1
    const grown = (from: Float64Array): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(capacity * 2)
      to.set(from.subarray(this.#head))
      to.set(from.subarray(0, this.#head), capacity - this.#head)
      return to
    }
    this.#values = grown(this.#values)
    this.#times = grown(this.#times)
    this.#numbers = grown(this.#numbers)
    this.#mask = capacity * 2 - 1
    this.#head = 0
  }
}
