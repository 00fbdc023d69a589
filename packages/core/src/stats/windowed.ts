import { checkCount } from '../check-number.js'
import { GraphError } from '../errors.js'
import type { Edge } from '../graph.js'
import type { InputDeclarations } from '../inputs.js'
import { node, passive } from '../node.js'
import type { Input } from '../series.js'
import { checkSpan, type Span, Ticks } from '../span.js'
import type { Timestamp } from '../time.js'
import { SampleRing } from './sample-ring.js'
import { SampleWindow } from './sample-window.js'
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
 * The node behind every windowed statistic: samples, and says when the result ticks.
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
  const { interval, trigger, sampler, reset, recalc, weights } = options
  const { ignoreNa = true, minDataPoints = 0 } = options
  const inputs: InputDeclarations = {
    x: sampler === undefined ? x : passive(x),
    ...(y === undefined ? {} : { y: sampler === undefined ? y : passive(y) }),
    ...(weights === undefined ? {} : { weights: passive(weights) }),
    ...(sampler === undefined ? {} : { sampler }),
    ...(trigger === undefined ? {} : { trigger }),
    ...(reset === undefined ? {} : { reset }),
    ...(recalc === undefined ? {} : { recalc }),
  }
  return node(name, inputs, (run, context) => {
    const { x, y = x, weights } = run as unknown as DataInputs
    const sampler = (run.sampler ?? x) as Input<unknown>
    const trigger = (run.trigger ?? sampler) as Input<unknown>
    const { reset, recalc } = run as { readonly reset?: Input<unknown>; recalc?: Input<unknown> }
    const bounds = {
      count: interval instanceof Ticks ? interval.count : Number.POSITIVE_INFINITY,
      age: typeof interval === 'number' ? interval : Number.POSITIVE_INFINITY,
    }
    const samples = new SampleRing(interval !== undefined, weights !== undefined, y !== x)
    const window = new SampleWindow({ x, y, weights, sampler }, samples, statistic(samples), bounds)
    const minWindow = minWindowOf(options, context.now)
    const step = (): R | undefined => {
      if (sampler.ticked) {
        minWindow.samples++
        window.sample()
      }
      if (!trigger.ticked) return undefined
      const now = trigger.time
      if (!minWindow.isReached) {
        if (minWindow.samples < minWindow.minSamples || now < minWindow.from) return undefined
        minWindow.isReached = true
      }
      window.trim(now)
      return window.result(ignoreNa, minDataPoints, missing)
    }
    // Most windows have neither, and each question counts.
    if (reset === undefined && recalc === undefined) return step
    return () => {
      if (reset?.ticked === true) window.clear()
      if (recalc?.ticked === true) window.recalcNext()
      return step()
    }
  })
}

interface DataInputs {
  readonly x: Input<number>
  readonly y?: Input<number>
  readonly weights?: Input<number>
}

interface MinWindow {
  readonly minSamples: number
  readonly from: Timestamp
  samples: number
  isReached: boolean
}

function minWindowOf(options: WindowOptions, start: Timestamp): MinWindow {
  const span = options.minWindow ?? options.interval ?? 0
  return {
    // The first sample is no reason to wait: with 0 or 1 even a trigger before it ticks the empty window.
    minSamples: span instanceof Ticks && span.count > 1 ? span.count : 0,
    from: span instanceof Ticks ? start : start + span,
    samples: 0,
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
