import type { Edge } from '../graph.js'
import { keepHistory } from '../history.js'
import { node } from '../node.js'
import { checkSpan, type Span, Ticks, ticks } from '../span.js'
import type { Duration } from '../time.js'

/**
 * Ticks each tick of `x` again: after a duration, or, by ticks, when `x` ticks for the nth time after it.
 * A delay of 0 means the next cycle at the same time. Several that land at one time tick in successive cycles, in
 * order; those that land after the end are lost.
 * @throws GraphError `INVALID_OPTION` when the duration is negative or the number of ticks is not above 0.
 * @example `delay(x, ms(10))`, `delay(x, ticks(2))`
 */
export function delay<T>(x: Edge<T>, by: Span): Edge<T> {
  if (by instanceof Ticks) {
    checkSpan('delay', 'the delay', by, 1)
    return delayByTicks(x, by.count)
  }
  checkSpan('delay', 'the delay', by, 0)
  return delayByTime(x, by)
}

function delayByTicks<T>(x: Edge<T>, n: number): Edge<T> {
  // As in csp, where the delay keeps its ticks in the history of the edge.
  keepHistory(x, ticks(n + 1))
  return node('delay', { x }, ({ x }) => {
    const ring: T[] = []
    let at = 0
    return () => {
      if (ring.length < n) {
        ring.push(x.value)
        return undefined
      }
      const value = ring[at] as T
      ring[at] = x.value
      if (++at === n) at = 0
      return value
    }
  })
}

function delayByTime<T>(x: Edge<T>, by: Duration): Edge<T> {
  return node('delay', { x }, ({ x }, context) => {
    const alarm = context.alarm<T>()
    return () => {
      if (x.ticked) alarm.schedule(by, x.value)
      return alarm.ticked ? alarm.value : undefined
    }
  })
}
