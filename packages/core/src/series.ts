import type { Timestamp } from './time.js'

/** The cycle that runs now; one object a run, shared by all of its series. */
export interface Cycle {
  /** Number of the cycle, 1 and up; starts again at 1 after 2^30 cycles. */
  stamp: number
  /** Engine time of the cycle. */
  now: Timestamp
}

/** Stamp of a series that has not ticked yet. */
export const NEVER = 0
/** Stamp of a series whose last tick was before the cycle numbers started again. */
export const LONG_AGO = -1

/**
 * An input as a node sees it while it runs.
 * `value` and `time` mean something only while `valid`; check it where an input may not have ticked yet.
 */
export interface Input<out T> {
  /** Last value. */
  readonly value: T
  /** Whether it ticked in this cycle. */
  readonly ticked: boolean
  /** Whether it has ticked since the run began. */
  readonly valid: boolean
  /** Engine time of the last tick. */
  readonly time: Timestamp
}

/** The run-time side of an edge: its last value and when it ticked. One for each output of each node of a run. */
export class Series<T = unknown> implements Input<T> {
  value: T = undefined as T
  /** Number of the cycle of the last tick; {@link NEVER}, or {@link LONG_AGO}. */
  stamp: number = NEVER
  /** The consumers are `targets[first]` up to `targets[end]` of the scheduler. */
  first = 0
  end = 0
  time: Timestamp = Number.NaN
  readonly cycle: Cycle

  constructor(cycle: Cycle) {
    this.cycle = cycle
  }

  get ticked(): boolean {
    return this.stamp === this.cycle.stamp
  }

  get valid(): boolean {
    return this.stamp !== NEVER
  }
}
