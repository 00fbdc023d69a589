import type { Edge } from '../graph.js'
import { node } from '../node.js'
import type { Statistic } from './statistic.js'
import { FIRST_PLACES, TwoStacks } from './two-stacks.js'
import { type RecalcOptions, type WeightOptions, type WindowOptions, windowed } from './windowed.js'

/**
 * Ticks the number of samples in the window. O(1). An empty window has 0.
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function count(x: Edge<number>, options: WindowOptions = {}): Edge<number> {
  return windowed('stats.count', x, options, Number.NaN, () => new Count())
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
  return windowed('stats.sum', data, rest, Number.NaN, (slides) => new Sum(slides))
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
    ? windowed('stats.mean', x, options, Number.NaN, (slides) => new Mean(slides))
    : windowed('stats.mean', x, options, Number.NaN, (slides) => new WeightedMean(slides))
}

/**
 * Ticks the product of the samples in the window. Amortised O(1), without division. An empty window has NaN.
 * K. Tangwongsan, M. Hirzel, S. Schneider, DEBS 2017 (two stacks).
 * @throws GraphError `INVALID_OPTION` for options that contradict each other or numbers out of range.
 */
export function prod(x: Edge<number>, options: WindowOptions & RecalcOptions = {}): Edge<number> {
  return windowed('stats.prod', x, options, Number.NaN, (slides) => new Product(slides))
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

class Count implements Statistic<number> {
  private count = 0

  add(): void {
    this.count++
  }

  remove(): void {
    this.count--
  }

  clear(): void {
    this.count = 0
  }

  result(): number {
    return this.count
  }
}

/**
 * The rounding error of `a + b`, exactly: what to add to the rounded sum. 0 where the sum is not finite.
 * D. E. Knuth, "The Art of Computer Programming" vol. 2, 4.2.2, theorem B (TwoSum).
 */
function errorOfSum(a: number, b: number, sum: number): number {
  const part = sum - a
  const error = a - (sum - part) + (b - part)
  return Number.isNaN(error) ? 0 : error
}

/** Sum with the errors of its additions carried along (A. Neumaier, ZAMM 54, 1974), hence as good as in twice the precision. */
class Sum extends TwoStacks {
  protected count = 0
  private sum = 0
  private error = 0
  private sums: Float64Array<ArrayBufferLike> = new Float64Array(FIRST_PLACES)
  private errors: Float64Array<ArrayBufferLike> = new Float64Array(FIRST_PLACES)

  constructor(slides: boolean) {
    super(1, slides)
  }

  override add(x: number, weight: number, y: number): void {
    this.count++
    super.add(x, weight, y)
  }

  override remove(): void {
    this.count--
    super.remove()
  }

  override clear(): void {
    this.count = 0
    super.clear()
  }

  protected empty(): void {
    this.sum = 0
    this.error = 0
  }

  protected fold(x: number): void {
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
    if (place < 0) return this.sum + this.error
    const front = this.sums[place] as number
    const sum = front + this.sum
    const error = (this.errors[place] as number) + this.error
    return sum + (error + errorOfSum(front, this.sum, sum))
  }
}

class Mean extends Sum {
  protected override combine(place: number): number {
    return this.count === 0 ? Number.NaN : super.combine(place) / this.count
  }
}

/** Below such a sum of weights there is nothing to divide by. */
const LEAST_WEIGHT = 1e-9

class WeightedMean implements Statistic<number> {
  private readonly productSums: Sum
  private readonly weights: Sum

  constructor(slides: boolean) {
    this.productSums = new Sum(slides)
    this.weights = new Sum(slides)
  }

  add(x: number, weight: number): void {
    const product = x * weight
    this.productSums.add(product, 1, product)
    this.weights.add(weight, 1, weight)
  }

  remove(): void {
    this.productSums.remove()
    this.weights.remove()
  }

  clear(): void {
    this.productSums.clear()
    this.weights.clear()
  }

  result(): number {
    const weight = this.weights.result()
    return weight > LEAST_WEIGHT ? this.productSums.result() / weight : Number.NaN
  }
}

class Product extends TwoStacks {
  private count = 0
  private product = 1
  private productSums: Float64Array<ArrayBufferLike> = new Float64Array(FIRST_PLACES)

  constructor(slides: boolean) {
    super(1, slides)
  }

  override add(x: number, weight: number, y: number): void {
    this.count++
    super.add(x, weight, y)
  }

  override remove(): void {
    this.count--
    super.remove()
  }

  override clear(): void {
    this.count = 0
    super.clear()
  }

  protected empty(): void {
    this.product = 1
  }

  protected fold(x: number): void {
    this.product *= x
  }

  protected keep(place: number): void {
    this.productSums[place] = this.product
  }

  protected reserve(places: number): void {
    this.productSums = new Float64Array(places)
  }

  protected combine(place: number): number {
    if (this.count === 0) return Number.NaN
    return place < 0 ? this.product : (this.productSums[place] as number) * this.product
  }
}
