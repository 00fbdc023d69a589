import type { Line, Receiver } from './line.js'
import { Outbox } from './outbox.js'
import type { Session } from './session.js'
import type { Note } from './wire.js'

/**
 * Connections that take the same lines: what ticks in one turn of the event loop becomes one piece of bytes, which is
 * written to each of them in one go.
 */
export class Group implements Receiver {
  /** Whether something was written since the last round of progress messages. */
  hasSpoken = false
  /** The name that its connections share; `undefined` when it is of one connection alone. */
  readonly id: string | undefined
  readonly lines: Set<Line>
  readonly members: Set<Session> = new Set()
  readonly #outbox = new Outbox()
  readonly #schedule: (group: Group) => void

  constructor(id: string | undefined, lines: Iterable<Line>, schedule: (group: Group) => void) {
    this.id = id
    this.lines = new Set(lines)
    this.#schedule = schedule
    for (const line of this.lines) line.attach(this)
  }

  add(line: Line, note: Note, frame: Buffer | undefined): void {
    const wasEmpty = this.#outbox.isEmpty
    this.#outbox.add(line, note, frame)
    if (wasEmpty && !this.#outbox.isEmpty) this.#schedule(this)
  }

  /** Writes what has gathered to all members. */
  flush(): void {
    const bytes = this.#outbox.take()
    if (bytes === undefined) return
    this.hasSpoken = true
    for (const session of this.members) session.write(bytes)
  }

  addLine(line: Line): void {
    if (this.lines.has(line)) return
    this.lines.add(line)
    line.attach(this)
  }

  removeLine(line: Line): void {
    if (this.lines.delete(line)) line.detach(this)
  }

  /** Takes the group off its lines. */
  close(): void {
    for (const line of this.lines) line.detach(this)
    this.lines.clear()
  }
}
