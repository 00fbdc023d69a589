/**
 * The weighted means of two series and the mean product of the distances from them, kept as shares: a new sample has
 * a `share` of all weight from now on, and what there was has `kept`, the rest. Every term is added, none is taken
 * off again, so that nothing cancels: mean += share dx, products = kept (products + share dx dy).
 * T. Finch, "Incremental calculation of weighted mean and variance", University of Cambridge, 2009, equations 124, 143.
 *
 * The means carry the rounding error of their additions along (D. E. Knuth, "The Art of Computer Programming" vol. 2,
 * 4.2.2, theorem B), since a distance from a mean of 1e9 would otherwise have lost half of its digits.
 */
export class PairMoments {
  /** Mean product of the distances: the covariance, biased. */
  products = 0
  /** 1 less the sum of the squared shares of all samples: what the biased covariance is to be divided by. */
  spread = 0
  private xMean = 0
  private xRest = 0
  private yMean = 0
  private yRest = 0

  /** Begins with the first sample, which has all weight. */
  begin(x: number, y: number): void {
    this.xMean = x
    this.yMean = y
    this.xRest = 0
    this.yRest = 0
    // 0, but of NaN and infinities.
    this.products = (x - x) * (y - y)
    this.spread = 0
  }

  take(x: number, y: number, kept: number, share: number): void {
    const dx = x - this.xMean - this.xRest
    const dy = y - this.yMean - this.yRest
    this.products = kept * (this.products + share * dx * dy)
    this.spread = kept * (kept * this.spread + 2 * share)
    this.moveX(share * dx)
    this.moveY(share * dy)
  }

  /** Takes another set of samples, which has `share` of all weight from now on. */
  merge(other: PairMoments, kept: number, share: number): void {
    const dx = other.xMean - this.xMean + (other.xRest - this.xRest)
    const dy = other.yMean - this.yMean + (other.yRest - this.yRest)
    this.products = kept * (this.products + share * dx * dy) + share * other.products
    this.spread = kept * (kept * this.spread + 2 * share) + share * share * other.spread
    this.moveX(share * dx)
    this.moveY(share * dy)
  }

  /** Writes the state into six places of `to`, of which {@link read} makes it again. */
  write(to: Float64Array, at: number): void {
    to[at] = this.xMean
    to[at + 1] = this.xRest
    to[at + 2] = this.yMean
    to[at + 3] = this.yRest
    to[at + 4] = this.products
    to[at + 5] = this.spread
  }

  read(from: Float64Array, at: number): void {
    this.xMean = from[at] as number
    this.xRest = from[at + 1] as number
    this.yMean = from[at + 2] as number
    this.yRest = from[at + 3] as number
    this.products = from[at + 4] as number
    this.spread = from[at + 5] as number
  }

  private moveX(by: number): void {
    const mean = this.xMean
    const step = by + this.xRest
    const next = mean + step
    const part = next - mean
    this.xRest = mean - (next - part) + (step - part)
    this.xMean = next
  }

  private moveY(by: number): void {
    const mean = this.yMean
    const step = by + this.yRest
    const next = mean + step
    const part = next - mean
    this.yRest = mean - (next - part) + (step - part)
    this.yMean = next
  }
}
