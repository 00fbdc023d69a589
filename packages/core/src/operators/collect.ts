import type { Edge } from '../graph.js'
import { NextCycle } from '../next-cycle.js'
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
    const again = new NextCycle(context)
    /** Lists that have not ticked to their end, the first of them from `next` on. */
    const lists: (readonly T[])[] = []
    let next = 0
    return () => {
      // One that comes in the cycle of another's last element waits, too, and so does not tick twice in it.
      let value: T | undefined
      if (again.ticked) value = take()
      const mayStart = !again.ticked && lists.length === 0
      if (x.ticked && x.value.length > 0) lists.push(x.value)
      if (mayStart && lists.length > 0) value = take()
      if (lists.length > 0) again.schedule(undefined)
      return value
    }
    function take(): T {
      const list = lists[0] as readonly T[]
      const value = list[next++] as T
      if (next === list.length) {
        lists.shift()
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
  if (first !== undefined && edges.length === 1) return first
  // A node of its own, since it need not look at all edges again in each cycle in which one of many values comes out.
  const ticked = node('flatten.ticked', { edges }, ({ edges }) => {
    /** Of this cycle; the list is used again. */
    const values: T[] = []
    return () => {
      while (values.length > 0) values.pop()
      for (const edge of edges) if (edge.ticked) values.push(edge.value)
      return values
    }
  })
  return node('flatten', { ticked }, ({ ticked }, context) => {
    const again = new NextCycle(context)
    /** What waits, from `next` on. */
    const waiting: T[] = []
    let next = 0
    return () => {
      const mayPass = !again.ticked && waiting.length === 0
      let value = again.ticked ? waiting[next++] : undefined
      if (ticked.ticked) {
        const { value: values } = ticked
        // Nearly always it is the only one.
        if (mayPass) value = values[0]
        for (let i = mayPass ? 1 : 0; i < values.length; i++) waiting.push(values[i] as T)
      }
      if (next < waiting.length) {
        again.schedule(undefined)
      } else {
        while (waiting.length > 0) waiting.pop()
        next = 0
      }
      return value
    }
  })
}
