import { checkCount } from '../check-number.js'
import { GraphError } from '../errors.js'
import type { Edge } from '../graph.js'
import { node } from '../node.js'
import type { Input } from '../series.js'
import { checkSpan, type Span, Ticks } from '../span.js'
import type { Timestamp } from '../time.js'
import type { SampleRing } from './sample-ring.js'
import { sampleWindow } from './sample-window.js'
import type { Statistic } from './statistic.js'

/** What all windowed statistics share. */
export interface WindowOptions {
  /**
   * Which samples count: the last `ticks(n)`, or those of the last `ms(n)`, one exactly that old excluded.
   * @defaultValue all since the start or the last reset
   */
  readonly interval?: Span
  /**
   * Nothing ticks before so many samples have come, or so much time has passed since the start; in the unit of
   * `interval`. Once reached it stays reached; 0 or 1 tick is no bound. @defaultValue `interval`
   */
  readonly minWindow?: Span
  /** When to compute and tick. @defaultValue the sampler */
  readonly trigger?: Edge<unknown>
  /**
   * Which moments count as samples: a tick of it without one of the data is a NaN sample, data between are not taken.
   * @defaultValue the data
   */
  readonly sampler?: Edge<unknown>
  /** Empties the window, before the data of the same cycle are added. It does not tick the result. */
  readonly reset?: Edge<unknown>
  /** NaN samples take room in the window but do not count; if false, one of them makes the result NaN. @defaultValue true */
  readonly ignoreNa?: boolean
  /** With fewer samples that are not NaN the result is NaN. @defaultValue 0 */
  readonly minDataPoints?: number
}

/** Options of the statistics that compute from sums. */
export interface RecalcOptions {
  /** Makes the next result be computed anew from the samples in the window. Only with an `interval`. */
  readonly recalc?: Edge<unknown>
}

/** Options of the statistics that weigh their samples. */
export interface WeightOptions {
  /** The weight of a sample is the last value of this edge; while it has none the sample counts as NaN. */
  readonly weights?: Edge<number>
}

/** All options together. */
export type AnyWindowOptions = WindowOptions & RecalcOptions & WeightOptions

/**
 * The node behind every windowed statistic: says when the result ticks.
 *
 * `missing` ticks where the window has too few samples, or a NaN that is not ignored. `statistic` makes the statistic
 * of one run, over the samples that it is given. `y` is the second series of a statistic over two.
 */
export function windowed<R>(
  name: string,
  x: Edge<number>,
  options: AnyWindowOptions,
  missing: R,
  statistic: (samples: SampleRing) => Statistic<R>,
  y?: Edge<number>,
): Edge<R> {
  checkWindowOptions(name, options)
  const { trigger, recalc, ignoreNa = true, minDataPoints = 0 } = options
  const window = sampleWindow(x, y === x ? undefined : y, options)
  const inputs = { window, ...(trigger && { trigger }), ...(recalc && { recalc }) }
  return node(name, inputs, (run, context) => {
    const { window, trigger = window, recalc } = run as WindowInputs
    const samples = window.value
    const stat = statistic(samples)
    const takesAll = ignoreNa || stat.keepsNan === true
    const minWindow = minWindowOf(options, context.now)
    const step = (): R | undefined => {
      if (!trigger.ticked) {
        stat.follow()
        return undefined
      }
      const now = trigger.time
      samples.trim(now)
      stat.follow()
      if (!minWindow.isReached) {
        if (samples.end < minWindow.samples || now < minWindow.from) return undefined
        minWindow.isReached = true
      }
      if (samples.points < minDataPoints || (samples.nans > 0 && !takesAll)) return missing
      return stat.result()
    }
    // Most windows have none, and each question counts.
    return recalc === undefined ? step : recalculating(stat, recalc, trigger, step)
  })
}

interface WindowInputs {
  readonly window: Input<SampleRing>
  readonly trigger?: Input<unknown>
  readonly recalc?: Input<unknown>
}

function recalculating<R>(
  stat: Statistic<R>,
  recalc: Input<unknown>,
  trigger: Input<unknown>,
  step: () => R | undefined,
): () => R | undefined {
  let isDue = false
  return () => {
    if (recalc.ticked) isDue = true
    if (isDue && trigger.ticked) {
      isDue = false
      stat.recalc?.()
    }
    return step()
  }
}

interface MinWindow {
  /** Samples that must have come. */
  readonly samples: number
  readonly from: Timestamp
  isReached: boolean
}

function minWindowOf(options: WindowOptions, start: Timestamp): MinWindow {
  const span = options.minWindow ?? options.interval ?? 0
  return {
    // The first sample is no reason to wait: with 0 or 1 even a trigger before it ticks the empty window.
    samples: span instanceof Ticks && span.count > 1 ? span.count : 0,
    from: span instanceof Ticks ? start : start + span,
    isReached: false,
  }
}

function checkWindowOptions(name: string, options: AnyWindowOptions): void {
  const { interval, minWindow, minDataPoints, recalc } = options
  const fail = (message: string): never => {
    throw new GraphError('INVALID_OPTION', `"${name}": ${message}`, { node: name })
  }
  if (interval !== undefined) checkSpan(name, 'the interval', interval, 1)
  if (minWindow !== undefined) {
    checkSpan(name, 'minWindow', minWindow, 0)
    if (minWindow instanceof Ticks !== interval instanceof Ticks) {
      fail(
        interval === undefined
          ? 'without an interval, minWindow is a duration'
          : 'interval and minWindow are both durations or both ticks',
      )
    }
  }
  if (minDataPoints !== undefined) checkCount(name, 'minDataPoints', minDataPoints, 0)
  if (recalc !== undefined && interval === undefined) {
    fail('recalc needs an interval: without one nothing is ever removed')
  }
}
