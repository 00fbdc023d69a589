import type { DeliveryMode, Position } from '@gw/protocol'
import type { Note, Wire } from './wire.js'

/** Takes the notes of lines. */
export interface Receiver {
  add(line: Line, note: Note, frame: Buffer | undefined): void
}

/** Where the notes of lines come from. */
export interface Source {
  readonly key: string | undefined
  /** Where the last tick is; `undefined` where nothing has a position. */
  readonly position: Position | undefined
  /** Somebody takes a line: notes are wanted. */
  open(): void
  /** Nobody takes the line any more. */
  release(line: Line): void
}

let lastSerial = 0

/** A source in one form and one delivery mode: what equal subscriptions share, whoever made them. */
export class Line {
  readonly serial: number = ++lastSerial
  readonly source: Source
  readonly wire: Wire
  readonly mode: DeliveryMode
  readonly #receivers = new Set<Receiver>()

  constructor(source: Source, wire: Wire, mode: DeliveryMode) {
    this.source = source
    this.wire = wire
    this.mode = mode
  }

  attach(receiver: Receiver): void {
    this.#receivers.add(receiver)
    this.source.open()
  }

  detach(receiver: Receiver): void {
    if (this.#receivers.delete(receiver) && this.#receivers.size === 0) this.source.release(this)
  }

  /** Encodes a note, once, and hands it to all receivers. */
  tell(note: Note): void {
    const isGathered = this.mode !== 'nonCollapsing' && note.type === 'data'
    const frame = isGathered ? undefined : this.wire.encode(note)
    for (const receiver of this.#receivers) receiver.add(this, note, frame)
  }
}
