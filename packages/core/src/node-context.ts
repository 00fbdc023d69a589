import type { Graph } from './graph.js'
import type { Input, Series } from './series.js'
import type { Duration, Timestamp } from './time.js'

declare const handle: unique symbol

/** Names one scheduled tick of an {@link Alarm}. */
export interface AlarmHandle {
  readonly [handle]: true
}

/**
 * A private input of a node, which it schedules itself. Each scheduled alarm ticks once; several that are due at
 * one time tick in successive cycles, in the order in which they were scheduled. Alarms after the end are lost.
 */
export interface Alarm<T> extends Input<T> {
  /**
   * Ticks `value` after `delay`; 0 means the next cycle at the same time.
   * @throws GraphError `TIME_WENT_BACK` when the delay is negative, `INVALID_OPTION` when it is no whole number.
   */
  schedule(delay: Duration, value: T): AlarmHandle
  /** Ticks `value` at `time`. @throws GraphError as {@link schedule} does. */
  scheduleAt(time: Timestamp, value: T): AlarmHandle
  /**
   * Moves a scheduled alarm to `delay` from now.
   * @throws GraphError `ALARM_EXPIRED` when it has ticked already or was cancelled.
   */
  reschedule(alarm: AlarmHandle, delay: Duration): AlarmHandle
  /** Takes a scheduled alarm back; nothing happens when it has ticked or was cancelled. */
  cancel(alarm: AlarmHandle): void
}

/** Ticks one output of a node that has several. */
export interface Output<in T> {
  /**
   * Ticks `value` on this output, in this cycle.
   * @throws GraphError `OUTPUT_TWICE` when it has ticked in this cycle already.
   */
  emit(value: T): void
}

/** What a node can ask of the engine, from its setup on until the run ends. */
export interface NodeContext {
  /** The graph that runs: what belongs to it, in a layer above, is found by it. */
  readonly graph: Graph
  /** Engine time of the running cycle; in a setup, the start of the run. */
  readonly now: Timestamp
  /** Start of the run. */
  readonly start: Timestamp
  /** End of the run, inclusive. */
  readonly end: Timestamp
  /** Whether the run follows a clock; a simulated one jumps from event to event. */
  readonly realtime: boolean
  /** @internal Makes the handle that ticks one of several outputs. */
  output<T>(series: Series<T>, name: string): Output<T>
  /** Makes an alarm of this node. Only in the setup. */
  alarm<T>(): Alarm<T>
  /** Ticks of `input` no longer make this node run, from the next cycle on; it can still be read. */
  makePassive(input: Input<unknown>): void
  /** Ticks of `input` make this node run again, from the next cycle on. */
  makeActive(input: Input<unknown>): void
  /** Ends the run after this cycle; with `dynamic`, in a dynamic sub-graph, only that sub-graph. */
  stopEngine(options?: { readonly dynamic?: boolean }): void
  /**
   * Calls `callback` once, when this cycle is complete: what it reads is whole. When it throws, the node has failed, as
   * if its step had thrown; the other callbacks are called all the same.
   */
  afterCycle(callback: () => void): void
  /**
   * Calls `callback` when the run ends, however it ends, in the reverse order of registration over all nodes. When it
   * throws, the node has failed; the others are stopped all the same.
   */
  onStop(callback: () => void): void
}
