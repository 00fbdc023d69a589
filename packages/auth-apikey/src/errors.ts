/** Why a configuration of keys is refused. */
export type ApiKeyErrorCode =
  /** A key that is null, empty or could not be sent. */
  | 'INVALID_KEY'
  /** A scope that names no operation, or an operation that there is not. */
  | 'INVALID_SCOPE'
  /** The store is not there, cannot be read, or holds something else. */
  | 'INVALID_STORE'
  /** No key of that id. */
  | 'UNKNOWN_KEY'

/** The error of this package: it says what is wrong with a key or its store, and never holds a key. */
export class ApiKeyError extends Error {
  override readonly name = 'ApiKeyError'
  readonly code: ApiKeyErrorCode

  constructor(code: ApiKeyErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
