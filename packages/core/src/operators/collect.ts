import type { Edge } from '../graph.js'
import { node } from '../node.js'

/** Ticks the values of those edges that ticked in the cycle, as one list in the order of `edges`. */
export function collect<T>(edges: readonly Edge<T>[]): Edge<readonly T[]> {
  return node('collect', { edges }, ({ edges }) => () => {
    const values: T[] = []
    for (const edge of edges) if (edge.ticked) values.push(edge.value)
    return values
  })
}

/**
 * Ticks the elements of each list of `x` one a cycle, at one time, the first in the cycle of the list. A list that
 * comes while elements of an earlier one wait queues behind them; an empty list ticks nothing.
 */
export function unroll<T>(x: Edge<readonly T[]>): Edge<T> {
  return node('unroll', { x }, ({ x }, context) => {
    const alarm = context.alarm<undefined>()
    let pending: T[] = []
    let next = 0
    return () => {
      let value: T | undefined
      if (alarm.ticked) value = pending[next++]
      if (x.ticked) {
        const list = x.value
        let from = 0
        if (!alarm.ticked && next === pending.length && list.length > 0) value = list[from++]
        for (; from < list.length; from++) pending.push(list[from] as T)
      }
      if (next < pending.length) alarm.schedule(0, undefined)
      else if (next > 0) {
        pending = []
        next = 0
      }
      return value
    }
  })
}

/**
 * Ticks what any of the edges ticks; what ticks in one cycle comes out in successive cycles at one time, in the order
 * of `edges`, so nothing is lost. A single edge is returned as it is.
 */
export function flatten<T>(edges: readonly Edge<T>[]): Edge<T> {
  const [first] = edges
  return first !== undefined && edges.length === 1 ? first : unroll(collect(edges))
}
