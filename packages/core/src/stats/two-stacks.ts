import type { SampleRing } from './sample-ring.js'
import type { Statistic } from './statistic.js'

/**
 * A statistic over a first-in-first-out window that never subtracts: what has left the window leaves no rounding
 * error behind, however large it was, and neither do infinities. Amortised O(1) a sample.
 *
 * The window is two stacks back to back. New samples are folded into one running state, the back. When the last of the
 * front has left, the samples of the back are folded again from the newest to the oldest, and the state after each is
 * kept: dropping the oldest then means to look one place further. The result combines both.
 *
 *     front: [abc bc c]   back: (def)      result = abc + def; without a: bc + def
 *
 * K. Tangwongsan, M. Hirzel, S. Schneider, "Low-latency sliding-window aggregation in worst-case constant time",
 * DEBS 2017, where this is the algorithm "Two-Stacks Lite".
 */
export abstract class TwoStacks implements Statistic<number> {
  readonly keepsNan: boolean = false
  protected readonly samples: SampleRing
  /** The front is the samples of the window before this one, of which states are kept: each in the place of its oldest. */
  private border = 0
  /** The back is the samples from the border up to this one. */
  private end = 0
  private places: number

  constructor(samples: SampleRing) {
    this.samples = samples
    this.places = samples.places
  }

  /** Makes the running state that of no samples. */
  protected abstract empty(): void
  /** Folds one sample into the running state. */
  protected abstract fold(place: number): void
  /** Keeps the running state in `place`. */
  protected abstract keep(place: number): void
  /** Makes room to keep so many states; those kept so far are needed no more. */
  protected abstract reserve(places: number): void
  /** The result of the state kept in `place` together with the running state; of the latter alone if `place` is -1. */
  protected abstract combine(place: number): number

  follow(): void {
    const { samples } = this
    if (this.places !== samples.places) this.move()
    while (this.end < samples.end) this.add(samples.place(this.end++))
    if (this.border < samples.first) this.flip()
  }

  /** Starts over: all samples are to come again. */
  recalc(): void {
    this.empty()
    this.border = this.samples.first
    this.end = this.samples.first
  }

  result(): number {
    const { samples } = this
    return this.combine(samples.first < this.border ? samples.place(samples.first) : -1)
  }

  /** Takes the newest sample into the back. */
  protected add(place: number): void {
    if (!this.samples.hasNan(place)) this.fold(place)
  }

  private move(): void {
    this.places = this.samples.places
    this.reserve(this.places)
    this.recalc()
  }

  /** Makes the front of all samples. */
  private flip(): void {
    const { samples } = this
    this.empty()
    for (let n = samples.end - 1; n >= samples.first; n--) {
      const place = samples.place(n)
      if (!samples.hasNan(place)) this.fold(place)
      this.keep(place)
    }
    this.empty()
    this.border = samples.end
  }
}
