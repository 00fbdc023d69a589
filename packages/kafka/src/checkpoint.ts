import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

const VERSION = 2
const SLICE = 5_000

/** What a checkpoint says of itself: `next` is the offset of the changelog from which to read on. */
interface Heading {
  readonly version: number
  readonly changelog: string
  readonly partition: number
  readonly next: string
  readonly entries: number
}

/** Copies of partitions of a changelog in a local folder, so that a restart reads only what came later. */
export class Checkpoints {
  readonly #folder: string
  readonly #changelog: string

  constructor(folder: string, changelog: string) {
    this.#folder = folder
    this.#changelog = changelog
  }

  /**
   * Writes a copy, in slices, and puts it in the place of the last one when it is whole. Keys are texts without line ends, values
   * are JSON.
   */
  async write(
    partition: number,
    next: bigint,
    size: number,
    entries: Iterable<readonly [key: string, json: string]>,
  ): Promise<void> {
    await mkdir(this.#folder, { recursive: true })
    const path = this.#pathOf(partition)
    const fresh = `${path}.${randomUUID()}`
    const heading: Heading = {
      version: VERSION,
      changelog: this.#changelog,
      partition,
      next: String(next),
      entries: size,
    }
    const file = await open(fresh, 'w', 0o600)
    let checksum = 0
    const append = async (lines: readonly string[]): Promise<void> => {
      const text = lines.map((line) => `${line}\n`).join('')
      checksum = crc32(text, checksum)
      await file.writeFile(text)
    }
    try {
      let lines = [JSON.stringify(heading)]
      for (const [key, value] of entries) {
        lines.push(key, value)
        if (lines.length < SLICE) continue
        await append(lines)
        lines = []
      }
      await append(lines)
      await file.writeFile(String(checksum))
      await file.sync()
    } catch (error) {
      await file.close()
      await rm(fresh, { force: true })
      throw error
    }
    await file.close()
    await rename(fresh, path)
  }

  /**
   * Reads a copy into `load`. @returns the offset from which to read on; `undefined` when there is no copy, or it is damaged or of
   * another changelog: then what was loaded counts for nothing.
   */
  async read(
    partition: number,
    load: (key: string, json: string) => void,
  ): Promise<bigint | undefined> {
    let heading: Heading | undefined
    let count = 0
    let key: string | undefined
    let rest = ''
    let checksum = 0
    try {
      const chunks = createReadStream(this.#pathOf(partition), {
        encoding: 'utf8',
        highWaterMark: 1 << 20,
      })
      for await (const chunk of chunks) {
        const lines = (rest + (chunk as string)).split('\n')
        rest = lines.pop() as string
        if (lines.length > 0) checksum = crc32(`${lines.join('\n')}\n`, checksum)
        for (const line of lines) {
          if (heading === undefined) {
            heading = JSON.parse(line) as Heading
            if (!this.#isOurs(heading, partition)) return undefined
          } else if (key === undefined) {
            key = line
          } else {
            load(key, line)
            key = undefined
            count++
          }
        }
      }
      const isWhole = rest === String(checksum) && key === undefined && count === heading?.entries
      return isWhole ? BigInt(heading?.next ?? 0) : undefined
    } catch {
      return undefined
    }
  }

  #isOurs(heading: Heading, partition: number): boolean {
    return (
      heading.version === VERSION &&
      heading.changelog === this.#changelog &&
      heading.partition === partition
    )
  }

  #pathOf(partition: number): string {
    return join(this.#folder, `${encodeURIComponent(this.#changelog)}-${partition}.checkpoint`)
  }
}
