import { CLOSE_CODE } from '@gw/protocol'
import type { SlowConsumerPolicy } from '../options.js'
import type { PlainChannels } from '../service.js'
import { Backlog } from './backlog.js'
import { type CopiedState, CopyWatch, SharedRevisions } from './copy-watch.js'
import { Feed } from './feed.js'
import { Group } from './group.js'
import { Heartbeat } from './heartbeat.js'
import type { Line } from './line.js'
import type { Session } from './session.js'
import { Taps } from './taps.js'
import type { View } from './view.js'

/** A session with more lines than this shares its bytes with nobody. */
const MAX_SHARED_LINES = 8
/** Rest after looking at a copy, in times of what that took. */
const CHECK_REST = 49

/** Bounds of the hub. */
export interface HubOptions {
  readonly maxQueueBytes: number
  readonly slowConsumer: SlowConsumerPolicy
}

/** Brings ticks to connections: what is equal is made once, and each connection is written to once a turn. */
export class Hub {
  /** Sessions whose readers are behind. */
  readonly behind: Set<Session> = new Set()
  readonly heartbeat: Heartbeat = new Heartbeat()
  /** Ticks that were left out for readers that are too slow; each was told of the gap. */
  droppedTicks = 0
  /** Connections that were closed because their readers are too slow. */
  slowCloses = 0
  readonly #channels: PlainChannels
  readonly #taps: Taps
  readonly #revisions: SharedRevisions
  readonly #options: HubOptions
  readonly #feeds = new Map<string, Feed>()
  readonly #groups = new Map<string, Group>()
  readonly #private = new Set<Group>()
  #due: Group[] = []
  #immediate: NodeJS.Immediate | undefined
  #isChecking = false
  #isClosed = false

  constructor(channels: PlainChannels, options: HubOptions) {
    this.#channels = channels
    this.#taps = new Taps(channels)
    this.#revisions = new SharedRevisions(channels)
    this.#options = options
  }

  /** The feed of a channel, or of one key of a basket, through a view. */
  feed(
    channel: string,
    key: string | undefined,
    isBasket: boolean,
    view?: View,
    copied?: CopiedState,
  ): Feed {
    const id = JSON.stringify([channel, key, view?.id, copied?.state.name])
    let feed = this.#feeds.get(id)
    if (feed === undefined) {
      const copy = copied && new CopyWatch(this.#channels, this.#revisions, copied)
      feed = new Feed(this.#channels, this.#taps, channel, key, isBasket, view, copy, () => {
        this.#feeds.delete(id)
      })
      this.#feeds.set(id, feed)
    }
    return feed
  }

  /** All groups of live connections. */
  *groups(): Iterable<Group> {
    yield* this.#groups.values()
    yield* this.#private
  }

  /** Makes a session a member of the group of its lines. */
  join(session: Session): void {
    const lines = new Set([...session.subscriptions.values()].map(({ line }) => line))
    const present = session.group
    if (present !== undefined && this.#private.has(present) && lines.size > MAX_SHARED_LINES) {
      for (const line of lines) present.addLine(line)
      for (const line of present.lines) if (!lines.has(line)) present.removeLine(line)
      return
    }
    const group = lines.size === 0 ? undefined : this.#groupOf(lines)
    // The new group is on its lines before the old one leaves them, so that no feed stops in between.
    if (group !== undefined) {
      group.flush()
      group.members.add(session)
    }
    this.leave(session)
    session.group = group
  }

  /** Takes a session out of its group. */
  leave(session: Session): void {
    const { group } = session
    if (group === undefined) return
    session.group = undefined
    group.members.delete(session)
    if (group.members.size > 0) return
    group.close()
    if (group.id === undefined) this.#private.delete(group)
    else this.#groups.delete(group.id)
  }

  /** Writes what waits in the group of a session, before that session's lines change. */
  flushGroupOf(session: Session): void {
    session.group?.flush()
  }

  newBacklog(session: Session): Backlog {
    const { maxQueueBytes, slowConsumer } = this.#options
    const onTooSlow = (): void => {
      this.slowCloses++
      session.close(CLOSE_CODE.SLOW, 'slow: the queue is full')
    }
    return new Backlog(maxQueueBytes, slowConsumer, onTooSlow, () => {
      this.droppedTicks++
    })
  }

  /** Looks, one copy of a state after the other, whether rules have changed their minds; it takes a fiftieth of the time at most. */
  async checkCopies(): Promise<void> {
    if (this.#isChecking) return
    this.#isChecking = true
    for (const feed of [...this.#feeds.values()]) {
      const beganMs = performance.now()
      if (this.#isClosed || !feed.checkCopy()) continue
      const restMs = (performance.now() - beganMs) * CHECK_REST
      await new Promise((resolve) => setTimeout(resolve, restMs).unref())
    }
    this.#isChecking = false
  }

  /** Ends all flushing; feeds end with their sessions. */
  close(): void {
    this.#isClosed = true
    clearImmediate(this.#immediate)
    this.#immediate = undefined
    this.#due = []
  }

  #groupOf(lines: ReadonlySet<Line>): Group {
    const schedule = (due: Group): void => this.#schedule(due)
    if (lines.size > MAX_SHARED_LINES) {
      const group = new Group(undefined, lines, schedule)
      this.#private.add(group)
      return group
    }
    const id = [...lines]
      .map((line) => line.serial)
      .sort((a, b) => a - b)
      .join(' ')
    let group = this.#groups.get(id)
    if (group === undefined) {
      group = new Group(id, lines, schedule)
      this.#groups.set(id, group)
    }
    return group
  }

  /** Groups are flushed at the end of the turn, so that all ticks of the turn go out in one write. */
  #schedule(group: Group): void {
    this.#due.push(group)
    this.#immediate ??= setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#immediate = undefined
    const due = this.#due
    this.#due = []
    for (const group of due) group.flush()
  }
}
