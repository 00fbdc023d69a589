import { type Edge, Graph } from './graph.js'
import { sink } from './node.js'
import type { Tick } from './outputs.js'
import { curve } from './pull.js'
import { type SimulateOptions, simulate } from './simulate.js'

/**
 * What ticks on `edge`, as a list that fills while the graph runs; each run starts it anew.
 * @example
 * ```ts
 * const seen = record(count(x))
 * simulate(graph)
 * expect(seen).toEqual([[10, 1], [20, 2]])
 * ```
 */
export function record<T>(edge: Edge<T>): readonly Tick<T>[] {
  const ticks: Tick<T>[] = []
  sink('record', { edge }, ({ edge }, context) => {
    ticks.length = 0
    return () => {
      ticks.push([context.now, edge.value])
    }
  })
  return ticks
}

/**
 * Builds a graph, runs it in simulated time and returns what ticked on the edge that `build` returns.
 * @example `ticksOf((graph) => count(timer(graph, seconds(1))), { duration: seconds(3) })`
 */
export function ticksOf<T>(
  build: (graph: Graph) => Edge<T>,
  options?: SimulateOptions,
): readonly Tick<T>[] {
  const graph = new Graph()
  const seen = record(build(graph))
  simulate(graph, options)
  return seen
}

/**
 * Sends values through an operator, one a microsecond from time 0 on, and returns the values that it ticks.
 * @example `expect(replay([1, 1, 2], dropDups)).toEqual([1, 2])`
 */
export function replay<T, U>(
  values: readonly T[],
  operator: (x: Edge<T>) => Edge<U>,
): readonly U[] {
  return ticksOf((graph) =>
    operator(
      curve(
        graph,
        values.map((value, i) => [i, value] as const),
      ),
    ),
  ).map(([, value]) => value)
}
