import { ChannelsError } from '../errors.js'
import type { Logger } from '../logger.js'
import { AMOUNT, COUNT, LOGGER, type OptionRule, OVERFLOW } from './check-options.js'

/** What becomes of what comes while the outbox is full. */
export type Overflow = 'dropOldest' | 'fail'

/** How items go out, and what is tried when they do not. */
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
  /** Wait before the first retry; each further one waits twice as long, up to {@link LONGEST_BACKOFF_MS}. */
  readonly backoffMs: number
  /** Hands items over, all or none. Rejects with {@link Refused} where trying again is of no use, with {@link Busy} where it is told when. */
  readonly deliver: (items: readonly T[], signal: AbortSignal) => Promise<void>
  readonly logger: Logger
}

/** The other side does not want it, now or later. */
export class Refused extends Error {}

/** There is no other side now: no item is at fault, so it is tried until there is. */
export class Unreachable extends Error {}

/** The other side wants it later. */
export class Busy extends Error {
  readonly retryAfterMs: number | undefined

  constructor(message: string, retryAfterMs?: number) {
    super(message)
    this.retryAfterMs = retryAfterMs
  }
}

const LONGEST_BACKOFF_MS = 30_000

/** What the options of an outbox are, in those of the modules that have one. */
export const OUTBOX_OPTIONS: Readonly<Record<string, OptionRule>> = {
  maxPending: COUNT,
  overflow: OVERFLOW,
  batch: COUNT,
  retries: AMOUNT,
  backoffMs: AMOUNT,
  logger: LOGGER,
}

/**
 * Items on their way to somewhere slower than the engine: in order, a batch at a time, within a bound. A batch that does not
 * go out is tried again, then in halves, so that one bad item takes no other with it; an item that does not go out alone is
 * dropped, counted and logged.
 */
export class Outbox<T> {
  readonly #options: OutboxOptions<T>
  #closing = new AbortController()
  #items: T[] = []
  #head = 0
  #working: Promise<void> | undefined
  #dropped = 0
  #isOverflowing = false

  constructor(options: OutboxOptions<T>) {
    this.#options = options
  }

  /** Items that wait. */
  get pending(): number {
    return this.#items.length - this.#head
  }

  /** Items that went nowhere: for want of room or time, or because they were refused, or tried too often. */
  get dropped(): number {
    return this.#dropped
  }

  /** Takes an item in, and returns at once. @throws ChannelsError `OVERLOADED` when it is full and is told to fail. */
  add(item: T): void {
    const { name, maxPending, overflow } = this.#options
    if (this.pending >= maxPending) {
      if (overflow === 'fail') {
        throw new ChannelsError(
          'OVERLOADED',
          `${name}: ${maxPending} records wait to be written already: raise maxPending, or choose overflow: 'dropOldest'`,
        )
      }
      this.#take(1)
      this.#dropped++
      if (!this.#isOverflowing) this.#warn('records are dropped, oldest first: too many wait')
      this.#isOverflowing = true
    }
    this.#items.push(item)
    this.#working ??= this.#work()
  }

  /**
   * Fulfilled when nothing waits any more. When `signal` is aborted what waits is given up, and the outbox can take more.
   */
  async flush(signal: AbortSignal): Promise<void> {
    const giveUp = (): void => {
      const left = this.#take(this.pending).length
      this.#dropped += left
      if (left > 0) this.#warn(`${left} records were given up: the gateway stops`)
      this.#closing.abort(signal.reason)
    }
    if (signal.aborted) giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    await this.#working
    signal.removeEventListener('abort', giveUp)
    if (this.#closing.signal.aborted) this.#closing = new AbortController()
  }

  async #work(): Promise<void> {
    // What comes in the same cycle goes out together.
    await Promise.resolve()
    while (this.pending > 0) {
      const items = this.#take(this.#options.batch)
      await this.#send(items, this.#options)
      if (this.pending < this.#options.maxPending / 2) this.#isOverflowing = false
    }
    this.#working = undefined
  }

  #take(count: number): readonly T[] {
    const items = this.#items.slice(this.#head, this.#head + count)
    this.#head += items.length
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return items
  }

  /** Sends a batch, with retries; then each half of it, with a single one at once. */
  async #send(
    items: readonly T[],
    { retries, backoffMs }: Pick<OutboxOptions<T>, 'retries' | 'backoffMs'>,
  ): Promise<void> {
    const { deliver } = this.#options
    const { signal } = this.#closing
    for (let attempt = 0, failures = 0; ; attempt++) {
      try {
        await deliver(items, signal)
        return
      } catch (error) {
        if (error instanceof Unreachable) {
          if (attempt === failures) this.#warn('no connection, trying on', error)
        } else failures++
        if (signal.aborted || error instanceof Refused || failures > retries) {
          await this.#giveUp(items, error)
          return
        }
        const waitMs = (error instanceof Busy && error.retryAfterMs) || backoffMs * 2 ** attempt
        await pause(Math.min(waitMs, LONGEST_BACKOFF_MS), signal)
      }
    }
  }

  async #giveUp(items: readonly T[], error: unknown): Promise<void> {
    if (items.length > 1 && !this.#closing.signal.aborted) {
      const half = items.length >> 1
      const once = { retries: 1, backoffMs: 0 }
      await this.#send(items.slice(0, half), once)
      await this.#send(items.slice(half), once)
    } else {
      this.#dropped += items.length
      this.#warn(`${items.length} records were dropped`, error)
    }
  }

  #warn(what: string, error?: unknown): void {
    const { name, logger } = this.#options
    const details = { dropped: this.#dropped, ...(error === undefined ? {} : { err: error }) }
    logger.error(details, `${name}: ${what}`)
  }
}

/** Waits, at most until the signal is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timeout)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timeout = setTimeout(end, ms)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}
