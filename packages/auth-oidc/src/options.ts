import { type FailureLimits, parseScope, type Scope, stepsOf } from '@gw/protocol'
import { OidcError } from './errors.js'

/** A scope, or the text that spells it: `read`, `read,send:orders*`, `read:prices:AAPL`. */
export type ScopeLike = string | Scope

/** A failed attempt, without the token. */
export interface FailedToken {
  readonly address: string
  readonly path: string
  /** What is wrong with the token, or with the provider. */
  readonly reason: string
}

/** How people log in with their browsers. */
export interface OidcLoginOptions {
  readonly clientId: string
  /** Absent for a public client, which PKCE alone protects. */
  readonly clientSecret?: string
  /** What is asked of the provider. @defaultValue 'openid profile' */
  readonly scope?: string
  /** Where browsers reach the gateway, when that is not what requests say: `https://gateway.example`. */
  readonly publicUrl?: string
  /** What the login page says. @defaultValue the host of the issuer */
  readonly label?: string
  /** How long a session lasts. @defaultValue 12 hours */
  readonly sessionSeconds?: number
}

/** Options of `oidc`. */
export interface OidcOptions {
  /** URL of the provider, as tokens name it in `iss`; https, or http on loopback. */
  readonly issuer: string
  /** Who access tokens must be for: `aud`. */
  readonly audience: string | readonly string[]
  /** What the members of groups may do. */
  readonly groups?: { readonly [group: string]: readonly ScopeLike[] }
  /** The path of the claim that holds the groups: `realm_access.roles`; a dot of a name has a `\` in front. @defaultValue 'groups' */
  readonly groupsClaim?: string
  /** Values of the claim `scope` that begin so are scopes: `gw:read:orders*`. @defaultValue 'gw:' */
  readonly scopePrefix?: string
  /** What everybody may do whom the provider knows. @defaultValue nothing */
  readonly everybody?: readonly ScopeLike[]
  /** The claim that names the identity, for logs and modules. @defaultValue 'sub' */
  readonly nameClaim?: string
  /** Clocks may differ by so much. @defaultValue 60 */
  readonly clockToleranceSeconds?: number
  /** Answers of the provider may take so long. @defaultValue 5_000 */
  readonly timeoutMs?: number
  /** Lets people log in with their browsers: authorization code flow with PKCE. @defaultValue tokens only */
  readonly login?: OidcLoginOptions
  /** Bounds of failed attempts, by address. @defaultValue 60 wrong tokens a minute */
  readonly failures?: FailureLimits
  /** Hears of failed attempts. @defaultValue a line on standard error, at most 60 a minute */
  readonly onFailure?: (attempt: FailedToken) => void
}

/** The options with every default filled in. */
export interface OidcSettings {
  readonly issuer: URL
  readonly audience: string[]
  readonly groups: ReadonlyMap<string, readonly Scope[]>
  readonly groupsClaim: readonly string[]
  readonly scopePrefix: string
  readonly everybody: readonly Scope[]
  readonly nameClaim: string
  readonly clockToleranceSeconds: number
  readonly timeoutMs: number
  readonly login: OidcLoginOptions | undefined
  readonly failures: FailureLimits | undefined
  readonly onFailure: (attempt: FailedToken) => void
}

/**
 * Fills in the defaults and checks every option.
 * @throws OidcError `INVALID_OPTION`, `INVALID_SCOPE`
 */
export function settingsOf(options: OidcOptions): OidcSettings {
  const { groups = {}, login } = options
  const audience = [options.audience].flat() as string[]
  const settings: OidcSettings = {
    issuer: issuerOf(options.issuer),
    audience,
    groups: new Map(Object.entries(groups).map(([group, scopes]) => [group, scopes.map(scopeOf)])),
    groupsClaim: stepsOf(options.groupsClaim ?? 'groups'),
    scopePrefix: options.scopePrefix ?? 'gw:',
    everybody: (options.everybody ?? []).map(scopeOf),
    nameClaim: options.nameClaim ?? 'sub',
    clockToleranceSeconds: options.clockToleranceSeconds ?? 60,
    timeoutMs: options.timeoutMs ?? 5_000,
    login,
    failures: options.failures,
    onFailure: options.onFailure ?? failureLog(),
  }
  if (audience.length === 0 || !audience.every(isText)) {
    throw invalid('audience', 'is empty, which would take tokens that are for others: name yours')
  }
  if (login !== undefined && !isText(login.clientId)) throw invalid('login.clientId', 'is empty')
  if (login?.clientSecret !== undefined && !isText(login.clientSecret)) {
    throw invalid('login.clientSecret', 'is empty: leave it out for a public client')
  }
  if (!(settings.timeoutMs > 0)) throw invalid('timeoutMs', 'is above 0')
  if (!(settings.clockToleranceSeconds >= 0)) throw invalid('clockToleranceSeconds', 'is 0 or more')
  return settings
}

function issuerOf(issuer: string): URL {
  let url: URL
  try {
    url = new URL(issuer)
  } catch (cause) {
    throw invalid('issuer', `is a URL, not ${JSON.stringify(issuer)}`, cause)
  }
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url))) return url
  throw invalid('issuer', 'is https, or http on loopback: over plain http anybody could be it')
}

/** Whether a URL leads to this machine. */
export function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}

function scopeOf(scope: ScopeLike): Scope {
  const parsed = typeof scope === 'string' ? parseScope(scope) : scope
  if (parsed !== undefined) return parsed
  throw new OidcError(
    'INVALID_SCOPE',
    `"${scope}" is no scope: write OPERATIONS[:CHANNELS[:KEYS]], such as read,send:orders*`,
  )
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== ''
}

function invalid(name: string, rule: string, cause?: unknown): OidcError {
  return new OidcError('INVALID_OPTION', `oidc: the option ${name} ${rule}`, { cause })
}

/** Lines a minute at most: whoever comes with bad tokens without end does not fill the log. */
const MAX_LINES = 60

function failureLog(): (attempt: FailedToken) => void {
  let minute = 0
  let count = 0
  return ({ address, path, reason }) => {
    const now = Math.floor(Date.now() / 60_000)
    if (now !== minute) {
      if (count > MAX_LINES) console.error(`oidc: refused ${count - MAX_LINES} more in a minute`)
      minute = now
      count = 0
    }
    if (++count > MAX_LINES) return
    console.error(`oidc: refused a token from ${address} for ${path}: ${reason}`)
  }
}
