import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

const VERSION = 4
/** Entries of a line, which is parsed at once: one by one takes half as long again; a line of records of 8 MB is still a text. */
const ENTRIES_OF_LINE = 64
const SLICE_BYTES = 1 << 20
const LINE_END = 10
/** What has not been written to for so long, and is not whole, is of a process that was killed. */
const ABANDONED_MS = 3_600_000
const UNFINISHED = /\.checkpoint\.[0-9a-f-]{36}$/

/** What a checkpoint says of itself: `next` is the offset of the changelog from which to read on. */
interface Heading {
  readonly version: number
  readonly changelog: string
  /** Under which rules the entries are. */
  readonly rules: string
  readonly partition: number
  readonly next: string
  /** Milliseconds since the epoch. */
  readonly writtenAt: number
}

/** Entries of one store. */
type Line = readonly [store: string, keys: string[], values: unknown[]]

/** What a store has for a key. */
export type Entry = readonly [store: string, key: string, value: unknown]

/** Copies of partitions of a changelog in a local folder, so that a restart reads only what came later. */
export class Checkpoints {
  readonly #folder: string
  readonly #changelog: string
  readonly #rules: string
  #isTidy = false

  constructor(folder: string, changelog: string, rules: string) {
    this.#folder = folder
    this.#changelog = changelog
    this.#rules = rules
  }

  /**
   * Writes a copy, in slices, and puts it in the place of the last one when it is whole, and `isValid` still says that the entries
   * are those of `next`. Values are JSON.
   */
  async write(
    partition: number,
    next: bigint,
    entries: Iterable<Entry>,
    isValid: () => boolean = () => true,
  ): Promise<void> {
    await mkdir(this.#folder, { recursive: true })
    await this.#tidy()
    const path = this.#pathOf(partition)
    const fresh = `${path}.${randomUUID()}`
    const heading: Heading = {
      version: VERSION,
      changelog: this.#changelog,
      rules: this.#rules,
      partition,
      next: String(next),
      writtenAt: Date.now(),
    }
    const file = await open(fresh, 'w', 0o600)
    let checksum = 0
    let slice = `${JSON.stringify(heading)}\n`
    const append = async (): Promise<void> => {
      const bytes = Buffer.from(slice)
      checksum = crc32(bytes, checksum)
      slice = ''
      await file.writeFile(bytes)
    }
    try {
      for (const line of linesOf(entries)) {
        slice += `${JSON.stringify(line)}\n`
        if (slice.length >= SLICE_BYTES) await append()
      }
      await append()
      await file.writeFile(String(checksum))
      await file.sync()
    } catch (error) {
      await file.close()
      await rm(fresh, { force: true })
      throw error
    }
    await file.close()
    if (isValid()) await rename(fresh, path)
    else await rm(fresh, { force: true })
  }

  /**
   * Reads a copy into `load`. @returns the offset from which to read on; `undefined` when there is no copy, or it is damaged, older
   * than `maxAgeMs`, of another changelog, or of a contract that is not the one of now: then what was loaded counts for nothing.
   */
  async read(
    partition: number,
    maxAgeMs: number,
    load: (...entry: Entry) => void,
  ): Promise<bigint | undefined> {
    let heading: Heading | undefined
    let rest: Buffer[] = []
    let checksum = 0
    try {
      const chunks = createReadStream(this.#pathOf(partition), { highWaterMark: SLICE_BYTES })
      for await (const chunk of chunks as AsyncIterable<Buffer>) {
        rest.push(chunk)
        if (!chunk.includes(LINE_END)) continue
        const bytes = Buffer.concat(rest)
        const end = bytes.lastIndexOf(LINE_END) + 1
        rest = [bytes.subarray(end)]
        checksum = crc32(bytes.subarray(0, end), checksum)
        for (let at = 0; at < end; ) {
          const lineEnd = bytes.indexOf(LINE_END, at)
          const line = JSON.parse(bytes.toString('utf8', at, lineEnd)) as unknown
          at = lineEnd + 1
          if (heading !== undefined) {
            const [store, keys, values] = line as Line
            for (let i = 0; i < keys.length; i++) load(store, keys[i] as string, values[i])
          } else {
            heading = line as Heading
            const isOld = Date.now() - heading.writtenAt > maxAgeMs
            if (isOld || !this.#isOurs(heading, partition)) return undefined
          }
        }
      }
      return heading !== undefined && String(Buffer.concat(rest)) === String(checksum)
        ? BigInt(heading.next)
        : undefined
    } catch {
      return undefined
    }
  }

  #isOurs(heading: Heading, partition: number): boolean {
    return (
      heading.version === VERSION &&
      heading.changelog === this.#changelog &&
      heading.rules === this.#rules &&
      heading.partition === partition
    )
  }

  /** Removes, once, what others have left half-written. */
  async #tidy(): Promise<void> {
    if (this.#isTidy) return
    this.#isTidy = true
    const before = Date.now() - ABANDONED_MS
    for (const name of await readdir(this.#folder)) {
      if (!name.startsWith(this.#prefix) || !UNFINISHED.test(name)) continue
      const path = join(this.#folder, name)
      const { mtimeMs = before } = (await stat(path).catch(() => undefined)) ?? {}
      if (mtimeMs < before) await rm(path, { force: true })
    }
  }

  get #prefix(): string {
    return `${encodeURIComponent(this.#changelog)}-`
  }

  #pathOf(partition: number): string {
    return join(this.#folder, `${this.#prefix}${partition}.checkpoint`)
  }
}

/** Entries that follow each other and are of the same store, together. */
function* linesOf(entries: Iterable<Entry>): IterableIterator<Line> {
  let line: Line | undefined
  for (const [store, key, value] of entries) {
    if (line !== undefined && (line[0] !== store || line[1].length === ENTRIES_OF_LINE)) {
      yield line
      line = undefined
    }
    line ??= [store, [], []]
    line[1].push(key)
    line[2].push(value)
  }
  if (line !== undefined) yield line
}
