import type { Edge } from '../graph.js'
import { node, passive } from '../node.js'
import { ticks } from '../span.js'
import type { EmaOptions } from './decay.js'
import type { SampleRing } from './sample-ring.js'
import type { Statistic } from './statistic.js'
import { windowed } from './windowed.js'

/**
 * The node behind the statistics whose samples lose weight; `y` is the second series of one over two, which ticks with `x`.
 */
export function decayed(
  name: string,
  x: Edge<number>,
  options: EmaOptions,
  statistic: (samples: SampleRing) => Statistic<number>,
  y?: Edge<number>,
): Edge<number> {
  const { trigger, reset, recalc, minDataPoints, horizon = 0 } = options
  if (options.halflife !== undefined && options.sampler !== undefined) {
    // Time passes by itself: a moment without data is not a sample, as it is where samples age by each other.
    const { sampler, ...rest } = options
    const sampled = (edge: Edge<number>): Edge<number> => whenBothTick(sampler, edge)
    return decayed(name, sampled(x), { trigger: sampler, ...rest }, statistic, y && sampled(y))
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
    y,
  )
}

function whenBothTick(sampler: Edge<unknown>, x: Edge<number>): Edge<number> {
  return node('stats.ema.sampled', { sampler, x: passive(x) }, ({ sampler, x }) => () => {
    return sampler.ticked && x.ticked ? x.value : undefined
  })
}

/** Lets the result out once `x` has ticked often enough. */
export function afterPeriods(
  x: Edge<number>,
  result: Edge<number>,
  { minPeriods = 1, trigger = x }: EmaOptions,
): Edge<number> {
  if (minPeriods <= 1) return result
  return node('stats.ema.minPeriods', { x, result, trigger }, ({ x, result, trigger }) => {
    let count = 0
    let isReached = false
    return () => {
      if (x.ticked) count++
      if (trigger.ticked && count >= minPeriods) isReached = true
      return isReached && result.ticked ? result.value : undefined
    }
  })
}
