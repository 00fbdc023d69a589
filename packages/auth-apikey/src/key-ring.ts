import { timingSafeEqual } from 'node:crypto'
import type { Identity } from '@gw/protocol'
import { isKeyId } from './key-format.js'
import type { StoredKey } from './key-store.js'

/** Why a key is refused: for the log; whoever asks is told nothing of it. */
export type RefusalReason = 'unknown' | 'revoked' | 'expired' | 'not yet valid'

/** Outcome of looking at a key. */
export type KeyCheck =
  | { readonly key: StoredKey; readonly identity: Identity; readonly reason?: undefined }
  | { readonly key?: undefined; readonly identity?: undefined; readonly reason: RefusalReason }

/** Keys, found in a time that tells nothing about them. */
export class KeyRing {
  readonly #byId = new Map<string, Entry>()
  /** Keys that people chose themselves, in which no id stands. */
  readonly #chosen: Entry[] = []

  /** Of two keys of one id the first counts. */
  constructor(keys: readonly StoredKey[]) {
    for (const key of keys) {
      if (this.#byId.has(key.id)) continue
      const entry = { key, hash: Buffer.from(key.hash, 'hex'), identity: identityOf(key) }
      this.#byId.set(key.id, entry)
      if (!isKeyId(key.id)) this.#chosen.push(entry)
    }
  }

  /** Every key, valid or not. */
  *keys(): Iterable<StoredKey> {
    for (const { key } of this.#byId.values()) yield key
  }

  get(id: string): StoredKey | undefined {
    return this.#byId.get(id)?.key
  }

  /** Looks at a key that somebody presents, given as its hash and the id in it. */
  check(presentedHash: string, id: string | undefined, nowMs: number): KeyCheck {
    const digest = Buffer.from(presentedHash, 'hex')
    const entry = id === undefined ? undefined : this.#byId.get(id)
    const candidates = id === undefined ? this.#chosen : [entry ?? NOBODY]
    let found: Entry | undefined
    // All of them, so that the time does not tell which one it was.
    for (const each of candidates) if (timingSafeEqual(each.hash, digest)) found = each
    if (found === undefined || found === NOBODY) return { reason: 'unknown' }
    const { key, identity } = found
    const reason = refusalOf(key, nowMs)
    return reason === undefined ? { key, identity } : { reason }
  }
}

interface Entry {
  readonly key: StoredKey
  readonly hash: Buffer
  /** One for all who come with the key, so that what is known of it is found again. */
  readonly identity: Identity
}

/** What an unknown key is compared with, so that the comparison takes place: no text has this hash. */
const NOBODY: Entry = {
  key: { id: '', name: '', hash: '', createdAt: '' },
  hash: Buffer.alloc(32),
  identity: { name: '', scopes: [] },
}

/** Why a key of ours is not good now. */
export function refusalOf(key: StoredKey, nowMs: number): RefusalReason | undefined {
  if (key.revokedAt !== undefined) return 'revoked'
  if (key.expiresAt !== undefined && Date.parse(key.expiresAt) <= nowMs) return 'expired'
  if (key.notBefore !== undefined && Date.parse(key.notBefore) > nowMs) return 'not yet valid'
  return undefined
}

/** Who a key stands for. */
export function identityOf({ id, name, scopes, expiresAt }: StoredKey): Identity {
  return {
    name,
    credential: id,
    ...(scopes === undefined ? {} : { scopes }),
    ...(expiresAt === undefined ? {} : { expiresAtMs: Date.parse(expiresAt) }),
  }
}
