/** Why a configuration is refused. */
export type OidcErrorCode =
  /** An option that is missing, empty or of no use. */
  | 'INVALID_OPTION'
  /** A text that spells no scope. */
  | 'INVALID_SCOPE'

/** The error of this package: it says what is wrong with the options, and never holds a secret. */
export class OidcError extends Error {
  override readonly name = 'OidcError'
  readonly code: OidcErrorCode

  constructor(code: OidcErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
