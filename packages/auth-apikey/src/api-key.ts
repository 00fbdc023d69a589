import { createHash, timingSafeEqual } from 'node:crypto'
import type { Authenticator, AuthResult, Credentials, Identity } from '@gw/protocol'
import { presentedKeys, TOKEN } from './carriers.js'
import { ApiKeyError } from './errors.js'
import { generateKey } from './key-format.js'
import { Sessions } from './sessions.js'

/** Options of {@link apiKey}. */
export interface ApiKeyOptions {
  /** The key. @defaultValue the variable `API_KEY`; without it one is generated and announced once, at start */
  readonly key?: string | null
  /** Whether a key may stand in the URL, as `?token=`: the reference's clients know no other way. @defaultValue true */
  readonly allowQuery?: boolean
  /** How long a session from the login page lasts. @defaultValue 12 hours */
  readonly sessionSeconds?: number
}

const REFUSED: AuthResult = { ok: false, code: 'UNAUTHORIZED', detail: 'unauthorized' }

/**
 * Lets in who has the key: in `X-API-Key`, `Authorization: Bearer`, the header, query parameter or cookie `token`, or
 * with the cookie of a session from the login page. One right carrier is enough, even beside wrong ones.
 * @throws ApiKeyError `INVALID_KEY` for a key that is null, empty or could not be sent in a header.
 * @example `webServer({ auth: apiKey() })`
 */
export function apiKey(options: ApiKeyOptions = {}): Authenticator {
  const configured = options.key === undefined ? process.env.API_KEY : options.key
  const key = configured === undefined ? generateKey().key : checked(configured)
  const { allowQuery = true, sessionSeconds } = options
  const sessions = new Sessions(
    sessionSeconds === undefined ? {} : { maxAgeSeconds: sessionSeconds },
  )
  const expected = digest(key)
  const identity: Identity = { name: 'api-key' }
  const isKey = (presented: string): boolean => timingSafeEqual(digest(presented), expected)

  return {
    name: 'api-key',
    secretQueryParameters: [TOKEN],
    cookieName: TOKEN,

    authenticate(credentials: Credentials): AuthResult {
      const cookie = credentials.cookie(TOKEN)
      const presented = presentedKeys(credentials, allowQuery)
      // The reference's clients may hold the key itself in the cookie; we accept it, and never set it.
      const candidates = cookie === undefined ? presented : [...presented, cookie]
      if (candidates.some(isKey)) return { ok: true, identity }
      const user = cookie === undefined ? undefined : sessions.find(cookie)
      return user === undefined ? REFUSED : { ok: true, identity: user }
    },

    announce(): readonly string[] {
      return configured === undefined
        ? [`API key, made for this run as no API_KEY is set: ${key}`]
        : []
    },

    login(presented: string) {
      if (!isKey(presented)) return undefined
      return { cookie: sessions.begin(identity), maxAgeSeconds: sessions.maxAgeSeconds }
    },

    logout(cookie: string): void {
      sessions.end(cookie)
    },
  }
}

function checked(key: string | null): string {
  if (key === null || key.trim() === '') {
    throw new ApiKeyError(
      'INVALID_KEY',
      'the API key is null or empty, which would let everybody in: set one, or leave it out to have one made',
    )
  }
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new ApiKeyError(
      'INVALID_KEY',
      'the API key holds spaces or characters beyond ASCII, which a header cannot carry: choose another',
    )
  }
  return key
}

/** Digests have one length whatever was presented, so that comparing them takes the same time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
