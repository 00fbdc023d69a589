export { OidcError, type OidcErrorCode } from './errors.js'
export { oidc } from './oidc.js'
export type { FailedToken, OidcLoginOptions, OidcOptions, ScopeLike } from './options.js'
