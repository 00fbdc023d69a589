import { checkCount } from '../check-number.js'
import type { Edge } from '../graph.js'
import { FIRST_PLACES, type SampleRing } from './sample-ring.js'
import { TwoStacks } from './two-stacks.js'
import { type RecalcOptions, type WeightOptions, type WindowOptions, windowed } from './windowed.js'

/** Options of {@link variance}, `stddev` and `sem`. */
export interface VarianceOptions extends WindowOptions, RecalcOptions, WeightOptions {
  /** What is taken from the number of samples, or from the sum of weights, to divide by. @defaultValue 1 */
  readonly ddof?: number
}

/**
 * Ticks the variance of the samples in the window; with weights, these are frequencies. Amortised O(1), stable. NaN
 * with no more samples than `ddof`. csp calls it `var`. B. P. Welford, 1962; T. F. Chan, G. H. Golub, R. J. LeVeque, 1979.
 * @throws GraphError `INVALID_OPTION` for a window, a bound or a `ddof` that is none.
 */
export function variance(x: Edge<number>, options: VarianceOptions = {}): Edge<number> {
  return ofVariance('stats.variance', x, options, Variance)
}

/** Ticks the standard deviation, the root of {@link variance}. Amortised O(1). @throws GraphError as {@link variance} does. */
export function stddev(x: Edge<number>, options: VarianceOptions = {}): Edge<number> {
  return ofVariance('stats.stddev', x, options, Deviation)
}

/**
 * Ticks the standard error of the mean: the root of {@link variance} by the number of samples, or the sum of weights.
 * Amortised O(1).
 * @throws GraphError as {@link variance} does.
 */
export function sem(x: Edge<number>, options: VarianceOptions = {}): Edge<number> {
  return ofVariance('stats.sem', x, options, StandardError)
}

/** Options of {@link skew}. */
export interface SkewOptions extends WindowOptions, RecalcOptions, WeightOptions {
  /** Without the correction for the size of the sample. @defaultValue false */
  readonly bias?: boolean
}

/**
 * Ticks the skewness of the samples in the window. Amortised O(1), stable. NaN with fewer than 3 samples, or hardly any variance.
 * P. Pébay, Sandia SAND2008-6212, 2008.
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function skew(x: Edge<number>, options: SkewOptions = {}): Edge<number> {
  const { bias = false, ...rest } = options
  return windowed(
    'stats.skew',
    x,
    rest,
    Number.NaN,
    (samples) => new HigherMoments(samples, (m) => skewOf(m, bias)),
  )
}

/** Options of {@link kurt}. */
export interface KurtOptions extends SkewOptions {
  /** Less that of the normal distribution, 3. @defaultValue true */
  readonly excess?: boolean
}

/**
 * Ticks the kurtosis of the samples in the window. Amortised O(1), stable. NaN with fewer than 4 samples, or hardly any variance.
 * P. Pébay, Sandia SAND2008-6212, 2008.
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function kurt(x: Edge<number>, options: KurtOptions = {}): Edge<number> {
  const { bias = false, excess = true, ...rest } = options
  return windowed(
    'stats.kurt',
    x,
    rest,
    Number.NaN,
    (samples) => new HigherMoments(samples, (m) => kurtOf(m, bias, excess)),
  )
}

/** Below such a variance the shape of a distribution means nothing. */
const LEAST_VARIANCE = 1e-9

function skewOf({ count, weight, m2, m3 }: CentralMoments, bias: boolean): number {
  const v = m2 / weight
  if (count <= 2 || v < LEAST_VARIANCE) return Number.NaN
  const biased = m3 / weight / (v * Math.sqrt(v))
  return bias ? biased : (biased * Math.sqrt(count * (count - 1))) / (count - 2)
}

function kurtOf({ count, weight, m2, m4 }: CentralMoments, bias: boolean, excess: boolean): number {
  const v = m2 / weight
  if (count <= 3 || v < LEAST_VARIANCE) return Number.NaN
  const biased = m4 / weight / (v * v)
  if (bias) return excess ? biased - 3 : biased
  const k = ((count + 1) * (count - 1)) / ((count - 2) * (count - 3))
  return k * biased - (3 * k * (count - 1)) / (count + 1) + (excess ? 0 : 3)
}

function ofVariance(
  name: string,
  x: Edge<number>,
  options: VarianceOptions,
  Statistic: typeof Variance,
): Edge<number> {
  const { ddof = 1, ...rest } = options
  checkCount(name, 'ddof', ddof, 0)
  return windowed(name, x, rest, Number.NaN, (samples) => new Statistic(samples, ddof))
}

/**
 * Number, mean and sum of squared distances from it, updated for a sample as B. P. Welford, Technometrics 4, 1962, with
 * weights as D. H. D. West, CACM 22, 1979, and combined as T. F. Chan, G. H. Golub, R. J. LeVeque, Stanford
 * STAN-CS-79-773, 1979.
 */
class Variance extends TwoStacks {
  /** Sum of weights of the samples of the result. */
  protected weight = 0
  private readonly ddof: number
  private backWeight = 0
  private backMean = 0
  private backSquares = 0
  /** What is kept of each state: weight, mean and squares. */
  private kept: Float64Array<ArrayBufferLike> = new Float64Array(FIRST_PLACES * 3)

  constructor(samples: SampleRing, ddof: number) {
    super(samples)
    this.ddof = ddof
  }

  protected empty(): void {
    this.backWeight = 0
    this.backMean = 0
    this.backSquares = 0
  }

  protected fold(place: number): void {
    const weight = this.samples.weight(place)
    if (weight <= 0) return
    const x = this.samples.xs[place] as number
    this.backWeight += weight
    const distance = x - this.backMean
    // In this order the first sample is the mean exactly, and equal ones do not move it.
    this.backMean += distance * (weight / this.backWeight)
    this.backSquares += weight * distance * (x - this.backMean)
  }

  protected keep(place: number): void {
    this.kept[place * 3] = this.backWeight
    this.kept[place * 3 + 1] = this.backMean
    this.kept[place * 3 + 2] = this.backSquares
  }

  protected reserve(places: number): void {
    this.kept = new Float64Array(places * 3)
  }

  /** NaN with a weight of no more than `ddof`. */
  protected combine(place: number): number {
    let weight = this.backWeight
    let squares = this.backSquares
    if (place >= 0) {
      const front = this.kept[place * 3] as number
      const distance = this.backMean - (this.kept[place * 3 + 1] as number)
      weight += front
      squares += this.kept[place * 3 + 2] as number
      if (front > 0 && this.backWeight > 0) {
        // The quotient does not wait for the distance.
        squares += distance * distance * ((front * this.backWeight) / weight)
      }
    }
    this.weight = weight
    return weight > this.ddof ? Math.max(squares, 0) / (weight - this.ddof) : Number.NaN
  }
}

class Deviation extends Variance {
  protected override combine(place: number): number {
    return Math.sqrt(super.combine(place))
  }
}

class StandardError extends Variance {
  protected override combine(place: number): number {
    return Math.sqrt(super.combine(place) / this.weight)
  }
}

interface CentralMoments {
  /** Samples. */
  count: number
  /** Sum of weights. */
  weight: number
  mean: number
  /** Sums of the powers of the distances from the mean. */
  m2: number
  m3: number
  m4: number
}

/** Fields of a state that is kept. */
const KEPT = 6

/**
 * The first four moments, by the formula that combines the moments of two sets, of which one may be a single sample.
 * P. Pébay, "Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical
 * Moments", Sandia SAND2008-6212, 2008.
 */
class HigherMoments extends TwoStacks {
  private readonly resultOf: (moments: CentralMoments) => number
  private readonly back: CentralMoments = { count: 0, weight: 0, mean: 0, m2: 0, m3: 0, m4: 0 }
  private readonly both: CentralMoments = { count: 0, weight: 0, mean: 0, m2: 0, m3: 0, m4: 0 }
  private kept: Float64Array<ArrayBufferLike> = new Float64Array(FIRST_PLACES * KEPT)

  constructor(samples: SampleRing, result: (m: CentralMoments) => number) {
    super(samples)
    this.resultOf = result
  }

  protected empty(): void {
    const back = this.back
    back.count = 0
    back.weight = 0
    back.mean = 0
    back.m2 = 0
    back.m3 = 0
    back.m4 = 0
  }

  protected fold(place: number): void {
    const { samples } = this
    merge(this.back, 1, Math.max(samples.weight(place), 0), samples.xs[place] as number, 0, 0, 0)
  }

  protected keep(place: number): void {
    const { count, weight, mean, m2, m3, m4 } = this.back
    const kept = this.kept
    const at = place * KEPT
    kept[at] = count
    kept[at + 1] = weight
    kept[at + 2] = mean
    kept[at + 3] = m2
    kept[at + 4] = m3
    kept[at + 5] = m4
  }

  protected reserve(places: number): void {
    this.kept = new Float64Array(places * KEPT)
  }

  protected combine(place: number): number {
    if (place < 0) return this.resultOf(this.back)
    const kept = this.kept
    const at = place * KEPT
    const both = this.both
    both.count = kept[at] as number
    both.weight = kept[at + 1] as number
    both.mean = kept[at + 2] as number
    both.m2 = kept[at + 3] as number
    both.m3 = kept[at + 4] as number
    both.m4 = kept[at + 5] as number
    const { count, weight, mean, m2, m3, m4 } = this.back
    merge(both, count, weight, mean, m2, m3, m4)
    return this.resultOf(both)
  }
}

/** Adds to the moments `a` those of another set of samples. */
function merge(
  a: CentralMoments,
  count: number,
  wb: number,
  mean: number,
  m2: number,
  m3: number,
  m4: number,
): void {
  a.count += count
  if (wb === 0) return
  const wa = a.weight
  if (wa === 0) {
    a.weight = wb
    a.mean = mean
    a.m2 = m2
    a.m3 = m3
    a.m4 = m4
    return
  }
  const w = wa + wb
  const d = mean - a.mean
  const dn = d / w
  const d2 = d * dn * wa * wb
  a.m4 +=
    m4 +
    d2 * dn * dn * (wa * wa - wa * wb + wb * wb) +
    6 * dn * dn * (wa * wa * m2 + wb * wb * a.m2) +
    4 * dn * (wa * m3 - wb * a.m3)
  a.m3 += m3 + d2 * dn * (wa - wb) + 3 * dn * (wa * m2 - wb * a.m2)
  a.m2 += m2 + d2
  a.mean += dn * wb
  a.weight = w
}
