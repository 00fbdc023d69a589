import type { DeliveryMode } from '@gw/protocol'
import { GatewayClientError } from './errors.js'
import type { DataEvent, GapEvent, RemovedEvent, SubscriptionEvent } from './events.js'

/** What a full buffer does. */
export interface BufferOptions {
  /** Ticks that wait for the reader, at most; of bursts, their records. @defaultValue 10_000 */
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
    if (!isTick(event)) {
      this.#places.clear() // a tick must not move before what happened between
      this.#events.push(event)
      return
    }
    const { mode, onFull } = this.#options
    const place = this.#waitingAt(event.key)
    if (mode === 'lastValue' && place !== undefined) {
      this.#events[place] = event
      return
    }
    const size = sizeOf(event, mode)
    while (this.#ticks > 0 && this.#ticks + size > this.#maxBuffered) {
      if (onFull === 'error') {
        const text = `the reader is ${this.#ticks} ticks behind: read faster, take mode lastValue, or raise maxBuffered`
        this.end(new GatewayClientError('SLOW', text))
        return
      }
      this.#dropOldest()
    }
    this.#ticks += size
    if (mode === 'burst' && event.type === 'data') this.#gather(event)
    else this.#append(event)
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
    if (isTick(event)) this.#ticks -= sizeOf(event, this.#options.mode)
    this.#head++
    if (this.#head === this.#events.length) this.clear()
    else if (this.#head === 1024) {
      this.#shifted += this.#head
      this.#events = this.#events.slice(this.#head)
      this.#head = 0
    }
  }

  /** Index of what waits of a key, where it is known. */
  #waitingAt(key: string | undefined): number | undefined {
    const place = (this.#places.get(key) ?? -1) - this.#shifted
    return place >= this.#head ? place : undefined
  }

  #append(event: Tick): void {
    const { mode = 'nonCollapsing' } = this.#options
    if (mode !== 'nonCollapsing') {
      this.#places.set(event.key, this.#shifted + this.#events.length)
    }
    this.#events.push(event)
  }

  /** Adds a burst to the one of its key that waits. */
  #gather(event: DataEvent<unknown>): void {
    const place = this.#waitingAt(event.key)
    const waiting = place === undefined ? undefined : this.#events[place]
    const records = event.value as readonly unknown[]
    if (place === undefined || waiting?.type !== 'data' || waiting.snapshot !== event.snapshot) {
      this.#append({ ...event, value: [...records] }) // its own: other readers have the same event
    } else {
      const gathered = waiting.value as unknown[]
      for (const record of records) gathered.push(record)
      this.#events[place] = { ...event, value: gathered }
    }
  }

  /** Puts a gap in the place of the oldest tick, or widens the gap that is there already. */
  #dropOldest(): void {
    let index = this.#head
    let dropped = this.#events[index]
    while (dropped === undefined || !isTick(dropped)) dropped = this.#events[++index]
    this.#places.delete(dropped.key)
    // A burst knows only where it ends.
    const isPlaced = dropped.type === 'data' && this.#options.mode !== 'burst'
    const position = isPlaced ? (dropped as DataEvent<unknown>).position : undefined
    const before = index > this.#head ? this.#events[index - 1] : undefined
    const widened = before?.type === 'gap' && before.reason === 'slow' ? before : undefined
    const gap: GapEvent = {
      type: 'gap',
      from: position && (widened?.from ?? position.offset),
      to: position?.offset,
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
    this.#ticks -= sizeOf(dropped, this.#options.mode)
  }
}

/** What a slow reader may lose. */
type Tick = DataEvent<unknown> | RemovedEvent

function isTick(event: SubscriptionEvent): event is Tick {
  return event.type === 'data' || event.type === 'removed'
}

/** Ticks in an event: of a burst, its records. */
function sizeOf(event: Tick, mode: DeliveryMode | undefined): number {
  const isBurst = mode === 'burst' && event.type === 'data'
  return isBurst ? (event.value as readonly unknown[]).length : 1
}
