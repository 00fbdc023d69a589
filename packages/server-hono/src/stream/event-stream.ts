import type { ServerResponse } from 'node:http'
import type { LiveSink } from './sink.js'

/** A line that readers of an event stream pass over. */
const COMMENT = Buffer.from(':\n\n')

/** The event streams that are bodies of responses. */
const STREAMS = new WeakMap<ReadableStream, EventStream>()

/** Lets a response, if its body is one of events as it was made, be written without going through the body. */
export function writeThrough(response: Response, outgoing: ServerResponse): Response {
  if (response.body !== null) STREAMS.get(response.body)?.writeTo(outgoing)
  return response
}

/**
 * The body of a response that tells events as they come (server-sent events). What Node's response would get of it by and by,
 * it is given at once where nobody is between them, which takes a third less of the processor.
 */
export class EventStream implements LiveSink {
  readonly body: ReadableStream<Uint8Array>
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined
  #isOpen = true
  #outgoing: ServerResponse | undefined
  /** Node's response, once it has all that went through the body. */
  #direct: ServerResponse | undefined
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
          // Whoever reads has written all that there was, and waits for more.
          if (this.#outgoing?.headersSent === true) this.#direct = this.#outgoing
          const onDrained = this.#onDrained
          this.#onDrained = undefined
          onDrained?.()
        },
        cancel: () => this.#end(),
      },
      unbuffered,
    )
    STREAMS.set(this.body, this)
  }

  /** Names Node's response, to which the body goes as it is. */
  writeTo(outgoing: ServerResponse): void {
    this.#outgoing = outgoing
  }

  get unsentBytes(): number {
    return this.#direct?.writableLength ?? -(this.#controller?.desiredSize ?? 0)
  }

  write(bytes: Buffer): void {
    if (!this.#isOpen) return
    if (this.#direct === undefined) this.#controller?.enqueue(bytes)
    else this.#direct.write(bytes)
  }

  onDrained(listener: () => void): void {
    if (this.#direct === undefined) this.#onDrained = listener
    else this.#direct.once('drain', listener)
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
