import type { Duration, Timestamp } from '../time.js'
import { SampleRing } from './sample-ring.js'
import type { Statistic } from './statistic.js'

/** What a window holds at most. */
export interface WindowBounds {
  /** Samples; `Infinity` for no such bound. */
  readonly count: number
  /** Age that a sample is below; `Infinity` for no such bound. */
  readonly age: Duration
}

/** The samples that are in a window now, and the statistic over them. */
export class SampleWindow<R> {
  private readonly stat: Statistic<R>
  private readonly bounds: WindowBounds
  /** `undefined` for a window that lets nothing go, and so need not know what it holds. */
  private readonly ring: SampleRing | undefined
  private readonly hasAge: boolean
  private readonly addsNan: boolean
  private readonly nanIsValue: boolean
  /** Samples without NaN. */
  private points = 0
  /** Samples with NaN. */
  private nans = 0

  constructor(stat: Statistic<R>, bounds: WindowBounds, hasWeights: boolean, hasYs: boolean) {
    this.stat = stat
    this.bounds = bounds
    const isExpanding =
      bounds.count === Number.POSITIVE_INFINITY && bounds.age === Number.POSITIVE_INFINITY
    this.ring = isExpanding ? undefined : new SampleRing(hasWeights, hasYs)
    this.hasAge = bounds.age !== Number.POSITIVE_INFINITY
    this.nanIsValue = stat.nan === 'value'
    this.addsNan = stat.nan === 'add' || this.nanIsValue
  }

  clear(): void {
    this.ring?.clear()
    this.stat.clear()
    this.points = 0
    this.nans = 0
  }

  sample(x: number, weight: number, y: number, time: Timestamp): void {
    const ring = this.ring
    if (ring !== undefined) {
      if (this.hasAge) this.trim(time)
      if (ring.size === this.bounds.count) this.drop(ring)
      ring.push(x, weight, y, time)
    }
    if (hasNan(x, weight, y)) {
      this.nans++
      if (!this.addsNan) return
    } else this.points++
    this.stat.add(x, weight, y, time)
  }

  /** Lets go what has become too old. */
  trim(now: Timestamp): void {
    const { ring } = this
    if (ring === undefined || !this.hasAge) return
    const threshold = now - this.bounds.age
    while (ring.size > 0 && ring.time(0) <= threshold) this.drop(ring)
  }

  /** Computes the statistic from the samples again. */
  recalc(): void {
    const ring = this.ring
    if (ring === undefined) return
    this.stat.clear()
    for (let i = 0; i < ring.size; i++) {
      const x = ring.x(i)
      const weight = ring.weight(i)
      const y = ring.y(i)
      if (this.addsNan || !hasNan(x, weight, y)) this.stat.add(x, weight, y, ring.time(i))
    }
  }

  /** The result, or `missing` with fewer than `minDataPoints` samples or with a NaN that is not ignored. */
  result(ignoreNa: boolean, minDataPoints: number, missing: R): R {
    if (this.points < minDataPoints) return missing
    if (this.nans > 0 && !ignoreNa && !this.nanIsValue) return missing
    return this.stat.result()
  }

  private drop(ring: SampleRing): void {
    const x = ring.x(0)
    const weight = ring.weight(0)
    const y = ring.y(0)
    ring.shift()
    if (hasNan(x, weight, y)) {
      this.nans--
      if (!this.addsNan) return
    } else this.points--
    this.stat.remove(x, weight, y)
  }
}

function hasNan(x: number, weight: number, y: number): boolean {
  return Number.isNaN(x) || Number.isNaN(weight) || Number.isNaN(y)
}
