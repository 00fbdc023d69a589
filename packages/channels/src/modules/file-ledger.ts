import { appendFile, readFile, rename, writeFile } from 'node:fs/promises'

/** A file as it was when it was seen: when it changes it is another one. */
export interface SeenFile {
  readonly name: string
  readonly size: number
  readonly mtimeMs: number
}

interface LedgerEntry extends SeenFile {
  /** Records that were taken. */
  readonly records: number
  readonly isDone: boolean
}

/** Which files have been read, and how far: a line of JSON for each, in a file, so that it is known after a restart. */
export class FileLedger {
  readonly #path: string
  readonly #entries = new Map<string, LedgerEntry>()

  private constructor(path: string) {
    this.#path = path
  }

  /** Reads the ledger, and rewrites it with the files that are still there. */
  static async open(path: string, exists: (name: string) => boolean): Promise<FileLedger> {
    const ledger = new FileLedger(path)
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
      throw error
    })
    for (const line of text.split('\n')) {
      try {
        const entry = JSON.parse(line) as LedgerEntry
        if (exists(entry.name)) ledger.#entries.set(entry.name, entry)
      } catch {
        // A crash may have cut the last line; what it told of is read again.
      }
    }
    const lines = [...ledger.#entries.values()].map((entry) => `${JSON.stringify(entry)}\n`)
    await writeFile(`${path}.new`, lines.join(''))
    await rename(`${path}.new`, path)
    return ledger
  }

  isDone(file: SeenFile): boolean {
    return this.#entryOf(file)?.isDone === true
  }

  /** Records of a file that were taken before. */
  recordsOf(file: SeenFile): number {
    return this.#entryOf(file)?.records ?? 0
  }

  async note(file: SeenFile, records: number, isDone: boolean): Promise<void> {
    const entry: LedgerEntry = { ...file, records, isDone }
    this.#entries.set(file.name, entry)
    await appendFile(this.#path, `${JSON.stringify(entry)}\n`)
  }

  #entryOf({ name, size, mtimeMs }: SeenFile): LedgerEntry | undefined {
    const entry = this.#entries.get(name)
    return entry?.size === size && entry.mtimeMs === mtimeMs ? entry : undefined
  }
}
