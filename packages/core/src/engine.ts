import { compile, type Program } from './compile.js'
import { GraphError, nodeFailed } from './errors.js'
import { CANCELLED, DUE, EventQueue, NOT_QUEUED, ScheduledEvent, WAITING } from './event-queue.js'
import type { Edge, Graph, NodeSpec, Step } from './graph.js'
import type { Alarm, AlarmHandle, NodeContext, Output } from './node-context.js'
import { Scheduler } from './scheduler.js'
import { type Cycle, type Input, LONG_AGO, NEVER, Series } from './series.js'
import { type Duration, isoOf, type Timestamp } from './time.js'

/** What to do about a node that threw: `rethrow` ends the run, `continue` goes on without that node's tick. */
export type NodeFailureAction = 'rethrow' | 'continue'

/** Bounds and hooks of an engine; the drivers `simulate` and `realtime` fill them in. */
export interface EngineOptions {
  readonly start: Timestamp
  readonly end: Timestamp
  readonly realtime: boolean
  /** Asked when a node throws. @defaultValue always `rethrow` */
  readonly onNodeFailure?: (error: GraphError, node: NodeSpec) => NodeFailureAction
  /** Cycles at one engine time before the run is ended as spinning. @defaultValue 1_000_000 */
  readonly maxCyclesAtOneTime?: number
}

const STAMP_LIMIT = 2 ** 30

/**
 * One run of a graph: forms the cycles, and hands each to the scheduler.
 * It has no clock: a driver asks {@link nextTime} and calls {@link runCycle}.
 */
export class Engine {
  readonly graph: Graph
  readonly start: Timestamp
  readonly end: Timestamp
  readonly isRealtime: boolean
  /** Cycles run so far. */
  cycles = 0
  /** Whether `stopEngine` was called. */
  stopRequested = false
  /** Whether a cycle runs at this moment. */
  inCycle = false
  /** Sources that wait for data: simulated time stands still meanwhile. */
  waiting = 0
  /** What a source failed with while no cycle ran: the driver ends the run with it. */
  failure: unknown
  /** Called when a push or resumed source has brought work, so that the driver looks for it. */
  onWork: () => void = () => undefined

  readonly #cycle: Cycle
  readonly #program: Program
  readonly #scheduler: Scheduler
  readonly #queue = new EventQueue()
  readonly #failure: EngineOptions['onNodeFailure']
  readonly #maxCyclesAtOneTime: number
  readonly #onStop: (() => void)[] = []
  readonly #pushed: PushQueue[] = []
  /** Events for the present time that were scheduled while a cycle ran: they make the next cycle. */
  #soon: ScheduledEvent[] = []
  #soonSpare: ScheduledEvent[] = []
  /** What a source that had ticked already left over for the next cycles, in order. */
  #leftovers = new Map<Series, ScheduledEvent[]>()
  #afterCycle: (() => void)[] = []
  #cyclesAtThisTime = 0
  #isSettingUp = true
  #hasStopped = false

  constructor(graph: Graph, options: EngineOptions) {
    this.graph = graph
    this.start = options.start
    this.end = options.end
    this.isRealtime = options.realtime
    this.#failure = options.onNodeFailure
    this.#maxCyclesAtOneTime = options.maxCyclesAtOneTime ?? 1_000_000
    this.#cycle = { stamp: 0, now: options.start }
    this.#program = compile(graph, this.#cycle)
    const { nodes, outputs, targets } = this.#program
    const steps: Step[] = new Array(nodes.length).fill(neverRuns)
    this.#scheduler = new Scheduler(steps, outputs, targets)
    this.#setUp(nodes, steps)
  }

  /** Engine time of the cycle that runs, or ran last. */
  get now(): Timestamp {
    return this.#cycle.now
  }

  /** The run-time side of an edge; `undefined` when the edge was not needed and so is not run. */
  seriesOf<T>(edge: Edge<T>): Series<T> | undefined {
    return this.#program.seriesOf(edge) as Series<T> | undefined
  }

  /** Time of the next cycle that is known: now, when events are left over; `Infinity`, when nothing is scheduled. */
  get nextTime(): Timestamp {
    if (this.#soon.length > 0 || this.#leftovers.size > 0) return this.#cycle.now
    return this.#queue.firstTime
  }

  /** Whether values were pushed that no cycle has taken yet. */
  get hasPushed(): boolean {
    return this.#pushed.length > 0
  }

  /** Runs one cycle of scheduled events at `time`, which is {@link nextTime}. */
  runCycle(time: Timestamp): void {
    this.#begin(time)
    try {
      this.#applyLeftovers()
      this.#applySoon()
      this.#applyDue(time)
      this.#propagate()
    } finally {
      this.inCycle = false
    }
    this.#complete()
  }

  /** Runs one cycle of pushed values at `time`, which is not before {@link now}. */
  runPushCycle(time: Timestamp): void {
    this.#begin(time)
    try {
      const queues = this.#pushed
      let kept = 0
      for (let i = 0; i < queues.length; i++) {
        const queue = queues[i] as PushQueue
        if (queue.takeInto(this)) queues[kept++] = queue
      }
      queues.length = kept
      this.#propagate()
    } finally {
      this.inCycle = false
    }
    this.#complete()
  }

  /** Ticks a source in the cycle that is being formed. For sources only. */
  tick(series: Series, value: unknown): void {
    this.#scheduler.tick(series, value)
  }

  /** Puts an event into the queue; `time` at or after now. An event after the end is dropped. */
  schedule(event: ScheduledEvent, time: Timestamp): void {
    const { now } = this.#cycle
    if (!(time >= now)) {
      throw new GraphError(
        'TIME_WENT_BACK',
        `cannot schedule for ${describeTime(time)}, before engine time ${isoOf(now)}: give a time at or after now`,
        { time: now },
      )
    }
    if (time > this.end) return
    if (time === now) {
      event.position = DUE
      this.#soon.push(event)
    } else {
      this.#queue.add(event, time)
    }
  }

  /** Takes an event out of the queue; it is enough that it may be there. */
  unschedule(event: ScheduledEvent): void {
    if (event.position >= 0) this.#queue.remove(event)
    else if (event.position === DUE) event.position = CANCELLED
  }

  /** Schedules the event of a source at the time that its refill gave. */
  scheduleRefilled(event: ScheduledEvent, time: Timestamp): void {
    if (time === WAITING) this.waiting++
    else this.schedule(event, time)
  }

  /** A source that answered {@link WAITING} has its data: `read` gives the time of its event, which is now if that has passed. */
  resume(event: ScheduledEvent, read: () => Timestamp): void {
    if (this.#hasStopped) return
    this.waiting--
    try {
      const time = read()
      this.scheduleRefilled(event, time === WAITING ? time : Math.max(time, this.#cycle.now))
    } catch (error) {
      this.failure = error
    }
    this.onWork()
  }

  /** Pushed values are waiting in `queue`; a cycle will take them. */
  pushPending(queue: PushQueue): void {
    this.#pushed.push(queue)
    this.onWork()
  }

  /** Stops all nodes; the first error that a stop callback throws is thrown at the end. Does nothing the second time. */
  stop(): void {
    if (this.#hasStopped) return
    this.#hasStopped = true
    this.#queue.clear()
    let failed = false
    let first: unknown
    for (let i = this.#onStop.length - 1; i >= 0; i--) {
      try {
        this.#onStop[i]?.()
      } catch (error) {
        if (!failed) first = error
        failed = true
      }
    }
    if (failed) throw first
  }

  #begin(time: Timestamp): void {
    const cycle = this.#cycle
    if (time !== cycle.now) {
      cycle.now = time
      this.#cyclesAtThisTime = 0
    } else if (++this.#cyclesAtThisTime > this.#maxCyclesAtOneTime) {
      throw new GraphError(
        'SPINNING',
        `${this.#maxCyclesAtOneTime} cycles at ${isoOf(time)}: a feedback or alarm ticks again at once, for ever; give it a delay or a way to end`,
        { time },
      )
    }
    if (cycle.stamp === STAMP_LIMIT) this.#restartStamps()
    cycle.stamp++
    this.cycles++
    this.inCycle = true
  }

  /** Keeps cycle numbers small integers, which the JavaScript engine stores without allocating. */
  #restartStamps(): void {
    for (const series of this.#program.allSeries) {
      if (series.stamp !== NEVER) series.stamp = LONG_AGO
    }
    this.#cycle.stamp = 0
  }

  #applyLeftovers(): void {
    if (this.#leftovers.size === 0) return
    for (const [series, events] of this.#leftovers) {
      const event = events.shift() as ScheduledEvent
      if (events.length === 0) this.#leftovers.delete(series)
      this.#apply(event)
    }
  }

  #applySoon(): void {
    const events = this.#soon
    if (events.length === 0) return
    this.#soon = this.#soonSpare
    this.#soonSpare = events
    for (let i = 0; i < events.length; i++) this.#applyOrDefer(events[i] as ScheduledEvent)
    events.length = 0
  }

  #applyDue(time: Timestamp): void {
    const queue = this.#queue
    while (queue.firstTime === time) {
      const event = queue.first
      const { refill } = event
      if (refill === undefined || this.#isTaken(event.series)) {
        queue.removeFirst()
        event.position = DUE
        this.#applyOrDefer(event)
        continue
      }
      this.#scheduler.tick(event.series, event.value)
      const next = refill.advance(event)
      if (next > time && next <= this.end) queue.replaceFirst(event, next)
      else {
        queue.removeFirst()
        this.scheduleRefilled(event, next)
      }
    }
  }

  #isTaken(series: Series): boolean {
    return series.stamp === this.#cycle.stamp || this.#leftovers.has(series)
  }

  #applyOrDefer(event: ScheduledEvent): void {
    if (!this.#isTaken(event.series)) {
      this.#apply(event)
      return
    }
    const events = this.#leftovers.get(event.series)
    if (events === undefined) this.#leftovers.set(event.series, [event])
    else events.push(event)
  }

  #apply(event: ScheduledEvent): void {
    const cancelled = event.position === CANCELLED
    event.position = NOT_QUEUED
    if (cancelled) return
    this.#scheduler.tick(event.series, event.value)
    if (event.refill !== undefined) this.scheduleRefilled(event, event.refill.advance(event))
  }

  #propagate(): void {
    for (;;) {
      try {
        this.#scheduler.run()
        return
      } catch (error) {
        this.#nodeThrew(error)
      }
    }
  }

  #nodeThrew(cause: unknown): void {
    const node = this.#program.nodes[this.#scheduler.current]
    if (node === undefined) throw cause
    const error = nodeFailed(node.name, node.path, this.#cycle.now, cause)
    if ((this.#failure?.(error, node) ?? 'rethrow') === 'rethrow') throw error
  }

  #complete(): void {
    if (this.#afterCycle.length === 0) return
    const callbacks = this.#afterCycle
    this.#afterCycle = []
    for (const callback of callbacks) callback()
  }

  #setUp(nodes: readonly NodeSpec[], steps: Step[]): void {
    const { inputSeries, outputSeries } = this.#program
    try {
      for (let i = 0; i < nodes.length; i++) {
        const node = nodes[i] as NodeSpec
        const context = new EngineNodeContext(this, i)
        try {
          const step = node.setup(inputSeries(i), outputSeries(i), context)
          if (step !== undefined) steps[i] = step
        } catch (error) {
          throw nodeFailed(node.name, node.path, this.start, error)
        }
      }
      this.#isSettingUp = false
    } catch (error) {
      try {
        this.stop()
      } catch {
        // The error of the setup came first, and it is the one to report.
      }
      throw error
    }
  }

  /** @internal */
  alarmSeries(node: number): Series {
    if (!this.#isSettingUp) {
      throw new GraphError(
        'INVALID_OPTION',
        'an alarm is made in the setup of a node, not in its step',
      )
    }
    const series = new Series(this.#cycle)
    this.#scheduler.targets = this.#program.addTarget(series, node)
    return series
  }

  /** @internal */
  setActive(node: number, input: Input<unknown>, active: boolean): void {
    for (const link of this.#program.linksOf(node, input as Series)) {
      this.#scheduler.setActive(link, node, active)
    }
  }

  /** @internal */
  afterCycle(callback: () => void): void {
    this.#afterCycle.push(callback)
  }

  /** @internal */
  onStop(callback: () => void): void {
    this.#onStop.push(callback)
  }
}

/** Values that came from outside and wait for a cycle. */
export interface PushQueue {
  /** Ticks what this cycle may take. @returns whether something is left for the next cycle. */
  takeInto(engine: Engine): boolean
}

function neverRuns(): void {}

function describeTime(time: Timestamp): string {
  return Number.isFinite(time) ? isoOf(time) : String(time)
}

class EngineNodeContext implements NodeContext {
  readonly #engine: Engine
  readonly #node: number

  constructor(engine: Engine, node: number) {
    this.#engine = engine
    this.#node = node
  }

  get graph(): Graph {
    return this.#engine.graph
  }

  get now(): Timestamp {
    return this.#engine.now
  }

  get start(): Timestamp {
    return this.#engine.start
  }

  get end(): Timestamp {
    return this.#engine.end
  }

  get realtime(): boolean {
    return this.#engine.isRealtime
  }

  /** @internal For the sources of this package. */
  get engine(): Engine {
    return this.#engine
  }

  output<T>(series: Series<T>, name: string): Output<T> {
    return new EngineOutput(this.#engine, series, name)
  }

  alarm<T>(): Alarm<T> {
    return new EngineAlarm<T>(this.#engine, this.#engine.alarmSeries(this.#node) as Series<T>)
  }

  makePassive(input: Input<unknown>): void {
    this.#engine.setActive(this.#node, input, false)
  }

  makeActive(input: Input<unknown>): void {
    this.#engine.setActive(this.#node, input, true)
  }

  stopEngine(): void {
    this.#engine.stopRequested = true
  }

  afterCycle(callback: () => void): void {
    this.#engine.afterCycle(callback)
  }

  onStop(callback: () => void): void {
    this.#engine.onStop(callback)
  }
}

/** The engine behind a node's context. For the sources of this package, which schedule events themselves. */
export function engineOf(context: NodeContext): Engine {
  return (context as EngineNodeContext).engine
}

class EngineOutput<T> implements Output<T> {
  readonly #engine: Engine
  readonly #series: Series<T>
  readonly #name: string

  constructor(engine: Engine, series: Series<T>, name: string) {
    this.#engine = engine
    this.#series = series
    this.#name = name
  }

  emit(value: T): void {
    if (this.#series.ticked) {
      throw new GraphError(
        'OUTPUT_TWICE',
        `output "${this.#name}" has ticked in this cycle already: emit once a cycle, or use a list`,
      )
    }
    this.#engine.tick(this.#series as Series, value)
  }
}

class EngineAlarm<T> implements Alarm<T> {
  readonly #engine: Engine
  readonly #series: Series<T>

  constructor(engine: Engine, series: Series<T>) {
    this.#engine = engine
    this.#series = series
  }

  get value(): T {
    return this.#series.value
  }

  get ticked(): boolean {
    return this.#series.ticked
  }

  get valid(): boolean {
    return this.#series.valid
  }

  get time(): Timestamp {
    return this.#series.time
  }

  schedule(delay: Duration, value: T): AlarmHandle {
    return this.scheduleAt(this.#engine.now + delay, value)
  }

  scheduleAt(time: Timestamp, value: T): AlarmHandle {
    const event = new ScheduledEvent(this.#series as Series, value)
    this.#engine.schedule(event, time)
    return event as unknown as AlarmHandle
  }

  reschedule(alarm: AlarmHandle, delay: Duration): AlarmHandle {
    const event = alarm as unknown as ScheduledEvent
    if (event.position < 0 && event.position !== DUE) {
      throw new GraphError(
        'ALARM_EXPIRED',
        'cannot reschedule an alarm that has ticked or was cancelled: forget its handle then, and schedule anew',
      )
    }
    this.#engine.unschedule(event)
    return this.schedule(delay, event.value as T)
  }

  cancel(alarm: AlarmHandle): void {
    this.#engine.unschedule(alarm as unknown as ScheduledEvent)
  }
}
