import { checkCount } from './check-number.js'
import { GraphError } from './errors.js'
import type { NodeSpec, Step } from './graph.js'
import type { Cycle } from './series.js'
import { describeTime, type Timestamp } from './time.js'

/** What to do about a node that threw: `rethrow` ends the run, `continue` goes on without that node's tick. */
export type NodeFailureAction = 'rethrow' | 'continue'

/** How far a run has come. */
export interface RunProgress {
  /** Engine time of the last cycle. */
  readonly now: Timestamp
  /** Cycles run so far. */
  readonly cycles: number
}

/** What measures a run, see `Profiler`. */
export interface EngineProfiler {
  /** The step of a node, measured. */
  timedStep(path: string, name: string, step: Step): Step
  /** What runs the nodes of a cycle, measured. */
  timedCycle(cycle: Cycle, propagate: () => void): () => void
}

/** Bounds and hooks of an engine; the drivers `simulate` and `realtime` fill them in. */
export interface EngineOptions {
  readonly start: Timestamp
  readonly end: Timestamp
  readonly realtime: boolean
  /** The present time of a realtime run. */
  readonly present?: () => Timestamp
  /** Asked when a node throws. @defaultValue always `rethrow` */
  readonly onNodeFailure?: (error: GraphError, node: NodeSpec) => NodeFailureAction
  /** Cycles at one engine time before the run is ended as spinning. @defaultValue 1_000_000 */
  readonly maxCyclesAtOneTime?: number
  /**
   * Runs of a group of nodes after which a function is generated for it, which runs them several times as fast once it is
   * optimised: that costs some 20 ms for 32 nodes, most of it in another thread. Where code must not be generated from
   * strings nothing is, and all runs the same; `Infinity` asks for that.
   * @defaultValue 10_000
   */
  readonly compileAfter?: number
  /**
   * Asked after each cycle: the run ends with the first cycle after which it says yes. What it throws ends the run
   * as `NODE_FAILED`.
   */
  readonly until?: (run: RunProgress) => boolean
  /** Measures the run: a `Profiler`. */
  readonly profiler?: EngineProfiler
}

/** @throws GraphError `INVALID_OPTION`. */
export function checkEngineOptions(options: EngineOptions): void {
  const { start, end, compileAfter, maxCyclesAtOneTime = 1 } = options
  for (const [option, time] of Object.entries({ start, end })) {
    if (Number.isSafeInteger(time)) continue
    throw new GraphError(
      'INVALID_OPTION',
      `the ${option} of a run is a whole number of microseconds since 1970, not ${time}: see timestampOf(), and END_OF_TIME`,
    )
  }
  if (!(end >= start)) {
    throw new GraphError(
      'INVALID_OPTION',
      `a run starts at ${describeTime(start)} and ends at ${describeTime(end)}: the end is not before the start`,
    )
  }
  checkCount('run', 'maxCyclesAtOneTime', maxCyclesAtOneTime, 1)
  if (compileAfter !== undefined && !(compileAfter >= 1)) {
    throw new GraphError('INVALID_OPTION', `compileAfter is 1 or more, not ${compileAfter}`)
  }
}
