import { randomBytes } from 'node:crypto'
import { type AuthPage, type FailedAttempts, type Identity, pathOf } from '@gw/protocol'
import {
  AuthorizationResponseError,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientError,
  type Configuration,
  calculatePKCECodeChallenge,
  fetchUserInfo,
  ResponseBodyError,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  WWWAuthenticateChallengeError,
} from 'openid-client'
import { type Claims, identityOf } from './claims.js'
import { type CookieSettings, cookieOf, cookieText } from './cookies.js'
import type { OidcLoginOptions, OidcSettings } from './options.js'
import type { Provider } from './provider.js'
import type { Sessions } from './sessions.js'

/** Where a login begins: the login page links here. */
export const LOGIN_PATH: string = pathOf('auth', 'oidc', 'login')
/** Where the provider sends browsers back to: it has to be registered there. */
const CALLBACK_PATH: string = pathOf('auth', 'oidc', 'callback')
/** Name of the session's cookie. */
export const SESSION_COOKIE = 'gw_session'

const PENDING_COOKIE = 'gw_login'
const PENDING_SECONDS = 600
const MAX_PENDING = 10_000
const TWELVE_HOURS = 43_200

interface PendingLogin {
  readonly codeVerifier: string
  readonly state: string
  readonly nonce: string
  readonly next: string
  readonly endsAtMs: number
}

/**
 * The authorization code flow with PKCE (RFC 7636) of OpenID Connect Core 1.0, section 3.1: the browser is sent to the
 * provider, comes back with a code, and gets the cookie of a session.
 */
export class Login {
  readonly pages: readonly AuthPage[]
  readonly #settings: OidcSettings
  readonly #options: OidcLoginOptions
  readonly #provider: Provider
  readonly #sessions: Sessions
  readonly #attempts: FailedAttempts
  readonly #logout: (cookie: string) => void
  readonly #onLogin: (identity: Identity) => void
  readonly #pending = new Map<string, PendingLogin>()

  constructor(
    settings: OidcSettings,
    options: OidcLoginOptions,
    provider: Provider,
    sessions: Sessions,
    attempts: FailedAttempts,
    logout: (cookie: string) => void,
    onLogin: (identity: Identity) => void,
  ) {
    this.#settings = settings
    this.#options = options
    this.#provider = provider
    this.#sessions = sessions
    this.#attempts = attempts
    this.#logout = logout
    this.#onLogin = onLogin
    this.pages = [
      {
        method: 'GET',
        path: LOGIN_PATH,
        handle: (request, address) => this.#guarded(address, () => this.#begin(request)),
      },
      {
        method: 'GET',
        path: CALLBACK_PATH,
        handle: (request, address) => this.#guarded(address, () => this.#finish(request)),
      },
    ]
  }

  async #begin(request: Request): Promise<Response> {
    const { configuration } = await this.#provider.find()
    const pending: PendingLogin = {
      codeVerifier: randomPKCECodeVerifier(),
      state: randomState(),
      nonce: randomNonce(),
      next: localPath(new URL(request.url).searchParams.get('next')),
      endsAtMs: Date.now() + PENDING_SECONDS * 1_000,
    }
    const id = this.#keep(pending)
    const url = buildAuthorizationUrl(configuration, {
      redirect_uri: this.#urlOf(request, CALLBACK_PATH).href,
      scope: this.#options.scope ?? 'openid profile',
      code_challenge: await calculatePKCECodeChallenge(pending.codeVerifier),
      code_challenge_method: 'S256',
      state: pending.state,
      nonce: pending.nonce,
    })
    return redirect(url.href, [
      this.#cookie(request, {
        name: PENDING_COOKIE,
        value: id,
        path: CALLBACK_PATH,
        maxAgeSeconds: PENDING_SECONDS,
      }),
    ])
  }

  async #finish(request: Request): Promise<Response> {
    const pending = this.#take(cookieOf(request, PENDING_COOKIE))
    if (pending === undefined) throw new NotBegun('a login that was not begun here')
    const { configuration } = await this.#provider.find()
    const back = this.#urlOf(request, CALLBACK_PATH)
    back.search = new URL(request.url).search
    const tokens = await authorizationCodeGrant(configuration, back, {
      pkceCodeVerifier: pending.codeVerifier,
      expectedState: pending.state,
      expectedNonce: pending.nonce,
      idTokenExpected: true,
    })
    const idToken = tokens.claims() as Claims & { readonly sub: string }
    const info = await userInfo(configuration, tokens.access_token, idToken.sub)
    const maxAgeSeconds = this.#options.sessionSeconds ?? TWELVE_HOURS
    const sid = typeof idToken.sid === 'string' ? idToken.sid : undefined
    const identity = identityOf({ ...info, ...idToken }, this.#settings, {
      credential: randomBytes(9).toString('base64url'),
      expiresAtMs: Date.now() + maxAgeSeconds * 1_000,
    })
    // The new session is in place of the one that the browser may have had.
    const before = cookieOf(request, SESSION_COOKIE)
    if (before !== undefined) this.#logout(before)
    const value = this.#sessions.begin({ identity, subject: idToken.sub, sid })
    this.#onLogin(identity)
    return redirect(pending.next, [
      this.#cookie(request, { name: SESSION_COOKIE, value, maxAgeSeconds }),
      this.#cookie(request, {
        name: PENDING_COOKIE,
        value: '',
        path: CALLBACK_PATH,
        maxAgeSeconds: 0,
      }),
    ])
  }

  /** Says what went wrong in a page: whose fault it is, and no more. Whoever is at fault too often has to wait. */
  async #guarded(address: string, handle: () => Promise<Response>): Promise<Response> {
    const waitMs = this.#attempts.waitMs({ address }, Date.now())
    if (waitMs > 0) return tooMany(waitMs)
    try {
      return await handle()
    } catch (error) {
      const isRefusal =
        error instanceof NotBegun ||
        error instanceof AuthorizationResponseError ||
        error instanceof ResponseBodyError ||
        error instanceof WWWAuthenticateChallengeError ||
        error instanceof ClientError
      const reason = error instanceof Error ? error.message : String(error)
      this.#settings.onFailure({ address, path: CALLBACK_PATH, reason })
      if (!isRefusal || isNetwork(error)) {
        return page(503, 'Logging in is not possible now: try again later.', LOGIN_PATH)
      }
      this.#attempts.count({ address }, Date.now())
      return error instanceof NotBegun
        ? page(400, 'This login was not begun here, or took too long.', LOGIN_PATH)
        : page(403, 'The login was refused.', LOGIN_PATH)
    }
  }

  #keep(pending: PendingLogin): string {
    const id = randomBytes(32).toString('base64url')
    this.#pending.set(id, pending)
    if (this.#pending.size > MAX_PENDING) {
      this.#pending.delete(this.#pending.keys().next().value as string)
    }
    return id
  }

  #take(id: string | undefined): PendingLogin | undefined {
    const pending = id === undefined ? undefined : this.#pending.get(id)
    if (id !== undefined) this.#pending.delete(id)
    return pending !== undefined && pending.endsAtMs > Date.now() ? pending : undefined
  }

  #cookie(request: Request, cookie: CookieSettings): string {
    return cookieText(this.#urlOf(request, '/'), request, cookie)
  }

  #urlOf(request: Request, path: string): URL {
    return new URL(path, this.#options.publicUrl ?? request.url)
  }
}

/** The browser comes back from a login that nobody here has begun, or that took too long. */
class NotBegun extends Error {}

/** Providers may tell the groups here and not in the id token. */
async function userInfo(
  configuration: Configuration,
  accessToken: string,
  subject: string,
): Promise<Claims> {
  if (configuration.serverMetadata().userinfo_endpoint === undefined) return {}
  return fetchUserInfo(configuration, accessToken, subject)
}

/** The provider could not be reached, or took too long. */
function isNetwork(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown }
  return code === 'OAUTH_TIMEOUT' || code === 'OAUTH_ABORT'
}

/** Where to go after the login: a path of ours, so that nobody can be led elsewhere. */
function localPath(next: string | null): string {
  return next !== null && /^\/(?![/\\])[\x21-\x7e]*$/.test(next) ? next : '/'
}

function redirect(location: string, cookies: readonly string[]): Response {
  const headers = new Headers({ Location: location, 'Cache-Control': 'no-store' })
  for (const cookie of cookies) headers.append('Set-Cookie', cookie)
  return new Response(null, { status: 302, headers })
}

/** The answer to who has failed too often. */
export function tooMany(waitMs: number): Response {
  const response = page(429, 'Too many attempts failed: try again later.', LOGIN_PATH)
  response.headers.set('Retry-After', String(Math.ceil(waitMs / 1_000)))
  return response
}

function page(status: number, text: string, again: string): Response {
  return new Response(
    `<!doctype html>\n<meta charset="utf-8"><title>Log in</title>\n<p>${text} <a href="${again}">Log in</a></p>\n`,
    {
      status,
      headers: { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' },
    },
  )
}
