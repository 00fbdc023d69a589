import { type Clock, type Timestamp, wallClock } from '@gw/core'

/** Somebody who waits for a time; `cancel` takes back the call to the wall's clock, once there is one. */
interface Waiter {
  readonly time: Timestamp
  readonly wake: () => void
  cancel?: () => void
}

/** A clock that shows the time that a replay has reached, and the wall's once it has caught up. */
export class ReplayClock implements Clock {
  readonly #wall: Clock = wallClock()
  readonly #waiting = new Set<Waiter>()
  readonly #start: Timestamp
  #reached: Timestamp
  #isLive = false

  constructor(start: Timestamp) {
    this.#start = start
    this.#reached = start
  }

  /** Begins anew: each run of a gateway replays all. */
  reset(): void {
    this.#waiting.clear()
    this.#reached = this.#start
    this.#isLive = false
  }

  now(): Timestamp {
    return this.#isLive ? Math.max(this.#reached, this.#wall.now()) : this.#reached
  }

  wakeAt(time: Timestamp, wake: () => void): () => void {
    if (this.#isLive) return this.#wall.wakeAt(time, wake)
    const waiter: Waiter = { time, wake }
    this.#waiting.add(waiter)
    if (time <= this.#reached) queueMicrotask(() => this.#wakeDue())
    return () => {
      this.#waiting.delete(waiter)
      waiter.cancel?.()
    }
  }

  /** The replay has come to `time`. */
  reach(time: Timestamp): void {
    if (time <= this.#reached) return
    this.#reached = time
    this.#wakeDue()
  }

  /** From now on time passes as it does. */
  goLive(): void {
    if (this.#isLive) return
    this.#isLive = true
    for (const waiter of this.#waiting) {
      waiter.cancel = this.#wall.wakeAt(waiter.time, waiter.wake)
    }
    this.#waiting.clear()
  }

  #wakeDue(): void {
    for (const waiter of [...this.#waiting]) {
      if (waiter.time > this.#reached || !this.#waiting.delete(waiter)) continue
      waiter.wake()
    }
  }
}
