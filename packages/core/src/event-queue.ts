import type { Instance } from './instance.js'
import type { Series } from './series.js'
import type { Duration, Timestamp } from './time.js'

/** Gives the events of a source one by one. */
export interface Refill {
  /**
   * Called after the event was applied: puts the next value into the event.
   * @returns the time of the next one, `Infinity` at the end, or {@link WAITING} while it is not known yet.
   */
  advance(event: ScheduledEvent): Timestamp
}

/** Returned by {@link Refill.advance} when the source has to wait for its data; it then calls `Engine.resume`. */
export const WAITING = -1

/** A tick to come: `value` on `series` at a time. It stands in the queue at most once. */
export class ScheduledEvent {
  /** Place in the heap; {@link NOT_QUEUED} when it is in none. */
  position: number = NOT_QUEUED
  /** For an event that ticks again and again: the time to the next tick; 0 for any other. */
  interval: Duration = 0
  value: unknown
  readonly instance: Instance
  readonly series: Series
  readonly refill: Refill | undefined

  constructor(instance: Instance, series: Series, value: unknown, refill?: Refill) {
    this.instance = instance
    this.series = series
    this.value = value
    this.refill = refill
  }
}

/** Not in the heap, nor due. */
export const NOT_QUEUED = -1
/** Taken out of the heap, or scheduled for the present time: ticks in this cycle or in a next one at the same time. */
export const DUE = -2
/** Was {@link DUE}, then cancelled. */
export const CANCELLED = -3
/** Scheduled for after the end of the run: will not tick, but can be scheduled anew. */
export const LOST = -4

/**
 * Binary heap of events by time, first scheduled first among equal times. O(log n) to add, take and remove.
 * Times and sequence numbers lie in typed arrays, so that comparing and moving events allocates nothing.
 */
export class EventQueue {
  size = 0
  #times = new Float64Array(16).fill(Number.POSITIVE_INFINITY)
  #sequence = new Float64Array(16)
  readonly #events: ScheduledEvent[] = []
  #next = 0

  /** Time of the first event; `Infinity` when there is none. */
  get firstTime(): Timestamp {
    return this.#times[0] as number
  }

  /** The first event. Only while `size > 0`. */
  get first(): ScheduledEvent {
    return this.#events[0] as ScheduledEvent
  }

  add(event: ScheduledEvent, time: Timestamp): void {
    if (this.size === this.#times.length) this.#grow()
    this.#siftUp(this.size++, event, time, this.#next++)
  }

  /** Gives the first event a later time: the way of a source that ticks again and again. */
  replaceFirst(event: ScheduledEvent, time: Timestamp): void {
    this.#siftDown(0, event, time, this.#next++)
  }

  removeFirst(): void {
    const first = this.#events[0] as ScheduledEvent
    first.position = NOT_QUEUED
    this.#fill(0)
  }

  remove(event: ScheduledEvent): void {
    const { position } = event
    event.position = NOT_QUEUED
    this.#fill(position)
  }

  clear(): void {
    for (const event of this.#events) event.position = NOT_QUEUED
    this.#events.length = 0
    this.#times[0] = Number.POSITIVE_INFINITY
    this.size = 0
  }

  /** Closes the hole at `position` with the last event. */
  #fill(position: number): void {
    const last = --this.size
    const event = this.#events.pop() as ScheduledEvent
    if (last === 0) this.#times[0] = Number.POSITIVE_INFINITY
    if (position === last) return
    const time = this.#times[last] as number
    const sequence = this.#sequence[last] as number
    if (position > 0 && this.#before(time, sequence, (position - 1) >> 1)) {
      this.#siftUp(position, event, time, sequence)
    } else {
      this.#siftDown(position, event, time, sequence)
    }
  }

  #before(time: Timestamp, sequence: number, position: number): boolean {
    const other = this.#times[position] as number
    return time < other || (time === other && sequence < (this.#sequence[position] as number))
  }

  #siftUp(from: number, event: ScheduledEvent, time: Timestamp, sequence: number): void {
    let position = from
    while (position > 0) {
      const parent = (position - 1) >> 1
      if (!this.#before(time, sequence, parent)) break
      this.#move(parent, position)
      position = parent
    }
    this.#put(position, event, time, sequence)
  }

  #siftDown(from: number, event: ScheduledEvent, time: Timestamp, sequence: number): void {
    const { size } = this
    let position = from
    for (;;) {
      let child = 2 * position + 1
      if (child >= size) break
      if (
        child + 1 < size &&
        this.#before(this.#times[child + 1] as number, this.#sequence[child + 1] as number, child)
      ) {
        child++
      }
      if (this.#before(time, sequence, child)) break
      this.#move(child, position)
      position = child
    }
    this.#put(position, event, time, sequence)
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from] as number
    this.#sequence[to] = this.#sequence[from] as number
    const event = this.#events[from] as ScheduledEvent
    this.#events[to] = event
    event.position = to
  }

  #put(position: number, event: ScheduledEvent, time: Timestamp, sequence: number): void {
    this.#times[position] = time
    this.#sequence[position] = sequence
    this.#events[position] = event
    event.position = position
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2)
    times.set(this.#times)
    this.#times = times
    const sequence = new Float64Array(times.length)
    sequence.set(this.#sequence)
    this.#sequence = sequence
  }
}
