import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { ApiKeyError } from './errors.js'
import { readStoredKeys } from './file-store.js'
import { generateKey } from './key-format.js'
import { hashKey, type StoredKey } from './key-store.js'
import type { StoredKeys } from './stored-keys.js'

/** What a new key is to be. */
export type NewKey = Pick<StoredKey, 'name' | 'scopes' | 'notBefore' | 'expiresAt'>

/**
 * Adds a key to a file, which is made when it is not there. Only the hash is kept, so the key is here for the last time.
 * @throws ApiKeyError `INVALID_STORE`
 */
export function createKey(path: string, settings: NewKey): { key: string; stored: StoredKey } {
  const { key, id } = generateKey()
  const stored = { id, hash: hashKey(key), createdAt: new Date().toISOString(), ...settings }
  update(path, existsSync(path) ? undefined : [], (keys) => [...keys, stored])
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

/** Changes the file as a whole: who reads meanwhile sees it before or after, and of two writers one waits its turn. */
function update(
  path: string,
  initial: readonly StoredKey[] | undefined,
  change: (keys: readonly StoredKey[]) => readonly StoredKey[],
): void {
  const temporary = `${path}.new`
  let file: number
  try {
    file = openSync(temporary, 'wx', 0o600)
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException
    const why =
      code === 'EEXIST'
        ? `${temporary} is there: another command is writing, or one was broken off; delete it then`
        : `${path} cannot be written (${code})`
    throw new ApiKeyError('INVALID_STORE', why, { cause })
  }
  try {
    const content: StoredKeys = { version: 1, keys: change(initial ?? readStoredKeys(path)) }
    writeSync(file, `${JSON.stringify(content, null, 2)}\n`)
    fsyncSync(file)
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  } finally {
    closeSync(file)
  }
}
