import { GraphError } from './errors.js'
import type { Cycle } from './series.js'
import { describeTime, type Timestamp } from './time.js'

/** Cycles after which the numbers begin again: they stay small integers, which the JavaScript engine stores without allocating. */
export const STAMP_LIMIT: number = 2 ** 30

/** The cycle that runs, or ran last: numbers the cycles of a run. */
export class RunningCycle implements Cycle {
  stamp = 0
  /** Never anything else than a number: it is overwritten in place, not allocated. */
  now: Timestamp = Number.NaN
  /** Stamp of the last cycle before the present time. */
  stampBefore = 0
  /** Whether it runs at this moment. */
  isRunning = false
  /** Cycles before the stamps began again. */
  #cyclesBefore = 0
  readonly #mostAtOneTime: number
  readonly #onRestart: () => void

  /** `onRestart` is called when the stamps begin again: what has ticked before is long ago. */
  constructor(start: Timestamp, mostAtOneTime: number, onRestart: () => void) {
    this.now = start
    this.#mostAtOneTime = mostAtOneTime
    this.#onRestart = onRestart
  }

  /** Cycles so far. */
  get count(): number {
    return this.#cyclesBefore + this.stamp
  }

  /** @throws GraphError `SPINNING` when too many were at one time. */
  begin(time: Timestamp): void {
    if (time !== this.now) {
      this.now = time
      this.stampBefore = this.stamp
    } else if (this.stamp - this.stampBefore >= this.#mostAtOneTime) {
      throw new GraphError(
        'SPINNING',
        `${this.#mostAtOneTime} cycles at ${describeTime(time)}: a feedback or alarm ticks again at once, for ever; give it a delay or a way to end`,
        { time },
      )
    }
    if (this.stamp === STAMP_LIMIT) this.#restart()
    this.stamp++
    this.isRunning = true
  }

  #restart(): void {
    this.#onRestart()
    this.stamp = 0
    this.stampBefore -= STAMP_LIMIT
    this.#cyclesBefore += STAMP_LIMIT
  }
}
