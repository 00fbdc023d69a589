import { readFileSync, statSync } from 'node:fs'
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
  // Before the file is read: what changes meanwhile is seen at the next look.
  let seen = versionOf(path)
  let keys = readStoredKeys(path)
  let timer: NodeJS.Timeout | undefined

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
      // Node's own watcher would miss what changes until it has looked for the first time.
      timer ??= setInterval(look, pollMs).unref()
      listeners.add(listener)
      look() // what changed before anybody listened
      return () => {
        listeners.delete(listener)
        if (listeners.size > 0) return
        clearInterval(timer)
        timer = undefined
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

/** What tells one content of the file from the next; a file that cannot be looked at is unlike any. */
function versionOf(path: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(path)
    return `${ino} ${mtimeMs} ${size}`
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}
