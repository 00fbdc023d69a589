import { GraphError } from '../errors.js'
import { type DelayedEdge, delayedEdge, type Edge, type Graph } from '../graph.js'
import { empty } from '../sources.js'
import { collect } from './collect.js'
import { demultiplex } from './multiplex.js'

/** Inputs that are added from many places while a graph is built, collected by one node when it is first run. */
export interface DelayedCollect<T> {
  /** The lists of what ticks, as `collect` makes them. */
  readonly output: Edge<readonly T[]>
  /** @throws GraphError `ALREADY_BUILT` after the graph has been run. */
  add(edge: Edge<T>): void
}

/** Declares a {@link DelayedCollect}. */
export function delayedCollect<T>(graph: Graph): DelayedCollect<T> {
  const output: DelayedEdge<readonly T[]> = delayedEdge(graph, 'delayedCollect')
  const edges: Edge<T>[] = []
  graph.beforeRun(() => output.bind(edges.length === 0 ? empty(graph) : collect(edges)))
  return {
    output,
    add: (edge) => {
      if (output.target !== undefined) throw alreadyBuilt('delayedCollect')
      edges.push(edge)
    },
  }
}

/** Keys that are asked for from many places while a graph is built, split by one node when it is first run. */
export interface DelayedDemultiplex<T> {
  /** The ticks under `key`. @throws GraphError `ALREADY_BUILT` when it is a new key and the graph has been run. */
  get(key: string | number): Edge<T>
}

/** Declares a {@link DelayedDemultiplex} of the ticks of `x` by the present `key`. */
export function delayedDemultiplex<T>(
  x: Edge<T>,
  key: Edge<string | number>,
): DelayedDemultiplex<T> {
  const { graph } = x
  const edges = new Map<string | number, DelayedEdge<T>>()
  let isBuilt = false
  graph.beforeRun(() => {
    isBuilt = true
    const outputs = demultiplex(x, key, [...edges.keys()])
    for (const [key, edge] of edges) edge.bind(outputs[key] as Edge<T>)
  })
  return {
    get: (key) => {
      const known = edges.get(key)
      if (known !== undefined) return known
      if (isBuilt) throw alreadyBuilt('delayedDemultiplex')
      const edge: DelayedEdge<T> = delayedEdge(graph, `delayedDemultiplex ${key}`)
      edges.set(key, edge)
      return edge
    },
  }
}

function alreadyBuilt(node: string): GraphError {
  return new GraphError(
    'ALREADY_BUILT',
    `"${node}": the graph has been run already; say all that is needed before its first run`,
    { node },
  )
}
