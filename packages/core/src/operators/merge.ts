import type { Edge } from '../graph.js'
import { node } from '../node.js'
import { constant } from '../sources.js'
import { checkSpan } from '../span.js'
import type { Duration } from '../time.js'
import { firstN } from './first-n.js'

/**
 * Ticks what either edge ticks. When both tick in a cycle, `x` wins and the value of `y` is lost: to keep both, use
 * `flatten`.
 */
export function merge<T, U>(x: Edge<T>, y: Edge<U>): Edge<T | U> {
  return node(
    'merge',
    { x, y },
    ({ x, y }): (() => T | U) =>
      () =>
        x.ticked ? x.value : y.value,
  )
}

/**
 * Ticks `value` at the start, `delay` later if given, then whatever `x` ticks. A tick of `x` in the same cycle wins;
 * with a delay, the value comes only if `x` has not ticked by then. csp calls it `default`.
 * @throws GraphError `INVALID_OPTION` when the delay is not a whole number of microseconds, 0 or more.
 */
export function withDefault<T, U = T>(x: Edge<T>, value: U, delay: Duration = 0): Edge<T | U> {
  checkSpan('withDefault', 'the delay', delay, 0)
  const fallback = constant(x.graph, value, delay)
  return merge(x, delay === 0 ? fallback : firstN(merge(x, fallback), 1))
}
