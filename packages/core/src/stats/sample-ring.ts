import type { Timestamp } from '../time.js'

/** The samples of a window, oldest first, in typed arrays: taking one in and letting one go allocates nothing. */
export class SampleRing {
  size = 0
  private head = 0
  private mask: number
  private xs: Float64Array
  private times: Float64Array
  private weights: Float64Array | undefined
  private ys: Float64Array | undefined

  /** `hasWeights` and `hasYs` tell whether weights other than 1, and a second series, are to be kept. */
  constructor(hasWeights: boolean, hasYs: boolean) {
    const capacity = 16
    this.mask = capacity - 1
    this.xs = new Float64Array(capacity)
    this.times = new Float64Array(capacity)
    this.weights = hasWeights ? new Float64Array(capacity) : undefined
    this.ys = hasYs ? new Float64Array(capacity) : undefined
  }

  push(x: number, weight: number, y: number, time: Timestamp): void {
    if (this.size > this.mask) this.grow()
    const at = (this.head + this.size++) & this.mask
    this.xs[at] = x
    this.times[at] = time
    if (this.weights !== undefined) this.weights[at] = weight
    if (this.ys !== undefined) this.ys[at] = y
  }

  /** Lets the oldest sample go. */
  shift(): void {
    this.head = (this.head + 1) & this.mask
    this.size--
  }

  clear(): void {
    this.size = 0
  }

  /** The data of sample `i`, counted from the oldest. */
  x(i: number): number {
    return this.xs[(this.head + i) & this.mask] as number
  }

  time(i: number): Timestamp {
    return this.times[(this.head + i) & this.mask] as number
  }

  weight(i: number): number {
    return this.weights === undefined ? 1 : (this.weights[(this.head + i) & this.mask] as number)
  }

  y(i: number): number {
    return this.ys === undefined ? this.x(i) : (this.ys[(this.head + i) & this.mask] as number)
  }

  private grow(): void {
    const capacity = this.mask + 1
    const grow = (from: Float64Array): Float64Array => {
      const to = new Float64Array(capacity * 2)
      to.set(from.subarray(this.head))
      to.set(from.subarray(0, this.head), capacity - this.head)
      return to
    }
    this.xs = grow(this.xs)
    this.times = grow(this.times)
    if (this.weights !== undefined) this.weights = grow(this.weights)
    if (this.ys !== undefined) this.ys = grow(this.ys)
    this.mask = capacity * 2 - 1
    this.head = 0
  }
}
