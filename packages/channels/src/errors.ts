import type { ErrorCode, FieldError } from '@gw/protocol'
import type { z } from 'zod'

/** Codes of mistakes in declaring, wiring and running; those of the wire come on top. */
export const GATEWAY_ERRORS = [
  'INVALID_CONTRACT',
  'INVALID_OPTION',
  'UNKNOWN_MODULE',
  'CONFLICTING_CHANNEL',
  'CONFLICTING_STATE',
  'WRONG_EDGE',
  'MISSING_PROVIDER',
  'READ_ONLY',
  'WIRING_CLOSED',
  'MODULE_FAILED',
  'MODULE_TIMEOUT',
  'MISSING_PACKAGE',
  'ALREADY_STARTED',
  'SPINNING',
  'NOT_JSON',
] as const

/**
 * Why a contract, a wiring or a life cycle is refused, or a call from outside; the latter carry the wire's codes.
 * The repository's `docs/errors.md` says of each when it comes and what to do.
 */
export type ChannelsErrorCode = ErrorCode | (typeof GATEWAY_ERRORS)[number]

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
    // By its constructor: a bundler renames a class that names itself, and every stack would show that.
    const Itself = this.constructor as typeof ChannelsError
    return new Itself(this.code, `module "${module}": ${this.message}`, {
      module,
      cause: this,
      ...(channel === undefined ? {} : { channel }),
      ...(key === undefined ? {} : { key }),
      ...(errors === undefined ? {} : { errors }),
      ...(issues === undefined ? {} : { issues }),
    })
  }
}
