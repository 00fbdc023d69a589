import { FailedAttempts, type FailureLimits } from '@gw/protocol'
import { isMistypedKey, shownId } from './key-format.js'
import type { RefusalReason } from './key-ring.js'

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

/** Keeps guessers of keys away: by address, and by the id that stands in a key, wherever it comes from. */
export class Attempts extends FailedAttempts {
  readonly #onFailure: (attempt: FailedAttempt) => void

  constructor(
    limits: FailureLimits | undefined,
    onFailure: (attempt: FailedAttempt) => void = logFailure,
  ) {
    super(limits)
    this.#onFailure = onFailure
  }

  /** How long a key has to wait until it is answered; 0 when it may be now. */
  waitForMs(key: string, { address }: Origin, nowMs: number): number {
    return this.waitMs({ address, id: shownId(key) }, nowMs)
  }

  /**
   * Tells of a wrong key, and counts it, unless it may be another authenticator's who cannot say so now: one that has not our
   * form is not wrong before that one has spoken.
   */
  failed(
    key: string,
    reason: RefusalReason,
    { address, path }: Origin,
    isUndecided: boolean | undefined,
  ): void {
    const id = shownId(key)
    if (isUndecided === true && id === undefined) return
    const mustWait = this.count({ address, id }, Date.now())
    const attempt = { address, path, keyId: id }
    this.#onFailure({ ...attempt, reason: isMistypedKey(key) ? 'mistyped' : reason })
    if (mustWait) this.#onFailure({ ...attempt, reason: 'too many attempts' })
  }
}

function logFailure({ address, path, keyId, reason }: FailedAttempt): void {
  const key = keyId === undefined ? 'a key' : `the key ${keyId}`
  console.error(`api-key: refused ${key} from ${address} for ${path}: ${reason}`)
}
