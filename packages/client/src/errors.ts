import type { ErrorCode, FieldError } from '@gw/protocol'

/** Code of an error of this client: the wire's codes, and those that arise on this side of it. */
export type GatewayClientErrorCode =
  | ErrorCode
  /** No connection, or it broke before the answer came. */
  | 'CONNECTION_FAILED'
  /** The answer did not come within `timeoutMs`. */
  | 'TIMEOUT'
  /** The caller's signal was aborted; its reason is the `cause`. */
  | 'ABORTED'
  /** The client was closed. */
  | 'CLOSED'
  /** The reader of a subscription was too slow, and asked for an error in that case. */
  | 'SLOW'
  /** What answered does not speak the protocol. */
  | 'INVALID_ANSWER'

/** What was asked when an error came. */
export interface RequestInfo {
  /** A method of HTTP, or an action on the socket. */
  readonly action: string
  /** Path below the URL of the gateway, or channel and key on the socket. */
  readonly target: string
}

/** What is known of an error beside its message. */
export interface GatewayClientErrorDetails {
  readonly status?: number | undefined
  readonly detail?: unknown
  readonly errors?: readonly FieldError[] | undefined
  readonly retryAfterMs?: number | undefined
  readonly request?: RequestInfo | undefined
  readonly cause?: unknown
}

/** Codes of errors about a record that was sent, or, with `INVALID_ANSWER`, of one that came. */
type RecordErrorCode = 'INVALID_RECORD' | 'INVALID_ANSWER'

/** Codes of refusals that pass. */
type PassingErrorCode =
  | 'NOT_RUNNING'
  | 'OVERLOADED'
  | 'AUTH_UNAVAILABLE'
  | 'TOO_MANY_REQUESTS'
  | 'UNAUTHORIZED'
  | 'CONNECTION_FAILED'

class ErrorOf<Code extends GatewayClientErrorCode> extends Error {
  override readonly name = 'GatewayClientError'
  declare readonly code: Code
  /** HTTP status of the answer, where there was one. */
  declare readonly status: number | undefined
  /** What the server said, as it said it. */
  declare readonly detail: unknown
  /** What is wrong with a record, field by field. */
  declare readonly errors: Code extends RecordErrorCode ? readonly FieldError[] : undefined
  /** How long to wait before another try, where the server said so. */
  declare readonly retryAfterMs: Code extends PassingErrorCode ? number | undefined : undefined
  declare readonly request: RequestInfo | undefined

  constructor(code: Code, message: string, details: GatewayClientErrorDetails = {}) {
    const { request } = details
    // Of the details it takes the cause.
    super(request ? `${request.action} ${request.target}: ${message}` : message, details)
    this.code = code
    this.status = details.status
    this.detail = details.detail
    const isOfRecord = code === 'INVALID_RECORD' || code === 'INVALID_ANSWER'
    this.errors = (isOfRecord ? (details.errors ?? []) : undefined) as typeof this.errors
    this.retryAfterMs = details.retryAfterMs as typeof this.retryAfterMs
    this.request = request
  }

  /** Whether the error has this code; narrows its details, as comparing `code` does. */
  is<C extends GatewayClientErrorCode>(code: C): this is ErrorOf<C> {
    return (this.code as GatewayClientErrorCode) === code
  }
}

/**
 * The error of this package, for refusals of the server and failures on the way alike. A union over its codes, so that a
 * `switch` on `code` narrows the details.
 * @example
 * ```ts
 * if (error instanceof GatewayClientError && error.code === 'INVALID_RECORD') show(error.errors)
 * ```
 */
export type GatewayClientError<Code extends GatewayClientErrorCode = GatewayClientErrorCode> =
  Code extends GatewayClientErrorCode ? ErrorOf<Code> : never

/** See the type of this name. */
export const GatewayClientError: {
  new <Code extends GatewayClientErrorCode>(
    code: Code,
    message: string,
    details?: GatewayClientErrorDetails,
  ): GatewayClientError<Code>
  readonly prototype: GatewayClientError
} = ErrorOf as never

/** The text of a server's `detail`, which is a sentence, or a list in the form of the reference. */
export function messageOf(detail: unknown, errors?: readonly FieldError[]): string {
  if (typeof detail === 'string') return detail
  const problems = errors?.map(({ path, message }) => [...path, message].join(': '))
  return problems?.join('; ') || JSON.stringify(detail) || 'refused'
}

/** The error of calls on a client that is closed. */
export function closedError(request?: RequestInfo): GatewayClientError {
  return new GatewayClientError('CLOSED', 'the client was closed', { request })
}
