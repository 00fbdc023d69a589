import type { Authenticator, AuthResult, Credentials, FailureLimits, Identity } from '@gw/protocol'
import { Attempts, type FailedAttempt } from './attempts.js'
import { presentedKeys, TOKEN } from './carriers.js'
import { hashKey } from './key-store.js'
import { isSessionCookie } from './sessions.js'
import { validatedIdentity } from './validated-identity.js'

/** Says who a key stands for; `undefined` or `null` when for nobody. Throws, or rejects, when it cannot say. */
export type KeyValidator = (
  key: string,
  credentials: Credentials,
) => Identity | null | undefined | Promise<Identity | null | undefined>

/** Options of {@link externalKeys}. */
export interface ExternalKeysOptions {
  /** A function, or `httpValidator('https://...')`. */
  readonly validate: KeyValidator
  /** How long an answer, yes or no, is taken to hold; 0 asks each time. @defaultValue 30 */
  readonly cacheSeconds?: number
  /** How long the validator may take; later it counts as down. @defaultValue 2_000 */
  readonly timeoutMs?: number
  /** Whether a key may stand in the URL, as `?token=`. @defaultValue true */
  readonly allowQuery?: boolean
  /** Bounds of failed attempts. */
  readonly failures?: FailureLimits
  /** Hears of failed attempts. @defaultValue a line on standard error */
  readonly onFailure?: (attempt: FailedAttempt) => void
}

const MAX_ANSWERS = 10_000

/** A key, and the request in which it was shown. */
interface Shown {
  readonly key: string
  readonly credentials: Credentials
}

/** An answer, or the question while it is open. */
interface Asked {
  readonly untilMs: number
  readonly answer: Promise<Identity | undefined>
  /** The answer, once it is there. */
  known?: { readonly identity: Identity | undefined }
}

/**
 * Lets in whom somebody else vouches for: keys in the same carriers as those of `apiKey`, but for the login page. A
 * validator that fails or takes too long lets nobody in; that is answered 503 `AUTH_UNAVAILABLE`, and not remembered.
 * @example `webServer({ auth: externalKeys({ validate: (key) => users.find(key) }) })`
 */
export function externalKeys(options: ExternalKeysOptions): Authenticator {
  return new ExternalKeysAuthenticator(options)
}

class ExternalKeysAuthenticator implements Authenticator {
  readonly name = 'external-keys'
  readonly secretQueryParameters: readonly string[] = [TOKEN]
  readonly #validate: KeyValidator
  readonly #cacheMs: number
  readonly #timeoutMs: number
  readonly #allowQuery: boolean
  readonly #attempts: Attempts
  /** By the hash of the key, the oldest first. */
  readonly #asked = new Map<string, Asked>()
  /** With what identities came in, for as long as somebody holds on to them. */
  readonly #shown = new WeakMap<Identity, Shown>()

  constructor(options: ExternalKeysOptions) {
    this.#validate = options.validate
    this.#cacheMs = (options.cacheSeconds ?? 30) * 1_000
    this.#timeoutMs = options.timeoutMs ?? 2_000
    this.#allowQuery = options.allowQuery ?? true
    this.#attempts = new Attempts(options.failures, options.onFailure)
  }

  authenticate(credentials: Credentials): AuthResult | Promise<AuthResult> {
    const cookie = credentials.cookie(TOKEN)
    const keys = presentedKeys(credentials, this.#allowQuery)
    // The cookie of a session with us is no key, and nobody else's business.
    const isKey = cookie !== undefined && !isSessionCookie(cookie)
    const all = new Set(isKey ? [...keys, cookie] : keys)
    if (all.size === 0) return REFUSED
    for (const key of all) {
      const known = this.#asked.get(hashKey(key))
      if (known?.known?.identity !== undefined && isFresh(known)) {
        return admitted(known.known.identity, keys.includes(key))
      }
    }
    return this.#askAll([...all], keys, credentials)
  }

  /** Asks again, when the answer by which it was let in holds no more: its sockets end with its key. */
  async isStillGood(identity: Identity): Promise<boolean> {
    const shown = this.#shown.get(identity)
    if (shown === undefined) return true
    const { key, credentials } = shown
    const now = await this.#ask(key, hashKey(key), credentials)
    return now === identity || JSON.stringify(now) === JSON.stringify(identity)
  }

  async #askAll(
    keys: readonly string[],
    besideCookie: readonly string[],
    credentials: Credentials,
  ): Promise<AuthResult> {
    const wrong: string[] = []
    let failure: unknown
    let retryAfterMs = 0
    for (const key of keys) {
      const hash = hashKey(key)
      const waitMs = this.#attempts.waitForMs(key, credentials, Date.now())
      const mayWait = !this.#attempts.wasRight(hash)
      if (mayWait) retryAfterMs = Math.max(retryAfterMs, waitMs)
      if (mayWait && waitMs > 0) continue
      try {
        const identity = await this.#ask(key, hash, credentials)
        if (identity === undefined) {
          this.#attempts.forget(hash)
          retryAfterMs = Math.max(retryAfterMs, waitMs)
          if (waitMs === 0) wrong.push(key)
        } else {
          this.#attempts.succeeded(hash)
          return admitted(identity, besideCookie.includes(key))
        }
      } catch (error) {
        failure = error
      }
    }
    if (failure !== undefined) throw failure
    const onRefused = (isUndecided?: boolean): void => {
      for (const key of wrong) this.#attempts.failed(key, 'unknown', credentials, isUndecided)
    }
    return { ...(retryAfterMs > 0 ? { ...LIMITED, retryAfterMs } : REFUSED), onRefused }
  }

  /** Asks once for all who come with the same key meanwhile. */
  #ask(key: string, hash: string, credentials: Credentials): Promise<Identity | undefined> {
    const before = this.#asked.get(hash)
    if (before !== undefined && (before.known === undefined || isFresh(before)))
      return before.answer
    const answer = this.#validated(key, credentials)
    const asked: Asked = { untilMs: Date.now() + this.#cacheMs, answer }
    this.#asked.delete(hash)
    this.#asked.set(hash, asked)
    if (this.#asked.size > MAX_ANSWERS) {
      this.#asked.delete(this.#asked.keys().next().value as string)
    }
    answer.then(
      (identity) => {
        asked.known = { identity }
        if (identity !== undefined) this.#shown.set(identity, { key, credentials })
      },
      () => this.#asked.delete(hash),
    )
    return answer
  }

  async #validated(key: string, credentials: Credentials): Promise<Identity | undefined> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`the validator of keys took longer than ${this.#timeoutMs} ms`)),
        this.#timeoutMs,
      )
    })
    try {
      return validatedIdentity(await Promise.race([this.#validate(key, credentials), late]))
    } finally {
      clearTimeout(timer)
    }
  }
}

function isFresh({ untilMs, known }: Asked): boolean {
  const nowMs = Date.now()
  const { expiresAtMs = Number.POSITIVE_INFINITY } = known?.identity ?? {}
  return untilMs > nowMs && expiresAtMs > nowMs
}

/** Browsers send cookies by themselves; a key in one must not let in what another site's page asks. */
function admitted(identity: Identity, isBesideCookie: boolean): AuthResult {
  return { ok: true, identity, ...(isBesideCookie ? {} : { isByCookie: true }) }
}

const REFUSED = { ok: false, code: 'UNAUTHORIZED', detail: 'unauthorized' } as const

const LIMITED = {
  ok: false,
  code: 'TOO_MANY_REQUESTS',
  detail: 'too many failed attempts: try again later',
} as const
