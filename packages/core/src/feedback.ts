import { GraphError } from './errors.js'
import { type Edge, type Graph, outputOf } from './graph.js'
import { instanceOf } from './instance-node-context.js'
import { NextCycle } from './next-cycle.js'
import type { NodeContext } from './node-context.js'
import type { Series } from './series.js'

/** Closes a loop: what ticks on the bound edge ticks on `out` in the next cycle, at the same engine time. */
export interface Feedback<T> {
  /** Can be read before {@link bind} was called. */
  readonly out: Edge<T>
  /**
   * Says which edge is fed back.
   * @throws GraphError `BOUND_TWICE`, or `GRAPH_MISMATCH` when the edge is of another graph.
   */
  bind(edge: Edge<T>): void
}

/**
 * Declares a feedback. A run in which `out` is used and nothing is bound fails with `UNBOUND_EDGE`.
 * A loop that ticks again at once, for ever, is ended with `SPINNING`.
 */
export function feedback<T>(graph: Graph, name = 'feedback'): Feedback<T> {
  let isBound = false
  // Filled by the setup of `out`, read by that of the sink: both belong to one run at a time.
  const outputs = new WeakMap<object, Series>()
  const spec = graph.add({
    name,
    setup: (_inputs, [output], context) => {
      if (!isBound) {
        throw new GraphError('UNBOUND_EDGE', `the feedback "${spec.path}" was never bound`, {
          node: name,
          path: spec.path,
        })
      }
      outputs.set(instanceOf(context), output as Series)
      return undefined
    },
  })
  return {
    out: outputOf<T>(spec),
    bind: (edge) => {
      if (isBound) {
        throw new GraphError('BOUND_TWICE', `the feedback "${spec.path}" is bound already`, {
          node: name,
          path: spec.path,
        })
      }
      graph.add({
        name: `${name}.bind`,
        inputs: [edge],
        outputs: 0,
        feeds: spec,
        setup: ([input], _outputs, context: NodeContext) => {
          const instance = instanceOf(context)
          let next: NextCycle | undefined
          return () => {
            if (next === undefined) {
              const output = outputs.get(instance)
              // Nobody reads `out` in this run.
              if (output === undefined) return
              next = new NextCycle(context, output)
            }
            next.schedule((input as Series).value)
          }
        },
      })
      isBound = true
    },
  }
}
