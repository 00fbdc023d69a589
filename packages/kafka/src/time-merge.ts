import type { Timestamp } from '@gw/core'

/** How far one partition has come. */
interface Lane {
  /** The latest time that was seen. */
  latest: Timestamp
  /** Nothing more comes, or nothing has come for a while: others need not wait for it. */
  isIdle: boolean
  waiting: number
}

interface Row<T> {
  readonly time: Timestamp
  readonly lane: string
  readonly order: number
  readonly value: T
}

/**
 * Puts rows of several lanes, each nearly in the order of time, into the order of time. A row comes out when every lane has
 * come as far, less the lateness that is allowed; one that comes later still is late, and comes out at once, at the time
 * that the merge has reached.
 */
export class TimeMerge<T> {
  readonly #lateness: number
  readonly #lanes = new Map<string, Lane>()
  readonly #heap: Row<T>[] = []
  #order = 0
  /** Times before this one are over. */
  watermark: Timestamp = Number.NEGATIVE_INFINITY
  /** Rows that came after their time was over. */
  late = 0

  constructor(lanes: Iterable<string>, lateness: number) {
    this.#lateness = lateness
    for (const lane of lanes) this.open(lane)
  }

  /** Others wait for this lane from now on. */
  open(lane: string): void {
    this.#lanes.set(lane, { latest: Number.NEGATIVE_INFINITY, isIdle: false, waiting: 0 })
  }

  /** Rows that wait. */
  get size(): number {
    return this.#heap.length
  }

  /** Rows of a lane that wait. */
  waitingOf(lane: string): number {
    return this.#lane(lane).waiting
  }

  add(name: string, time: Timestamp, value: T): void {
    const lane = this.#lane(name)
    lane.isIdle = false
    lane.waiting++
    // Measured by its own lane first: when others come says nothing of it, and two replays agree.
    const over = Math.max(this.watermark, lane.latest - this.#lateness)
    if (time < over) this.late++
    lane.latest = Math.max(lane.latest, time)
    this.#push({ time: Math.max(time, over), lane: name, order: this.#order++, value })
  }

  /** Nothing comes on a lane for now: the others go on without it. */
  idle(name: string): void {
    this.#lane(name).isIdle = true
  }

  /** The next row, if its time has come. */
  take(): { readonly time: Timestamp; readonly value: T } | undefined {
    this.#advance()
    const [first] = this.#heap
    if (first === undefined || first.time > this.watermark) return undefined
    this.#pop()
    this.#lane(first.lane).waiting--
    return first
  }

  #advance(): void {
    let least = Number.POSITIVE_INFINITY
    for (const { latest, isIdle } of this.#lanes.values()) {
      if (!isIdle) least = Math.min(least, latest - this.#lateness)
    }
    // When all are idle, what waits has nothing to wait for.
    if (least === Number.POSITIVE_INFINITY) {
      least = Number.NEGATIVE_INFINITY
      for (const { time } of this.#heap) least = Math.max(least, time)
    }
    this.watermark = Math.max(this.watermark, least)
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

/** Of one time, what came first. */
function isBefore(a: Row<unknown>, b: Row<unknown>): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order)
}
