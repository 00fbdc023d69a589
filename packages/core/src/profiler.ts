import type { EngineProfiler } from './engine-options.js'
import type { Step } from './graph.js'
import type { Cycle } from './series.js'
import type { Timestamp } from './time.js'

/** How often a node ran, and for how long. */
export interface NodeProfile {
  /** Where it was declared; nodes of the sub-graphs of a dynamic node share one path, with `[*]` for the keys. */
  readonly path: string
  readonly name: string
  readonly executions: number
  /** Time in the node's step; for a dynamic node, that of its sub-graphs included. */
  readonly totalMs: number
  readonly maxMs: number
}

/** One cycle of a run. */
export interface CycleProfile {
  /** Engine time of the cycle. */
  readonly time: Timestamp
  readonly durationMs: number
  /** Nodes that ran in it. */
  readonly executions: number
}

/** What a {@link Profiler} has seen. */
export interface ProfileReport {
  readonly cycles: number
  readonly executions: number
  /** Time in cycles. */
  readonly totalMs: number
  readonly averageCycleMs: number
  /** The cycle that took longest; `undefined` before the first. */
  readonly slowestCycle: CycleProfile | undefined
  /** Share of the nodes that ran in a cycle, on average: 0 to 1. */
  readonly utilization: number
  /** The nodes that have steps, the most costly first. Sources have none. */
  readonly nodes: readonly NodeProfile[]
}

/**
 * Measures runs: give it to `simulate`, `simulateAsync` or `realtime` as the option `profiler`. It may see several runs,
 * one after the other, and adds them up. A run without one does nothing for it: what is measured is wrapped when the run
 * is built. With one, each execution costs two looks at the clock.
 * @example
 * ```ts
 * const profiler = new Profiler()
 * simulate(graph, { profiler })
 * console.table(profiler.report().nodes)
 * ```
 */
export class Profiler implements EngineProfiler {
  readonly #nodes = new Map<string, Measured>()
  #cycles = 0
  #executions = 0
  #totalMs = 0
  #slowest: CycleProfile | undefined

  /** @internal */
  timedStep(path: string, name: string, step: Step): Step {
    const node = this.#nodes.get(path) ?? { path, name, executions: 0, totalMs: 0, maxMs: 0 }
    this.#nodes.set(path, node)
    return () => {
      const start = performance.now()
      try {
        return step()
      } finally {
        const elapsed = performance.now() - start
        node.executions++
        node.totalMs += elapsed
        if (elapsed > node.maxMs) node.maxMs = elapsed
        this.#executions++
      }
    }
  }

  /** @internal */
  timedCycle(cycle: Cycle, propagate: () => void): () => void {
    return () => {
      const before = this.#executions
      const start = performance.now()
      try {
        propagate()
      } finally {
        const durationMs = performance.now() - start
        this.#cycles++
        this.#totalMs += durationMs
        if (this.#slowest === undefined || durationMs > this.#slowest.durationMs) {
          const executions = this.#executions - before
          this.#slowest = { time: cycle.now, durationMs, executions }
        }
      }
    }
  }

  /** What has been measured so far. */
  report(): ProfileReport {
    const cycles = this.#cycles
    const possible = cycles * this.#nodes.size
    return {
      cycles,
      executions: this.#executions,
      totalMs: this.#totalMs,
      averageCycleMs: cycles === 0 ? 0 : this.#totalMs / cycles,
      slowestCycle: this.#slowest,
      utilization: possible === 0 ? 0 : this.#executions / possible,
      nodes: [...this.#nodes.values()]
        .map((node) => ({ ...node }))
        .sort((a, b) => b.totalMs - a.totalMs),
    }
  }
}

interface Measured {
  readonly path: string
  readonly name: string
  executions: number
  totalMs: number
  maxMs: number
}
