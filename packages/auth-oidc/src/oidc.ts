import {
  type Authenticator,
  type AuthPage,
  type AuthResult,
  type Credentials,
  FailedAttempts,
  type Identity,
  type SessionEvent,
} from '@gw/protocol'
import { backChannelPage, type Logout } from './back-channel.js'
import { BearerTokens, bearerToken, hashToken, TokenRefused } from './bearer.js'
import { LOGIN_PATH, Login, SESSION_COOKIE } from './login.js'
import { type OidcOptions, type OidcSettings, settingsOf } from './options.js'
import { Provider, ProviderUnavailable } from './provider.js'
import { type Session, Sessions } from './sessions.js'

/**
 * Lets in whom a provider of OpenID Connect vouches for: by an access token that is a JWT, in `Authorization: Bearer`, or,
 * with `login`, by the session of somebody who has logged in there. Nothing is asked of the provider before it is
 * needed, so a gateway starts while it is down; who cannot be checked then is answered 503 `AUTH_UNAVAILABLE`.
 * @throws OidcError `INVALID_OPTION`, `INVALID_SCOPE`
 * @example `webServer({ auth: oidc({ issuer: 'https://id.example', audience: 'gateway', groups: { traders: ['read', 'send:orders'] } }) })`
 */
export function oidc(options: OidcOptions): Authenticator {
  return new OidcAuthenticator(settingsOf(options))
}

type RevocationListener = (identityName: string, credential?: string) => void

class OidcAuthenticator implements Authenticator {
  readonly name = 'oidc'
  readonly cookieName: string = SESSION_COOKIE
  readonly pages: readonly AuthPage[] = []
  readonly loginLink?: { readonly path: string; readonly label: string }
  readonly #settings: OidcSettings
  readonly #tokens: BearerTokens
  readonly #sessions = new Sessions()
  readonly #attempts: FailedAttempts
  readonly #listeners = new Set<RevocationListener>()
  readonly #sessionListeners = new Set<(event: SessionEvent) => void>()

  constructor(settings: OidcSettings) {
    const provider = new Provider(settings)
    this.#settings = settings
    this.#tokens = new BearerTokens(settings, provider)
    this.#attempts = new FailedAttempts(settings.failures)
    const { login } = settings
    if (login === undefined) return
    this.pages = [
      ...new Login(
        settings,
        login,
        provider,
        this.#sessions,
        this.#attempts,
        (cookie) => this.logout(cookie),
        (identity) => this.#tellSession({ action: 'login', identity }),
      ).pages,
      backChannelPage(settings, provider, login.clientId, this.#attempts, (logout) =>
        this.#logout(logout),
      ),
    ]
    this.loginLink = {
      path: LOGIN_PATH,
      label: `Log in with ${login.label ?? settings.issuer.host}`,
    }
  }

  authenticate(credentials: Credentials): AuthResult | Promise<AuthResult> {
    const token = bearerToken(credentials.header('authorization'))
    if (token !== undefined) {
      const hash = hashToken(token)
      const known = this.#tokens.remembered(hash)
      return known === undefined
        ? this.#verify(token, hash, credentials)
        : { ok: true, identity: known }
    }
    const cookie = credentials.cookie(SESSION_COOKIE)
    const session = cookie === undefined ? undefined : this.#sessions.find(cookie)
    if (session === undefined) return REFUSED
    return { ok: true, identity: session.identity, isByCookie: true }
  }

  onRevoked(listener: RevocationListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onSession(listener: (event: SessionEvent) => void): () => void {
    this.#sessionListeners.add(listener)
    return () => this.#sessionListeners.delete(listener)
  }

  logout(cookie: string): void {
    const session = this.#sessions.end(cookie)
    if (session !== undefined) this.#revoke(session)
  }

  async #verify(token: string, hash: string, { address, path }: Credentials): Promise<AuthResult> {
    const retryAfterMs = this.#attempts.waitMs({ address }, Date.now())
    const mustWait = retryAfterMs > 0
    if (mustWait && !this.#attempts.wasRight(hash)) return { ...LIMITED, retryAfterMs }
    try {
      const identity = await this.#tokens.verify(token)
      this.#attempts.succeeded(hash)
      return { ok: true, identity }
    } catch (error) {
      const tell = (reason: string): void => this.#settings.onFailure({ address, path, reason })
      if (error instanceof ProviderUnavailable) {
        // Nobody knows yet whether the token is good.
        return { ...UNAVAILABLE, onRefused: () => tell(causesOf(error)) }
      }
      if (!(error instanceof TokenRefused)) throw error
      this.#attempts.forget(hash)
      if (mustWait) return { ...LIMITED, retryAfterMs }
      const onRefused = (isUndecided?: boolean): void => {
        tell(causesOf(error))
        if (isUndecided === true) return
        if (this.#attempts.count({ address }, Date.now())) tell('too many attempts')
      }
      return { ...REFUSED, onRefused }
    }
  }

  /** The provider says that somebody has gone: their sessions end, and the sockets that they and their tokens have opened. */
  #logout({ subject, sid }: Logout): void {
    const ended = this.#sessions.endAll(
      (session) =>
        (subject === undefined || session.subject === subject) &&
        (sid === undefined || session.sid === sid),
    )
    for (const session of ended) this.#revoke(session)
    const gone = new Set<Identity>()
    this.#tokens.forget((identity) => {
      const isMeant =
        sid === undefined ? identity.claims?.sub === subject : identity.claims?.sid === sid
      if (isMeant) gone.add(identity)
      return isMeant
    })
    for (const { name, credential } of gone) this.#tell(name, credential)
    // Sockets may have been opened long ago, with tokens that are not remembered any more.
    const name = subject === undefined ? undefined : this.#tokens.nameOf(subject)
    if (name !== undefined) this.#tell(name, sid)
  }

  #revoke({ identity }: Session): void {
    this.#tell(identity.name, identity.credential)
    this.#tellSession({ action: 'logout', identity })
  }

  #tellSession(event: SessionEvent): void {
    for (const listener of this.#sessionListeners) listener(event)
  }

  #tell(name: string, credential: string | undefined): void {
    for (const listener of this.#listeners) listener(name, credential)
  }
}

const REFUSED = { ok: false, code: 'UNAUTHORIZED', detail: 'unauthorized' } as const

const LIMITED = {
  ok: false,
  code: 'TOO_MANY_REQUESTS',
  detail: 'too many failed attempts: try again later',
} as const

const UNAVAILABLE = {
  ok: false,
  code: 'AUTH_UNAVAILABLE',
  detail: 'the provider of identities cannot be asked now: try again later',
  retryAfterMs: 1_000,
} as const

function causesOf(error: Error): string {
  return error.cause instanceof Error && error.cause.message !== error.message
    ? `${error.message}: ${error.cause.message}`
    : error.message
}
