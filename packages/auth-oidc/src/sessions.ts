import { createHash, randomBytes } from 'node:crypto'
import type { Identity } from '@gw/protocol'

const MAX_SESSIONS = 10_000

/** A session of somebody who has logged in. */
export interface Session {
  readonly identity: Identity
  /** As the provider knows them. */
  readonly subject: string
  readonly sid: string | undefined
}

/** Sessions, in memory. The cookie is random, and only its hash is kept. */
export class Sessions {
  readonly #sessions = new Map<string, Session>()

  /** @returns the cookie */
  begin(session: Session): string {
    const cookie = randomBytes(32).toString('base64url')
    this.#sessions.set(hash(cookie), session)
    if (this.#sessions.size > MAX_SESSIONS) {
      this.#sessions.delete(this.#sessions.keys().next().value as string)
    }
    return cookie
  }

  find(cookie: string): Session | undefined {
    const name = hash(cookie)
    const session = this.#sessions.get(name)
    if (session === undefined || (session.identity.expiresAtMs as number) > Date.now()) {
      return session
    }
    this.#sessions.delete(name)
    return undefined
  }

  /** Ends the session of a cookie. @returns it */
  end(cookie: string): Session | undefined {
    const session = this.find(cookie)
    this.#sessions.delete(hash(cookie))
    return session
  }

  /** Ends all that are meant. @returns them */
  endAll(isMeant: (session: Session) => boolean): readonly Session[] {
    const ended: Session[] = []
    for (const [name, session] of this.#sessions) {
      if (!isMeant(session)) continue
      this.#sessions.delete(name)
      ended.push(session)
    }
    return ended
  }
}

/** Looking up a hash tells nothing about the cookies by its time. */
function hash(cookie: string): string {
  return createHash('sha256').update(cookie).digest('base64url')
}
