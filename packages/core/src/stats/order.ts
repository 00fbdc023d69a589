import { GraphError } from '../errors.js'
import type { Edge } from '../graph.js'
import { node } from '../node.js'
import type { SampleRing } from './sample-ring.js'
import { SortedSamples } from './sorted-samples.js'
import { Incremental } from './statistic.js'
import { type WindowOptions, windowed } from './windowed.js'

/** What lies between two samples, at `share` of the way: on the line, the lower, the higher, the middle, or the nearer one. */
export type Interpolation = 'linear' | 'lower' | 'higher' | 'midpoint' | 'nearest'

/** Options of {@link quantile}. */
export interface QuantileOptions extends WindowOptions {
  /** How to read between two samples; halfway, the nearest is the higher one. @defaultValue 'linear' */
  readonly interpolate?: Interpolation
}

/**
 * Ticks the median of the samples in the window. O(log n). An empty window has NaN.
 * A counted B+ tree: R. Bayer, E. McCreight, Acta Informatica 1, 1972.
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function median(x: Edge<number>, options: WindowOptions = {}): Edge<number> {
  return quantile(x, 0.5, options)
}

/**
 * Ticks the quantile `q`, 0 to 1, of the samples in the window, or, for a list of them, one edge for each.
 * O(log n). An empty window has NaN.
 * @throws GraphError `INVALID_OPTION` when a quantile is not in 0 to 1.
 * @example `const p95 = stats.quantile(delays, 0.95, { interval: ticks(50) })`
 */
export function quantile(x: Edge<number>, q: number, options?: QuantileOptions): Edge<number>
export function quantile(
  x: Edge<number>,
  q: readonly number[],
  options?: QuantileOptions,
): readonly Edge<number>[]
export function quantile(
  x: Edge<number>,
  q: number | readonly number[],
  options: QuantileOptions = {},
): Edge<number> | readonly Edge<number>[] {
  const { interpolate = 'linear', ...rest } = options
  const quantiles = typeof q === 'number' ? [q] : [...q]
  for (const each of quantiles) {
    if (!(each >= 0 && each <= 1)) {
      throw new GraphError(
        'INVALID_OPTION',
        `"stats.quantile": a quantile is 0 to 1, not ${each}`,
        {
          node: 'stats.quantile',
        },
      )
    }
  }
  if (!Object.hasOwn(INTERPOLATIONS, interpolate)) {
    throw new GraphError(
      'INVALID_OPTION',
      `"stats.quantile": interpolate is one of ${Object.keys(INTERPOLATIONS).join(', ')}, not ${interpolate}`,
      { node: 'stats.quantile' },
    )
  }
  const read = INTERPOLATIONS[interpolate]
  if (typeof q === 'number') {
    return windowed(
      'stats.quantile',
      x,
      rest,
      Number.NaN,
      (samples) => new Quantile(samples, q, read),
    )
  }
  const missing = quantiles.map(() => Number.NaN)
  const all = windowed(
    'stats.quantile',
    x,
    rest,
    missing,
    (samples) => new Quantiles(samples, quantiles, read),
  )
  return quantiles.map((_, i) =>
    node(
      'stats.quantile.of',
      { all },
      ({ all }) =>
        () =>
          all.value[i],
    ),
  )
}

/** Options of {@link rank}. */
export interface RankOptions extends WindowOptions {
  /** Rank among equals: the lowest, the highest or the mean. @defaultValue 'min' */
  readonly method?: 'min' | 'max' | 'avg'
  /** When the last sample is NaN: the rank is NaN, or that of the last one that is not. @defaultValue 'keep' */
  readonly naOption?: 'keep' | 'last'
}

/**
 * Ticks how many samples in the window are below the last one. O(log n). An empty window has NaN.
 * A counted B+ tree: R. Bayer, E. McCreight, Acta Informatica 1, 1972.
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function rank(x: Edge<number>, options: RankOptions = {}): Edge<number> {
  const { method = 'min', naOption = 'keep', ...rest } = options
  if (!['min', 'max', 'avg'].includes(method) || !['keep', 'last'].includes(naOption)) {
    throw new GraphError(
      'INVALID_OPTION',
      `"stats.rank": method is min, max or avg, not ${method}; naOption is keep or last, not ${naOption}`,
      { node: 'stats.rank' },
    )
  }
  return windowed(
    'stats.rank',
    x,
    rest,
    Number.NaN,
    (samples) => new Rank(samples, method, naOption),
  )
}

type Read = (samples: SortedSamples, position: number) => number

const INTERPOLATIONS: { readonly [K in Interpolation]: Read } = {
  linear: (samples, position) => {
    const at = Math.floor(position)
    const low = samples.at(at)
    if (at === position) return low
    const share = position - at
    return (1 - share) * low + share * samples.at(at + 1)
  },
  lower: (samples, position) => samples.at(Math.floor(position)),
  higher: (samples, position) => samples.at(Math.ceil(position)),
  midpoint: (samples, position) =>
    (samples.at(Math.floor(position)) + samples.at(Math.ceil(position))) / 2,
  nearest: (samples, position) => samples.at(Math.floor(position + 0.5)),
}

class Quantile extends Incremental<number> {
  readonly #sorted = new SortedSamples()
  readonly #q: number
  readonly #read: Read

  constructor(samples: SampleRing, q: number, read: Read) {
    super(samples)
    this.#q = q
    this.#read = read
  }

  protected add(place: number): void {
    this.#sorted.add(this.samples.xs[place] as number)
  }

  protected remove(place: number): void {
    this.#sorted.remove(this.samples.xs[place] as number)
  }

  protected clear(): void {
    this.#sorted.clear()
  }

  result(): number {
    return quantileOf(this.#sorted, this.#q, this.#read)
  }
}

class Quantiles extends Incremental<readonly number[]> {
  readonly #sorted = new SortedSamples()
  readonly #qs: readonly number[]
  readonly #read: Read

  constructor(samples: SampleRing, qs: readonly number[], read: Read) {
    super(samples)
    this.#qs = qs
    this.#read = read
  }

  protected add(place: number): void {
    this.#sorted.add(this.samples.xs[place] as number)
  }

  protected remove(place: number): void {
    this.#sorted.remove(this.samples.xs[place] as number)
  }

  protected clear(): void {
    this.#sorted.clear()
  }

  result(): readonly number[] {
    return this.#qs.map((q) => quantileOf(this.#sorted, q, this.#read))
  }
}

function quantileOf(samples: SortedSamples, q: number, read: Read): number {
  return samples.size === 0 ? Number.NaN : read(samples, q * (samples.size - 1))
}

class Rank extends Incremental<number> {
  readonly #sorted = new SortedSamples()
  readonly #method: 'min' | 'max' | 'avg'
  readonly #keepsNan: boolean
  #last = Number.NaN

  constructor(samples: SampleRing, method: 'min' | 'max' | 'avg', naOption: 'keep' | 'last') {
    super(samples, true)
    this.#method = method
    this.#keepsNan = naOption === 'keep'
  }

  protected add(place: number): void {
    const x = this.samples.xs[place] as number
    if (!Number.isNaN(x)) this.#sorted.add(x)
    if (!Number.isNaN(x) || this.#keepsNan) this.#last = x
  }

  protected remove(place: number): void {
    const x = this.samples.xs[place] as number
    if (!Number.isNaN(x)) this.#sorted.remove(x)
  }

  protected clear(): void {
    this.#sorted.clear()
  }

  result(): number {
    if (Number.isNaN(this.#last) || this.#sorted.size === 0) return Number.NaN
    const lowest = this.#sorted.countBelow(this.#last, false)
    if (this.#method === 'min') return lowest
    const highest = this.#sorted.countBelow(this.#last, true) - 1
    return this.#method === 'max' ? highest : (lowest + highest) / 2
  }
}
