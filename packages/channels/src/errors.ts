import type { ErrorCode } from '@gw/protocol'

/** Why a contract, a wiring or a life cycle is refused, or a call from outside; the latter carry the wire's codes. */
export type ChannelsErrorCode =
  | ErrorCode
  | 'INVALID_CONTRACT'
  | 'WRONG_EDGE'
  | 'MISSING_PROVIDER'
  | 'UNKNOWN_MODULE'
  | 'MODULE_FAILED'
  | 'WIRING_CLOSED'
  | 'ALREADY_STARTED'

/** The error of this package. It names the channel and the module concerned and says what to do. */
export class ChannelsError extends Error {
  override readonly name = 'ChannelsError'
  readonly code: ChannelsErrorCode
  readonly channel: string | undefined
  readonly module: string | undefined

  constructor(
    code: ChannelsErrorCode,
    message: string,
    details: { readonly channel?: string; readonly module?: string; readonly cause?: unknown } = {},
  ) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.channel = details.channel
    this.module = details.module
  }
}
