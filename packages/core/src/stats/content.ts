import { checkCount } from '../check-number.js'
import type { Edge } from '../graph.js'
import type { SampleRing } from './sample-ring.js'
import { Incremental } from './statistic.js'
import { type WindowOptions, windowed } from './windowed.js'

/**
 * Ticks the oldest sample in the window; NaN is a sample like any other unless it is ignored. O(1). An empty window has NaN.
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function first(x: Edge<number>, options: WindowOptions = {}): Edge<number> {
  const keepsNan = options.ignoreNa === false
  return windowed('stats.first', x, options, Number.NaN, (samples) => new First(samples, keepsNan))
}

/**
 * Ticks the newest sample in the window; NaN is a sample like any other unless it is ignored. O(1). An empty window has NaN.
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function last(x: Edge<number>, options: WindowOptions = {}): Edge<number> {
  const keepsNan = options.ignoreNa === false
  return windowed('stats.last', x, options, Number.NaN, (samples) => new Last(samples, keepsNan))
}

/** Options of {@link unique}. */
export interface UniqueOptions extends Omit<WindowOptions, 'ignoreNa'> {
  /** Decimal places that tell samples apart; further ones are cut off. @defaultValue 10 */
  readonly precision?: number
}

/**
 * Ticks the number of different samples in the window, NaN not counted. O(1). An empty window has 0.
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function unique(x: Edge<number>, options: UniqueOptions = {}): Edge<number> {
  const { precision = 10, ...rest } = options
  checkCount('stats.unique', 'precision', precision, 0)
  return windowed('stats.unique', x, rest, Number.NaN, (samples) => new Unique(samples, precision))
}

/**
 * Ticks the samples in the window as a list, oldest first, NaN included. O(n).
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function crossSectional(
  x: Edge<number>,
  options: Omit<WindowOptions, 'ignoreNa' | 'minDataPoints'> = {},
): Edge<readonly number[]> {
  return windowed('stats.crossSectional', x, options, [], (samples) => new CrossSection(samples))
}

/** Samples from the oldest to the newest, the removed ones cut off now and then. */
class Queue {
  #samples: number[] = []
  #oldest = 0

  get size(): number {
    return this.#samples.length - this.#oldest
  }

  push(x: number): void {
    this.#samples.push(x)
  }

  shift(): void {
    if (++this.#oldest * 2 > this.#samples.length) {
      this.#samples = this.list()
      this.#oldest = 0
    }
  }

  clear(): void {
    this.#samples = []
    this.#oldest = 0
  }

  get first(): number {
    return this.#samples[this.#oldest] ?? Number.NaN
  }

  list(): number[] {
    return this.#samples.slice(this.#oldest)
  }
}

class First extends Incremental<number> {
  readonly keepsNan: boolean
  readonly #queue = new Queue()

  constructor(samples: SampleRing, keepsNan: boolean) {
    super(samples, keepsNan)
    this.keepsNan = keepsNan
  }

  protected add(place: number): void {
    if (!this.samples.slides && this.#queue.size > 0) return
    this.#queue.push(this.samples.xs[place] as number)
  }

  protected remove(): void {
    this.#queue.shift()
  }

  protected clear(): void {
    this.#queue.clear()
  }

  result(): number {
    return this.#queue.first
  }
}

class Last extends Incremental<number> {
  readonly keepsNan: boolean
  #last = Number.NaN
  #count = 0

  constructor(samples: SampleRing, keepsNan: boolean) {
    super(samples, keepsNan)
    this.keepsNan = keepsNan
  }

  protected add(place: number): void {
    this.#last = this.samples.xs[place] as number
    this.#count++
  }

  protected remove(): void {
    this.#count--
  }

  protected clear(): void {
    this.#count = 0
  }

  result(): number {
    return this.#count === 0 ? Number.NaN : this.#last
  }
}

class Unique extends Incremental<number> {
  readonly #counts = new Map<number, number>()
  readonly #scale: number

  constructor(samples: SampleRing, precision: number) {
    super(samples)
    this.#scale = 10 ** precision
  }

  protected add(place: number): void {
    const key = this.#key(place)
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  protected remove(place: number): void {
    const key = this.#key(place)
    const count = this.#counts.get(key) ?? 0
    if (count > 1) this.#counts.set(key, count - 1)
    else this.#counts.delete(key)
  }

  protected clear(): void {
    this.#counts.clear()
  }

  result(): number {
    return this.#counts.size
  }

  #key(place: number): number {
    return Math.trunc((this.samples.xs[place] as number) * this.#scale)
  }
}

class CrossSection extends Incremental<readonly number[]> {
  readonly keepsNan = true
  readonly #queue = new Queue()

  constructor(samples: SampleRing) {
    super(samples, true)
  }

  protected add(place: number): void {
    this.#queue.push(this.samples.xs[place] as number)
  }

  protected remove(): void {
    this.#queue.shift()
  }

  protected clear(): void {
    this.#queue.clear()
  }

  result(): readonly number[] {
    return this.#queue.list()
  }
}
