import {
  type AuthResult,
  type Credentials,
  type Identity,
  isAllowed,
  type Operation,
} from '@gw/protocol'
import { WebServerError } from '../errors.js'
import type { Settings } from '../options.js'
import type { Service } from '../service.js'
import { isOriginAllowed } from './origin.js'

/** Who comes in where no authenticator is set. */
const EVERYBODY: Identity = { name: 'anonymous' }
const EVERYBODY_OK: AuthResult = { ok: true, identity: EVERYBODY }

/** Reads the parts of a request that credentials may be in, each only when it is asked for. */
export class RequestCredentials implements Credentials {
  readonly address: string
  readonly method: string
  readonly path: string
  readonly #search: string
  readonly #header: (name: string) => string | undefined
  #query: URLSearchParams | undefined

  /** `target` is the path with its query, as in the first line of a request. */
  constructor(
    method: string,
    target: string,
    address: string,
    header: (name: string) => string | undefined,
  ) {
    const mark = target.indexOf('?')
    this.method = method
    this.path = mark === -1 ? target : target.slice(0, mark)
    this.#search = mark === -1 ? '' : target.slice(mark + 1)
    this.address = address
    this.#header = header
  }

  header(name: string): string | undefined {
    return this.#header(name)
  }

  query(name: string): string | undefined {
    if (this.#search === '') return undefined
    this.#query ??= new URLSearchParams(this.#search)
    return this.#query.get(name) ?? undefined
  }

  cookie(name: string): string | undefined {
    return cookieOf(this.#header('cookie'), name)
  }
}

/** Value of a cookie in the text of a `Cookie` header. */
function cookieOf(text: string | undefined, name: string): string | undefined {
  if (text === undefined) return undefined
  for (const pair of text.split(';')) {
    const equals = pair.indexOf('=')
    if (equals === -1 || pair.slice(0, equals).trim() !== name) continue
    const value = pair.slice(equals + 1).trim()
    try {
      return decodeURIComponent(value)
    } catch {
      return value
    }
  }
  return undefined
}

/** Whom to ask, which pages may, and where to tell that somebody could not answer. */
type Asked = Pick<Settings, 'authenticators' | 'origins' | 'cors' | 'log'>

type Refusal = AuthResult & { readonly ok: false }

const NO_ORIGIN: Refusal = {
  ok: false,
  code: 'ORIGIN_REFUSED',
  detail:
    'with a cookie this is for pages of this origin, or of those in the option origins, which browsers name in the header Origin; programs send a key',
}

const UNAVAILABLE: Refusal = {
  ok: false,
  code: 'AUTH_UNAVAILABLE',
  detail: 'who you are cannot be found out now: try again later',
  retryAfterMs: 1_000,
}

/**
 * Asks the authenticators in turn: the first that says yes counts. When none does, the first refusal that says more than
 * no is told. Synchronous where they are.
 */
export function authenticate(
  asked: Asked,
  credentials: Credentials,
): AuthResult | Promise<AuthResult> {
  if (asked.authenticators.length === 0) return EVERYBODY_OK
  return ask(asked, credentials, [])
}

function ask(
  asked: Asked,
  credentials: Credentials,
  refusals: readonly Refusal[],
): AuthResult | Promise<AuthResult> {
  const authenticator = asked.authenticators[refusals.length]
  if (authenticator === undefined) return refused(refusals)
  const next = (result: AuthResult): AuthResult | Promise<AuthResult> =>
    result.ok
      ? fromPage(asked, credentials, result)
      : ask(asked, credentials, [...refusals, result])
  const failed = (error: unknown): AuthResult | Promise<AuthResult> => {
    asked.log.error({ err: error }, `the authenticator ${authenticator.name} failed`)
    return next(UNAVAILABLE)
  }
  let result: AuthResult | Promise<AuthResult>
  try {
    result = authenticator.authenticate(credentials)
  } catch (error) {
    return failed(error)
  }
  return result instanceof Promise ? result.then(next, failed) : next(result)
}

/** Lets in by a cookie only what a page of the right origin asks; reading alone is harmless, since the answer stays unread. */
function fromPage(asked: Asked, credentials: Credentials, result: AuthResult): AuthResult {
  if (!result.ok || result.isByCookie !== true) return result
  const isRead = credentials.method === 'GET' || credentials.method === 'HEAD'
  if (isRead && credentials.header('upgrade') === undefined) return result
  const origin = credentials.header('origin')
  const isOurs = origin !== undefined && isOriginAllowed(asked, origin, credentials.header('host'))
  return isOurs ? result : NO_ORIGIN
}

function refused(refusals: readonly Refusal[]): AuthResult {
  const isUndecided = refusals.some(({ code }) => code === 'AUTH_UNAVAILABLE')
  for (const { onRefused } of refusals) onRefused?.(isUndecided)
  return refusals.find(({ code }) => code !== 'UNAUTHORIZED') ?? (refusals[0] as Refusal)
}

/**
 * The identity of a positive outcome.
 * @throws WebServerError with the code of the refusal.
 */
export function admitted(result: AuthResult): Identity {
  if (result.ok) return result.identity
  throw new WebServerError(result.code, result.detail, {
    headers:
      result.retryAfterMs === undefined
        ? {}
        : { 'Retry-After': String(Math.ceil(result.retryAfterMs / 1_000)) },
  })
}

/** Whether a revocation of all of a name, or of one credential of it, ends this identity. */
export function isRevokedBy(
  identity: Identity,
  name: string,
  credential: string | undefined,
): boolean {
  return identity.name === name && (credential === undefined || identity.credential === credential)
}

/** @throws WebServerError `FORBIDDEN` when the scopes of `identity` do not hold the operation. */
export function requireScope(
  identity: Identity,
  operation: Operation,
  channel?: string,
  key?: string,
): void {
  if (isAllowed(identity, operation, channel, key)) return
  const where = channel === undefined ? '' : ` on ${channel}${key === undefined ? '' : `/${key}`}`
  throw new WebServerError('FORBIDDEN', `not allowed: ${operation}${where}`)
}

/**
 * Whether `identity` may send; to the channel of the controls that is asking the gateway itself.
 * @throws WebServerError `FORBIDDEN`
 */
export function requireSend(
  { controls }: Pick<Service, 'controls'>,
  identity: Identity,
  channel: string,
  key?: string,
): void {
  requireScope(identity, 'send', channel, key)
  if (channel === controls?.channel) requireScope(identity, 'control', channel)
}
