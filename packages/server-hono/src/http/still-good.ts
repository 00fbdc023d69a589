import type { Logger } from '@gw/channels'
import type { Authenticator, Identity } from '@gw/protocol'

/** Somebody who was let in, and goes on. */
interface Guest {
  readonly identity: Identity
  readonly end: () => void
}

/**
 * Asks authenticators that cannot tell of revocations by themselves whether those whom they let in may stay: open connections and
 * requests that wait alike.
 */
export class StillGood {
  readonly #authenticators: readonly Authenticator[]
  readonly #log: Logger
  readonly #guests = new Set<Guest>()
  readonly #timer: NodeJS.Timeout | undefined
  #isAsking = false

  constructor(authenticators: readonly Authenticator[], intervalMs: number, log: Logger) {
    this.#authenticators = authenticators.filter(({ isStillGood }) => isStillGood !== undefined)
    this.#log = log
    if (this.#authenticators.length > 0) {
      this.#timer = setInterval(() => void this.#ask(), intervalMs).unref()
    }
  }

  /** Calls `end` when an identity is good no more. @returns what ends the asking */
  watch(identity: Identity, end: () => void): () => void {
    if (this.#timer === undefined) return () => undefined
    const guest = { identity, end }
    this.#guests.add(guest)
    return () => this.#guests.delete(guest)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#guests.clear()
  }

  async #ask(): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    const identities = new Set([...this.#guests].map(({ identity }) => identity))
    for (const identity of identities) if (!(await this.#isGood(identity))) this.#end(identity)
    this.#isAsking = false
  }

  async #isGood(identity: Identity): Promise<boolean> {
    for (const authenticator of this.#authenticators) {
      try {
        if ((await authenticator.isStillGood?.(identity)) === false) return false
      } catch (error) {
        // Whoever was let in stays while nobody can say otherwise.
        this.#log.warn({ err: error }, `the authenticator ${authenticator.name} could not be asked`)
      }
    }
    return true
  }

  #end(identity: Identity): void {
    for (const guest of [...this.#guests]) if (guest.identity === identity) guest.end()
  }
}
