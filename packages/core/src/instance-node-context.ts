import { GraphError } from './errors.js'
import { CANCELLED, NOT_QUEUED, ScheduledEvent } from './event-queue.js'
import type { Graph } from './graph.js'
import type { Instance } from './instance.js'
import type { Alarm, AlarmHandle, NodeContext, Output } from './node-context.js'
import type { Input, Series } from './series.js'
import type { Duration, Timestamp } from './time.js'

/** The context that each node of an instance gets. */
export class InstanceNodeContext implements NodeContext {
  /** @internal For the sources of this package. */
  readonly instance: Instance
  readonly #node: number

  constructor(instance: Instance, node: number) {
    this.instance = instance
    this.#node = node
  }

  /** @internal The path of the node, with that of the sub-graph that it is in. */
  get path(): string {
    return this.instance.pathOf(this.#node)
  }

  /** @internal The path of the node without the keys of the sub-graphs that it is in. */
  get sharedPath(): string {
    return this.instance.sharedPathOf(this.#node)
  }

  /** @internal What ends the run when the node fails outside of its step; see `Instance.failureOf`. */
  failureOf(cause: unknown): GraphError | undefined {
    return this.instance.failureOf(this.#node, cause)
  }

  /** @internal Makes the node run in this cycle, which is being formed. */
  run(): void {
    this.instance.mark(this.#node)
  }

  get graph(): Graph {
    return this.instance.engine.graph
  }

  get now(): Timestamp {
    return this.instance.engine.now
  }

  get start(): Timestamp {
    return this.instance.engine.start
  }

  get end(): Timestamp {
    return this.instance.engine.end
  }

  get realtime(): boolean {
    return this.instance.engine.isRealtime
  }

  output<T>(series: Series<T>, name: string): Output<T> {
    return new InstanceOutput(this.instance, series, name)
  }

  /** @internal A new series of which this node is the only consumer. */
  ownSeries(): Series {
    return this.instance.alarmSeries(this.#node)
  }

  alarm<T>(): Alarm<T> {
    return new InstanceAlarm<T>(this.instance, this.ownSeries() as Series<T>)
  }

  makePassive(input: Input<unknown>): void {
    this.instance.setActive(this.#node, input, false)
  }

  makeActive(input: Input<unknown>): void {
    this.instance.setActive(this.#node, input, true)
  }

  stopEngine(options: { readonly dynamic?: boolean } = {}): void {
    this.instance.stopAfterCycle(options.dynamic === true)
  }

  afterCycle(callback: () => void): void {
    this.instance.engine.afterCycle(() => this.#call(callback))
  }

  onStop(callback: () => void): void {
    this.instance.onStop(() => this.#call(callback))
  }

  /** What the node does outside of its step fails as the step does. */
  #call(callback: () => void): void {
    try {
      callback()
    } catch (cause) {
      const failure = this.failureOf(cause)
      if (failure !== undefined) throw failure
    }
  }
}

/** The instance that a node's context belongs to. For the sources of this package, which schedule events themselves. */
export function instanceOf(context: NodeContext): Instance {
  return (context as InstanceNodeContext).instance
}

class InstanceOutput<T> implements Output<T> {
  readonly #instance: Instance
  readonly #series: Series<T>
  readonly #name: string

  constructor(instance: Instance, series: Series<T>, name: string) {
    this.#instance = instance
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
    this.#instance.emit(this.#series as Series, value)
  }
}

class InstanceAlarm<T> implements Alarm<T> {
  readonly #instance: Instance
  readonly #series: Series<T>

  constructor(instance: Instance, series: Series<T>) {
    this.#instance = instance
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
    return this.scheduleAt(this.#instance.engine.now + delay, value)
  }

  scheduleAt(time: Timestamp, value: T): AlarmHandle {
    if (!Number.isInteger(time)) throw noTime(time)
    const event = new ScheduledEvent(this.#instance, this.#series as Series, value)
    this.#instance.schedule(event, time)
    return event as unknown as AlarmHandle
  }

  reschedule(alarm: AlarmHandle, delay: Duration): AlarmHandle {
    const event = alarm as unknown as ScheduledEvent
    if (event.position === NOT_QUEUED || event.position === CANCELLED) {
      throw new GraphError(
        'ALARM_EXPIRED',
        'cannot reschedule an alarm that has ticked or was cancelled: forget its handle then, and schedule anew',
      )
    }
    this.#instance.unschedule(event)
    return this.schedule(delay, event.value as T)
  }

  cancel(alarm: AlarmHandle): void {
    this.#instance.unschedule(alarm as unknown as ScheduledEvent)
  }
}

function noTime(time: number): GraphError {
  return new GraphError(
    'INVALID_OPTION',
    `an alarm is set for a whole number of microseconds, not ${time}: make durations with ms() and the like`,
  )
}
