import { GraphError } from '../errors.js'
import { Edge } from '../graph.js'
import { node } from '../node.js'

/** An operand: an edge, or a value that stands for one that has always been there. */
export type Operand<T> = Edge<T> | T

/**
 * Ticks `compute(x, y)` on a tick of either edge, once both are valid; when both tick in a cycle it ticks once.
 * A plain value as an operand never ticks, and is always valid. At least one operand is an edge.
 */
export function binary<A, B, R>(
  name: string,
  x: Operand<A>,
  y: Operand<B>,
  compute: (x: A, y: B) => R,
): Edge<R> {
  if (x instanceof Edge) {
    return y instanceof Edge
      ? node(name, { x, y }, ({ x, y }) => () => {
          return x.valid && y.valid ? compute(x.value, y.value) : undefined
        })
      : node(
          name,
          { x },
          ({ x }) =>
            () =>
              compute(x.value, y),
        )
  }
  if (y instanceof Edge)
    return node(
      name,
      { y },
      ({ y }) =>
        () =>
          compute(x, y.value),
    )
  throw new GraphError('NOT_AN_EDGE', `one of the operands of "${name}" is an edge`, { node: name })
}
