import { checkCount } from '../check-number.js'
import { GraphError } from '../errors.js'
import type { Edge } from '../graph.js'
import { multiNode, sink } from '../node.js'
import { FIRST_PLACES, type SampleRing } from './sample-ring.js'
import { TwoStacks } from './two-stacks.js'
import { type RecalcOptions, type WeightOptions, type WindowOptions, windowed } from './windowed.js'

/** Options of {@link corr}. */
export interface CorrOptions extends WindowOptions, RecalcOptions, WeightOptions {
  /** Drop a tick of one series without one of the other, in place of ending the run. @defaultValue false */
  readonly allowNonOverlapping?: boolean
}

/** Options of {@link cov}. */
export interface CovOptions extends CorrOptions {
  /** What is taken from the number of samples, or from the sum of weights, to divide by. @defaultValue 1 */
  readonly ddof?: number
}

/**
 * Ticks the covariance of two series, which tick together, in the window. A pair with NaN in it is NaN. Amortised O(1),
 * stable.
 * T. F. Chan, G. H. Golub, R. J. LeVeque, 1979; P. Pébay, 2008.
 * @throws GraphError `INVALID_OPTION`; at run time, `OUT_OF_STEP`, when one ticks without the other.
 */
export function cov(x: Edge<number>, y: Edge<number>, options: CovOptions = {}): Edge<number> {
  const { ddof = 1, ...rest } = options
  checkCount('stats.cov', 'ddof', ddof, 0)
  return paired('stats.cov', x, y, rest, (m) => {
    return m.weight > ddof ? m.products / (m.weight - ddof) : Number.NaN
  })
}

/**
 * Ticks the correlation of two series in the window, as {@link cov} pairs them. NaN when either hardly varies.
 * Amortised O(1), stable.
 * @throws GraphError `INVALID_OPTION`; at run time, `OUT_OF_STEP`.
 */
export function corr(x: Edge<number>, y: Edge<number>, options: CorrOptions = {}): Edge<number> {
  return paired('stats.corr', x, y, options, (m) => {
    const varianceOf = (squares: number): number => squares / (m.weight - 1)
    if (!(m.weight > 1)) return Number.NaN
    const vx = varianceOf(m.xSquares)
    const vy = varianceOf(m.ySquares)
    if (vx < LEAST_VARIANCE || vy < LEAST_VARIANCE) return Number.NaN
    return varianceOf(m.products) / Math.sqrt(vx * vy)
  })
}

const LEAST_VARIANCE = 1e-9

function paired(
  name: string,
  x: Edge<number>,
  y: Edge<number>,
  options: CorrOptions,
  result: (moments: CrossMoments) => number,
): Edge<number> {
  const { allowNonOverlapping = false, ...rest } = options
  const inStep = together(name, x, y, allowNonOverlapping)
  return windowed(
    name,
    inStep.x,
    rest,
    Number.NaN,
    (samples) => new CrossMoments(samples, result),
    inStep.y,
  )
}

/** Two series that tick in the same cycles; a tick of one alone is dropped, or ends the run. */
export function together(
  name: string,
  x: Edge<number>,
  y: Edge<number>,
  dropsLone: boolean,
): { readonly x: Edge<number>; readonly y: Edge<number> } {
  if (x === y) return { x, y }
  if (dropsLone) {
    return multiNode<{ x: number; y: number }>()(
      `${name}.together`,
      { x, y },
      ['x', 'y'],
      ({ x, y }, out) =>
        () => {
          if (!x.ticked || !y.ticked) return
          out.x.emit(x.value)
          out.y.emit(y.value)
        },
    )
  }
  sink(`${name}.inStep`, { x, y }, ({ x, y }) => () => {
    if (x.ticked !== y.ticked) {
      throw new GraphError(
        'OUT_OF_STEP',
        'the two series tick in the same cycles; sample one by the other, or set allowNonOverlapping',
      )
    }
  })
  return { x, y }
}

const KEPT = 6

/**
 * Means of two series, and the sums of squares and products of the distances from them, with weights.
 * T. F. Chan, G. H. Golub, R. J. LeVeque, Stanford STAN-CS-79-773, 1979; P. Pébay, Sandia SAND2008-6212, 2008.
 */
class CrossMoments extends TwoStacks {
  /** Of the samples of the result. */
  weight = 0
  xSquares = 0
  ySquares = 0
  products = 0
  readonly #result: (moments: CrossMoments) => number
  #weight = 0
  #xMean = 0
  #yMean = 0
  #xSquares = 0
  #ySquares = 0
  #products = 0
  #kept: Float64Array<ArrayBufferLike> = new Float64Array(FIRST_PLACES * KEPT)

  constructor(samples: SampleRing, result: (moments: CrossMoments) => number) {
    super(samples)
    this.#result = result
  }

  protected empty(): void {
    this.#weight = 0
    this.#xMean = 0
    this.#yMean = 0
    this.#xSquares = 0
    this.#ySquares = 0
    this.#products = 0
  }

  protected fold(place: number): void {
    const { samples } = this
    const weight = samples.weight(place)
    if (weight <= 0) return
    const x = samples.xs[place] as number
    const y = samples.ys[place] as number
    this.#weight += weight
    const dx = x - this.#xMean
    const dy = y - this.#yMean
    this.#xMean += dx * (weight / this.#weight)
    this.#yMean += dy * (weight / this.#weight)
    this.#xSquares += weight * dx * (x - this.#xMean)
    this.#ySquares += weight * dy * (y - this.#yMean)
    this.#products += weight * dx * (y - this.#yMean)
  }

  protected keep(place: number): void {
    const kept = this.#kept
    const at = place * KEPT
    kept[at] = this.#weight
    kept[at + 1] = this.#xMean
    kept[at + 2] = this.#yMean
    kept[at + 3] = this.#xSquares
    kept[at + 4] = this.#ySquares
    kept[at + 5] = this.#products
  }

  protected reserve(places: number): void {
    this.#kept = new Float64Array(places * KEPT)
  }

  protected combine(place: number): number {
    this.weight = this.#weight
    this.xSquares = this.#xSquares
    this.ySquares = this.#ySquares
    this.products = this.#products
    if (place >= 0) {
      const kept = this.#kept
      const at = place * KEPT
      const weight = kept[at] as number
      this.weight += weight
      this.xSquares += kept[at + 3] as number
      this.ySquares += kept[at + 4] as number
      this.products += kept[at + 5] as number
      if (weight > 0 && this.#weight > 0) {
        const dx = this.#xMean - (kept[at + 1] as number)
        const dy = this.#yMean - (kept[at + 2] as number)
        const share = (weight * this.#weight) / this.weight
        this.xSquares += dx * dx * share
        this.ySquares += dy * dy * share
        this.products += dx * dy * share
      }
    }
    return this.#result(this)
  }
}
