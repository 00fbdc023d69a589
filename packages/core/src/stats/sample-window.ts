import type { Input } from '../series.js'
import type { Duration, Timestamp } from '../time.js'
import type { SampleRing } from './sample-ring.js'
import type { Statistic } from './statistic.js'

/** What a window holds at most. */
export interface WindowBounds {
  /** Samples; `Infinity` for no such bound. */
  readonly count: number
  /** Age that a sample is below; `Infinity` for no such bound. */
  readonly age: Duration
}

/** What a sample is made of. */
export interface SampleInputs {
  readonly x: Input<number>
  /** The other series of a statistic over two, else `x`. */
  readonly y: Input<number>
  readonly weights: Input<number> | undefined
  readonly sampler: Input<unknown>
}

/** The samples that are in a window now, and the statistic over them. */
export class SampleWindow<R> {
  private readonly inputs: SampleInputs
  private readonly samples: SampleRing
  private readonly stat: Statistic<R>
  private readonly count: number
  private readonly age: Duration
  private readonly hasAge: boolean
  private mustRecalc = false
  private readonly addsNan: boolean
  private readonly nanIsValue: boolean

  constructor(inputs: SampleInputs, samples: SampleRing, stat: Statistic<R>, bounds: WindowBounds) {
    this.inputs = inputs
    this.samples = samples
    this.stat = stat
    this.count = bounds.count
    this.age = bounds.age
    this.hasAge = bounds.age !== Number.POSITIVE_INFINITY
    this.nanIsValue = stat.nan === 'value'
    this.addsNan = stat.nan === 'add' || this.nanIsValue
  }

  clear(): void {
    this.samples.clear()
    this.stat.clear()
  }

  /** Takes the sample of this cycle, in which the sampler ticked. */
  sample(): void {
    if (this.hasAge) this.trim(this.inputs.sampler.time)
    if (this.samples.size === this.count) this.drop()
    this.add(this.push())
  }

  /** Lets go what has become too old. */
  trim(now: Timestamp): void {
    if (!this.hasAge) return
    const { samples } = this
    const threshold = now - this.age
    while (samples.size > 0 && (samples.times[samples.place(0)] as number) <= threshold) this.drop()
  }

  /** Makes the next result be computed anew from the samples. */
  recalcNext(): void {
    this.mustRecalc = true
  }

  /** The result, or `missing` with fewer than `minDataPoints` samples or with a NaN that is not ignored. */
  result(ignoreNa: boolean, minDataPoints: number, missing: R): R {
    if (this.mustRecalc) this.recalc()
    if (this.samples.points < minDataPoints) return missing
    if (this.samples.nans > 0 && !ignoreNa && !this.nanIsValue) return missing
    return this.stat.result()
  }

  private recalc(): void {
    this.mustRecalc = false
    this.stat.clear()
    for (let i = 0; i < this.samples.size; i++) this.add(this.samples.place(i))
  }

  private push(): number {
    const { x, y, weights, sampler } = this.inputs
    const value = x === sampler || x.ticked ? x.value : Number.NaN
    if (y === x && weights === undefined) return this.samples.push(value, sampler.time)
    const other = y === x ? value : y.ticked ? y.value : Number.NaN
    const weight = weights === undefined ? 1 : weights.valid ? weights.value : Number.NaN
    return this.samples.pushAll(value, weight, other, sampler.time)
  }

  private add(place: number): void {
    if (this.addsNan || !this.samples.hasNan(place)) this.stat.add(place)
  }

  private drop(): void {
    const place = this.samples.place(0)
    if (this.addsNan || !this.samples.hasNan(place)) this.stat.remove(place)
    this.samples.shift()
  }
}
