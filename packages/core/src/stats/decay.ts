import { checkCount } from '../check-number.js'
import { GraphError } from '../errors.js'
import type { Edge } from '../graph.js'
import { checkSpan } from '../span.js'
import type { Duration } from '../time.js'

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

/** How samples lose weight, once the options have been checked. */
export type Forgetting =
  /** By each other: what a sample keeps of its weight when another comes is 1 - `alpha`. */
  | {
      readonly alpha: number
      readonly adjust: boolean
      readonly ignoreNa: boolean
      readonly horizon: number
    }
  /** With time: what a sample keeps in a microsecond is e to the `rate`. */
  | { readonly rate: number; readonly adjust: boolean }

/** @throws GraphError `INVALID_OPTION` as `ema` says. */
export function forgettingOf(name: string, options: EmaOptions): Forgetting {
  const { alpha, span, com, halflife, horizon = 0, adjust = true, ignoreNa = false } = options
  const fail = (message: string): never => {
    throw new GraphError('INVALID_OPTION', `"${name}": ${message}`, { node: name })
  }
  if ([alpha, span, com, halflife].filter((given) => given !== undefined).length !== 1) {
    fail('give exactly one of alpha, span, com and halflife')
  }
  checkCount(name, 'horizon', horizon, 0)
  checkCount(name, 'minPeriods', options.minPeriods ?? 1, 0)
  if (horizon !== 0 && !adjust) fail('a horizon needs adjust')
  if (halflife !== undefined) {
    checkSpan(name, 'the halflife', halflife, 1)
    return { rate: Math.log(0.5) / halflife, adjust }
  }
  const weight = alpha ?? (span !== undefined ? 2 / (span + 1) : 1 / (1 + (com as number)))
  if (!(weight >= 0 && weight <= 1)) fail(`alpha is 0 to 1, not ${weight}`)
  return { alpha: weight, adjust, ignoreNa, horizon }
}
