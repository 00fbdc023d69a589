export { type ApiKeyOptions, apiKey } from './api-key.js'
export { ApiKeyError, type ApiKeyErrorCode } from './errors.js'
export { type GeneratedKey, generateKey, isMistypedKey, keyId } from './key-format.js'
