import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { ChannelsError } from '../errors.js'

/** A line of a file, without its end. */
export interface Line {
  readonly number: number
  readonly text: string
}

const LONGEST_LINE = 64 * 2 ** 20

/** Cuts chunks of text into lines; the last one may come with the next chunk. Only `\n` and `\r\n` end a line, as in JSON lines. */
class LineCutter {
  readonly #path: string
  #rest = ''
  #number = 0

  constructor(path: string) {
    this.#path = path
  }

  cut(chunk: string): readonly Line[] {
    const isFirst = this.#number === 0 && this.#rest === ''
    const texts = (this.#rest + (isFirst ? withoutMark(chunk) : chunk)).split('\n')
    this.#rest = texts.pop() as string
    if (this.#rest.length > LONGEST_LINE) {
      throw new ChannelsError(
        'INVALID_RECORD',
        `${this.#path}: line ${this.#number + 1} is longer than ${LONGEST_LINE} characters`,
      )
    }
    return texts.map((text) => this.#line(text))
  }

  /** What is left, when there is no more. */
  end(): readonly Line[] {
    return this.#rest === '' ? [] : [this.#line(this.#rest)]
  }

  #line(text: string): Line {
    return { number: ++this.#number, text: text.endsWith('\r') ? text.slice(0, -1) : text }
  }
}

/** Programs of Windows mark a text as Unicode at its beginning. */
export function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

/** The lines of a text file, a chunk at a time. */
export async function* linesOf(path: string): AsyncGenerator<readonly Line[]> {
  const cutter = new LineCutter(path)
  for await (const chunk of createReadStream(path, { encoding: 'utf8' })) {
    yield cutter.cut(chunk as string)
  }
  yield cutter.end()
}

/**
 * The lines of a text file that somebody appends to, as they come, until the signal is aborted. It may not exist yet; when it is
 * replaced or cut, it is read from its beginning.
 */
export async function* followLines(
  path: string,
  pollMs: number,
  signal: AbortSignal,
): AsyncGenerator<readonly Line[]> {
  const buffer = Buffer.alloc(64 * 2 ** 10)
  const wait = (): Promise<void> => pause(pollMs, undefined, { signal }).catch(() => undefined)
  while (!signal.aborted) {
    const file = await open(path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    })
    if (file === undefined) {
      await wait()
      continue
    }
    try {
      const cutter = new LineCutter(path)
      const decoder = new TextDecoder()
      const { ino } = await file.stat()
      for (let position = 0; !signal.aborted; ) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
        if (bytesRead > 0) {
          position += bytesRead
          yield cutter.cut(decoder.decode(buffer.subarray(0, bytesRead), { stream: true }))
          continue
        }
        const now = await stat(path)
        if (now === undefined || now.ino !== ino || now.size < position) break
        await wait()
      }
    } finally {
      await file.close()
    }
  }
}

async function stat(path: string): Promise<{ ino: number; size: number } | undefined> {
  const file = await open(path).catch(() => undefined)
  try {
    return await file?.stat()
  } finally {
    await file?.close()
  }
}
