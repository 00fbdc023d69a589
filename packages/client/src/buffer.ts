import type { DeliveryMode } from '@gw/protocol'
import { GatewayClientError } from './errors.js'
import type { DataEvent, GapEvent, SubscriptionEvent } from './events.js'

/** What a full buffer does. */
export interface BufferOptions {
  /** Ticks that wait for the reader, at most. @defaultValue 10_000 */
  readonly maxBuffered?: number
  /**
   * What one more does: `gap` drops the oldest and says so in an event, `error` ends the subscription with `SLOW`.
   * @defaultValue 'gap'
   */
  readonly onFull?: 'gap' | 'error'
}

type Waiter = {
  resolve(result: IteratorResult<SubscriptionEvent, undefined>): void
  reject(error: GatewayClientError): void
}

/** Events that wait for one reader, in a bounded queue. */
export class EventBuffer {
  readonly #options: BufferOptions & { readonly mode?: DeliveryMode }
  readonly #maxBuffered: number
  #events: SubscriptionEvent[] = []
  /** Index of the oldest event; those before it were read. */
  #head = 0
  #ticks = 0
  /** Events that were cut off the front of the array. */
  #shifted = 0
  /** Where the waiting tick of a key stands, counted from the first event ever. */
  readonly #places = new Map<string | undefined, number>()
  #waiters: Waiter[] = []
  #end: { readonly error?: GatewayClientError } | undefined

  constructor(options: BufferOptions & { readonly mode?: DeliveryMode }) {
    this.#options = options
    this.#maxBuffered = options.maxBuffered ?? 10_000
  }

  push(event: SubscriptionEvent): void {
    if (this.#end !== undefined) return
    const waiter = this.#waiters.shift()
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value: event })
      return
    }
    if (event.type === 'data') {
      if (this.#options.mode === 'lastValue' && this.#replace(event)) return
      if (this.#ticks === this.#maxBuffered) {
        if (this.#options.onFull === 'error') {
          const text = `the reader is ${this.#ticks} ticks behind: read faster, take mode lastValue, or raise maxBuffered`
          this.end(new GatewayClientError('SLOW', text))
          return
        }
        this.#dropOldest()
      }
      this.#ticks++
    } else {
      this.#places.clear() // a tick must not move before what happened between
    }
    this.#events.push(event)
  }

  /** Nothing follows. What waits can still be read, then the error comes, if there is one. */
  end(error?: GatewayClientError): void {
    if (this.#end !== undefined) return
    this.#end = error === undefined ? {} : { error }
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) {
      if (error === undefined) waiter.resolve({ done: true, value: undefined })
      else waiter.reject(error)
    }
  }

  /** Forgets what waits. */
  clear(): void {
    this.#shifted += this.#events.length
    this.#events = []
    this.#head = this.#ticks = 0
  }

  /** The next event, as soon as there is one. */
  next(): Promise<IteratorResult<SubscriptionEvent, undefined>> {
    const event = this.#events[this.#head]
    if (event !== undefined) {
      this.#take(event)
      return Promise.resolve({ done: false, value: event })
    }
    if (this.#end === undefined) {
      return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
    }
    const { error } = this.#end
    if (error !== undefined) {
      this.#end = {}
      return Promise.reject(error)
    }
    return Promise.resolve({ done: true, value: undefined })
  }

  #take(event: SubscriptionEvent): void {
    if (event.type === 'data') this.#ticks--
    this.#head++
    if (this.#head === this.#events.length) this.clear()
    else if (this.#head === 1024) {
      this.#shifted += this.#head
      this.#events = this.#events.slice(this.#head)
      this.#head = 0
    }
  }

  /** Puts the newest tick of a key in the place of one that still waits. */
  #replace(newest: DataEvent<unknown>): boolean {
    const place = (this.#places.get(newest.key) ?? -1) - this.#shifted
    const replaced = place >= this.#head
    if (replaced) this.#events[place] = newest
    else this.#places.set(newest.key, this.#shifted + this.#events.length)
    return replaced
  }

  /** Puts a gap in the place of the oldest tick, or widens the gap that is there already. */
  #dropOldest(): void {
    let index = this.#head
    while (this.#events[index]?.type !== 'data') index++
    const { key, position } = this.#events[index] as DataEvent<unknown>
    this.#places.delete(key)
    const before = index > this.#head ? this.#events[index - 1] : undefined
    const widened = before?.type === 'gap' && before.reason === 'slow' ? before : undefined
    const from = widened?.from ?? position?.offset
    const gap: GapEvent = {
      type: 'gap',
      ...(from === undefined || position === undefined ? {} : { from, to: position.offset }),
      reason: 'slow',
    }
    this.#events[index] = gap
    if (widened !== undefined) {
      if (index - 1 === this.#head) this.#head++
      else {
        this.#events.splice(index - 1, 1)
        this.#places.clear()
      }
    }
    this.#ticks--
  }
}
