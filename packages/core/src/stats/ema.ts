import type { Edge } from '../graph.js'
import { type EmaOptions, forgettingOf } from './decay.js'
import { afterPeriods, decayed } from './decayed.js'
import { AdjustedEma, HorizonEma, TimeEma, UnadjustedEma } from './ema-average.js'

/**
 * Ticks the exponentially weighted moving average of `x`. O(1), with a horizon amortised. NaN before the first sample.
 * The weights are those of pandas' `ewm`.
 * @throws GraphError `INVALID_OPTION` unless exactly one of alpha, span, com and halflife is given, alpha is 0 to 1, and
 * counts and durations are whole.
 */
export function ema(x: Edge<number>, options: EmaOptions): Edge<number> {
  const forgetting = forgettingOf('stats.ema', options)
  const average = decayed('stats.ema', x, options, (samples) => {
    if ('rate' in forgetting) return new TimeEma(samples, forgetting.rate, forgetting.adjust)
    const { alpha, adjust, ignoreNa, horizon } = forgetting
    if (!adjust) return new UnadjustedEma(samples, alpha, ignoreNa)
    return horizon > 0
      ? new HorizonEma(samples, 1 - alpha, ignoreNa)
      : new AdjustedEma(samples, 1 - alpha, ignoreNa)
  })
  return afterPeriods(x, average, options)
}
