import type { SlowConsumerPolicy } from '../options.js'
import type { Line, Receiver } from './line.js'
import { Outbox } from './outbox.js'
import type { Note } from './wire.js'

interface Gap {
  readonly key: string | undefined
  readonly from: number
  to: number
}

/**
 * What waits for a reader that is behind. It is bounded in bytes: beyond the bound ticks are left out and counted until
 * the reader has taken the rest, then it is told what is missing.
 */
export class Backlog implements Receiver {
  /** Bytes that were taken from here and are still to be written. */
  unwrittenBytes = 0
  readonly #outbox = new Outbox()
  readonly #gaps = new Map<Line, Gap>()
  readonly #maxBytes: number
  readonly #policy: SlowConsumerPolicy
  readonly #onTooSlow: () => void
  readonly #onLeftOut: () => void

  constructor(
    maxBytes: number,
    policy: SlowConsumerPolicy,
    onTooSlow: () => void,
    onLeftOut: () => void,
  ) {
    this.#maxBytes = maxBytes
    this.#policy = policy
    this.#onTooSlow = onTooSlow
    this.#onLeftOut = onLeftOut
  }

  get bytes(): number {
    return this.#outbox.bytes + this.unwrittenBytes
  }

  add(line: Line, note: Note, frame: Buffer | undefined): void {
    if (note.type === 'progress') return
    const isFull = this.#gaps.size > 0 || this.bytes >= this.#maxBytes
    // Of states it is told once a second at most, and nothing else would tell of it.
    if (!isFull || note.type === 'state' || this.#outbox.replaces(line, note)) {
      this.#outbox.add(line, note, frame)
      return
    }
    if (this.#policy === 'close' || !line.wire.tellsGaps) {
      this.#onTooSlow()
      return
    }
    this.#leaveOut(line, note)
  }

  /** All that waits, followed by the gaps; `undefined` when nothing does. */
  take(): Buffer | undefined {
    for (const [line, { key, from, to }] of this.#gaps) {
      const note: Note = { type: 'gap', key, from, to, reason: 'slow' }
      this.#outbox.add(line, note, line.wire.encode(note))
    }
    this.#gaps.clear()
    return this.#outbox.take()
  }

  #leaveOut(line: Line, note: Note): void {
    this.#onLeftOut()
    if (!('position' in note) || note.position === undefined) return
    const { offset } = note.position
    const gap = this.#gaps.get(line)
    // Positions of a whole basket count over all its keys, so its gap names none.
    if (gap === undefined) this.#gaps.set(line, { key: line.source.key, from: offset, to: offset })
    else gap.to = offset
  }
}
