import { createHash, randomBytes } from 'node:crypto'
import type { Identity } from '@gw/protocol'
import { identityOf } from './key-ring.js'
import type { StoredKey } from './key-store.js'

/** A session of somebody who has entered a key. */
export interface Session {
  /** Id of the key that began it. */
  readonly keyId: string
  /** Names the session where its cookie must not stand: the key's id, and a part of its own. */
  readonly credential: string
  readonly endsAtMs: number
}

interface Entry {
  readonly session: Session
  /** Whom it stands for, and the key of which that was made. */
  known: { readonly key: StoredKey; readonly identity: Identity }
}

/** Options of {@link Sessions}. */
export interface SessionsOptions {
  /** @defaultValue 12 hours */
  readonly maxAgeSeconds?: number | undefined
  /** Sessions kept; the oldest ends when there is one more. @defaultValue 10_000 */
  readonly maxSessions?: number
  /** Hears of sessions that end before their time. */
  readonly onEnded: (session: Session) => void
}

/**
 * Sessions of people who have entered their key once, in memory. The cookie is random and names the session; the key is
 * never in it, and only a hash of the cookie is kept.
 */
export class Sessions {
  readonly maxAgeSeconds: number
  readonly #maxSessions: number
  readonly #onEnded: (session: Session) => void
  /** By the hash of the cookie, the oldest first. */
  readonly #sessions = new Map<string, Entry>()

  constructor(options: SessionsOptions) {
    this.maxAgeSeconds = options.maxAgeSeconds ?? 12 * 60 * 60
    this.#maxSessions = options.maxSessions ?? 10_000
    this.#onEnded = options.onEnded
  }

  /** Begins a session. @returns its cookie */
  begin(key: StoredKey): string {
    const cookie = PREFIX + randomBytes(32).toString('base64url')
    const session = {
      keyId: key.id,
      credential: `${key.id}/${randomBytes(6).toString('base64url')}`,
      endsAtMs: Date.now() + this.maxAgeSeconds * 1000,
    }
    this.#sessions.set(hash(cookie), { session, known: { key, identity: whom(session, key) } })
    if (this.#sessions.size > this.#maxSessions) {
      const [oldest] = this.#sessions.keys()
      this.#end(oldest as string)
    }
    return cookie
  }

  /** Id of the key that a cookie stands for; an ended session stands for none. */
  keyIdOf(cookie: string): string | undefined {
    const name = hash(cookie)
    const entry = this.#sessions.get(name)
    if (entry === undefined || entry.session.endsAtMs > Date.now()) return entry?.session.keyId
    this.#sessions.delete(name)
    return undefined
  }

  /** Whom a cookie stands for, whose key is `key` now. */
  identityOf(cookie: string, key: StoredKey): Identity | undefined {
    const entry = this.#sessions.get(hash(cookie))
    if (entry === undefined) return undefined
    if (entry.known.key !== key) {
      entry.known = { key, identity: whom(entry.session, key) }
    }
    return entry.known.identity
  }

  end(cookie: string): void {
    this.#end(hash(cookie))
  }

  /** Sessions that a key has begun. */
  *ofKey(keyId: string): Iterable<Session> {
    for (const { session } of this.#sessions.values()) if (session.keyId === keyId) yield session
  }

  #end(name: string): void {
    const entry = this.#sessions.get(name)
    this.#sessions.delete(name)
    if (entry !== undefined) this.#onEnded(entry.session)
  }
}

/** Whether a cookie has the form of a session's, so that it is not taken for a wrong key when the session has ended. */
export function isSessionCookie(cookie: string): boolean {
  return cookie.startsWith(PREFIX)
}

const PREFIX = 'session.'

/** The identity of the key, which ends with the session at the latest. */
function whom({ credential, endsAtMs }: Session, key: StoredKey): Identity {
  const identity = identityOf(key)
  const { expiresAtMs = Number.POSITIVE_INFINITY } = identity
  return { ...identity, credential, expiresAtMs: Math.min(endsAtMs, expiresAtMs) }
}

/** Looking up a hash tells nothing about the cookies by its time. */
function hash(cookie: string): string {
  return createHash('sha256').update(cookie).digest('base64url')
}
