import type { SampleRing } from './sample-ring.js'

/**
 * Computes a result over the samples of a window. It reads them in the `SampleRing` that it is made with, by their
 * place there: numbers that are passed from function to function would be boxed.
 */
export interface Statistic<R> {
  /** Whether NaN is a value as any other, so that a window with one has a result. @defaultValue false */
  readonly keepsNan?: boolean
  /** Takes notice of what came into the window and what left it: called whenever a sample has come, and before a result. */
  follow(): void
  /** Makes the next result from the samples in the window alone, not from what was computed of them before. */
  recalc?(): void
  result(): R
}

/** A statistic that adds the samples one by one as they come, and removes them as they go. */
export abstract class Incremental<R> implements Statistic<R> {
  /** Whether samples with NaN are added and removed, too. */
  protected readonly takesNan: boolean
  protected readonly samples: SampleRing
  private first = 0
  private end = 0

  constructor(samples: SampleRing, takesNan = false) {
    this.samples = samples
    this.takesNan = takesNan
  }

  /** Adds the newest sample. */
  protected abstract add(place: number): void
  /** Removes the oldest one. */
  protected abstract remove(place: number): void
  /** Removes all. */
  protected abstract clear(): void
  abstract result(): R

  follow(): void {
    const { samples } = this
    if (this.first !== samples.first) this.leave()
    while (this.end < samples.end) {
      const place = samples.place(this.end++)
      if (this.takesNan || !samples.isNan(place)) this.add(place)
    }
  }

  private leave(): void {
    const { samples } = this
    if (samples.first >= this.end) {
      this.clear()
      this.end = samples.first
    } else {
      for (let n = this.first; n < samples.first; n++) {
        const place = samples.place(n)
        if (this.takesNan || !samples.isNan(place)) this.remove(place)
      }
    }
    this.first = samples.first
  }
}
