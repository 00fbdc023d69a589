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
import type { Cycle, Series } from './series.js'
import { describeTime, type Timestamp } from './time.js'

/**
 * What is to tick, and when: events of later times in a queue, those of the present time in a list, and what sources that
 * can tick once a cycle have left over for the next cycles.
 */
export class Agenda {
  /** Events for the present time that were scheduled while a cycle ran, a list: they make the next cycle. */
  soon: ScheduledEvent | undefined
  /** Set by all that a loop over the cycles of one source, which does not look at the queue, has to stop for. */
  isDisturbed = false
  /** Sources that wait for data: simulated time stands still meanwhile. */
  waiting = 0
  readonly #cycle: Cycle
  readonly #end: Timestamp
  readonly #present: () => Timestamp
  readonly #queue = new EventQueue()
  #lastSoon: ScheduledEvent | undefined
  /** What a source that had ticked already left over, in order. */
  readonly #leftovers = new Map<Series, ScheduledEvent[]>()
  #hasLeftovers = false

  /** `present` is the time that a realtime run should have reached by now. */
  constructor(cycle: Cycle, end: Timestamp, present: () => Timestamp) {
    this.#cycle = cycle
    this.#end = end
    this.#present = present
  }

  /** Time of the next cycle that is known: now, when something is left for it; `Infinity`, when nothing is scheduled. */
  get nextTime(): Timestamp {
    return this.#hasMoreNow ? this.#cycle.now : this.#queue.firstTime
  }

  /** The event of a timer or of another source, where there is nothing else. */
  get onlySource(): ScheduledEvent | undefined {
    if (this.#hasMoreNow) return undefined
    const { only } = this.#queue
    return only?.repeats === true ? only : undefined
  }

  /** Puts an event into the queue; `time` at or after now. An event after the end is dropped. */
  schedule(event: ScheduledEvent, time: Timestamp): void {
    const { now } = this.#cycle
    if (!(time >= now)) {
      throw new GraphError(
        'TIME_WENT_BACK',
        `cannot schedule for ${describeTime(time)}, before engine time ${describeTime(now)}: give a time at or after now`,
        { time: now },
      )
    }
    event.time = time
    if (time > this.#end) event.position = LOST
    else if (time === now) this.scheduleNext(event)
    else {
      this.isDisturbed = true
      this.#queue.add(event)
    }
  }

  /** Puts an event into the next cycle at the present time. */
  scheduleNext(event: ScheduledEvent): void {
    event.position = DUE
    if (this.soon === undefined) this.soon = event
    else (this.#lastSoon as ScheduledEvent).next = event
    this.#lastSoon = event
  }

  /**
   * Schedules the event of a source at the time that its refill gave. A row that its source had to wait for while the run
   * went on is late: it ticks at the present time.
   */
  scheduleRefilled(event: ScheduledEvent): void {
    if (event.time === WAITING) {
      this.hold()
      return
    }
    if (event.time < this.#cycle.now) event.time = Math.min(this.#present(), this.#end)
    event.instance.schedule(event, event.time)
  }

  /** Takes an event out; it is enough that it may be there. */
  unschedule(event: ScheduledEvent): void {
    this.isDisturbed = true
    if (event.isQueued) this.#queue.remove(event)
    else if (event.position === DUE) event.position = CANCELLED
  }

  /** Something is waited for: simulated time stands still until `waiting` is 0. */
  hold(): void {
    this.waiting++
    this.isDisturbed = true
  }

  /** Ticks all events of a cycle that has begun. */
  tickDue(): void {
    if (this.#hasLeftovers) this.#tickLeftovers()
    this.tickSoon()
    if (this.#queue.firstTime === this.#cycle.now) this.#tickQueued()
  }

  /** Ticks the events that the last cycle has scheduled for this one. */
  tickSoon(): void {
    let event = this.soon
    this.soon = undefined
    this.#lastSoon = undefined
    while (event !== undefined) {
      const { next }: ScheduledEvent = event
      event.next = undefined
      this.#tickOrDefer(event)
      event = next
    }
  }

  /** Ticks an event in the cycle that runs, unless its source has ticked in it already: then in a next one. */
  tickInCycle(event: ScheduledEvent): void {
    event.position = DUE
    this.#tickOrDefer(event)
  }

  /** The {@link onlySource} has ticked, and its event has another time. */
  requeueOnly(event: ScheduledEvent): void {
    if (!event.isQueued) return
    if (this.#isLater(event)) this.#queue.moveFirst()
    else this.#requeueFirst(event)
  }

  clear(): void {
    this.isDisturbed = true
    this.#queue.clear()
  }

  get #hasMoreNow(): boolean {
    return this.soon !== undefined || this.#hasLeftovers
  }

  #tickLeftovers(): void {
    for (const [series, events] of this.#leftovers) {
      let event = events.shift() as ScheduledEvent
      while (event.position === CANCELLED && events.length > 0)
        event = events.shift() as ScheduledEvent
      if (events.length === 0) this.#leftovers.delete(series)
      this.#tick(event)
    }
    this.#hasLeftovers = this.#leftovers.size > 0
  }

  #tickQueued(): void {
    const queue = this.#queue
    const { now } = this.#cycle
    do {
      const event = queue.first
      if (event.repeats && !this.#isTaken(event.series)) {
        event.instance.tick(event.series, event.value)
        event.advance()
        this.#requeueFirst(event)
      } else {
        queue.removeFirst()
        this.tickInCycle(event)
      }
    } while (queue.firstTime === now)
  }

  /** The first event, of a timer or a source, has another time: with a later one it stays where it is in the queue. */
  #requeueFirst(event: ScheduledEvent): void {
    if (this.#isLater(event)) {
      this.#queue.replaceFirst(event)
    } else {
      this.#queue.removeFirst()
      this.scheduleRefilled(event)
    }
  }

  #isLater({ time }: ScheduledEvent): boolean {
    return time > this.#cycle.now && time <= this.#end
  }

  /** Whether a source has ticked in this cycle already, or has to tick what it left over first. */
  #isTaken(series: Series): boolean {
    return series.stamp === this.#cycle.stamp || (this.#hasLeftovers && this.#leftovers.has(series))
  }

  #tickOrDefer(event: ScheduledEvent): void {
    const { series } = event
    if (event.position === CANCELLED || !this.#isTaken(series)) {
      this.#tick(event)
      return
    }
    const events = this.#leftovers.get(series)
    if (events === undefined) this.#leftovers.set(series, [event])
    else events.push(event)
    this.#hasLeftovers = true
    this.isDisturbed = true
  }

  #tick(event: ScheduledEvent): void {
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
}
