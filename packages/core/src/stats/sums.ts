import type { Edge } from '../graph.js'
import { node } from '../node.js'
import { FIRST_PLACES, type SampleRing } from './sample-ring.js'
import type { Statistic } from './statistic.js'
import { TwoStacks } from './two-stacks.js'
import { type RecalcOptions, type WeightOptions, type WindowOptions, windowed } from './windowed.js'

/**
 * Ticks the number of samples in the window. O(1). An empty window has 0.
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function count(x: Edge<number>, options: WindowOptions = {}): Edge<number> {
  return windowed('stats.count', x, options, Number.NaN, (samples) => new Count(samples))
}

/**
 * Ticks the sum of the samples in the window; with weights, of sample times weight, which then ticks, too, when only
 * the weight does. Amortised O(1), compensated: it does not drift. An empty window has 0.
 * A. Neumaier, ZAMM 54, 1974 (compensated sums).
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function sum(
  x: Edge<number>,
  options: WindowOptions & RecalcOptions & WeightOptions = {},
): Edge<number> {
  const { weights, ...rest } = options
  const data = weights === undefined ? x : product(x, weights)
  return windowed('stats.sum', data, rest, Number.NaN, (samples) => new Sum(samples))
}

/**
 * Ticks the mean of the samples in the window, weighted if so asked. Amortised O(1), compensated. An empty window has NaN.
 * A. Neumaier, ZAMM 54, 1974 (compensated sums).
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function mean(
  x: Edge<number>,
  options: WindowOptions & RecalcOptions & WeightOptions = {},
): Edge<number> {
  return options.weights === undefined
    ? windowed('stats.mean', x, options, Number.NaN, (samples) => new Mean(samples))
    : windowed('stats.mean', x, options, Number.NaN, (samples) => new WeightedMean(samples))
}

/**
 * Ticks the product of the samples in the window. Amortised O(1), without division. An empty window has NaN.
 * K. Tangwongsan, M. Hirzel, S. Schneider, DEBS 2017 (two stacks).
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function prod(x: Edge<number>, options: WindowOptions & RecalcOptions = {}): Edge<number> {
  return windowed('stats.prod', x, options, Number.NaN, (samples) => new Product(samples))
}

/**
 * Ticks the geometric mean of the samples in the window, all above 0: e to the mean of their logarithms. Amortised O(1).
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function gmean(x: Edge<number>, options: WindowOptions & RecalcOptions = {}): Edge<number> {
  const logarithms = node(
    'stats.gmean.ln',
    { x },
    ({ x }) =>
      () =>
        Math.log(x.value),
  )
  const average = mean(logarithms, options)
  return node(
    'stats.gmean',
    { average },
    ({ average }) =>
      () =>
        Math.exp(average.value),
  )
}

function product(x: Edge<number>, weights: Edge<number>): Edge<number> {
  return node('stats.weigh', { x, weights }, ({ x, weights }) => () => {
    return x.valid && weights.valid ? x.value * weights.value : undefined
  })
}

/** The window counts its samples itself. */
class Count implements Statistic<number> {
  private readonly samples: SampleRing

  constructor(samples: SampleRing) {
    this.samples = samples
  }

  follow(): void {
    // There is nothing to keep.
  }

  result(): number {
    return this.samples.points
  }
}

/**
 * The rounding error of `a + b`, exactly: what to add to the rounded sum. NaN where the sum is not finite.
 * D. E. Knuth, "The Art of Computer Programming" vol. 2, 4.2.2, theorem B (TwoSum).
 */
function errorOfSum(a: number, b: number, sum: number): number {
  const part = sum - a
  return a - (sum - part) + (b - part)
}

/** Sum with the errors of its additions carried along (A. Neumaier, ZAMM 54, 1974), hence as good as in twice the precision. */
class Sum extends TwoStacks {
  private sum = 0
  private error = 0
  private sums: Float64Array<ArrayBufferLike> = new Float64Array(FIRST_PLACES)
  private errors: Float64Array<ArrayBufferLike> = new Float64Array(FIRST_PLACES)

  protected empty(): void {
    this.sum = 0
    this.error = 0
  }

  protected fold(place: number): void {
    this.plus(this.samples.xs[place] as number)
  }

  protected plus(x: number): void {
    const sum = this.sum + x
    this.error += errorOfSum(this.sum, x, sum)
    this.sum = sum
  }

  protected keep(place: number): void {
    this.sums[place] = this.sum
    this.errors[place] = this.error
  }

  protected reserve(places: number): void {
    this.sums = new Float64Array(places)
    this.errors = new Float64Array(places)
  }

  protected combine(place: number): number {
    let { sum, error } = this
    if (place >= 0) {
      const front = this.sums[place] as number
      sum += front
      error += (this.errors[place] as number) + errorOfSum(front, this.sum, sum)
    }
    const result = sum + error
    // A sum that is not finite has no error.
    return Number.isNaN(result) ? sum : result
  }
}

class Mean extends Sum {
  protected override combine(place: number): number {
    const { points } = this.samples
    return points === 0 ? Number.NaN : super.combine(place) / points
  }
}

class SumOfWeights extends Sum {
  protected override fold(place: number): void {
    this.plus(this.samples.weight(place))
  }
}

class SumOfProducts extends Sum {
  protected override fold(place: number): void {
    this.plus((this.samples.xs[place] as number) * this.samples.weight(place))
  }
}

/** Below such a sum of weights there is nothing to divide by. */
const LEAST_WEIGHT = 1e-9

class WeightedMean implements Statistic<number> {
  private readonly products: SumOfProducts
  private readonly weights: SumOfWeights

  constructor(samples: SampleRing) {
    this.products = new SumOfProducts(samples)
    this.weights = new SumOfWeights(samples)
  }

  follow(): void {
    this.products.follow()
    this.weights.follow()
  }

  recalc(): void {
    this.products.recalc()
    this.weights.recalc()
  }

  result(): number {
    const weight = this.weights.result()
    return weight > LEAST_WEIGHT ? this.products.result() / weight : Number.NaN
  }
}

class Product extends TwoStacks {
  private product = 1
  private products: Float64Array<ArrayBufferLike> = new Float64Array(FIRST_PLACES)

  protected empty(): void {
    this.product = 1
  }

  protected fold(place: number): void {
    this.product *= this.samples.xs[place] as number
  }

  protected keep(place: number): void {
    this.products[place] = this.product
  }

  protected reserve(places: number): void {
    this.products = new Float64Array(places)
  }

  protected combine(place: number): number {
    if (this.samples.points === 0) return Number.NaN
    return place < 0 ? this.product : (this.products[place] as number) * this.product
  }
}
