import type { Duration, Timestamp } from '../time.js'

/** Places that a new ring of a window that slides has. */
export const FIRST_PLACES = 16

/** What a window holds at most. */
export interface WindowBounds {
  /** Samples; `Infinity` for no such bound. */
  readonly count: number
  /** Age that a sample is below; `Infinity` for no such bound. */
  readonly age: Duration
}

/**
 * The samples of a window, in typed arrays: taking one in and letting one go allocates nothing.
 *
 * Samples are numbered as they come, 0 and up; the window is those from {@link first} up to {@link end}. A sample that
 * comes is never put in the place of one that leaves for it, so that statistics can still read what they remove.
 */
export class SampleRing {
  /** If false, for a window that lets nothing go, all samples are counted and only the newest is kept. */
  readonly slides: boolean
  /** Number of the oldest sample. */
  first = 0
  /** Number of the sample to come: so many have come since the start. */
  end = 0
  /** Samples with NaN. */
  nans = 0
  /** By place. */
  xs: Float64Array<ArrayBufferLike>
  times: Float64Array<ArrayBufferLike>
  /** `undefined` where all weigh 1. */
  weights: Float64Array<ArrayBufferLike> | undefined
  /** Without a second series, `xs`. */
  ys: Float64Array<ArrayBufferLike>
  private readonly count: number
  private readonly age: Duration
  private readonly hasAge: boolean
  private mask: number

  /** `hasWeights` and `hasYs` tell whether weights other than 1, and a second series, are to be kept. */
  constructor({ count, age }: WindowBounds, hasWeights: boolean, hasYs: boolean) {
    this.count = count
    this.age = age
    this.hasAge = age !== Number.POSITIVE_INFINITY
    this.slides = this.hasAge || count !== Number.POSITIVE_INFINITY
    const places = this.slides ? FIRST_PLACES : 1
    this.mask = places - 1
    this.xs = new Float64Array(places)
    this.times = new Float64Array(places)
    this.weights = hasWeights ? new Float64Array(places) : undefined
    this.ys = hasYs ? new Float64Array(places) : this.xs
  }

  /** How many samples there is room for. When it changes, samples have changed their places. */
  get places(): number {
    return this.mask + 1
  }

  get size(): number {
    return this.end - this.first
  }

  /** Samples without NaN. */
  get points(): number {
    return this.end - this.first - this.nans
  }

  /** The place of the sample with that number. */
  place(number: number): number {
    return number & this.mask
  }

  /** Takes in a sample of one series without weights, and lets go what has to go for it. @returns its place */
  push(x: number, time: Timestamp): number {
    if (this.hasAge) this.trim(time)
    if (this.end - this.first === this.count) this.shift()
    // The one place that stays free is what the next sample is put into.
    if (this.end - this.first === this.mask && this.slides) this.grow()
    const place = this.end++ & this.mask
    this.xs[place] = x
    this.times[place] = time
    if (Number.isNaN(x)) this.nans++
    return place
  }

  /** Takes in a sample with a weight, or of two series. */
  pushAll(x: number, weight: number, y: number, time: Timestamp): void {
    const place = this.push(x, time)
    if (this.weights !== undefined) this.weights[place] = weight
    if (this.ys !== this.xs) this.ys[place] = y
    if (!Number.isNaN(x) && this.isNan(place)) this.nans++
  }

  /** Lets go what has become too old. */
  trim(now: Timestamp): void {
    if (!this.hasAge) return
    const threshold = now - this.age
    while (this.first < this.end && (this.times[this.first & this.mask] as number) <= threshold) {
      this.shift()
    }
  }

  clear(): void {
    this.first = this.end
    this.nans = 0
  }

  weight(place: number): number {
    return this.weights === undefined ? 1 : (this.weights[place] as number)
  }

  /** Whether there is NaN in a sample of the window. */
  hasNan(place: number): boolean {
    return this.nans > 0 && this.isNan(place)
  }

  /** Whether there is NaN in a sample, of the window or not. */
  isNan(place: number): boolean {
    if (Number.isNaN(this.xs[place])) return true
    if (this.ys !== this.xs && Number.isNaN(this.ys[place])) return true
    return this.weights !== undefined && Number.isNaN(this.weights[place])
  }

  private shift(): void {
    if (this.hasNan(this.first & this.mask)) this.nans--
    this.first++
  }

  private grow(): void {
    const { mask, xs, ys, weights } = this
    const places = (mask + 1) * 2
    const grow = (from: Float64Array): Float64Array => {
      const to = new Float64Array(places)
      for (let n = this.end - mask - 1; n < this.end; n++) {
        to[n & (places - 1)] = from[n & mask] as number
      }
      return to
    }
    this.xs = grow(xs)
    this.ys = ys === xs ? this.xs : grow(ys)
    this.times = grow(this.times)
    if (weights !== undefined) this.weights = grow(weights)
    this.mask = places - 1
  }
}
