import { GraphError } from './errors.js'
import {
  CANCELLED,
  DUE,
  EventQueue,
  LOST,
  NOT_QUEUED,
  type ScheduledEvent,
  WAITING,
} from './event-queue.js'
import type { Graph, NodeSpec, Step } from './graph.js'
import { Instance } from './instance.js'
import type { Tick } from './outputs.js'
import type { Cycle, Series } from './series.js'
import { isoOf, type Timestamp } from './time.js'

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
  /** Asked after each cycle: the run ends with the first cycle after which it says yes. */
  readonly until?: (run: RunProgress) => boolean
  /** Measures the run: a `Profiler`. */
  readonly profiler?: EngineProfiler
}

/** Values that came from outside and wait for a cycle. */
export interface PushQueue {
  /** Ticks what this cycle may take. @returns whether something is left for the next cycle. */
  takeInto(): boolean
}

const STAMP_LIMIT = 2 ** 30
/** Cycles between two looks at the wall clock. */
const CYCLES_A_LOOK = 1_024

const running = new WeakSet<Graph>()

/**
 * One run of a graph: forms the cycles, and lets the instance of the graph run what they tick.
 * It has no clock: a driver calls {@link runScheduled}, or asks {@link nextTime} and calls {@link runCycle}.
 */
export class Engine {
  readonly graph: Graph
  readonly start: Timestamp
  readonly end: Timestamp
  readonly isRealtime: boolean
  readonly cycle: Cycle
  readonly onNodeFailure: (error: GraphError, node: NodeSpec) => NodeFailureAction
  readonly compileAfter: number
  readonly profiler: EngineProfiler | undefined
  /** Whether a cycle runs at this moment. */
  inCycle = false
  /** Sources that wait for data: simulated time stands still meanwhile. */
  waiting = 0
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
  readonly #queue = new EventQueue()
  readonly #present: (() => Timestamp) | undefined
  readonly #maxCyclesAtOneTime: number
  readonly #pushed: PushQueue[] = []
  /** Events for the present time that were scheduled while a cycle ran, a list: they make the next cycle. */
  #soon: ScheduledEvent | undefined
  #lastSoon: ScheduledEvent | undefined
  /** What a source that had ticked already left over for the next cycles, in order. */
  readonly #leftovers = new Map<Series, ScheduledEvent[]>()
  #hasLeftovers = false
  #afterCycle: (() => void)[] = []
  /** Stamp of the last cycle before the present time. */
  #stampBefore = 0
  /** Cycles before the stamps began again. */
  #cyclesBefore = 0
  #stopRequested = false
  #hasStopped = false
  /** Set by all that {@link #runOnlySource} has to stop for. */
  #isDisturbed = false

  constructor(graph: Graph, options: EngineOptions) {
    checkOptions(options)
    if (running.has(graph)) {
      throw new GraphError(
        'REENTRANT_RUN',
        'the graph is running: a graph runs once at a time; wait for the end of that run, or build another',
      )
    }
    this.graph = graph
    this.start = options.start
    this.end = options.end
    this.isRealtime = options.realtime
    this.onNodeFailure = options.onNodeFailure ?? (() => 'rethrow')
    this.compileAfter = options.compileAfter ?? 10_000
    this.profiler = options.profiler
    this.#present = options.present
    this.#maxCyclesAtOneTime = options.maxCyclesAtOneTime ?? 1_000_000
    this.cycle = { stamp: 0, now: options.start }
    running.add(graph)
    try {
      const root = new Instance(this, graph)
      this.#root = root
      if (this.profiler !== undefined) {
        const propagate = root.propagate.bind(root)
        root.propagate = this.profiler.timedCycle(this.cycle, propagate)
      }
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
    this.#isDisturbed = true
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
    return this.#cyclesBefore + this.cycle.stamp
  }

  /** Engine time of the cycle that runs, or ran last. */
  get now(): Timestamp {
    return this.cycle.now
  }

  /** The time that a realtime run should have reached by now; in a simulated one, that of the cycle. */
  get present(): Timestamp {
    return this.#present?.() ?? this.cycle.now
  }

  /** Time of the next cycle that is known: now, when events are left over; `Infinity`, when nothing is scheduled. */
  get nextTime(): Timestamp {
    return this.#soon !== undefined || this.#hasLeftovers ? this.cycle.now : this.#queue.firstTime
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
    do {
      for (let look = CYCLES_A_LOOK; look > 0; look--) {
        if (this.stopRequested || this.waiting > 0) return
        const only = this.#soon !== undefined || this.#hasLeftovers ? undefined : this.#queue.only
        if (only?.repeats === true) look = this.#runOnlySource(only, look)
        else if (!this.runCycle()) return
      }
    } while (mayGoOn())
  }

  /**
   * Runs one cycle of scheduled events, at {@link nextTime}.
   * @returns whether there was one to run before the end.
   */
  runCycle(): boolean {
    const { cycle } = this
    const queue = this.#queue
    if (this.#soon !== undefined || this.#hasLeftovers) {
      this.#begin(cycle.now)
      if (this.#hasLeftovers) this.#applyLeftovers()
      if (this.#soon !== undefined) this.#applySoon()
      if (queue.firstTime === cycle.now) this.#applyDue()
    } else {
      const time = queue.firstTime
      if (time > this.end) return false
      this.#begin(time)
      this.#applyDue()
    }
    this.#root.propagate()
    this.#endCycle()
    return true
  }

  /** Runs one cycle of pushed values at `time`, which is not before {@link now}. */
  runPushCycle(time: Timestamp): void {
    this.#begin(time)
    const queues = this.#pushed
    let kept = 0
    for (let i = 0; i < queues.length; i++) {
      const queue = queues[i] as PushQueue
      if (queue.takeInto()) queues[kept++] = queue
    }
    queues.length = kept
    this.#root.propagate()
    this.#endCycle()
  }

  /** Puts an event into the queue; `time` at or after now. An event after the end is dropped. */
  schedule(event: ScheduledEvent, time: Timestamp): void {
    const { now } = this.cycle
    if (!(time >= now)) {
      throw new GraphError(
        'TIME_WENT_BACK',
        `cannot schedule for ${describeTime(time)}, before engine time ${isoOf(now)}: give a time at or after now`,
        { time: now },
      )
    }
    this.#isDisturbed = true
    event.time = time
    if (time > this.end) event.position = LOST
    else if (time === now) this.scheduleNext(event)
    else this.#queue.add(event)
  }

  /** Puts an event into the next cycle at the present time. */
  scheduleNext(event: ScheduledEvent): void {
    this.#isDisturbed = true
    event.position = DUE
    if (this.#soon === undefined) this.#soon = event
    else (this.#lastSoon as ScheduledEvent).next = event
    this.#lastSoon = event
  }

  /** Ticks an event in the cycle that runs: one of a sub-graph that is made in it. */
  applyInCycle(event: ScheduledEvent): void {
    event.position = DUE
    this.#applyOrDefer(event)
  }

  /** Takes an event out of the queue; it is enough that it may be there. */
  unschedule(event: ScheduledEvent): void {
    this.#isDisturbed = true
    if (event.isQueued) this.#queue.remove(event)
    else if (event.position === DUE) event.position = CANCELLED
  }

  /**
   * Schedules the event of a source at the time that its refill gave. A row that its source had to wait for while the run
   * went on is late: it ticks at the present time.
   */
  scheduleRefilled(event: ScheduledEvent): void {
    if (event.time === WAITING) {
      this.waiting++
      return
    }
    if (event.time < this.cycle.now) event.time = Math.min(this.present, this.end)
    event.instance.schedule(event, event.time)
  }

  /** A source that was {@link WAITING} has its data: `read` puts it into its event. */
  resume(event: ScheduledEvent, read: () => void): void {
    this.release(event.instance, () => {
      read()
      this.scheduleRefilled(event)
    })
  }

  /** Something is waited for: simulated time stands still until it is released. */
  hold(): void {
    this.waiting++
    this.#isDisturbed = true
  }

  /** What was waited for is there: `work` schedules what comes of it, unless its instance has stopped. */
  release(instance: Instance, work: () => void): void {
    if (this.#hasStopped) return
    this.waiting--
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

  /** Calls back once, when this cycle is complete. */
  afterCycle(callback: () => void): void {
    this.#isDisturbed = true
    this.#afterCycle.push(callback)
  }

  /** Stops all nodes; the first error that a stop callback throws is thrown at the end. Does nothing the second time. */
  stop(): void {
    if (this.#hasStopped) return
    this.#hasStopped = true
    this.#isDisturbed = true
    this.inCycle = false
    this.#queue.clear()
    running.delete(this.graph)
    this.#root.stop()
  }

  /**
   * Runs the cycles of the one event in the queue, a timer's or a source's, until something else happens: the way of
   * most backtests. It does what {@link runCycle} does; but there is nothing to put in order, so that the event can stay
   * where it is, and what else may happen sets one flag, so that there is one to look at.
   * @returns how many of `cycles` are left.
   */
  #runOnlySource(event: ScheduledEvent, cycles: number): number {
    const { cycle, end } = this
    const queue = this.#queue
    const root = this.#root
    const { instance, series, interval, refill } = event
    let left = cycles
    this.#begin(event.time)
    this.#isDisturbed = this.#afterCycle.length > 0
    for (;;) {
      instance.tick(series, event.value)
      if (refill === undefined) event.time += interval
      else refill.advance(event)
      root.propagate()
      if (
        this.#isDisturbed ||
        !(event.time > cycle.now && event.time <= end) ||
        left === 1 ||
        cycle.stamp === STAMP_LIMIT
      ) {
        break
      }
      left--
      cycle.now = event.time
      this.#stampBefore = cycle.stamp++
    }
    if (event.isQueued) {
      if (event.time > cycle.now && event.time <= end) queue.moveFirst()
      else this.#requeueFirst(event)
    }
    this.#endCycle()
    return left
  }

  #begin(time: Timestamp): void {
    const { cycle } = this
    if (time !== cycle.now) {
      cycle.now = time
      this.#stampBefore = cycle.stamp
    } else if (cycle.stamp - this.#stampBefore >= this.#maxCyclesAtOneTime) {
      throw spinning(time, this.#maxCyclesAtOneTime)
    }
    if (cycle.stamp === STAMP_LIMIT) this.#restartStamps()
    cycle.stamp++
    this.inCycle = true
  }

  #restartStamps(): void {
    for (const instance of this.#instances) instance.restartStamps()
    this.cycle.stamp = 0
    this.#stampBefore -= STAMP_LIMIT
    this.#cyclesBefore += STAMP_LIMIT
  }

  #applyLeftovers(): void {
    for (const [series, events] of this.#leftovers) {
      let event = events.shift() as ScheduledEvent
      while (event.position === CANCELLED && events.length > 0)
        event = events.shift() as ScheduledEvent
      if (events.length === 0) this.#leftovers.delete(series)
      this.#apply(event)
    }
    this.#hasLeftovers = this.#leftovers.size > 0
  }

  #applySoon(): void {
    let event = this.#soon
    this.#soon = undefined
    this.#lastSoon = undefined
    while (event !== undefined) {
      const { next }: ScheduledEvent = event
      event.next = undefined
      this.#applyOrDefer(event)
      event = next
    }
  }

  #applyDue(): void {
    const queue = this.#queue
    const { now } = this.cycle
    do {
      const event = queue.first
      if (event.repeats && !this.#isTaken(event.series)) {
        event.instance.tick(event.series, event.value)
        this.#advance(event)
      } else {
        queue.removeFirst()
        event.position = DUE
        this.#applyOrDefer(event)
      }
    } while (queue.firstTime === now)
  }

  /** The way of a timer and of a source: its event, the first one, stays where it is in the queue, with a later time. */
  #advance(event: ScheduledEvent): void {
    const { refill } = event
    if (refill === undefined) event.time += event.interval
    else refill.advance(event)
    this.#requeueFirst(event)
  }

  /** The first event has another time. */
  #requeueFirst(event: ScheduledEvent): void {
    if (event.time > this.cycle.now && event.time <= this.end) {
      this.#queue.replaceFirst(event)
    } else {
      this.#queue.removeFirst()
      this.scheduleRefilled(event)
    }
  }

  /** Whether a source has ticked in this cycle already, or has to tick what it left over first. */
  #isTaken(series: Series): boolean {
    return series.stamp === this.cycle.stamp || (this.#hasLeftovers && this.#leftovers.has(series))
  }

  #applyOrDefer(event: ScheduledEvent): void {
    const { series } = event
    if (event.position === CANCELLED || !this.#isTaken(series)) {
      this.#apply(event)
      return
    }
    const events = this.#leftovers.get(series)
    if (events === undefined) this.#leftovers.set(series, [event])
    else events.push(event)
    this.#hasLeftovers = true
  }

  #apply(event: ScheduledEvent): void {
    const { instance, refill } = event
    const isCancelled = event.position === CANCELLED
    event.position = NOT_QUEUED
    if (isCancelled || instance.hasStopped) return
    instance.tick(event.series, event.value)
    if (refill === undefined) instance.forget(event)
    else {
      refill.advance(event)
      this.scheduleRefilled(event)
    }
  }

  #stopWhen(until: (run: RunProgress) => boolean): void {
    this.afterCycle(() => {
      if (until(this)) this.requestStop()
      else this.#stopWhen(until)
    })
  }

  #endCycle(): void {
    this.inCycle = false
    if (this.#afterCycle.length > 0) this.#callBack()
  }

  #callBack(): void {
    const callbacks = this.#afterCycle
    this.#afterCycle = []
    for (const callback of callbacks) callback()
  }
}

function checkOptions({ start, end, compileAfter }: EngineOptions): void {
  if (!(end >= start)) {
    throw new GraphError(
      'INVALID_OPTION',
      `a run starts at ${describeTime(start)} and ends at ${describeTime(end)}: give timestamps, the end not before the start`,
    )
  }
  if (compileAfter !== undefined && !(compileAfter >= 1)) {
    throw new GraphError('INVALID_OPTION', `compileAfter is 1 or more, not ${compileAfter}`)
  }
}

function spinning(time: Timestamp, limit: number): GraphError {
  return new GraphError(
    'SPINNING',
    `${limit} cycles at ${isoOf(time)}: a feedback or alarm ticks again at once, for ever; give it a delay or a way to end`,
    { time },
  )
}

function describeTime(time: Timestamp): string {
  return Number.isFinite(time) ? isoOf(time) : String(time)
}
