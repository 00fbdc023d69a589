import { checkCount } from '../check-number.js'
import type { Edge } from '../graph.js'
import { node } from '../node.js'

/**
 * Ticks the first `n` ticks of `x`, then stops listening; with `n` of 0 or less it never ticks.
 * @throws GraphError `INVALID_OPTION` when `n` is not a whole number.
 */
export function firstN<T>(x: Edge<T>, n: number): Edge<T> {
  checkCount('firstN', 'the number of ticks', n, Number.NEGATIVE_INFINITY)
  return node('firstN', { x }, ({ x }, context) => {
    let left = n
    if (!(left > 0)) context.makePassive(x)
    return () => {
      if (--left <= 0) context.makePassive(x)
      return x.value
    }
  })
}
