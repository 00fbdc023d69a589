import type { Edge, Graph } from '../graph.js'
import { sink } from '../node.js'

/** Options of {@link stopEngine}. */
export interface StopEngineOptions {
  /** In a dynamic sub-graph: end only that. @defaultValue false */
  readonly dynamic?: boolean
}

/** Ends the run when `x` ticks: the cycle is completed, nothing after it is run. */
export function stopEngine(x: Edge<unknown>, options: StopEngineOptions = {}): void {
  const { dynamic = false } = options
  sink('stopEngine', { x }, (_inputs, context) => () => context.stopEngine({ dynamic }))
}

/** Calls `callback` when the run ends, however it ends. */
export function scheduleOnEngineStop(graph: Graph, callback: () => void): void {
  graph.add({
    name: 'scheduleOnEngineStop',
    outputs: 0,
    setup: (_inputs, _outputs, context) => {
      context.onStop(callback)
      return undefined
    },
  })
}
