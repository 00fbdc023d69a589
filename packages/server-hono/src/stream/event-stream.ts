import type { LiveSink } from './sink.js'

/** A line that readers of an event stream pass over. */
const COMMENT = Buffer.from(':\n\n')

/** The body of a response that tells events as they come (server-sent events). */
export class EventStream implements LiveSink {
  readonly body: ReadableStream<Uint8Array>
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined
  #isOpen = true
  #onDrained: (() => void) | undefined
  #onSignOfLife: (() => void) | undefined
  readonly #onClosed: (() => void)[] = []

  constructor() {
    // Without a buffer of its own it is asked for more only when everything has been taken.
    const unbuffered = new ByteLengthQueuingStrategy({ highWaterMark: 0 })
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => {
          const onDrained = this.#onDrained
          this.#onDrained = undefined
          onDrained?.()
        },
        cancel: () => this.#end(),
      },
      unbuffered,
    )
  }

  get unsentBytes(): number {
    return -(this.#controller?.desiredSize ?? 0)
  }

  write(bytes: Buffer): void {
    if (this.#isOpen) this.#controller?.enqueue(bytes)
  }

  onDrained(listener: () => void): void {
    this.#onDrained = listener
  }

  onClosed(listener: () => void): void {
    this.#onClosed.push(listener)
  }

  onSignOfLife(listener: () => void): void {
    this.#onSignOfLife = listener
  }

  /** Keeps proxies from ending what is silent. Readers of events cannot answer: who takes what is written lives. */
  ping(): void {
    if (this.unsentBytes === 0) this.write(COMMENT)
    this.#onSignOfLife?.()
  }

  /** Ends the body; a page comes back by itself, with the id of the last event. */
  close(): void {
    if (!this.#isOpen) return
    this.#controller?.close()
    this.#end()
  }

  terminate(): void {
    if (!this.#isOpen) return
    this.#controller?.error(new Error('the reader has not taken anything for too long'))
    this.#end()
  }

  #end(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    for (const listener of this.#onClosed) listener()
  }
}
