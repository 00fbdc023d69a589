import { Line, type Source } from './line.js'
import { referenceWire, type Wire } from './wire.js'

/** Name of the pseudo channel that says `PING` once a second to those who subscribe to it. */
export const HEARTBEAT = 'heartbeat'

const INTERVAL_MS = 1_000

/** The pseudo channel; its timer runs while somebody listens. */
export class Heartbeat implements Source {
  readonly key = undefined
  readonly position = undefined
  readonly #lines = new Map<string, Line>()
  #timer: NodeJS.Timeout | undefined

  line(wire: Wire = referenceWire(HEARTBEAT)): Line {
    let line = this.#lines.get(wire.id)
    if (line === undefined) {
      line = new Line(this, wire, 'nonCollapsing')
      this.#lines.set(wire.id, line)
    }
    return line
  }

  open(): void {
    this.#timer ??= setInterval(() => this.#beat(), INTERVAL_MS)
  }

  release(line: Line): void {
    this.#lines.delete(line.wire.id)
    if (this.#lines.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #beat(): void {
    for (const line of this.#lines.values()) {
      line.tell({
        type: 'data',
        key: undefined,
        kind: 'single',
        json: '"PING"',
        position: undefined,
        isSnapshot: false,
      })
    }
  }
}
