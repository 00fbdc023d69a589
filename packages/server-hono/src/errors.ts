import type { ErrorCode, FieldError } from '@gw/protocol'

/** Why a server cannot be started, or a request is refused; the latter carry the wire's codes. */
export type WebServerErrorCode =
  | ErrorCode
  | 'INVALID_OPTION'
  | 'ADDRESS_IN_USE'
  | 'ADDRESS_UNAVAILABLE'
  | 'SOCKET_PATH_TAKEN'

/** What a refusal says beyond its code and sentence. */
export interface RefusalDetails {
  /** The `detail` of the answer, where it is not the sentence. */
  readonly detail?: unknown
  readonly errors?: readonly FieldError[]
  readonly headers?: Readonly<Record<string, string>>
  /** Status of the answer, where it is not the code's own. */
  readonly status?: number
  readonly cause?: unknown
}

/** The error of this package: a server that cannot start, or a request that is refused. */
export class WebServerError extends Error {
  override readonly name = 'WebServerError'
  readonly code: WebServerErrorCode
  readonly details: RefusalDetails

  constructor(code: WebServerErrorCode, message: string, details: RefusalDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.details = details
  }
}
