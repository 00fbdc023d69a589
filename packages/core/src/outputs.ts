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
 * Records the ticks of `edge` under `key` in the result of the run; what is kept of them the edge's `history` has, too.
 * Amortised O(1) a tick. In a dynamic sub-graph each takes a key of its own: its ticks stay when the sub-graph is gone.
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
      if (keep === undefined) {
        return () => {
          ticks.push([context.now, (input as Series).value])
        }
      }
      let dropped = 0
      const cut = (): void => {
        ticks.splice(0, dropped)
        dropped = 0
      }
      context.onStop(cut)
      return () => {
        ticks.push([context.now, (input as Series).value])
        dropped = firstKept(ticks, keep, dropped, context.now)
        // Each half at a time: a tick is moved once on average, whatever is kept.
        if (dropped * 2 > ticks.length) cut()
      }
    },
  })
}

/** The place of the first of `ticks` to keep, from `from` on. */
function firstKept(
  ticks: readonly Tick<unknown>[],
  keep: Span,
  from: number,
  now: Timestamp,
): number {
  if (keep instanceof Ticks) return Math.max(from, ticks.length - keep.count)
  let first = from
  while ((ticks[first] as Tick<unknown>)[0] < now - keep) first++
  return first
}

function duplicateOutput(key: string): GraphError {
  return new GraphError(
    'DUPLICATE_OUTPUT',
    `the run has an output "${key}" already: choose another key`,
  )
}
