import { createHash } from 'node:crypto'
import type { Scope } from '@gw/protocol'

/** A key as it is kept: everything but the key. Times are ISO 8601. */
export interface StoredKey {
  /** The part of the key that may be shown: it stands in the key, in logs and in commands. */
  readonly id: string
  /** Whose key it is: the name of the identity. Several keys may share it, for example while one replaces another. */
  readonly name: string
  /** SHA-256 of the key, in hexadecimal. */
  readonly hash: string
  /** What it may do. @defaultValue everything */
  readonly scopes?: readonly Scope[]
  readonly createdAt: string
  /** Before it the key is refused. */
  readonly notBefore?: string
  /** From then on the key is refused. */
  readonly expiresAt?: string
  /** Since then the key is refused. */
  readonly revokedAt?: string
}

/** Where keys are kept: a file (`fileStore`), or anything else that can tell the present ones. */
export interface KeyStore {
  /** All keys as they are now, revoked ones too. */
  keys(): readonly StoredKey[]
  /** Calls `listener` after each change. @returns what ends it */
  onChange?(listener: () => void): () => void
}

/** The hash by which a key is kept. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}
