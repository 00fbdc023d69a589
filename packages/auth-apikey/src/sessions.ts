import { createHash, randomBytes } from 'node:crypto'
import type { Identity } from '@gw/protocol'

interface Session {
  readonly identity: Identity
  readonly endsAtMs: number
}

/** Options of {@link Sessions}. */
export interface SessionsOptions {
  /** @defaultValue 12 hours */
  readonly maxAgeSeconds?: number
  /** Sessions kept; the oldest ends when there is one more. @defaultValue 10_000 */
  readonly maxSessions?: number
}

/**
 * Sessions of people who have entered their key once, in memory. The cookie is random and names the session; the key is
 * never in it, and only a hash of the cookie is kept.
 */
export class Sessions {
  readonly maxAgeSeconds: number
  readonly #maxSessions: number
  readonly #sessions = new Map<string, Session>()

  constructor(options: SessionsOptions = {}) {
    this.maxAgeSeconds = options.maxAgeSeconds ?? 12 * 60 * 60
    this.#maxSessions = options.maxSessions ?? 10_000
  }

  /** Begins a session. @returns its cookie */
  begin(identity: Identity): string {
    const cookie = randomBytes(32).toString('base64url')
    const endsAtMs = Date.now() + this.maxAgeSeconds * 1000
    this.#sessions.set(hash(cookie), { identity, endsAtMs })
    if (this.#sessions.size > this.#maxSessions) {
      this.#sessions.delete(this.#sessions.keys().next().value as string)
    }
    return cookie
  }

  /** Who a cookie stands for; an ended session is nobody's. */
  find(cookie: string): Identity | undefined {
    const name = hash(cookie)
    const session = this.#sessions.get(name)
    if (session === undefined) return undefined
    if (session.endsAtMs > Date.now()) return session.identity
    this.#sessions.delete(name)
    return undefined
  }

  end(cookie: string): void {
    this.#sessions.delete(hash(cookie))
  }
}

/** Looking up a hash tells nothing about the cookies by its time. */
function hash(cookie: string): string {
  return createHash('sha256').update(cookie).digest('base64url')
}
