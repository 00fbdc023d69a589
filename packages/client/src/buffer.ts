import type { DeliveryMode } from '@gw/protocol'
import { GatewayClientError } from './errors.js'
import type { DataEvent, RemovedEvent, SubscriptionEvent } from './events.js'

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

/** An event that waits; what comes later may take its place. */
interface Slot {
  event: SubscriptionEvent
}

/** Events that wait for one reader, in a bounded queue. */
export interface EventBuffer {
  push(event: SubscriptionEvent): void
  /** Nothing follows. What waits can still be read, then the error comes, if there is one. */
  end(error?: GatewayClientError): void
  /** Forgets what waits. */
  clear(): void
  /** The next event, as soon as there is one. */
  next(): Promise<IteratorResult<SubscriptionEvent, undefined>>
}

/** Makes a buffer; of what a reader has not taken it keeps `maxBuffered` ticks at most, as `mode` says. */
export function eventBuffer({
  mode,
  onFull,
  maxBuffered = 10_000,
}: BufferOptions & { readonly mode?: DeliveryMode }): EventBuffer {
  const slots: Slot[] = []
  /** Index of the oldest event; those before it were read. */
  let head = 0
  let ticks = 0
  /** The waiting tick of each key, where later ones join it. */
  const joinable = new Map<string | undefined, Slot>()
  const waiters: Waiter[] = []
  let ended: { readonly error?: GatewayClientError | undefined } | undefined

  /** The oldest event waits no more. */
  const advance = (): void => {
    head++
    if (head < slots.length && head < 1024) return
    slots.splice(0, head)
    head = 0
  }

  /** Ticks in an event: of a burst, its records. */
  const sizeOf = (event: Tick): number =>
    isBurst(event) ? (event as DataEvent<readonly unknown[]>).value.length : 1

  const isBurst = (event: Tick): boolean => mode === 'burst' && event.type === 'data'

  /** A tick waits no more. */
  const leave = (tick: Tick): void => {
    ticks -= sizeOf(tick)
    joinable.delete(tick.key)
  }

  const append = (event: Tick): void => {
    const slot = { event }
    slots.push(slot)
    if (mode !== undefined) joinable.set(event.key, slot)
  }

  /** Adds a burst to the one of its key that waits. */
  const gather = (event: DataEvent<unknown>): void => {
    const slot = joinable.get(event.key)
    const waiting = slot?.event
    const records = event.value as readonly unknown[]
    if (slot === undefined || waiting?.type !== 'data' || waiting.snapshot !== event.snapshot) {
      append({ ...event, value: [...records] }) // its own: other readers have the same event
    } else {
      const gathered = waiting.value as unknown[]
      for (const record of records) gathered.push(record)
      slot.event = { ...event, value: gathered }
    }
  }

  /** Makes one gap of two that are beside one another, so that they cannot be many. */
  const joinGaps = (at: number): void => {
    const [before, after] = [slots[at - 1], slots[at]]
    if (at <= head || before?.event.type !== 'gap' || after?.event.type !== 'gap') return
    const [{ from }, { to }] = [before.event, after.event]
    after.event = { type: 'gap', from, to, reason: 'slow' }
    if (at - 1 === head) advance()
    else slots.splice(at - 1, 1)
  }

  /** Puts a gap in the place of the oldest tick. */
  const dropOldest = (): void => {
    let at = head
    while (!isTick((slots[at] as Slot).event)) at++
    const slot = slots[at] as Slot
    const tick = slot.event as Tick
    leave(tick)
    // A burst knows only where it ends.
    const offset = tick.type === 'data' && !isBurst(tick) ? tick.position?.offset : undefined
    slot.event = { type: 'gap', from: offset, to: offset, reason: 'slow' }
    joinGaps(at + 1)
    joinGaps(at)
  }

  const buffer: EventBuffer = {
    push(event) {
      if (ended !== undefined) return
      const waiter = waiters.shift()
      if (waiter !== undefined) {
        waiter.resolve({ done: false, value: event })
        return
      }
      if (!isTick(event)) {
        joinable.clear() // a tick must not move before what happened between
        slots.push({ event })
        joinGaps(slots.length - 1)
        return
      }
      const newest = joinable.get(event.key)
      if (mode === 'lastValue' && newest !== undefined) {
        newest.event = event
        return
      }
      const size = sizeOf(event)
      while (ticks > 0 && ticks + size > maxBuffered) {
        if (onFull === 'error') {
          const text = `${ticks} ticks behind: read faster, or take mode lastValue`
          return buffer.end(new GatewayClientError('SLOW', text))
        }
        dropOldest()
      }
      ticks += size
      if (isBurst(event)) gather(event as DataEvent<unknown>)
      else append(event)
    },

    end(error) {
      if (ended !== undefined) return
      ended = { error }
      // The error comes once, to who has waited longest.
      for (const { resolve, reject } of waiters) buffer.next().then(resolve, reject)
    },

    clear() {
      joinable.clear()
      slots.length = head = ticks = 0
    },

    async next() {
      const value = slots[head]?.event
      if (value !== undefined) {
        if (isTick(value)) leave(value)
        advance()
        return { done: false, value }
      }
      if (ended === undefined) {
        return new Promise((resolve, reject) => waiters.push({ resolve, reject }))
      }
      const { error } = ended
      ended = {}
      if (error !== undefined) throw error
      return { done: true, value: undefined }
    },
  }
  return buffer
}

/** What a slow reader may lose. */
type Tick = DataEvent<unknown> | RemovedEvent

function isTick(event: SubscriptionEvent): event is Tick {
  return event.type === 'data' || event.type === 'removed'
}
