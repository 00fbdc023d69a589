import { type FailureLimits, Failures } from './failures.js'
import { isMistypedKey, shownId } from './key-format.js'
import type { RefusalReason } from './key-ring.js'
import { networkOf } from './network.js'

/** A failed attempt, without the key. */
export interface FailedAttempt {
  readonly address: string
  readonly path: string
  /** Id in the key, where it has one. */
  readonly keyId: string | undefined
  readonly reason: RefusalReason | 'mistyped' | 'too many attempts'
}

/** Where an attempt comes from. */
export interface Origin {
  readonly address: string
  readonly path: string
}

/** Keys in recent use, which are looked at even when they come from where somebody is guessing. */
const MAX_RECENT = 1_000

/** Keeps guessers away: by address, and by the id that stands in a key, wherever it comes from. */
export class Attempts {
  readonly #failures: Failures
  readonly #onFailure: (attempt: FailedAttempt) => void
  /** Hashes of keys that were right lately, the oldest first. */
  readonly #recent = new Set<string>()

  constructor(
    limits: FailureLimits | undefined,
    onFailure: (attempt: FailedAttempt) => void = logFailure,
  ) {
    this.#failures = new Failures(limits)
    this.#onFailure = onFailure
  }

  /** How long a key has to wait until it is answered; 0 when it may be now. */
  waitMs(key: string, { address }: Origin, nowMs: number): number {
    return this.#longest(namesOf(key, address), nowMs)
  }

  /** Whether a key was right lately: then it is looked at first, and waits only when it is right no more. */
  wasRight(hash: string): boolean {
    return this.#recent.has(hash)
  }

  succeeded(hash: string): void {
    if (this.#recent.has(hash)) return
    this.#recent.add(hash)
    if (this.#recent.size > MAX_RECENT) {
      this.#recent.delete(this.#recent.values().next().value as string)
    }
  }

  /** A key that was right lately is so no more: from now on it is as any wrong one. */
  forget(hash: string): void {
    this.#recent.delete(hash)
  }

  failed(key: string, reason: RefusalReason, { address, path }: Origin, nowMs: number): void {
    const names = namesOf(key, address)
    for (const name of names) this.#failures.count(name, nowMs)
    const attempt = { address, path, keyId: shownId(key) }
    this.#onFailure({ ...attempt, reason: isMistypedKey(key) ? 'mistyped' : reason })
    if (this.#longest(names, nowMs) > 0)
      this.#onFailure({ ...attempt, reason: 'too many attempts' })
  }

  #longest(names: readonly string[], nowMs: number): number {
    return Math.max(...names.map((name) => this.#failures.waitMs(name, nowMs)))
  }
}

function namesOf(key: string, address: string): readonly string[] {
  const id = shownId(key)
  const from = `from ${networkOf(address)}`
  return id === undefined ? [from] : [from, `for ${id}`]
}

function logFailure({ address, path, keyId, reason }: FailedAttempt): void {
  const key = keyId === undefined ? 'a key' : `the key ${keyId}`
  console.error(`api-key: refused ${key} from ${address} for ${path}: ${reason}`)
}
