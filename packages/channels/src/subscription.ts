import type { DeliveryMode } from '@gw/protocol'
import type { ChannelTick, Subscription, Watch } from './live.js'

/** What a subscription is made with. */
export interface SubscriptionOptions {
  readonly mode: DeliveryMode
  readonly maxBuffered: number
  readonly signal: AbortSignal | undefined
  /** Begins to watch. */
  readonly watch: (listener: (tick: ChannelTick) => void) => Watch
  /** Those that have not ended: it is among them until it has. */
  readonly open: Set<TickSubscription>
}

/** Ticks that wait for their reader, in order; beyond the bound the oldest go, and are counted. */
export class TickSubscription implements Subscription<unknown> {
  dropped = 0
  readonly recovered: boolean
  readonly #maxBuffered: number
  readonly #isLastOnly: boolean
  readonly #watch: Watch
  readonly #signal: AbortSignal | undefined
  readonly #open: Set<TickSubscription>
  /** Of all ticks, or in the mode lastValue of the last one of each key; oldest first. */
  #buffer: ChannelTick[] = []
  #head = 0
  readonly #latest = new Map<string | undefined, ChannelTick>()
  #ended: { readonly error?: unknown } | undefined
  #readers: {
    readonly resolve: (result: IteratorResult<ChannelTick>) => void
    readonly reject: (error: unknown) => void
  }[] = []

  constructor({ mode, maxBuffered, signal, watch, open }: SubscriptionOptions) {
    this.#maxBuffered = maxBuffered
    this.#isLastOnly = mode === 'lastValue'
    this.#signal = signal
    this.#open = open
    this.#watch = watch((tick) => this.#take(tick))
    this.recovered = this.#watch.recovered
    for (const tick of this.#watch.initial) this.#take(tick)
    open.add(this)
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (signal?.aborted === true) this.end()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<ChannelTick>> {
    const tick = this.#shift()
    if (tick !== undefined) return Promise.resolve({ done: false, value: tick })
    if (this.#ended !== undefined) {
      const { error } = this.#ended
      this.#ended = {}
      return error === undefined
        ? Promise.resolve({ done: true, value: undefined })
        : Promise.reject(error)
    }
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }))
  }

  return(): Promise<IteratorResult<ChannelTick>> {
    this.#buffer = []
    this.#head = 0
    this.#latest.clear()
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  /** Ends it; what is buffered can still be read. */
  end(ended: { readonly error?: unknown } = {}): void {
    if (this.#ended !== undefined) return
    this.#ended = ended
    this.#open.delete(this)
    this.#watch.stop()
    this.#signal?.removeEventListener('abort', this.#onAbort)
    const readers = this.#readers
    this.#readers = []
    for (const { resolve, reject } of readers) {
      if (ended.error === undefined) resolve({ done: true, value: undefined })
      else reject(ended.error)
    }
  }

  readonly #onAbort = (): void => this.end()

  #take(tick: ChannelTick): void {
    const reader = this.#readers.shift()
    if (reader !== undefined) {
      reader.resolve({ done: false, value: tick })
      return
    }
    if (this.#isLastOnly) {
      this.#latest.delete(tick.key)
      this.#latest.set(tick.key, tick)
      if (this.#latest.size <= this.#maxBuffered) return
    } else {
      this.#buffer.push(tick)
      if (this.#buffer.length - this.#head <= this.#maxBuffered) return
    }
    this.#shift()
    this.dropped++
  }

  #shift(): ChannelTick | undefined {
    if (this.#isLastOnly) {
      const [first] = this.#latest.values()
      if (first !== undefined) this.#latest.delete(first.key)
      return first
    }
    const tick = this.#buffer[this.#head]
    if (tick === undefined) return undefined
    this.#head++
    if (this.#head > 1_024 && this.#head * 2 > this.#buffer.length) {
      this.#buffer = this.#buffer.slice(this.#head)
      this.#head = 0
    }
    return tick
  }
}
