import { GraphError } from '../errors.js'
import type { Edge } from '../graph.js'
import { multiNode, node, passive } from '../node.js'
import { max, mul, sub } from '../operators/arithmetic.js'
import { sqrt } from '../operators/math.js'
import { ticks } from '../span.js'
import type { Duration, Timestamp } from '../time.js'
import { together } from './covariance.js'
import type { Statistic } from './statistic.js'
import { windowed } from './windowed.js'

/** How fast an exponentially weighted average forgets: exactly one of the four. */
export interface Decay {
  /** Weight of a new sample, 0 to 1. */
  readonly alpha?: number
  /** alpha = 2 / (span + 1). */
  readonly span?: number
  /** Centre of mass: alpha = 1 / (1 + com). */
  readonly com?: number
  /** Time in which the weight of a sample halves. NaN is not filtered then: it makes all results NaN until a reset. */
  readonly halflife?: Duration
}

/** Options of {@link ema}. */
export interface EmaOptions extends Decay {
  /** Nothing ticks before `x` has ticked so often. @defaultValue 1 */
  readonly minPeriods?: number
  /** Weigh by what there has been so far, in place of starting from the first sample alone. @defaultValue true */
  readonly adjust?: boolean
  /** Only the last so many samples count. Needs `adjust`. @defaultValue all */
  readonly horizon?: number
  /** Whether NaN makes no sample age. Without it one does, but never makes the result NaN. @defaultValue false */
  readonly ignoreNa?: boolean
  /** When to compute and tick. @defaultValue the sampler */
  readonly trigger?: Edge<unknown>
  /** Which moments count as samples. @defaultValue `x` */
  readonly sampler?: Edge<unknown>
  /** Forgets all samples, before those of the same cycle. */
  readonly reset?: Edge<unknown>
  /** With a `horizon`, makes the next result be computed anew from its samples. */
  readonly recalc?: Edge<unknown>
  /** With fewer samples that are not NaN the result is NaN. @defaultValue 0 */
  readonly minDataPoints?: number
}

/**
 * Ticks the exponentially weighted moving average of `x`. O(1). NaN before the first sample.
 * @throws GraphError `INVALID_OPTION` unless exactly one of alpha, span, com and halflife is given, and alpha is 0 to 1.
 */
export function ema(x: Edge<number>, options: EmaOptions): Edge<number> {
  const { adjust = true, minPeriods = 1, ignoreNa = false, horizon = 0, halflife } = options
  const alpha = alphaOf('stats.ema', options)
  const average = decayed('stats.ema', x, options, () => {
    if (alpha === undefined) return new TimeEma(halflife as Duration, adjust)
    return adjust ? new AdjustedEma(1 - alpha, ignoreNa, horizon) : new Ema(alpha, ignoreNa)
  })
  return minPeriods > 1 ? afterPeriods(x, average, minPeriods, options.trigger) : average
}

/** Options of {@link emaCov}, `emaVar` and `emaStd`. */
export interface EmaCovOptions extends EmaOptions {
  /** Without the correction for the weights. @defaultValue false */
  readonly bias?: boolean
  /** Drop a tick of one series without one of the other, in place of ending the run. @defaultValue false */
  readonly allowNonOverlapping?: boolean
}

/**
 * Ticks the exponentially weighted covariance of two series that tick together: ema(xy) - ema(x) ema(y).
 * @throws GraphError as {@link ema} does, and at run time `OUT_OF_STEP` when one ticks without the other.
 */
export function emaCov(x: Edge<number>, y: Edge<number>, options: EmaCovOptions): Edge<number> {
  const { bias = false, allowNonOverlapping = false, ...rest } = options
  const pair = x === y ? { x, y } : bothOrNan(together('stats.emaCov', x, y, allowNonOverlapping))
  const biased = sub(
    ema(mul(pair.x, pair.y), rest),
    mul(ema(pair.x, rest), x === y ? ema(pair.x, rest) : ema(pair.y, rest)),
  )
  if (bias) return biased
  const { adjust = true, ignoreNa = false, horizon = 0, halflife } = rest
  const alpha = alphaOf('stats.emaCov', rest)
  const factor = decayed('stats.emaCov.factor', pair.x, rest, () =>
    alpha === undefined
      ? new TimeWeights(halflife as Duration)
      : new Weights(1 - alpha, ignoreNa, horizon, adjust),
  )
  return mul(factor, biased)
}

/** Ticks the exponentially weighted variance. @throws GraphError as {@link ema} does. */
export function emaVar(x: Edge<number>, options: EmaCovOptions): Edge<number> {
  return max(emaCov(x, x, options), 0)
}

/** Ticks the root of {@link emaVar}. @throws GraphError as {@link ema} does. */
export function emaStd(x: Edge<number>, options: EmaCovOptions): Edge<number> {
  return sqrt(emaVar(x, options))
}

function alphaOf(name: string, options: EmaOptions): number | undefined {
  const { alpha, span, com, halflife, horizon = 0, adjust = true } = options
  const fail = (message: string): never => {
    throw new GraphError('INVALID_OPTION', `"${name}": ${message}`, { node: name })
  }
  if ([alpha, span, com, halflife].filter((given) => given !== undefined).length !== 1) {
    fail('give exactly one of alpha, span, com and halflife')
  }
  if (horizon !== 0 && !adjust) fail('a horizon needs adjust')
  if (!(Number.isSafeInteger(horizon) && horizon >= 0)) {
    fail(`the horizon is a whole number of samples, not ${horizon}`)
  }
  if (halflife !== undefined) {
    if (!(halflife > 0)) fail(`the halflife is a duration above 0, not ${halflife}`)
    return undefined
  }
  const weight = alpha ?? (span !== undefined ? 2 / (span + 1) : 1 / (1 + (com as number)))
  if (!(weight >= 0 && weight <= 1)) fail(`alpha is 0 to 1, not ${weight}`)
  return weight
}

function decayed(
  name: string,
  x: Edge<number>,
  options: EmaOptions,
  statistic: () => Statistic<number>,
): Edge<number> {
  const { trigger, reset, recalc, minDataPoints, horizon = 0 } = options
  if (options.halflife !== undefined && options.sampler !== undefined) {
    // Time passes by itself: a moment without data is not a sample, as it is where samples age by each other.
    const { sampler, ...rest } = options
    return decayed(name, whenBothTick(sampler, x), { trigger: sampler, ...rest }, statistic)
  }
  const { sampler } = options
  return windowed(
    name,
    x,
    {
      ...(horizon > 0 && options.halflife === undefined
        ? { interval: ticks(horizon), minWindow: ticks(0), ...(recalc && { recalc }) }
        : {}),
      ...(trigger && { trigger }),
      ...(sampler && { sampler }),
      ...(reset && { reset }),
      ...(minDataPoints !== undefined && { minDataPoints }),
    },
    Number.NaN,
    statistic,
  )
}

function whenBothTick(sampler: Edge<unknown>, x: Edge<number>): Edge<number> {
  return node('stats.ema.sampled', { sampler, x: passive(x) }, ({ sampler, x }) => () => {
    return sampler.ticked && x.ticked ? x.value : undefined
  })
}

function afterPeriods(
  x: Edge<number>,
  average: Edge<number>,
  periods: number,
  trigger: Edge<unknown> = x,
): Edge<number> {
  return node('stats.ema.minPeriods', { x, average, trigger }, ({ x, average, trigger }) => {
    let count = 0
    let isReached = false
    return () => {
      if (x.ticked) count++
      if (trigger.ticked && count >= periods) isReached = true
      return isReached && average.ticked ? average.value : undefined
    }
  })
}

function bothOrNan(pair: { readonly x: Edge<number>; readonly y: Edge<number> }): {
  readonly x: Edge<number>
  readonly y: Edge<number>
} {
  return multiNode<{ x: number; y: number }>()(
    'stats.emaCov.nan',
    pair,
    ['x', 'y'],
    ({ x, y }, out) =>
      () => {
        if (!x.ticked || !y.ticked) return
        const isMissing = Number.isNaN(x.value) || Number.isNaN(y.value)
        out.x.emit(isMissing ? Number.NaN : x.value)
        out.y.emit(isMissing ? Number.NaN : y.value)
      },
  )
}

/** Starts from the first sample: e += alpha (x - e). */
class Ema implements Statistic<number> {
  readonly nan = 'value'
  readonly #alpha: number
  readonly #ignoresNan: boolean
  #average = Number.NaN
  /** Samples, this one included, since the last one that was not NaN. */
  #gap = 1

  constructor(alpha: number, ignoresNan: boolean) {
    this.#alpha = alpha
    this.#ignoresNan = ignoresNan
  }

  add(x: number): void {
    if (Number.isNaN(x)) {
      if (!this.#ignoresNan && !Number.isNaN(this.#average)) this.#gap++
      return
    }
    if (Number.isNaN(this.#average)) {
      this.#average = x
    } else if (this.#gap === 1) {
      this.#average += this.#alpha * (x - this.#average)
    } else {
      const decay = (1 - this.#alpha) ** this.#gap
      this.#average = (this.#average * decay + this.#alpha * x) / (decay + this.#alpha)
      this.#gap = 1
    }
  }

  remove(): void {
    // Without a horizon nothing is removed.
  }

  clear(): void {
    this.#average = Number.NaN
    this.#gap = 1
  }

  result(): number {
    return this.#average
  }
}

/** Ages of samples, counted in samples: by how much those so far decay with a new one, and how much the oldest has. */
abstract class Decaying implements Statistic<number> {
  readonly nan = 'value'
  readonly #decay: number
  readonly #ignoresNan: boolean
  readonly #horizon: number
  #points = 0
  #nans = 0
  #gap = 1

  constructor(decay: number, ignoresNan: boolean, horizon: number) {
    this.#decay = decay
    this.#ignoresNan = ignoresNan
    this.#horizon = horizon
  }

  /** All samples age by the factor, and `x` comes in; the first one has nothing before it. */
  protected abstract take(x: number, factor: number, isFirst: boolean): void
  /** The sample `x`, which has aged by the factor, goes. */
  protected abstract give(x: number, factor: number): void
  /** There are no samples any more. */
  protected abstract empty(): void
  abstract result(): number

  add(x: number): void {
    if (Number.isNaN(x)) {
      this.#gap++
      this.#nans++
      return
    }
    this.take(x, this.#decay ** (this.#ignoresNan ? 1 : this.#gap), this.#points === 0)
    this.#points++
    this.#gap = 1
  }

  /** Called before the sample that takes the place of the removed one is added. */
  remove(x: number): void {
    if (Number.isNaN(x)) {
      this.#nans--
      return
    }
    this.#points--
    const age = this.#ignoresNan ? this.#horizon - 1 - this.#nans : this.#horizon - this.#gap
    // Nothing left is exactly nothing, whatever was lost in rounding.
    if (this.#points === 0) this.empty()
    else this.give(x, this.#decay ** age)
  }

  clear(): void {
    this.#points = 0
    this.#nans = 0
    this.#gap = 1
    this.empty()
  }
}

class AdjustedEma extends Decaying {
  #sum = 0
  #weight = 0

  protected take(x: number, factor: number): void {
    this.#sum = this.#sum * factor + x
    this.#weight = this.#weight * factor + 1
  }

  protected give(x: number, factor: number): void {
    this.#sum -= x * factor
    this.#weight -= factor
  }

  protected empty(): void {
    this.#sum = 0
    this.#weight = 0
  }

  result(): number {
    return this.#weight > 0 ? this.#sum / this.#weight : Number.NaN
  }
}

/** The factor that makes an exponentially weighted covariance unbiased: (sum w)^2 / ((sum w)^2 - sum w^2). */
class Weights extends Decaying {
  /** Weight of a new sample. */
  readonly #fresh: number
  readonly #isAdjusted: boolean
  #sum = 0
  #squares = 0

  constructor(decay: number, ignoresNan: boolean, horizon: number, isAdjusted: boolean) {
    super(decay, ignoresNan, horizon)
    this.#fresh = isAdjusted ? 1 : 1 - decay
    this.#isAdjusted = isAdjusted
  }

  protected take(_x: number, factor: number, isFirst: boolean): void {
    if (isFirst) {
      this.#sum = 1
      this.#squares = 1
      return
    }
    const all = this.#isAdjusted ? 1 : factor + this.#fresh
    this.#sum = (this.#sum * factor + this.#fresh) / all
    this.#squares = (this.#squares * factor * factor + this.#fresh * this.#fresh) / (all * all)
  }

  protected give(_x: number, factor: number): void {
    this.#sum -= factor * this.#fresh
    this.#squares -= (factor * this.#fresh) ** 2
  }

  protected empty(): void {
    this.#sum = 0
    this.#squares = 0
  }

  result(): number {
    return unbiasing(this.#sum, this.#squares, 1e-9)
  }
}

/** NaN where the difference of the two is no more than rounding, so that there is one sample only. */
function unbiasing(sum: number, squares: number, rounding: number): number {
  const square = sum * sum
  return Math.abs(square - squares) > rounding ? square / (square - squares) : Number.NaN
}

/** Samples that decay with time. */
class TimeEma implements Statistic<number> {
  readonly nan = 'value'
  readonly #rate: number
  readonly #isAdjusted: boolean
  #sum = 0
  #weight = 0
  #time: Timestamp = 0

  constructor(halflife: Duration, isAdjusted: boolean) {
    this.#rate = Math.log(0.5) / halflife
    this.#isAdjusted = isAdjusted
  }

  add(x: number, _weight: number, _y: number, time: Timestamp): void {
    if (this.#weight === 0) {
      this.#sum = x
      this.#weight = 1
    } else {
      const decay = Math.exp(this.#rate * (time - this.#time))
      if (this.#isAdjusted) {
        this.#sum = this.#sum * decay + x
        this.#weight = this.#weight * decay + 1
      } else {
        this.#sum += (1 - decay) * (x - this.#sum)
      }
    }
    this.#time = time
  }

  remove(): void {
    // Nothing is removed: old samples fade.
  }

  clear(): void {
    this.#sum = 0
    this.#weight = 0
  }

  result(): number {
    return this.#weight > 0 ? this.#sum / this.#weight : Number.NaN
  }
}

class TimeWeights implements Statistic<number> {
  readonly nan = 'value'
  readonly #rate: number
  #sum = 0
  #squares = 0
  #time: Timestamp = 0

  constructor(halflife: Duration) {
    this.#rate = Math.log(0.5) / halflife
  }

  add(_x: number, _weight: number, _y: number, time: Timestamp): void {
    const decay = Math.exp(this.#rate * (time - this.#time))
    this.#sum = this.#sum * decay + 1
    this.#squares = this.#squares * decay * decay + 1
    this.#time = time
  }

  remove(): void {
    // Nothing is removed: old samples fade.
  }

  clear(): void {
    this.#sum = 0
    this.#squares = 0
  }

  result(): number {
    return unbiasing(this.#sum, this.#squares, 0)
  }
}
