import { measureJson } from './measure-json.js'
import type { Flight } from './sender.js'

/** Bounds of the window in which the answer to a message is remembered. */
export interface SentMessagesLimits {
  readonly maxIds: number
  readonly maxAgeMs: number
  /** Of the ids and the records of the answers, as JSON, estimated. */
  readonly maxBytes: number
}

interface Sent {
  readonly flight: Flight
  readonly atMs: number
  readonly bytes: number
}

/** What was sent under a message id of late, oldest first: beyond any of its bounds the oldest are forgotten. */
export class SentMessages {
  readonly #limits: SentMessagesLimits
  readonly #sent = new Map<string, Sent>()
  #bytes = 0

  constructor(limits: SentMessagesLimits) {
    this.#limits = limits
  }

  find(id: string): Flight | undefined {
    this.#forgetOld()
    return this.#sent.get(id)?.flight
  }

  add(id: string, flight: Flight): void {
    this.#forget(id)
    const bytes = id.length + measureJson(flight.records, () => undefined)
    this.#sent.set(id, { flight, atMs: performance.now(), bytes })
    this.#bytes += bytes
    this.#forgetOld()
    // What was refused was not sent, so it may be sent again.
    flight.whenOver(() => {
      if (flight.error !== undefined && this.#sent.get(id)?.flight === flight) this.#forget(id)
    })
  }

  #forgetOld(): void {
    const { maxIds, maxAgeMs, maxBytes } = this.#limits
    const oldest = performance.now() - maxAgeMs
    for (const [id, { atMs }] of this.#sent) {
      if (atMs >= oldest && this.#sent.size <= maxIds && this.#bytes <= maxBytes) return
      this.#forget(id)
    }
  }

  #forget(id: string): void {
    this.#bytes -= this.#sent.get(id)?.bytes ?? 0
    this.#sent.delete(id)
  }
}
