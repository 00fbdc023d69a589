import type { Timestamp } from '@gw/core'

/** How far one partition has come. */
interface Lane {
  /** Of rows of one time, those of the lane that was opened first come first. */
  readonly index: number
  /** The latest time that was seen. */
  latest: Timestamp
  /** Nothing more comes, or nothing has come for a while: others need not wait for it. */
  isIdle: boolean
  waiting: number
}

interface Row<T> {
  readonly time: Timestamp
  readonly lane: string
  readonly index: number
  readonly order: number
  readonly value: T
}

/**
 * Puts rows of several lanes, each nearly in the order of time, into the order of time. A row comes out when every lane has
 * come as far, less the lateness that is allowed; one that comes later still is late, and comes out at once, at the time
 * that the merge has reached. While no lane is idle, when rows come says nothing of their order.
 */
export class TimeMerge<T> {
  readonly #lateness: number
  readonly #lanes = new Map<string, Lane>()
  readonly #heap: Row<T>[] = []
  #order = 0
  /** Of the lane that holds up the others: of the time of the watermark, its rows and those before it are over. */
  #index = -1
  readonly #earliest: Timestamp
  /** Times before this one are over. */
  watermark: Timestamp = Number.NEGATIVE_INFINITY
  /** Rows that came after their time was over. */
  late = 0

  /** Times before `earliest` were over when it began. */
  constructor(
    lanes: Iterable<string>,
    lateness: number,
    earliest: Timestamp = Number.NEGATIVE_INFINITY,
  ) {
    this.#lateness = lateness
    this.#earliest = earliest
    for (const lane of lanes) this.open(lane)
  }

  /** Others wait for this lane from now on. */
  open(lane: string): void {
    const index = this.#lanes.size
    this.#lanes.set(lane, { index, latest: Number.NEGATIVE_INFINITY, isIdle: false, waiting: 0 })
  }

  /** Rows of a lane that wait. */
  waitingOf(lane: string): number {
    return this.#lane(lane).waiting
  }

  /** The lane that others wait for; `undefined` when all are idle. */
  get slowest(): string | undefined {
    let slowest: string | undefined
    let least = Number.POSITIVE_INFINITY
    for (const [name, { latest, isIdle }] of this.#lanes) {
      if (isIdle || latest >= least) continue
      least = latest
      slowest = name
    }
    return slowest
  }

  add(name: string, time: Timestamp, value: T): void {
    const lane = this.#lane(name)
    // Measured by its own lane first: when others come says nothing of it, and two replays agree.
    const over = Math.max(this.watermark, lane.latest - this.#lateness, this.#earliest)
    if (time < over) this.late++
    this.#add(lane, name, time, over, value)
  }

  /** Adds a row of which no time is known: it comes behind those that its lane has had, or at `first` when it had none. */
  addUntimed(name: string, first: Timestamp, value: T): void {
    const lane = this.#lane(name)
    const reached = lane.latest === Number.NEGATIVE_INFINITY ? first : lane.latest
    this.#add(lane, name, reached, Math.max(this.watermark, reached), value)
  }

  /** Nothing comes on a lane for now: the others go on without it. */
  idle(name: string): void {
    this.#lane(name).isIdle = true
  }

  /** The row that waits to come out next comes out before its time is over: what then comes before it is late. */
  hurry(): void {
    const [first] = this.#heap
    if (first !== undefined) this.#reach(first.time, first.index)
  }

  /** The next row, if its time has come. */
  take(): { readonly time: Timestamp; readonly lane: string; readonly value: T } | undefined {
    this.#advance()
    const [first] = this.#heap
    if (first === undefined || first.time > this.watermark) return undefined
    if (first.time === this.watermark && first.index > this.#index) return undefined
    this.#pop()
    this.#lane(first.lane).waiting--
    return first
  }

  #add(lane: Lane, name: string, said: Timestamp, over: Timestamp, value: T): void {
    const time = Math.max(said, over)
    // A lane that was idle has been left behind: what it has from before then waits for nobody.
    const isLeft = said < this.watermark && lane.latest - this.#lateness < this.watermark
    const index = isLeft ? -1 : lane.index
    lane.isIdle = false
    lane.waiting++
    lane.latest = Math.max(lane.latest, time)
    this.#push({ time, lane: name, index, order: this.#order++, value })
  }

  #advance(): void {
    let least = Number.POSITIVE_INFINITY
    let most = Number.NEGATIVE_INFINITY
    let first = Number.POSITIVE_INFINITY
    for (const { latest, isIdle, index } of this.#lanes.values()) {
      most = Math.max(most, latest)
      const reached = latest - this.#lateness
      if (isIdle || reached >= least) continue
      least = reached
      first = index
    }
    // When all are idle, what waits has nothing to wait for.
    this.#reach(least === Number.POSITIVE_INFINITY ? most : least, first)
  }

  #reach(time: Timestamp, index: number): void {
    if (time < this.watermark) return
    this.#index = time > this.watermark ? index : Math.max(index, this.#index)
    this.watermark = time
  }

  #lane(name: string): Lane {
    const lane = this.#lanes.get(name)
    if (lane === undefined) throw new Error(`there is no lane ${name}`)
    return lane
  }

  #push(row: Row<T>): void {
    const heap = this.#heap
    let at = heap.push(row) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(row, heap[parent] as Row<T>)) break
      heap[at] = heap[parent] as Row<T>
      at = parent
    }
    heap[at] = row
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Row<T>
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Row<T>, heap[child] as Row<T>))
        child++
      if (!isBefore(heap[child] as Row<T>, last)) break
      heap[at] = heap[child] as Row<T>
      at = child
    }
    heap[at] = last
  }
}

/** Of one time, by lanes; of one lane, what came first. */
function isBefore(a: Row<unknown>, b: Row<unknown>): boolean {
  if (a.time !== b.time) return a.time < b.time
  return a.index < b.index || (a.index === b.index && a.order < b.order)
}
