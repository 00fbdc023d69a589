import { feedback } from '../feedback.js'
import type { Edge } from '../graph.js'

/** Ticks each tick of `x` one cycle later, at the same time. */
export function wrapFeedback<T>(x: Edge<T>): Edge<T> {
  const { out, bind } = feedback<T>(x.graph, 'wrapFeedback')
  bind(x)
  return out
}
