import type { Timestamp } from '../time.js'

/** Places that a new ring of a window that slides has. */
export const FIRST_PLACES = 16

/** The samples of a window, oldest first, in typed arrays: taking one in and letting one go allocates nothing. */
export class SampleRing {
  /** If false, for a window that lets nothing go, all samples are counted and only the newest is kept. */
  readonly slides: boolean
  size = 0
  /** Samples with NaN. */
  nans = 0
  /** By place. */
  xs: Float64Array<ArrayBufferLike>
  times: Float64Array<ArrayBufferLike>
  /** `undefined` where all weigh 1. */
  weights: Float64Array<ArrayBufferLike> | undefined
  /** Without a second series, `xs`. */
  ys: Float64Array<ArrayBufferLike>
  private readonly moved: (() => void)[] = []
  private head = 0
  private mask: number

  /** `hasWeights` and `hasYs` tell whether weights other than 1, and a second series, are to be kept. */
  constructor(slides: boolean, hasWeights: boolean, hasYs: boolean) {
    this.slides = slides
    const places = slides ? FIRST_PLACES : 1
    this.mask = places - 1
    this.xs = new Float64Array(places)
    this.times = new Float64Array(places)
    this.weights = hasWeights ? new Float64Array(places) : undefined
    this.ys = hasYs ? new Float64Array(places) : this.xs
  }

  /** How many samples there is room for. */
  get places(): number {
    return this.mask + 1
  }

  /** Calls `moved` whenever the samples have changed their places, of which there are more then. */
  onMove(moved: () => void): void {
    this.moved.push(moved)
  }

  /** Samples without NaN. */
  get points(): number {
    return this.size - this.nans
  }

  /** The place of sample `i`, counted from the oldest. */
  place(i: number): number {
    return (this.head + i) & this.mask
  }

  /** Takes in a sample of one series without weights. @returns its place */
  push(x: number, time: Timestamp): number {
    if (this.size > this.mask && this.slides) this.grow()
    const place = (this.head + this.size++) & this.mask
    this.xs[place] = x
    this.times[place] = time
    if (Number.isNaN(x)) this.nans++
    return place
  }

  /** Takes in a sample with a weight, or of two series. @returns its place */
  pushAll(x: number, weight: number, y: number, time: Timestamp): number {
    const place = this.push(x, time)
    if (this.weights !== undefined) this.weights[place] = weight
    if (this.ys !== this.xs) this.ys[place] = y
    if (!Number.isNaN(x) && this.isNan(place)) this.nans++
    return place
  }

  /** Lets the oldest sample go. */
  shift(): void {
    if (this.hasNan(this.head)) this.nans--
    this.head = (this.head + 1) & this.mask
    this.size--
  }

  clear(): void {
    this.size = 0
    this.nans = 0
  }

  weight(place: number): number {
    return this.weights === undefined ? 1 : (this.weights[place] as number)
  }

  hasNan(place: number): boolean {
    return this.nans > 0 && this.isNan(place)
  }

  private isNan(place: number): boolean {
    if (Number.isNaN(this.xs[place])) return true
    if (this.ys !== this.xs && Number.isNaN(this.ys[place])) return true
    return this.weights !== undefined && Number.isNaN(this.weights[place])
  }

  private grow(): void {
    const { head, places, xs, ys, weights } = this
    const grow = (from: Float64Array): Float64Array => {
      const to = new Float64Array(places * 2)
      to.set(from.subarray(head))
      to.set(from.subarray(0, head), places - head)
      return to
    }
    this.xs = grow(xs)
    this.ys = ys === xs ? this.xs : grow(ys)
    this.times = grow(this.times)
    if (weights !== undefined) this.weights = grow(weights)
    this.mask = places * 2 - 1
    this.head = 0
    for (const moved of this.moved) moved()
  }
}
