import { createHash, randomBytes } from 'node:crypto'

interface Session {
  /** Id of the key that began it. */
  readonly keyId: string
  readonly endsAtMs: number
}

/** Options of {@link Sessions}. */
export interface SessionsOptions {
  /** @defaultValue 12 hours */
  readonly maxAgeSeconds?: number | undefined
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
  begin(keyId: string): string {
    const cookie = PREFIX + randomBytes(32).toString('base64url')
    const endsAtMs = Date.now() + this.maxAgeSeconds * 1000
    this.#sessions.set(hash(cookie), { keyId, endsAtMs })
    if (this.#sessions.size > this.#maxSessions) {
      this.#sessions.delete(this.#sessions.keys().next().value as string)
    }
    return cookie
  }

  /** Id of the key that a cookie stands for; an ended session stands for none. */
  find(cookie: string): { readonly keyId: string; readonly endsAtMs: number } | undefined {
    const name = hash(cookie)
    const session = this.#sessions.get(name)
    if (session === undefined || session.endsAtMs > Date.now()) return session
    this.#sessions.delete(name)
    return undefined
  }

  end(cookie: string): void {
    this.#sessions.delete(hash(cookie))
  }
}

/** Whether a cookie has the form of a session's, so that it is not taken for a wrong key when the session has ended. */
export function isSessionCookie(cookie: string): boolean {
  return cookie.startsWith(PREFIX)
}

const PREFIX = 'session.'

/** Looking up a hash tells nothing about the cookies by its time. */
function hash(cookie: string): string {
  return createHash('sha256').update(cookie).digest('base64url')
}
