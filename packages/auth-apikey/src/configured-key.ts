import { isScope, type Scope } from '@gw/protocol'
import { ApiKeyError } from './errors.js'
import { keyId } from './key-format.js'
import { hashKey, type StoredKey } from './key-store.js'

/** A key of the configuration. */
export interface NamedKey {
  /** Whose key it is: modules and logs see this name. */
  readonly name: string
  readonly key: string
  /** What it may do. @defaultValue everything */
  readonly scopes?: readonly Scope[]
  readonly expiresAt?: Date
}

/** @throws ApiKeyError `INVALID_KEY`, `INVALID_SCOPE` */
export function configuredKey(named: NamedKey, index: number): StoredKey {
  if (typeof named !== 'object' || named === null) {
    throw new ApiKeyError(
      'INVALID_KEY',
      `keys[${index}] is ${named === null ? 'null' : typeof named}: give { name, key }`,
    )
  }
  const { name, key, scopes, expiresAt } = named
  check(key, name)
  if (scopes !== undefined && !scopes.every(isScope)) {
    throw new ApiKeyError(
      'INVALID_SCOPE',
      `a scope of the key ${name} is none: { operations: ['read'], channels: ['orders*'] } is one`,
    )
  }
  return {
    id: keyId(key) ?? `key-${index + 1}`,
    name,
    hash: hashKey(key),
    createdAt: new Date().toISOString(),
    ...(scopes === undefined ? {} : { scopes }),
    ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.toISOString() }),
  }
}

function check(key: string | null, name: string): void {
  if (typeof key !== 'string' || key.trim() === '') {
    throw new ApiKeyError(
      'INVALID_KEY',
      `the key ${name} is null or empty, which would let everybody in: set one, or leave it out to have one made`,
    )
  }
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new ApiKeyError(
      'INVALID_KEY',
      `the key ${name} holds spaces or characters beyond ASCII, which a header cannot carry: choose another`,
    )
  }
}
