import type { SampleRing } from './sample-ring.js'
import type { Statistic } from './statistic.js'

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
  /** Samples with NaN are added, but not folded: so all samples of the window are in the stacks. */
  readonly nan: 'add' | 'value' = 'add'
  protected readonly samples: SampleRing
  /** The oldest samples, of which states are kept: each in the place of the oldest of its samples. */
  private front = 0

  constructor(samples: SampleRing) {
    this.samples = samples
    samples.onMove(() => this.addAll())
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

  add(place: number): void {
    if (!this.samples.hasNan(place)) this.fold(place)
  }

  remove(): void {
    if (this.front === 0) this.flip()
    this.front--
  }

  clear(): void {
    this.front = 0
    this.empty()
  }

  result(): number {
    return this.combine(this.front === 0 ? -1 : this.samples.place(0))
  }

  /** Adds all samples again, which are then in the back. */
  private addAll(): void {
    const { samples } = this
    this.reserve(samples.places)
    this.clear()
    for (let i = 0; i < samples.size; i++) this.add(samples.place(i))
  }

  private flip(): void {
    const { samples } = this
    this.empty()
    for (let i = samples.size - 1; i >= 0; i--) {
      const place = samples.place(i)
      if (!samples.hasNan(place)) this.fold(place)
      this.keep(place)
    }
    this.empty()
    this.front = samples.size
  }
}
