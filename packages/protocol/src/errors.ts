/** HTTP status of each error code of the wire. The codes are stable; the texts beside them may change. */
export const ERROR_STATUS = {
  BAD_REQUEST: 400,
  INVALID_QUERY: 400,
  STAGING_MISUSE: 400,
  UNAUTHORIZED: 403,
  FORBIDDEN: 403,
  ORIGIN_REFUSED: 403,
  NOT_FOUND: 404,
  UNKNOWN_CHANNEL: 404,
  NO_PROVIDER: 404,
  UNKNOWN_KEY: 404,
  UNKNOWN_ID: 404,
  NOT_SENDABLE: 404,
  NO_STATE: 404,
  NO_STAGE: 404,
  METHOD_NOT_ALLOWED: 405,
  NOT_ACCEPTABLE: 406,
  REQUEST_TIMEOUT: 408,
  POSITION_MISMATCH: 409,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  INVALID_JSON: 422,
  INVALID_RECORD: 422,
  TOO_MANY_REQUESTS: 429,
  TOO_MANY_SUBSCRIPTIONS: 429,
  INTERNAL: 500,
  NOT_RUNNING: 503,
  AUTH_UNAVAILABLE: 503,
  OVERLOADED: 503,
  OWNER_AWAY: 503,
  NEXT_TIMEOUT: 504,
  POSITION_TIMEOUT: 504,
} as const

/** Code of a refusal on the wire: over REST, SSE and WebSocket alike. */
export type ErrorCode = keyof typeof ERROR_STATUS

/** One thing that is wrong with a record: where, and why. */
export interface FieldError {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/** Body of a refusal: problem details (RFC 9457) with our `code`, in a form that the reference's clients understand. */
export interface ErrorBody {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ErrorCode
  /** A sentence; of a 422, the list of what is wrong in the form of the reference. */
  readonly detail: unknown
  readonly errors?: readonly FieldError[]
  readonly status_code?: number
}

/**
 * Codes with which the server closes a WebSocket; below 4400 a client comes back, from 4400 on it stays away, unless, after 4401,
 * it has a new key.
 */
export const CLOSE_CODE = {
  GOING_AWAY: 1001,
  INVALID_UTF8: 1007,
  MESSAGE_TOO_LARGE: 1009,
  SLOW: 4000,
  POSITION_LOST: 4001,
  PROTOCOL_MISUSED: 4400,
  KEY_EXPIRED: 4401,
  REFUSED: 4403,
  LIMIT_REACHED: 4429,
} as const

/** Whether a client should connect again after the server closed with `code`. */
export function shouldReconnect(code: number): boolean {
  return code < 4400 || code === CLOSE_CODE.LIMIT_REACHED
}
