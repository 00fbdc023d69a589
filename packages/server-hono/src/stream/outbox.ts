import type { DeliveryMode } from '@gw/protocol'
import type { Line } from './line.js'
import type { Note } from './wire.js'

/** What gathers under one name until it is taken: for `lastValue` the newest note, for `burst` all of them. */
interface Gathered {
  readonly line: Line
  note: Extract<Note, { type: 'data' }>
  texts: string[]
  bytes: number
}

/**
 * Messages that wait to be written, in the order of their ticks, each subscription's as its delivery mode says.
 * Whoever is of one mind shares one outbox: its bytes are made once.
 */
export class Outbox {
  bytes = 0
  #entries: (Buffer | Gathered | undefined)[] = []
  #gathered: Map<string, number> | undefined

  get isEmpty(): boolean {
    return this.bytes === 0
  }

  /** Adds a note of a line; `frame` is the note encoded, which all outboxes of the line share. */
  add(line: Line, note: Note, frame: Buffer | undefined): void {
    if (line.mode === 'nonCollapsing') {
      if (frame !== undefined) this.#push(frame)
      return
    }
    const name = nameOf(line, note)
    if (note.type === 'data') this.#gather(line.mode, name, line, note)
    else {
      // What is gathered of a key ends here: what comes later must not overtake this note.
      if (note.type === 'removed') this.#drop(name, line.mode)
      this.#gathered?.delete(name)
      if (frame !== undefined) this.#push(frame)
    }
  }

  /** Whether a note takes the place of one that waits, so that nothing grows. */
  replaces(line: Line, note: Note): boolean {
    return (
      line.mode === 'lastValue' &&
      note.type === 'data' &&
      this.#gathered?.has(nameOf(line, note)) === true
    )
  }

  /** All that waits, as one piece; `undefined` when nothing does. */
  take(): Buffer | undefined {
    if (this.#entries.length === 0) return undefined
    const pieces: Buffer[] = []
    for (const entry of this.#entries) {
      if (Buffer.isBuffer(entry)) pieces.push(entry)
      else if (entry !== undefined) {
        const frame = entry.line.wire.encode({ ...entry.note, json: joined(entry.texts) })
        if (frame !== undefined) pieces.push(frame)
      }
    }
    this.#entries = []
    this.#gathered = undefined
    this.bytes = 0
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
  }

  #push(frame: Buffer): void {
    this.#entries.push(frame)
    this.bytes += frame.length
  }

  #gather(
    mode: Exclude<DeliveryMode, 'nonCollapsing'>,
    name: string,
    line: Line,
    note: Extract<Note, { type: 'data' }>,
  ): void {
    this.#gathered ??= new Map()
    const index = this.#gathered.get(name)
    const known = index === undefined ? undefined : (this.#entries[index] as Gathered)
    const bytes = note.json.length + OVERHEAD
    if (known === undefined) {
      this.#gathered.set(name, this.#entries.length)
      this.#entries.push({ line, note, texts: [note.json], bytes })
      this.bytes += bytes
      return
    }
    known.note = note
    if (mode === 'lastValue') {
      this.bytes += bytes - known.bytes
      known.texts = [note.json]
      known.bytes = bytes
    } else {
      known.texts.push(note.json)
      known.bytes += bytes
      this.bytes += bytes
    }
  }

  /** A value that has gone with its key need not be told, where only the last counts. */
  #drop(name: string, mode: DeliveryMode): void {
    const index = this.#gathered?.get(name)
    if (mode !== 'lastValue' || index === undefined) return
    this.bytes -= (this.#entries[index] as Gathered).bytes
    this.#entries[index] = undefined
  }
}

function nameOf(line: Line, note: Note): string {
  return `${line.serial} ${'key' in note ? (note.key ?? '') : ''}`
}

/** Bytes of a message beside its records, roughly. */
const OVERHEAD = 64

/** One array of the records of several arrays. */
function joined(texts: readonly string[]): string {
  if (texts.length === 1) return texts[0] as string
  return `[${texts
    .map((text) => text.slice(1, -1))
    .filter((text) => text !== '')
    .join(',')}]`
}
