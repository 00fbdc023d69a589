import type { ErrorCode } from './errors.js'

/** What an identity may do. */
export type Operation = 'read' | 'send' | 'stage' | 'control'

/** Permission for operations on the channels and keys that the patterns name; `*` matches any run of characters. */
export interface Scope {
  readonly operations: readonly Operation[]
  /** @defaultValue all channels */
  readonly channels?: readonly string[]
  /** @defaultValue all keys */
  readonly keys?: readonly string[]
}

/** Who asks. */
export interface Identity {
  /** Stable name of the key or user, fit for logs. */
  readonly name: string
  /** Which of several credentials of that name it came with; not the credential itself. */
  readonly credential?: string
  /** @defaultValue everything is allowed */
  readonly scopes?: readonly Scope[]
  /** Unix time in milliseconds after which it is no longer valid. */
  readonly expiresAtMs?: number
  /** Whatever else the authenticator knows: groups, tenant. */
  readonly claims?: Readonly<Record<string, unknown>>
}

/** What an authenticator sees of a request or of a WebSocket handshake. */
export interface Credentials {
  /** Value of a header, by lower-case name. */
  header(name: string): string | undefined
  /** Value of a query parameter of the URL. */
  query(name: string): string | undefined
  /** Value of a cookie. */
  cookie(name: string): string | undefined
  /** Address of the peer; `unix` on a UNIX socket. */
  readonly address: string
  readonly method: string
  /** Path of the URL, without the query. */
  readonly path: string
}

/** Outcome of a check: an identity, or a refusal with what the client is told. */
export type AuthResult =
  | {
      readonly ok: true
      readonly identity: Identity
      /**
       * A cookie let it in, which browsers send by themselves: pages that change something or open the stream have to be of
       * the server's own origin, or of one that it lists. @defaultValue false
       */
      readonly isByCookie?: boolean
    }
  | {
      readonly ok: false
      readonly code: ErrorCode
      readonly detail: string
      readonly retryAfterMs?: number
      /**
       * Called when no alternative lets the request in either: failed attempts are counted and logged then. `isUndecided` when one of
       * them could not say whether it would: then what may have been for that one is no failed attempt.
       */
      readonly onRefused?: (isUndecided?: boolean) => void
    }

/** Opens the stream once, as its query parameter `ticket`, where no header can be set: answer of `POST auth/ticket`. */
export interface SocketTicket {
  readonly ticket: string
  readonly expiresInSeconds: number
}

/** Somebody has begun or ended a session with a browser; the identity's credential names the session. */
export interface SessionEvent {
  readonly action: 'login' | 'logout'
  readonly identity: Identity
}

/** A page that everybody may open: what a login elsewhere needs. */
export interface AuthPage {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** `address` is that of the peer, by which failed attempts are limited. */
  handle(request: Request, address: string): Response | Promise<Response>
}

/**
 * Decides who a request comes from. Several may be alternatives: the first that says yes counts. One that throws or rejects
 * lets nobody in, and is answered 503 `AUTH_UNAVAILABLE` where no other says yes.
 */
export interface Authenticator {
  readonly name: string
  authenticate(credentials: Credentials): AuthResult | Promise<AuthResult>
  /** Query parameters that carry secrets, to be redacted in logs. */
  readonly secretQueryParameters?: readonly string[]
  /**
   * Calls `listener` when an identity is revoked, or one credential of it, so that its open sockets can be closed.
   * @returns what ends it.
   */
  onRevoked?(listener: (identityName: string, credential?: string) => void): () => void
  /**
   * Whether an identity that it has let in may stay; asked now and then of those with open sockets and requests that wait. For who cannot tell by
   * `onRevoked`; of identities that another has let in it says yes.
   */
  isStillGood?(identity: Identity): boolean | Promise<boolean>
  /** Lines for people to see at start, a generated key for example. Handed out once: whoever asks first prints them. */
  announce?(): readonly string[]
  /**
   * What a login page needs: turns a key that a person entered into a session cookie. `undefined` refuses it.
   * `address` is the person's, by which failed attempts are limited.
   */
  login?(
    key: string,
    address?: string,
  ): { readonly cookie: string; readonly maxAgeSeconds: number } | undefined
  /** Whether a key may stand in a URL, so that `login` is given those from there too. @defaultValue true */
  readonly allowsKeyInUrl?: boolean
  /** Calls `listener` when somebody has logged in or out. @returns what ends it. */
  onSession?(listener: (event: SessionEvent) => void): () => void
  /** Ends the session of a cookie, and tells {@link onRevoked} so. */
  logout?(cookie: string): void
  /** Name of the session cookie, where `login` is offered. */
  readonly cookieName?: string
  /** Pages of its own, which need no identity. */
  readonly pages?: readonly AuthPage[]
  /** What the login page links to, for a login elsewhere. */
  readonly loginLink?: { readonly path: string; readonly label: string }
}

/** What is done with a row. */
export type RowOperation = 'read' | 'send' | 'stage'

/** Where a row is, and what is to be done with it. */
export interface RowAccess {
  readonly operation: RowOperation
  readonly channel: string
  /** Of a basket. */
  readonly key?: string
}

/** Who a rule is asked for: what is the same for all credentials of one. */
export type RowIdentity = Pick<Identity, 'name' | 'scopes' | 'claims'>

/**
 * A rule of which rows an identity may see and send: of records, completed, and of the elements of lists. It is asked often,
 * so it is quick; only `true` lets a row pass.
 * @example `(identity, row) => row.owner === identity.name`
 */
export type AuthFilter = (
  identity: RowIdentity,
  // biome-ignore lint/suspicious/noExplicitAny: a rule is written for the rows of a contract, which is not known here
  row: any,
  access: RowAccess,
) => boolean

/** Whether an identity may do `operation` on a channel, and on a key of it. */
export function isAllowed(
  identity: Identity,
  operation: Operation,
  channel?: string,
  key?: string,
): boolean {
  if (identity.scopes === undefined) return true
  return identity.scopes.some(
    (scope) =>
      scope.operations.includes(operation) &&
      (channel === undefined || matches(scope.channels, channel)) &&
      (key === undefined || matches(scope.keys, key)),
  )
}

function matches(patterns: readonly string[] | undefined, name: string): boolean {
  return patterns === undefined || patterns.some((pattern) => matchesPattern(pattern, name))
}

/** Matches without backtracking: each piece between stars is found as early as possible. */
function matchesPattern(pattern: string, name: string): boolean {
  const pieces = pattern.split('*')
  const first = pieces[0] as string
  if (pieces.length === 1) return pattern === name
  const last = pieces[pieces.length - 1] as string
  if (!name.startsWith(first) || !name.endsWith(last)) return false
  let at = first.length
  const end = name.length - last.length
  if (at > end) return false
  for (const piece of pieces.slice(1, -1)) {
    const found = name.indexOf(piece, at)
    if (found === -1 || found + piece.length > end) return false
    at = found + piece.length
  }
  return true
}
