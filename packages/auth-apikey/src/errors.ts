/** Why a configuration of keys is refused. */
export type ApiKeyErrorCode = 'INVALID_KEY'

/** The error of this package: it says what is wrong with a key or its store, and never holds a key. */
export class ApiKeyError extends Error {
  override readonly name = 'ApiKeyError'
  readonly code: ApiKeyErrorCode

  constructor(code: ApiKeyErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
