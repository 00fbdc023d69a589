import type { Edge } from '../graph.js'
import { node, passive } from '../node.js'

/** Ticks the present value of `x` whenever `trigger` ticks, one of the same cycle included; nothing before `x` has ticked. */
export function sample<T>(trigger: Edge<unknown>, x: Edge<T>): Edge<T> {
  return node(
    'sample',
    { trigger, x: passive(x) },
    ({ x }) =>
      () =>
        x.valid ? x.value : undefined,
  )
}
