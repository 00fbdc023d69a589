import { Agenda } from './agenda.js'
import {
  checkEngineOptions,
  type EngineOptions,
  type EngineProfiler,
  type NodeFailureAction,
  type RunProgress,
} from './engine-options.js'
import { GraphError, nodeFailed } from './errors.js'
import type { ScheduledEvent } from './event-queue.js'
import type { Graph, NodeSpec } from './graph.js'
import { Instance } from './instance.js'
import type { Tick } from './outputs.js'
import { RunningCycle } from './running-cycle.js'
import { runSource, type SourceLoop, type SourceLoopParts } from './source-loop.js'
import type { Timestamp } from './time.js'

/** Values that came from outside and wait for a cycle. */
export interface PushQueue {
  /** Ticks what this cycle may take. @returns whether something is left for the next cycle. */
  takeInto(): boolean
}

/** Cycles between two looks at the wall clock. */
const CYCLES_A_LOOK = 1_024

const running = new WeakSet<Graph>()

/**
 * One run of a graph: forms the cycles, and lets the instance of the graph run what they tick.
 * It has no clock: a driver calls {@link runScheduled}, or asks the agenda for its next time and calls {@link runCycle}.
 */
export class Engine {
  readonly graph: Graph
  readonly start: Timestamp
  readonly end: Timestamp
  readonly isRealtime: boolean
  readonly cycle: RunningCycle
  readonly agenda: Agenda
  readonly onNodeFailure: (error: GraphError, node: NodeSpec) => NodeFailureAction
  readonly compileAfter: number
  readonly profiler: EngineProfiler | undefined
  /** What failed beside the cycles: the driver ends the run with it. */
  failure: { readonly error: unknown } | undefined
  /** What is still closing after {@link stop}; a driver that can waits for it. */
  readonly closing: Promise<unknown>[] = []
  /** Called when a push or resumed source has brought work, so that the driver looks for it. */
  onWork: () => void = () => undefined

  /** The recorded ticks of the graph's outputs, by key. */
  readonly outputs: Map<string, Tick<unknown>[]> = new Map()

  readonly #root: Instance
  readonly #instances = new Set<Instance>()
  readonly #present: (() => Timestamp) | undefined
  readonly #pushed: PushQueue[] = []
  #afterCycle: (() => void)[] = []
  #spareAfterCycle: (() => void)[] = []
  #stopRequested = false
  #hasStopped = false
  readonly #loopParts: SourceLoopParts
  /** The event of a source that has a loop of its own, generated. */
  #loopOf: ScheduledEvent | undefined
  #loop: SourceLoop | undefined

  constructor(graph: Graph, options: EngineOptions) {
    checkEngineOptions(options)
    if (running.has(graph)) {
      throw new GraphError(
        'REENTRANT_RUN',
        'the graph is running: a graph runs once at a time; wait for the end of that run, or build another',
      )
    }
    const { start, end, maxCyclesAtOneTime = 1_000_000 } = options
    this.graph = graph
    this.start = start
    this.end = end
    this.isRealtime = options.realtime
    this.onNodeFailure = options.onNodeFailure ?? (() => 'rethrow')
    this.compileAfter = options.compileAfter ?? 10_000
    this.profiler = options.profiler
    this.#present = options.present
    this.cycle = new RunningCycle(start, maxCyclesAtOneTime, () => {
      for (const instance of this.#instances) instance.restartStamps()
    })
    this.agenda = new Agenda(this.cycle, end, () => this.present)
    running.add(graph)
    try {
      const root = new Instance(this, graph)
      this.#root = root
      if (this.profiler !== undefined) {
        const propagate = root.propagate.bind(root)
        root.propagate = this.profiler.timedCycle(this.cycle, propagate)
      }
      this.#loopParts = { cycle: this.cycle, agenda: this.agenda, end, root }
      root.start()
    } catch (error) {
      running.delete(graph)
      throw error
    }
    const { until } = options
    if (until !== undefined) this.#stopWhen(until)
  }

  /** Ends the run after the cycle that runs, or before the next one. */
  requestStop(): void {
    this.#stopRequested = true
    this.agenda.isDisturbed = true
  }

  /** Ends the run, as {@link requestStop} does, with an error. */
  fail(error: unknown): void {
    if (this.#hasStopped) return
    this.failure ??= { error }
    this.requestStop()
    this.onWork()
  }

  /** Whether the run is to end. */
  get stopRequested(): boolean {
    return this.#stopRequested
  }

  /** Cycles run so far. */
  get cycles(): number {
    return this.cycle.count
  }

  /** Engine time of the cycle that runs, or ran last. */
  get now(): Timestamp {
    return this.cycle.now
  }

  /** The time that a realtime run should have reached by now; in a simulated one, that of the cycle. */
  get present(): Timestamp {
    return this.#present?.() ?? this.cycle.now
  }

  /** Whether values were pushed that no cycle has taken yet. */
  get hasPushed(): boolean {
    return this.#pushed.length > 0
  }

  /**
   * Runs the cycles of scheduled events up to the end of the run, until nothing is scheduled, a source waits, the
   * engine is stopped, or `mayGoOn`, which is asked now and then, says no.
   */
  runScheduled(mayGoOn: () => boolean): void {
    const { agenda } = this
    do {
      for (let look = CYCLES_A_LOOK; look > 0; look--) {
        if (this.#stopRequested || agenda.waiting > 0) return
        const only = agenda.onlySource
        if (only !== undefined && only.time <= this.end) look = this.#runOnlySource(only, look)
        else if (!this.runCycle()) return
      }
    } while (mayGoOn())
  }

  /**
   * Runs one cycle of scheduled events, at the next time of the agenda.
   * @returns whether there was one to run before the end.
   */
  runCycle(): boolean {
    const { agenda, cycle } = this
    const time = agenda.nextTime
    if (time > this.end) return false
    cycle.begin(time)
    agenda.tickDue()
    this.#root.propagate()
    this.#endCycle()
    return true
  }

  /** Runs one cycle of pushed values at `time`, which is not before {@link now}. */
  runPushCycle(time: Timestamp): void {
    this.cycle.begin(time)
    const queues = this.#pushed
    let kept = 0
    for (let i = 0; i < queues.length; i++) {
      const queue = queues[i] as PushQueue
      if (queue.takeInto()) queues[kept++] = queue
    }
    // Not by its length, here and below: at 0 an array gives its room back, only to take it anew.
    while (queues.length > kept) queues.pop()
    this.#root.propagate()
    this.#endCycle()
  }

  /** A source that was waited for has its data: `read` puts it into its event. */
  resume(event: ScheduledEvent, read: () => void): void {
    this.release(event.instance, () => {
      read()
      this.agenda.scheduleRefilled(event)
    })
  }

  /** What the agenda was held for is there: `work` schedules what comes of it, unless its instance has stopped. */
  release(instance: Instance, work: () => void): void {
    if (this.#hasStopped) return
    this.agenda.waiting--
    try {
      if (!instance.hasStopped) work()
    } catch (error) {
      this.failure ??= { error }
    }
    this.onWork()
  }

  /** Pushed values are waiting in `queue`; a cycle will take them. The driver is told by {@link onWork}. */
  pushPending(queue: PushQueue): void {
    this.#pushed.push(queue)
  }

  /** An instance has been made, for the graph of the run or inside it. */
  joined(instance: Instance): void {
    this.#instances.add(instance)
  }

  /** An instance has stopped. */
  left(instance: Instance): void {
    this.#instances.delete(instance)
  }

  /** Calls back once, when this cycle is complete. All are called, then the first error that one throws is thrown. */
  afterCycle(callback: () => void): void {
    this.agenda.isDisturbed = true
    this.#afterCycle.push(callback)
  }

  /** Stops all nodes; the first error that a stop callback throws is thrown at the end. Does nothing the second time. */
  stop(): void {
    if (this.#hasStopped) return
    this.#hasStopped = true
    this.cycle.isRunning = false
    this.agenda.clear()
    running.delete(this.graph)
    this.#root.stop()
  }

  /** Runs cycles of the source that is alone in the agenda. @returns how many of `most` are left. */
  #runOnlySource(event: ScheduledEvent, most: number): number {
    const { agenda, cycle } = this
    // One a run: sources take turns in being alone, but seldom do two of them for long.
    if (this.#loopOf === undefined) {
      this.#loop = event.instance.sourceLoop(event, this.#loopParts)
      if (this.#loop !== undefined) this.#loopOf = event
    }
    cycle.begin(event.time)
    agenda.isDisturbed = this.#afterCycle.length > 0
    const left =
      this.#loop !== undefined && this.#loopOf === event
        ? this.#loop(most)
        : runSource(event, this.#loopParts, most)
    agenda.requeueOnly(event)
    this.#endCycle()
    return left
  }

  #stopWhen(until: (run: RunProgress) => boolean): void {
    this.afterCycle(() => {
      if (this.#isOver(until)) this.requestStop()
      else this.#stopWhen(until)
    })
  }

  #isOver(until: (run: RunProgress) => boolean): boolean {
    try {
      return until(this)
    } catch (error) {
      throw nodeFailed('until', 'until', this.now, error)
    }
  }

  #endCycle(): void {
    this.cycle.isRunning = false
    if (this.#afterCycle.length > 0) this.#callBack()
  }

  #callBack(): void {
    const callbacks = this.#afterCycle
    this.#afterCycle = this.#spareAfterCycle
    let failure: { readonly error: unknown } | undefined
    for (const callback of callbacks) {
      try {
        callback()
      } catch (error) {
        failure ??= { error }
      }
    }
    while (callbacks.length > 0) callbacks.pop()
    this.#spareAfterCycle = callbacks
    if (failure !== undefined) throw failure.error
  }
}
