import type { Statistic } from './statistic.js'

/** Places that a new window has room for. */
export const FIRST_PLACES = 16

/**
 * A statistic over a first-in-first-out window that never subtracts: what has left the window leaves no rounding
 * error behind, however large it was, and neither do infinities. Amortised O(1) a sample.
 *
 * The window is two stacks back to back. New samples are folded into one running state, the back. When the oldest
 * has to go and the front is empty, the samples of the back are folded again from the newest to the oldest, and the
 * state after each is kept: dropping the oldest then means to look one place further. The result combines both.
 *
 *     front: [abc bc c]   back: (def)      result = abc + def; without a: bc + def
 *
 * K. Tangwongsan, M. Hirzel, S. Schneider, "Low-latency sliding-window aggregation in worst-case constant time",
 * DEBS 2017, where this is the algorithm "Two-Stacks Lite".
 */
export abstract class TwoStacks implements Statistic<number> {
  /** Samples of the front, whose states are kept in the places from `head` on. */
  private front = 0
  private size = 0
  private head = 0
  private mask = FIRST_PLACES - 1
  private samples: Float64Array
  private readonly fields: number
  private readonly slides: boolean

  /**
   * `fields` is how many of x, weight and y, in this order, the statistic needs. A window that does not slide lets
   * nothing go: then the running state is enough.
   */
  constructor(fields: 1 | 2 | 3, slides: boolean) {
    this.fields = fields
    this.slides = slides
    this.samples = new Float64Array(FIRST_PLACES * fields)
  }

  /** Makes the running state that of no samples. */
  protected abstract empty(): void
  /** Folds one sample into the running state. */
  protected abstract fold(x: number, weight: number, y: number): void
  /** Keeps the running state in `place`. */
  protected abstract keep(place: number): void
  /** Makes room to keep so many states. */
  protected abstract reserve(places: number): void
  /** The result of the state kept in `place` together with the running state; of the latter alone if `place` is -1. */
  protected abstract combine(place: number): number

  add(x: number, weight: number, y: number): void {
    if (this.slides) this.push(x, weight, y)
    this.fold(x, weight, y)
  }

  /** The sample is known here: it is given to those that do not add every one. */
  remove(_x?: number, _weight?: number, _y?: number): void {
    if (this.front === 0) this.flip()
    this.head = (this.head + 1) & this.mask
    this.front--
    this.size--
  }

  clear(): void {
    this.size = 0
    this.front = 0
    this.empty()
  }

  result(): number {
    return this.combine(this.front === 0 ? -1 : this.head)
  }

  private push(x: number, weight: number, y: number): void {
    if (this.size > this.mask) this.grow()
    const at = ((this.head + this.size++) & this.mask) * this.fields
    const samples = this.samples
    samples[at] = x
    if (this.fields > 1) samples[at + 1] = weight
    if (this.fields > 2) samples[at + 2] = y
  }

  private flip(): void {
    this.empty()
    for (let i = this.size - 1; i >= 0; i--) {
      this.foldAt((this.head + i) & this.mask)
      this.keep((this.head + i) & this.mask)
    }
    this.empty()
    this.front = this.size
  }

  private foldAt(place: number): void {
    const at = place * this.fields
    const samples = this.samples
    const x = samples[at] as number
    const weight = this.fields > 1 ? (samples[at + 1] as number) : 1
    this.fold(x, weight, this.fields > 2 ? (samples[at + 2] as number) : x)
  }

  /** Doubles the room. The front is empty afterwards: all samples are folded into the back. */
  private grow(): void {
    const old = this.samples
    const split = this.head * this.fields
    this.samples = new Float64Array(old.length * 2)
    this.samples.set(old.subarray(split))
    this.samples.set(old.subarray(0, split), old.length - split)
    this.mask = this.mask * 2 + 1
    this.head = 0
    this.front = 0
    this.empty()
    for (let i = 0; i < this.size; i++) this.foldAt(i)
    this.reserve(this.mask + 1)
  }
}
