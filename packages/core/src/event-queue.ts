import type { Instance } from './instance.js'
import type { Series } from './series.js'
import type { Duration, Timestamp } from './time.js'

/** Gives the events of a source one by one. */
export interface Refill {
  /**
   * Called after the event was applied: puts the next value and its time into the event; `Infinity` at the end, or
   * {@link WAITING} while it is not known yet.
   */
  advance(event: ScheduledEvent): void
}

/** The time that {@link Refill.advance} sets when the source has to wait for its data; it then calls `Engine.resume`. */
export const WAITING = -1

/** A tick to come: `value` on `series` at a time. It stands in the queue at most once. */
export class ScheduledEvent {
  /** Place in the heap; {@link NOT_QUEUED}, {@link BEHIND} and so on when it is in none. */
  position: number = NOT_QUEUED
  /** For an event that ticks again and again: the time to the next tick; 0 for any other. */
  interval: Duration = 0
  value: unknown
  /** When it is to tick. A field and no argument, since a number with a fraction or above 2^31 is boxed in a call. */
  time: Timestamp = Number.NaN
  /** The events of the same time around it; see {@link EventQueue}. */
  next: ScheduledEvent | undefined
  previous: ScheduledEvent | undefined
  readonly instance: Instance
  readonly series: Series
  readonly refill: Refill | undefined

  constructor(instance: Instance, series: Series, value: unknown, refill?: Refill) {
    this.instance = instance
    this.series = series
    this.value = value
    this.refill = refill
    this.next = undefined
    this.previous = undefined
  }

  /** Whether it ticks again and again, as those of timers and of sources do. */
  get repeats(): boolean {
    return this.interval > 0 || this.refill !== undefined
  }

  /** Gives one that repeats the time of its next tick, and the value. */
  advance(): void {
    if (this.refill === undefined) this.time += this.interval
    else this.refill.advance(this)
  }

  /** Whether it waits in the queue. */
  get isQueued(): boolean {
    return this.position >= 0 || this.position === BEHIND
  }
}

/** Neither in the queue nor due. */
export const NOT_QUEUED = -1
/** Taken out of the heap, or scheduled for the present time: ticks in this cycle or in a next one at the same time. */
export const DUE = -2
/** Was {@link DUE}, then cancelled. */
export const CANCELLED = -3
/** Scheduled for after the end of the run: will not tick, but can be scheduled anew. */
export const LOST = -4
/** In the queue behind another event of the same time. */
export const BEHIND = -5

/**
 * Events by time, first scheduled first among equal times.
 *
 * A binary heap of lists: events that are scheduled one after the other for one time, as those of many timers are,
 * share a place in the heap, so that all but the first cost O(1); a place costs O(log n). Times and sequence numbers
 * lie in typed arrays, and the lists are linked through the events: nothing allocates.
 */
export class EventQueue {
  /** Places of the heap in use. */
  size = 0
  #times = new Float64Array(16).fill(Number.POSITIVE_INFINITY)
  #sequence = new Float64Array(16)
  readonly #heads: ScheduledEvent[] = []
  #next = 0
  /** The event that was added last, or the one before it in its list when that is gone. */
  #last: ScheduledEvent | undefined

  /** Time of the first event; `Infinity` when there is none. */
  get firstTime(): Timestamp {
    return this.#times[0] as number
  }

  /** The first event. Only while `size > 0`. */
  get first(): ScheduledEvent {
    return this.#heads[0] as ScheduledEvent
  }

  /** The event that is alone in the queue, if one is. */
  get only(): ScheduledEvent | undefined {
    if (this.size !== 1) return undefined
    const event = this.first
    return event.next === undefined ? event : undefined
  }

  /** Adds an event at its time. */
  add(event: ScheduledEvent): void {
    if (this.#append(event)) return
    if (this.size === this.#times.length) this.#grow()
    this.#siftUp(this.size++, event, this.#next++)
  }

  /** The first event has got a later time, as that of a source that ticks again and again. */
  replaceFirst(event: ScheduledEvent): void {
    const last = this.#last
    if (
      event.next !== undefined ||
      (last !== undefined && last !== event && last.time === event.time)
    ) {
      this.removeFirst()
      this.add(event)
    } else {
      this.#last = event
      if (this.size === 1) this.#times[0] = event.time
      else this.#siftDown(0, event, this.#next++)
    }
  }

  /** The first event, which was alone, has got a later time before others came, of which some may stand behind it now. */
  moveFirst(): void {
    this.#siftDown(0, this.first, this.#sequence[0] as number)
  }

  removeFirst(): void {
    this.remove(this.#heads[0] as ScheduledEvent)
  }

  remove(event: ScheduledEvent): void {
    const { position, next, previous } = event
    event.position = NOT_QUEUED
    if (this.#last === event) this.#last = previous
    if (previous !== undefined) previous.next = next
    if (next !== undefined) next.previous = previous
    event.next = undefined
    event.previous = undefined
    if (previous !== undefined) return
    if (next === undefined) return this.#fill(position)
    next.position = position
    this.#heads[position] = next
  }

  clear(): void {
    for (const head of this.#heads) {
      for (let event: ScheduledEvent | undefined = head; event !== undefined; ) {
        const { next }: ScheduledEvent = event
        event.position = NOT_QUEUED
        event.next = undefined
        event.previous = undefined
        event = next
      }
    }
    this.#heads.length = 0
    this.#last = undefined
    this.#times[0] = Number.POSITIVE_INFINITY
    this.size = 0
  }

  /** Puts the event behind the one added last, if that has the same time: no other event of this time came later. */
  #append(event: ScheduledEvent): boolean {
    const last = this.#last
    this.#last = event
    if (last === undefined || last.time !== event.time) return false
    last.next = event
    event.previous = last
    event.position = BEHIND
    return true
  }

  /** Closes the hole at `position` with the last place. */
  #fill(position: number): void {
    const last = --this.size
    const event = this.#heads.pop() as ScheduledEvent
    if (last === 0) this.#times[0] = Number.POSITIVE_INFINITY
    if (position === last) return
    const sequence = this.#sequence[last] as number
    if (position > 0 && this.#before(event.time, sequence, (position - 1) >> 1)) {
      this.#siftUp(position, event, sequence)
    } else {
      this.#siftDown(position, event, sequence)
    }
  }

  #before(time: Timestamp, sequence: number, position: number): boolean {
    const other = this.#times[position] as number
    return time < other || (time === other && sequence < (this.#sequence[position] as number))
  }

  #siftUp(from: number, event: ScheduledEvent, sequence: number): void {
    const { time } = event
    let position = from
    while (position > 0) {
      const parent = (position - 1) >> 1
      if (!this.#before(time, sequence, parent)) break
      this.#move(parent, position)
      position = parent
    }
    this.#put(position, event, sequence)
  }

  #siftDown(from: number, event: ScheduledEvent, sequence: number): void {
    const { size } = this
    const { time } = event
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
    this.#put(position, event, sequence)
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from] as number
    this.#sequence[to] = this.#sequence[from] as number
    const event = this.#heads[from] as ScheduledEvent
    this.#heads[to] = event
    event.position = to
  }

  #put(position: number, event: ScheduledEvent, sequence: number): void {
    this.#times[position] = event.time
    this.#sequence[position] = sequence
    this.#heads[position] = event
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
