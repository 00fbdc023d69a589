import type { Edge } from '../graph.js'
import { node } from '../node.js'

/** Ticks 1, 2, 3 and so on, with each tick of `x`. */
export function count(x: Edge<unknown>): Edge<number> {
  return node('count', { x }, () => {
    let n = 0
    return () => ++n
  })
}

/**
 * Ticks `start` plus all values of `x` so far, on each tick of `x`; strings are appended.
 * For a sum of fractions that does not drift, see `stats.sum`.
 */
export function accum(x: Edge<number>, start?: number): Edge<number>
export function accum(x: Edge<string>, start: string): Edge<string>
export function accum(x: Edge<number | string>, start: number | string = 0): Edge<number | string> {
  return node('accum', { x }, ({ x }) => {
    let sum = start as number
    return () => {
      sum += x.value as number
      return sum
    }
  })
}
