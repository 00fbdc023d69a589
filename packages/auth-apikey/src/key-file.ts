import {
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { ApiKeyError } from './errors.js'
import { readStoredKeys } from './file-store.js'
import { generateKey } from './key-format.js'
import { hashKey, type StoredKey } from './key-store.js'
import type { StoredKeys } from './stored-keys.js'

/** How long a command waits for another that writes. */
const MAX_WAIT_MS = 3_000
const RETRY_MS = 20

/** What a new key is to be. */
export type NewKey = Pick<StoredKey, 'name' | 'scopes' | 'notBefore' | 'expiresAt'>

/**
 * Adds a key to a file, which is made when it is not there. Only the hash is kept, so the key is here for the last time.
 * @throws ApiKeyError `INVALID_STORE`
 */
export function createKey(path: string, settings: NewKey): { key: string; stored: StoredKey } {
  const { key, id } = generateKey()
  const stored = { id, hash: hashKey(key), createdAt: new Date().toISOString(), ...settings }
  update(path, [], (keys) => [...keys, stored])
  return { key, stored }
}

/**
 * Marks a key as revoked; it stays in the file, so that its use can be recognised.
 * @throws ApiKeyError `UNKNOWN_KEY`, `INVALID_STORE`
 */
export function revokeKey(path: string, id: string): StoredKey {
  let revoked: StoredKey | undefined
  update(path, undefined, (keys) =>
    keys.map((key) => {
      if (key.id !== id) return key
      revoked = { ...key, revokedAt: key.revokedAt ?? new Date().toISOString() }
      return revoked
    }),
  )
  if (revoked === undefined) throw new ApiKeyError('UNKNOWN_KEY', `${path} has no key ${id}`)
  return revoked
}

/**
 * Changes the file as a whole: who reads meanwhile sees it before or after, and of two writers one waits its turn. The mode and
 * the owner stay as they were, so that whoever reads it goes on to be able to; a new file is for its owner alone.
 */
function update(
  path: string,
  initial: readonly StoredKey[] | undefined,
  change: (keys: readonly StoredKey[]) => readonly StoredKey[],
): void {
  // Where a link leads, so that the link stays one.
  const target = existsSync(path) ? realpathSync(path) : path
  const temporary = `${target}.new`
  const file = openAlone(temporary, path)
  try {
    // Somebody else may have made the file while this one waited.
    const keys = existsSync(target) ? readStoredKeys(target) : (initial ?? readStoredKeys(target))
    const content: StoredKeys = { version: 1, keys: change(keys) }
    keepOwner(file, target)
    writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`)
    fsyncSync(file)
    renameSync(temporary, target)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error instanceof ApiKeyError ? error : unwritable(path, error)
  } finally {
    closeSync(file)
  }
}

/** Opens the file that only one can have open; waits while another has. */
function openAlone(temporary: string, path: string): number {
  const lastMs = performance.now() + MAX_WAIT_MS
  for (;;) {
    try {
      return openSync(temporary, 'wx', 0o600)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(path, cause)
      if (performance.now() > lastMs) {
        throw new ApiKeyError(
          'INVALID_STORE',
          `${temporary} is there: another command is writing, or one was broken off; delete it then`,
          { cause },
        )
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
    }
  }
}

function keepOwner(file: number, target: string): void {
  const before = statSync(target, { throwIfNoEntry: false })
  if (before === undefined) return
  const { uid, gid } = fstatSync(file)
  if (before.uid !== uid || before.gid !== gid) fchownSync(file, before.uid, before.gid)
  fchmodSync(file, before.mode & 0o777)
}

function unwritable(path: string, cause: unknown): ApiKeyError {
  const { code = 'unknown' } = cause as NodeJS.ErrnoException
  return new ApiKeyError('INVALID_STORE', `${path} cannot be written (${code})`, { cause })
}
