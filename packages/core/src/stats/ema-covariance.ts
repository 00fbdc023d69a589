import type { Edge } from '../graph.js'
import { together } from './covariance.js'
import { type EmaOptions, type Forgetting, forgettingOf } from './decay.js'
import { afterPeriods, decayed } from './decayed.js'
import { FadingProducts, HorizonProducts, type ResultOf, TimeProducts } from './ema-products.js'
import type { SampleRing } from './sample-ring.js'
import type { Statistic } from './statistic.js'

/** Options of {@link emaCov}, `emaVar` and `emaStd`. */
export interface EmaCovOptions extends EmaOptions {
  /** Without the correction for the weights. @defaultValue false */
  readonly bias?: boolean
  /** Drop a tick of one series without one of the other, in place of ending the run. @defaultValue false */
  readonly allowNonOverlapping?: boolean
}

/**
 * Ticks the exponentially weighted covariance of two series that tick together; a pair with NaN in it is NaN. O(1), with
 * a horizon amortised; stable, also far from 0. Without bias it is NaN where only one sample has weight.
 * T. Finch, "Incremental calculation of weighted mean and variance", University of Cambridge, 2009.
 * @throws GraphError as `ema` does, and at run time `OUT_OF_STEP` when one ticks without the other.
 */
export function emaCov(x: Edge<number>, y: Edge<number>, options: EmaCovOptions): Edge<number> {
  if (x === y) return ofOne('stats.emaCov', x, options, (covariance) => covariance)
  const forgetting = forgettingOf('stats.emaCov', options)
  const pair = together('stats.emaCov', x, y, options.allowNonOverlapping === true)
  const read = reading(forgetting, options, (covariance) => covariance)
  const statistic = (samples: SampleRing): Statistic<number> => products(samples, forgetting, read)
  return afterPeriods(pair.x, decayed('stats.emaCov', pair.x, options, statistic, pair.y), options)
}

/** Ticks the exponentially weighted variance, as {@link emaCov} computes it. @throws GraphError as `ema` does. */
export function emaVar(x: Edge<number>, options: EmaCovOptions): Edge<number> {
  return ofOne('stats.emaVar', x, options, (variance) => variance)
}

/** Ticks the root of {@link emaVar}. @throws GraphError as `ema` does. */
export function emaStd(x: Edge<number>, options: EmaCovOptions): Edge<number> {
  return ofOne('stats.emaStd', x, options, Math.sqrt)
}

function ofOne(
  name: string,
  x: Edge<number>,
  options: EmaCovOptions,
  result: (variance: number) => number,
): Edge<number> {
  const forgetting = forgettingOf(name, options)
  const read = reading(forgetting, options, result)
  const variance = decayed(name, x, options, (samples) => products(samples, forgetting, read))
  return afterPeriods(x, variance, options)
}

/** Below such a difference of the squared sum of weights and the sum of their squares there is one sample only. */
const LEAST_SPREAD = 1e-9

function reading(
  forgetting: Forgetting,
  { bias = false }: EmaCovOptions,
  result: (covariance: number) => number,
): ResultOf {
  if (bias) return ({ products }) => result(products)
  const least = 'rate' in forgetting ? 0 : LEAST_SPREAD
  return ({ products, spread }, weight) => {
    return weight * weight * spread > least ? result(products / spread) : Number.NaN
  }
}

function products(samples: SampleRing, forgetting: Forgetting, read: ResultOf): Statistic<number> {
  if ('rate' in forgetting)
    return new TimeProducts(samples, forgetting.rate, forgetting.adjust, read)
  const { alpha, adjust, ignoreNa, horizon } = forgetting
  return horizon > 0
    ? new HorizonProducts(samples, 1 - alpha, ignoreNa, read)
    : new FadingProducts(samples, 1 - alpha, adjust, ignoreNa, read)
}
