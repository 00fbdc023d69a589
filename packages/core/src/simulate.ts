import { Engine } from './engine.js'
import type { EngineOptions } from './engine-options.js'
import { GraphError } from './errors.js'
import type { Graph } from './graph.js'
import type { GraphOutputs } from './outputs.js'
import type { Duration, Timestamp } from './time.js'

/** Options of all kinds of runs. */
export type RunOptions = Pick<
  EngineOptions,
  'until' | 'profiler' | 'onNodeFailure' | 'maxCyclesAtOneTime' | 'compileAfter'
>

/** Options of {@link simulate} and {@link simulateAsync}. */
export interface SimulateOptions extends RunOptions {
  /** Engine time of the first cycle, inclusive. @defaultValue 0 */
  readonly start?: Timestamp
  /** Engine time of the last cycle, inclusive; nothing later is run. @defaultValue no end */
  readonly end?: Timestamp
  /** Span after which to end, in place of `end`. */
  readonly duration?: Duration
}

/** What a finished run leaves. */
export interface RunResult {
  /** The ticks of the graph's outputs, by key. */
  readonly outputs: GraphOutputs
  /** Cycles run. */
  readonly cycles: number
  /** Engine time of the last cycle; the start, when there was none. */
  readonly now: Timestamp
}

/** The engine time that stands for "no end": far enough, and exact. */
export const END_OF_TIME: Timestamp = Number.MAX_SAFE_INTEGER

/**
 * Runs a graph in simulated time, as fast as it goes: time jumps from event to event. Returns when nothing is left to
 * do, at the end time, or when a node stops the engine.
 * @throws GraphError when the graph cannot be built, a node or source fails (`NODE_FAILED`, `SOURCE_FAILED`), or a
 * source has to wait for its data (`ASYNC_SOURCE`: use {@link simulateAsync}).
 */
export function simulate(graph: Graph, options: SimulateOptions = {}): RunResult {
  const engine = simulatedEngine(graph, options)
  return finish(engine, () => {
    engine.runScheduled(() => true)
    if (engine.agenda.waiting > 0 && !engine.stopRequested) {
      throw new GraphError(
        'ASYNC_SOURCE',
        'a source waits for its data, which a synchronous run cannot: use simulateAsync()',
        { time: engine.now },
      )
    }
  })
}

/** Options of {@link simulateAsync}. */
export interface SimulateAsyncOptions extends SimulateOptions {
  /** Ends the run after the current cycle when aborted; what was done so far is returned. */
  readonly signal?: AbortSignal
}

/**
 * Runs a graph as {@link simulate} does, waiting for sources whose data is still to come and giving other work of the
 * process a turn now and then.
 * @throws GraphError as {@link simulate} does, by rejection.
 */
export async function simulateAsync(
  graph: Graph,
  options: SimulateAsyncOptions = {},
): Promise<RunResult> {
  const engine = simulatedEngine(graph, options)
  const { signal } = options
  let wake: () => void = () => undefined
  engine.onWork = () => wake()
  const onAbort = (): void => {
    engine.requestStop()
    wake()
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted === true) onAbort()
  let failure: { readonly error: unknown } | undefined
  try {
    while (engine.failure === undefined) {
      const deadline = performance.now() + SLICE_MS
      engine.runScheduled(() => performance.now() < deadline)
      if (engine.stopRequested) break
      if (engine.agenda.waiting > 0) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      } else if (hasNext(engine)) {
        await new Promise<void>((resolve) => setTimeout(resolve))
      } else {
        break
      }
    }
  } catch (error) {
    failure = { error }
  }
  signal?.removeEventListener('abort', onAbort)
  let result: RunResult | undefined
  try {
    result = finish(engine, () => {
      if (failure !== undefined) throw failure.error
    })
  } finally {
    const closed = await Promise.allSettled(engine.closing)
    if (result !== undefined) throwFirst(closed)
  }
  return result
}

/** How long a simulated run goes on before timers and I/O of the process get a turn. */
const SLICE_MS = 50

function simulatedEngine(graph: Graph, options: SimulateOptions): Engine {
  const { start = 0 } = options
  return new Engine(graph, { ...options, start, end: endOf(start, options), realtime: false })
}

/** When a run that begins at `start` ends. @throws GraphError `INVALID_OPTION` when that is said twice. */
export function endOf(
  start: Timestamp,
  { end, duration }: Pick<SimulateOptions, 'end' | 'duration'>,
): Timestamp {
  if (end !== undefined && duration !== undefined) {
    throw new GraphError(
      'INVALID_OPTION',
      'a run has an end or a duration, not both: leave one of them out',
    )
  }
  return end ?? (duration === undefined ? END_OF_TIME : start + duration)
}

function hasNext(engine: Engine): boolean {
  return engine.agenda.nextTime <= engine.end
}

/** Stops the nodes whatever happens; an error of the run itself goes before one of stopping. */
function finish(engine: Engine, work: () => void): RunResult {
  let failure: { readonly error: unknown } | undefined
  try {
    work()
    if (engine.failure !== undefined) throw engine.failure.error
  } catch (error) {
    failure = { error }
  }
  try {
    engine.stop()
  } catch (error) {
    failure ??= { error }
  }
  if (failure !== undefined) throw failure.error
  return { outputs: engine.outputs, cycles: engine.cycles, now: engine.now }
}

/** Throws the error of the first that was rejected, if any was. */
export function throwFirst(settled: readonly PromiseSettledResult<unknown>[]): void {
  for (const each of settled) if (each.status === 'rejected') throw each.reason
}
