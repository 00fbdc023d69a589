import { ChannelsError } from '../errors.js'
import type { Logger } from '../logger.js'

/** What becomes of what comes while the outbox is full. */
export type Overflow = 'dropOldest' | 'fail'

/** Options of {@link Outbox}. */
export interface OutboxOptions<T> {
  /** For messages: what it belongs to. */
  readonly name: string
  /** Items that wait, at most. */
  readonly maxPending: number
  readonly overflow: Overflow
  /** Items handed over at once, at most. */
  readonly batch: number
  /** Tries after the first one. */
  readonly retries: number
  /** Wait before the first retry; each further one waits twice as long. */
  readonly backoffMs: number
  /** Hands items over. Rejects with {@link Refused} where trying again is of no use. */
  readonly deliver: (items: readonly T[]) => Promise<void>
  readonly logger: Logger
}

/** The other side does not want it, now or later. */
export class Refused extends Error {}

const LONGEST_BACKOFF_MS = 30_000

/** Items on their way to somewhere slower than the engine: in order, a batch at a time, within a bound. */
export class Outbox<T> {
  readonly #options: OutboxOptions<T>
  #items: T[] = []
  #isBusy = false
  #dropped = 0
  #whenEmpty: (() => void)[] = []

  constructor(options: OutboxOptions<T>) {
    this.#options = options
  }

  /** Items that wait. */
  get pending(): number {
    return this.#items.length
  }

  /** Items that went nowhere: for want of room, or because they were refused, or tried too often. */
  get dropped(): number {
    return this.#dropped
  }

  /** Takes an item in, and returns at once. @throws ChannelsError `OVERLOADED` when it is full and is told to fail. */
  add(item: T): void {
    const { name, maxPending, overflow } = this.#options
    if (this.#items.length >= maxPending) {
      if (overflow === 'fail') {
        throw new ChannelsError(
          'OVERLOADED',
          `${name}: ${maxPending} records wait to be written already: raise maxPending, or choose overflow: 'dropOldest'`,
        )
      }
      this.#items.shift()
      this.#drop(1, 'it is full')
    }
    this.#items.push(item)
    if (!this.#isBusy) void this.#work()
  }

  /** Fulfilled when nothing waits any more. */
  flush(): Promise<void> {
    if (!this.#isBusy && this.#items.length === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenEmpty.push(resolve))
  }

  async #work(): Promise<void> {
    this.#isBusy = true
    // What comes in the same cycle goes out together.
    await Promise.resolve()
    while (this.#items.length > 0) {
      const items = this.#items.slice(0, this.#options.batch)
      this.#items = this.#items.slice(items.length)
      await this.#deliver(items)
    }
    this.#isBusy = false
    const waiting = this.#whenEmpty
    this.#whenEmpty = []
    for (const resolve of waiting) resolve()
  }

  async #deliver(items: readonly T[]): Promise<void> {
    const { deliver, retries, backoffMs } = this.#options
    for (let attempt = 0; ; attempt++) {
      try {
        await deliver(items)
        return
      } catch (error) {
        if (error instanceof Refused || attempt >= retries) {
          this.#drop(items.length, error)
          return
        }
        const wait = Math.min(backoffMs * 2 ** attempt, LONGEST_BACKOFF_MS)
        await new Promise((resolve) => setTimeout(resolve, wait))
      }
    }
  }

  #drop(count: number, reason: unknown): void {
    const { name, logger } = this.#options
    this.#dropped += count
    logger.error(
      { error: reason, dropped: this.#dropped },
      `${name}: ${count} records were dropped`,
    )
  }
}
