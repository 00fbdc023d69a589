import type { ErrorCode, FieldError } from '@gw/protocol'
import type { z } from 'zod'

/**
 * Why a contract, a wiring or a life cycle is refused, or a call from outside; the latter carry the wire's codes.
 * Each is explained in `docs/errors.md` of the package.
 */
export type ChannelsErrorCode =
  | ErrorCode
  | 'INVALID_CONTRACT'
  | 'INVALID_OPTION'
  | 'WRONG_EDGE'
  | 'CONFLICTING_CHANNEL'
  | 'CONFLICTING_STATE'
  | 'MISSING_PROVIDER'
  | 'READ_ONLY'
  | 'UNKNOWN_MODULE'
  | 'MODULE_FAILED'
  | 'MODULE_TIMEOUT'
  | 'WIRING_CLOSED'
  | 'ALREADY_STARTED'
  | 'SPINNING'
  | 'NOT_JSON'
  | 'MISSING_PACKAGE'

/** What a {@link ChannelsError} knows beside its message. */
export interface ChannelsErrorDetails {
  readonly channel?: string
  readonly key?: string
  readonly module?: string
  /** What is wrong with a record, field by field. */
  readonly errors?: readonly FieldError[]
  /** The same as zod reports it. */
  readonly issues?: readonly z.core.$ZodIssue[]
  readonly cause?: unknown
}

/** The error of this package. It names the channel and the module concerned and says what to do. */
export class ChannelsError extends Error {
  override readonly name = 'ChannelsError'
  readonly code: ChannelsErrorCode
  readonly channel: string | undefined
  readonly key: string | undefined
  readonly module: string | undefined
  readonly errors: readonly FieldError[] | undefined
  readonly issues: readonly z.core.$ZodIssue[] | undefined

  constructor(code: ChannelsErrorCode, message: string, details: ChannelsErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.channel = details.channel
    this.key = details.key
    this.module = details.module
    this.errors = details.errors
    this.issues = details.issues
  }

  /** @internal The same error as that of a module. */
  of(module: string): ChannelsError {
    const { channel, key, errors, issues } = this
    return new ChannelsError(this.code, `module "${module}": ${this.message}`, {
      module,
      cause: this,
      ...(channel === undefined ? {} : { channel }),
      ...(key === undefined ? {} : { key }),
      ...(errors === undefined ? {} : { errors }),
      ...(issues === undefined ? {} : { issues }),
    })
  }
}
