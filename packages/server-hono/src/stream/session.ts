import type { MessageId } from '@gw/protocol'
import type { Backlog } from './backlog.js'
import type { Group } from './group.js'
import type { Hub } from './hub.js'
import type { Line } from './line.js'
import type { Sink } from './sink.js'

/** A subscription of a session. */
export interface Subscription {
  readonly channel: string
  readonly key: string | undefined
  /** Absent in the reference's form. */
  readonly id: MessageId | undefined
  readonly line: Line
}

/** Bytes that a reader may leave untaken before it counts as behind. */
const MAX_UNSENT_BYTES = 64 * 1024

/**
 * One connection and its subscriptions.
 *
 * It is *live* while its reader keeps up: then it is a member of a group, whose bytes are written to it as they are.
 * When its reader falls behind it leaves the group, so that it delays nobody, and its ticks gather in a backlog of its
 * own. When the reader has taken what was written, the backlog follows, and it joins a group again.
 */
export class Session {
  readonly subscriptions: Map<string, Subscription> = new Map()
  /** When the reader fell behind; `undefined` while it is live. */
  behindSinceMs: number | undefined
  group: Group | undefined
  readonly #hub: Hub
  readonly #sink: Sink
  #backlog: Backlog | undefined
  /** What goes out before the backlog: answers, and what comes before the live ticks of a subscription. */
  #urgent: Iterator<Buffer>[] = []
  #isClosed = false

  constructor(hub: Hub, sink: Sink) {
    this.#hub = hub
    this.#sink = sink
  }

  /** Bytes that wait for the reader. */
  get queuedBytes(): number {
    return this.#sink.unsentBytes + (this.#backlog?.bytes ?? 0)
  }

  /** Whether it has been ended: its peer may go on talking until the connection is gone. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  get isBehind(): boolean {
    return this.#backlog !== undefined
  }

  /** Answers that wait for a reader that does not take them. */
  get waitingAnswers(): number {
    return this.#urgent.length
  }

  /** Writes bytes of the group that it is live in. */
  write(bytes: Buffer): void {
    this.#sink.write(bytes)
    if (this.#sink.unsentBytes > MAX_UNSENT_BYTES) this.#fallBehind()
  }

  /** Writes an answer: at once, or before the backlog. */
  answer(bytes: Buffer): void {
    this.#send([bytes][Symbol.iterator]())
  }

  /** Adds a subscription: `before` is all that goes out before its live ticks. */
  subscribe(name: string, subscription: Subscription, before: Iterator<Buffer>): void {
    this.#hub.flushGroupOf(this)
    this.#send(before)
    this.subscriptions.set(name, subscription)
    if (this.#backlog === undefined) this.#hub.join(this)
    else subscription.line.attach(this.#backlog)
  }

  unsubscribe(name: string): void {
    const subscription = this.subscriptions.get(name)
    if (subscription === undefined) return
    this.#hub.flushGroupOf(this)
    this.subscriptions.delete(name)
    if (this.#backlog === undefined) this.#hub.join(this)
    else if (!this.#takes(subscription.line)) subscription.line.detach(this.#backlog)
  }

  /** Ends the connection with a code, and forgets its subscriptions. */
  close(code: number, reason: string): void {
    if (this.#isClosed) return
    this.dispose()
    this.#sink.close(code, reason)
  }

  /** Forgets the subscriptions: the connection is gone. */
  dispose(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#hub.leave(this)
    this.#dropBacklog()
    this.#urgent = []
    this.subscriptions.clear()
  }

  #takes(line: Line): boolean {
    for (const subscription of this.subscriptions.values()) {
      if (subscription.line === line) return true
    }
    return false
  }

  #send(pieces: Iterator<Buffer>): void {
    if (this.#isClosed) return
    this.#urgent.push(pieces)
    if (this.#backlog === undefined) this.#writeUrgent()
  }

  /** @returns whether the reader keeps up. */
  #writeUrgent(): boolean {
    for (;;) {
      const first = this.#urgent[0]
      if (first === undefined) return true
      if (this.#sink.unsentBytes > MAX_UNSENT_BYTES) {
        this.#fallBehind()
        return false
      }
      const { done, value } = first.next()
      if (done === true) this.#urgent.shift()
      else this.#sink.write(value)
    }
  }

  #fallBehind(): void {
    this.behindSinceMs ??= performance.now()
    this.#sink.onDrained(() => this.#catchUp())
    if (this.#backlog !== undefined) return
    // On its lines before it leaves the group, so that no feed stops in between.
    this.#backlog = this.#hub.newBacklog(this)
    for (const { line } of this.subscriptions.values()) line.attach(this.#backlog)
    this.#hub.leave(this)
    this.#hub.behind.add(this)
  }

  #catchUp(): void {
    if (this.#isClosed || this.#backlog === undefined) return
    this.behindSinceMs = performance.now()
    if (!this.#writeUrgent()) return
    const bytes = this.#backlog.take()
    if (bytes !== undefined) {
      this.#urgent.push(slices(bytes, this.#backlog))
      if (!this.#writeUrgent()) return
    }
    this.#hub.join(this)
    this.#dropBacklog()
  }

  #dropBacklog(): void {
    const backlog = this.#backlog
    if (backlog === undefined) return
    this.#backlog = undefined
    this.behindSinceMs = undefined
    this.#hub.behind.delete(this)
    for (const { line } of this.subscriptions.values()) line.detach(backlog)
  }
}

/** Pieces of what a backlog gave; each piece that is taken shows that the reader reads. */
function* slices(bytes: Buffer, backlog: Backlog): Generator<Buffer> {
  backlog.unwrittenBytes = bytes.length
  for (let at = 0; at < bytes.length; at += MAX_UNSENT_BYTES) {
    const piece = bytes.subarray(at, at + MAX_UNSENT_BYTES)
    backlog.unwrittenBytes -= piece.length
    yield piece
  }
}
