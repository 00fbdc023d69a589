import { GraphError } from './errors.js'
import type { Edge, Graph } from './graph.js'
import { keepHistory } from './history.js'
import { instanceOf } from './instance-node-context.js'
import type { Series } from './series.js'
import { checkSpan, type Span, Ticks } from './span.js'
import type { Timestamp } from './time.js'

/** One tick that was recorded. */
export type Tick<T> = readonly [time: Timestamp, value: T]

/** The recorded ticks of the graph's outputs, by key; an output that never ticked is an empty list. */
export type GraphOutputs = ReadonlyMap<string, readonly Tick<unknown>[]>

/** Options of {@link graphOutput}. */
export interface GraphOutputOptions {
  /** Keep the last `ticks(n)`, or those of the last `ms(n)` before the last one. @defaultValue all */
  readonly keep?: Span
}

const keysOf = new WeakMap<Graph, Set<string>>()

/**
 * Records the ticks of `edge` under `key` in the result of the run; what is kept of them the edge's `history` has, too. It can be used in a dynamic sub-graph, too, with a
 * key of its own for each: its ticks stay when the sub-graph is gone.
 * @throws GraphError `DUPLICATE_OUTPUT` when the key is taken; `INVALID_OPTION`.
 */
export function graphOutput(
  key: string,
  edge: Edge<unknown>,
  options: GraphOutputOptions = {},
): void {
  const { graph } = edge
  const { keep } = options
  if (keep !== undefined) checkSpan(`output ${key}`, 'keep', keep, 1)
  const keys = keysOf.get(graph) ?? new Set()
  keysOf.set(graph, keys)
  if (keys.has(key)) throw duplicateOutput(key)
  keys.add(key)
  keepHistory(edge, keep)
  graph.add({
    name: `output ${key}`,
    inputs: [edge],
    outputs: 0,
    setup: ([input], _outputs, context) => {
      const { outputs } = instanceOf(context).engine
      if (outputs.has(key)) throw duplicateOutput(key)
      const ticks: Tick<unknown>[] = []
      outputs.set(key, ticks)
      return () => {
        ticks.push([context.now, (input as Series).value])
        if (keep !== undefined) trim(ticks, keep, context.now)
      }
    },
  })
}

function trim(ticks: Tick<unknown>[], keep: Span, now: Timestamp): void {
  let excess = 0
  if (keep instanceof Ticks) excess = ticks.length - keep.count
  else while ((ticks[excess] as Tick<unknown>)[0] < now - keep) excess++
  if (excess > 0) ticks.splice(0, excess)
}

function duplicateOutput(key: string): GraphError {
  return new GraphError(
    'DUPLICATE_OUTPUT',
    `the run has an output "${key}" already: choose another key`,
  )
}
