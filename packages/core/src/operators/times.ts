import type { Edge } from '../graph.js'
import { node } from '../node.js'
import type { Timestamp } from '../time.js'

/** Ticks the engine time of each tick of `x`. */
export function times(x: Edge<unknown>): Edge<Timestamp> {
  return node('times', { x }, (_inputs, context) => () => context.now)
}

/** Ticks the engine time of each tick of `x` in nanoseconds since 1970, as a bigint: a number does not hold it. */
export function timesNs(x: Edge<unknown>): Edge<bigint> {
  return node('timesNs', { x }, (_inputs, context) => () => BigInt(context.now) * 1_000n)
}
