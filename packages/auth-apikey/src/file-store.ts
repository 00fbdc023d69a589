import { readFileSync, statSync, unwatchFile, watchFile } from 'node:fs'
import { ApiKeyError } from './errors.js'
import type { KeyStore, StoredKey } from './key-store.js'
import { parseStoredKeys } from './stored-keys.js'

/** Options of {@link fileStore}. */
export interface FileStoreOptions {
  /** Between two looks at the file. @defaultValue 1_000 */
  readonly pollMs?: number
  /** Hears of a file that cannot be read any more: the keys stay as they were. @defaultValue a warning of the process */
  readonly onProblem?: (error: ApiKeyError) => void
}

/**
 * Keys in a JSON file, as the command of this package writes it; read again when it changes, so that keys come and go without a
 * restart. It is looked at, rather than watched, as that works on every file system.
 * @throws ApiKeyError `INVALID_STORE`
 */
export function fileStore(path: string, options: FileStoreOptions = {}): KeyStore {
  const { pollMs = 1_000, onProblem = (error) => process.emitWarning(error) } = options
  const listeners = new Set<() => void>()
  let keys = readStoredKeys(path)
  let seen = versionOf(path)

  const look = (): void => {
    const version = versionOf(path)
    if (version === seen) return
    seen = version
    try {
      keys = readStoredKeys(path)
    } catch (error) {
      onProblem(error as ApiKeyError)
      return
    }
    for (const listener of listeners) listener()
  }

  return {
    keys: () => keys,
    onChange(listener) {
      if (listeners.size === 0) watchFile(path, { interval: pollMs, persistent: false }, look)
      listeners.add(listener)
      look() // what changed before anybody listened
      return () => {
        listeners.delete(listener)
        if (listeners.size === 0) unwatchFile(path, look)
      }
    },
  }
}

/** @throws ApiKeyError `INVALID_STORE` */
export function readStoredKeys(path: string): readonly StoredKey[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    throw new ApiKeyError('INVALID_STORE', `the keys in ${path} cannot be read (${reason})`, {
      cause,
    })
  }
  return parseStoredKeys(text, path)
}

function versionOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? '' : `${stat.ino} ${stat.mtimeMs} ${stat.size}`
}
