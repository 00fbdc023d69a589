import { type Engine, engineOf } from './engine.js'
import { GraphError } from './errors.js'
import type { Edge, Graph } from './graph.js'
import type { Series } from './series.js'
import type { Timestamp } from './time.js'

/** One tick that was recorded. */
export type Tick<T> = readonly [time: Timestamp, value: T]

/** The recorded ticks of the graph's outputs, by key; an output that never ticked is an empty list. */
export type GraphOutputs = ReadonlyMap<string, readonly Tick<unknown>[]>

const outputsOf = new WeakMap<Graph, Map<string, WeakMap<Engine, Tick<unknown>[]>>>()

/**
 * Records the ticks of `edge` under `key` in the result of the run.
 * @throws GraphError `DUPLICATE_OUTPUT` when the key is taken.
 */
export function graphOutput(key: string, edge: Edge<unknown>): void {
  const { graph } = edge
  const outputs = outputsOf.get(graph) ?? new Map<string, WeakMap<Engine, Tick<unknown>[]>>()
  outputsOf.set(graph, outputs)
  if (outputs.has(key)) {
    throw new GraphError(
      'DUPLICATE_OUTPUT',
      `the graph has an output "${key}" already: choose another key`,
    )
  }
  const records = new WeakMap<Engine, Tick<unknown>[]>()
  outputs.set(key, records)
  graph.add({
    name: `output ${key}`,
    inputs: [edge],
    outputs: 0,
    setup: ([input], _outputs, context) => {
      const ticks: Tick<unknown>[] = []
      records.set(engineOf(context), ticks)
      return () => {
        ticks.push([context.now, (input as Series).value])
      }
    },
  })
}

/** @internal */
export function collectOutputs(graph: Graph, engine: Engine): GraphOutputs {
  const result = new Map<string, readonly Tick<unknown>[]>()
  for (const [key, records] of outputsOf.get(graph) ?? [])
    result.set(key, records.get(engine) ?? [])
  return result
}
