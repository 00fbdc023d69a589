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
  /** Its consumers are `targets[first]` up to `targets[end]` of the scheduler: pairs of a word and bits to set in it. */
  first = 0
  end = 0
  /** The one node that its ticks run, where it is just one; {@link SEVERAL} otherwise. */
  only: number = SEVERAL
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

/** See {@link Series.only}. */
export const SEVERAL = -1

/**
 * One of several inputs of a node that are the same edge: it reads like the others, but is made passive or active by
 * itself.
 */
export class SharedInput<T> implements Input<T> {
  readonly series: Series<T>
  readonly #group: SharedInput<T>[]
  #isActive: boolean

  /** `group` holds the inputs of the node that are the same edge; this one is added. */
  constructor(series: Series<T>, group: SharedInput<T>[], isActive: boolean) {
    this.series = series
    this.#group = group
    this.#isActive = isActive
    group.push(this)
  }

  get value(): T {
    return this.series.value
  }

  get ticked(): boolean {
    return this.series.ticked
  }

  get valid(): boolean {
    return this.series.valid
  }

  get time(): Timestamp {
    return this.series.time
  }

  /** @returns whether any input of the group is active now. */
  switchTo(active: boolean): boolean {
    this.#isActive = active
    return this.#group.some((input) => input.#isActive)
  }
}
