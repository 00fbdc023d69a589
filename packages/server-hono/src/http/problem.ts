import { STATUS_CODES } from 'node:http'
import { ChannelsError } from '@gw/channels'
import { ERROR_STATUS, type ErrorBody, type ErrorCode, type FieldError } from '@gw/protocol'
import { WebServerError } from '../errors.js'

/** A refusal as it goes out: status, body and headers of its own. */
export interface Problem {
  readonly status: number
  readonly body: ErrorBody
  readonly headers: Readonly<Record<string, string>>
  /** Whether it is our fault, so that it belongs into the log. */
  readonly fault: boolean
}

/** The refusal that an error stands for; what is not known to be the caller's fault tells the caller nothing. */
export function problemOf(error: unknown): Problem {
  if (error instanceof WebServerError && isWireCode(error.code)) {
    const { detail = error.message, errors, headers = {}, status } = error.details
    return problem(error.code, detail, errors, headers, status)
  }
  if (error instanceof ChannelsError && isWireCode(error.code)) {
    const errors = error.issues?.map(({ path, message }) => ({
      path: path as (string | number)[],
      message,
    }))
    return problem(error.code, detailOf(error), errors, retryHeaders(error.code))
  }
  return { ...problem('INTERNAL', 'Internal Server Error'), fault: true }
}

/** The body of a refusal. */
export function problem(
  code: ErrorCode,
  detail: unknown,
  errors?: readonly FieldError[],
  headers: Readonly<Record<string, string>> = {},
  status: number = ERROR_STATUS[code],
): Problem {
  const body: ErrorBody = {
    type: `urn:gw:error:${code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code,
    detail,
    ...(errors === undefined ? {} : { errors }),
    ...(status === 403 ? { status_code: 403 } : {}),
  }
  return { status, body, headers, fault: false }
}

/** Media type of a refusal: problem details for a client that names them, plain JSON for all others. */
export function problemType(accept: string | undefined): string {
  return accept?.includes('application/problem+json') === true
    ? 'application/problem+json'
    : 'application/json'
}

function isWireCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_STATUS, code)
}

/** The reference's clients show these texts, so they are the reference's. */
function detailOf(error: ChannelsError): string {
  switch (error.code) {
    case 'UNKNOWN_CHANNEL':
    case 'NO_STATE':
    case 'NO_STAGE':
      return 'Not Found'
    case 'NO_PROVIDER':
    case 'NOT_SENDABLE':
    case 'UNKNOWN_KEY':
      if (error.channel === undefined) return error.message
      return `Channel not found: ${error.channel}${error.key === undefined ? '' : `/${error.key}`}`
    default:
      return error.message
  }
}

function retryHeaders(code: ErrorCode): Record<string, string> {
  const isForNow = code === 'OVERLOADED' || code === 'NOT_RUNNING' || code === 'OWNER_AWAY'
  return isForNow ? { 'Retry-After': '1' } : {}
}
