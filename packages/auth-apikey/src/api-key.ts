import type {
  Authenticator,
  AuthResult,
  Credentials,
  FailureLimits,
  Identity,
  SessionEvent,
} from '@gw/protocol'
import { Attempts, type FailedAttempt, type Origin } from './attempts.js'
import { presentedKeys, TOKEN } from './carriers.js'
import { configuredKey, type NamedKey } from './configured-key.js'
import { ApiKeyError } from './errors.js'
import { generateKey, keyId } from './key-format.js'
import { KeyRing, type RefusalReason, refusalOf } from './key-ring.js'
import { hashKey, type KeyStore, type StoredKey } from './key-store.js'
import { isSessionCookie, Sessions } from './sessions.js'

/** Options of {@link apiKey}. */
export interface ApiKeyOptions {
  /**
   * The one key, which may do everything.
   * @defaultValue without `keys` and `store`: the variable `API_KEY`, else one that is made and announced once, at start
   */
  readonly key?: string | null
  /** Several keys, with names. */
  readonly keys?: readonly NamedKey[]
  /** Keys that come and go without a restart: `fileStore('keys.json')`. */
  readonly store?: KeyStore
  /** Whether a key may stand in the URL, as `?token=`: the reference's clients know no other way. @defaultValue true */
  readonly allowQuery?: boolean
  /** How long a session from the login page lasts. @defaultValue 12 hours */
  readonly sessionSeconds?: number
  /** Bounds of failed attempts. */
  readonly failures?: FailureLimits
  /** Hears of failed attempts. @defaultValue a line on standard error */
  readonly onFailure?: (attempt: FailedAttempt) => void
}

/**
 * Lets in who has a key: in `X-API-Key`, `Authorization: Bearer`, the header, query parameter or cookie `token`, or
 * with the cookie of a session from the login page. One right carrier is enough, even beside wrong ones. Whoever is refused
 * is told the same, whatever the reason.
 * @throws ApiKeyError `INVALID_KEY` for a key that is null, empty or could not be sent in a header; `INVALID_SCOPE`.
 * @example `webServer({ auth: apiKey() })`
 */
export function apiKey(options: ApiKeyOptions = {}): Authenticator {
  return new ApiKeyAuthenticator(options)
}

type RevocationListener = (identityName: string, credential?: string) => void

/** What was found out about a key that somebody presents. */
type Look =
  | { readonly key: StoredKey; readonly identity: Identity }
  | { readonly key?: undefined; readonly presented: string; readonly reason: RefusalReason }
  | { readonly key?: undefined; readonly waitMs: number }

class ApiKeyAuthenticator implements Authenticator {
  readonly name = 'api-key'
  readonly secretQueryParameters: readonly string[] = [TOKEN]
  readonly cookieName: string = TOKEN
  readonly allowsKeyInUrl: boolean
  readonly #store: KeyStore | undefined
  readonly #configured: readonly StoredKey[]
  /** The key made for this run, until it has been announced. */
  #generated: string | undefined
  readonly #sessions: Sessions
  readonly #attempts: Attempts
  readonly #listeners = new Set<RevocationListener>()
  readonly #sessionListeners = new Set<(event: SessionEvent) => void>()
  #ring: KeyRing

  constructor(options: ApiKeyOptions) {
    const { key, keys = [], store } = options
    if (!Array.isArray(keys)) {
      throw new ApiKeyError(
        'INVALID_KEY',
        '`keys` is no list: give [{ name, key }], or leave it out',
      )
    }
    const hasOthers = keys.length > 0 || store !== undefined
    const only = key === undefined && !hasOthers ? process.env.API_KEY : key
    this.#generated = only === undefined && !hasOthers ? generateKey().key : undefined
    const single = only === undefined ? this.#generated : only
    const all = single === undefined ? keys : [{ name: this.name, key: single as string }, ...keys]
    this.allowsKeyInUrl = options.allowQuery ?? true
    this.#store = store
    this.#configured = all.map(configuredKey)
    this.#sessions = new Sessions({
      maxAgeSeconds: options.sessionSeconds,
      onEnded: ({ keyId, credential }) => {
        const name = this.#ring.get(keyId)?.name
        if (name !== undefined) this.#tell(name, credential)
      },
    })
    this.#attempts = new Attempts(options.failures, options.onFailure)
    this.#ring = this.#newRing()
    store?.onChange?.(() => this.#reload())
  }

  authenticate(credentials: Credentials): AuthResult {
    const presented = presentedKeys(credentials, this.allowsKeyInUrl)
    const cookie = credentials.cookie(TOKEN)
    const looks = presented.map((key) => this.#look(key, credentials))
    for (const look of looks) {
      if (look.key !== undefined) return { ok: true, identity: look.identity }
    }
    if (cookie !== undefined && isSessionCookie(cookie)) {
      const session = this.#sessionOf(cookie)
      if (session !== undefined) return session
    } else if (cookie !== undefined && cookie !== '') {
      // The reference's clients may hold the key itself in the cookie; we accept it, and never set it.
      const look = this.#look(cookie, credentials)
      if (look.key !== undefined) return { ok: true, identity: look.identity, isByCookie: true }
      looks.push(look)
    }
    return refusal(looks, (isUndecided) => this.#count(looks, credentials, isUndecided))
  }

  onRevoked(listener: RevocationListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onSession(listener: (event: SessionEvent) => void): () => void {
    this.#sessionListeners.add(listener)
    return () => this.#sessionListeners.delete(listener)
  }

  announce(): readonly string[] {
    const key = this.#generated
    this.#generated = undefined
    return key === undefined ? [] : [`API key, made for this run as no API_KEY is set: ${key}`]
  }

  login(
    key: string,
    address = 'the login page',
  ): { readonly cookie: string; readonly maxAgeSeconds: number } | undefined {
    const origin = { address, path: '/login' }
    const look = this.#look(key, origin)
    if (look.key === undefined) {
      this.#count([look], origin)
      return undefined
    }
    const { maxAgeSeconds } = this.#sessions
    const cookie = this.#sessions.begin(look.key)
    this.#tellSession('login', this.#sessionOf(cookie))
    return { cookie, maxAgeSeconds }
  }

  logout(cookie: string): void {
    const session = this.#sessionOf(cookie)
    this.#sessions.end(cookie)
    this.#tellSession('logout', session)
  }

  #look(presented: string, origin: Origin): Look {
    const nowMs = Date.now()
    const hash = hashKey(presented)
    const waitMs = this.#attempts.waitForMs(presented, origin, nowMs)
    if (waitMs > 0 && !this.#attempts.wasRight(hash)) return { waitMs }
    const { key, identity, reason } = this.#ring.check(hash, keyId(presented), nowMs)
    if (key !== undefined) {
      this.#attempts.succeeded(hash)
      return { key, identity }
    }
    this.#attempts.forget(hash)
    return waitMs > 0 ? { waitMs } : { presented, reason }
  }

  #count(looks: readonly Look[], origin: Origin, isUndecided?: boolean): void {
    for (const look of looks) {
      if ('reason' in look) {
        this.#attempts.failed(look.presented, look.reason, origin, isUndecided)
      }
    }
  }

  #sessionOf(cookie: string): AuthResult | undefined {
    const keyId = this.#sessions.keyIdOf(cookie)
    const key = keyId === undefined ? undefined : this.#ring.get(keyId)
    if (key === undefined || refusalOf(key, Date.now()) !== undefined) return undefined
    const identity = this.#sessions.identityOf(cookie, key)
    return identity === undefined ? undefined : { ok: true, identity, isByCookie: true }
  }

  #newRing(): KeyRing {
    return new KeyRing([...this.#configured, ...(this.#store?.keys() ?? [])])
  }

  #reload(): void {
    const before = this.#ring
    this.#ring = this.#newRing()
    const nowMs = Date.now()
    for (const key of before.keys()) {
      if (refusalOf(key, nowMs) !== undefined || isSame(key, this.#ring.get(key.id), nowMs))
        continue
      this.#tell(key.name, key.id)
      for (const { credential } of this.#sessions.ofKey(key.id)) this.#tell(key.name, credential)
    }
  }

  #tellSession(action: SessionEvent['action'], session: AuthResult | undefined): void {
    if (session?.ok !== true) return
    for (const listener of this.#sessionListeners) listener({ action, identity: session.identity })
  }

  #tell(name: string, credential: string): void {
    for (const listener of this.#listeners) listener(name, credential)
  }
}

const REFUSED = { ok: false, code: 'UNAUTHORIZED', detail: 'unauthorized' } as const

const LIMITED = {
  ok: false,
  code: 'TOO_MANY_REQUESTS',
  detail: 'too many failed attempts: try again later',
} as const

/** Says no without saying why. */
function refusal(looks: readonly Look[], onRefused: (isUndecided?: boolean) => void): AuthResult {
  const retryAfterMs = Math.max(0, ...looks.map((look) => ('waitMs' in look ? look.waitMs : 0)))
  return { ...(retryAfterMs === 0 ? REFUSED : { ...LIMITED, retryAfterMs }), onRefused }
}

/** Whether who came in with a key may stay: it is still good, and lets them do what it did then. */
function isSame(before: StoredKey, now: StoredKey | undefined, nowMs: number): boolean {
  return (
    now !== undefined &&
    now.hash === before.hash &&
    now.expiresAt === before.expiresAt &&
    JSON.stringify(now.scopes) === JSON.stringify(before.scopes) &&
    refusalOf(now, nowMs) === undefined
  )
}
