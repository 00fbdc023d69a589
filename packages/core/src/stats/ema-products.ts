import type { Timestamp } from '../time.js'
import { OfAll, powersOf } from './ema-average.js'
import { PairMoments } from './pair-moments.js'
import { FIRST_PLACES, type SampleRing } from './sample-ring.js'
import { TwoStacks } from './two-stacks.js'

/** Reads the result of the moments of samples with that sum of weights, of which the newest weighs 1. */
export type ResultOf = (moments: PairMoments, weight: number) => number

/** All samples count; each keeps `decay` of its weight when another comes. */
export class FadingProducts extends OfAll {
  readonly #decay: number
  readonly #isAdjusted: boolean
  readonly #ignoresNan: boolean
  readonly #resultOf: ResultOf
  readonly #moments = new PairMoments()
  /** Sum of weights; not adjusted, they are shares, and the sum is 1. */
  #weight = 0
  /** Samples, this one included, since the last one that was not NaN. */
  #gap = 1

  constructor(
    samples: SampleRing,
    decay: number,
    isAdjusted: boolean,
    ignoresNan: boolean,
    resultOf: ResultOf,
  ) {
    super(samples)
    this.#decay = decay
    this.#isAdjusted = isAdjusted
    this.#ignoresNan = ignoresNan
    this.#resultOf = resultOf
  }

  protected add(place: number): void {
    const x = this.samples.xs[place] as number
    const y = this.samples.ys[place] as number
    if (Number.isNaN(x) || Number.isNaN(y)) {
      if (!this.#ignoresNan) this.#gap++
      return
    }
    if (this.#weight === 0) {
      this.#moments.begin(x, y)
      this.#weight = 1
    } else {
      const kept = this.#weight * (this.#gap === 1 ? this.#decay : this.#decay ** this.#gap)
      const fresh = this.#isAdjusted ? 1 : 1 - this.#decay
      const sum = kept + fresh
      this.#moments.take(x, y, kept / sum, fresh / sum)
      if (this.#isAdjusted) this.#weight = sum
    }
    this.#gap = 1
  }

  protected clear(): void {
    this.#weight = 0
    this.#gap = 1
  }

  result(): number {
    return this.#weight === 0 ? Number.NaN : this.#resultOf(this.#moments, this.#weight)
  }
}

/** All samples count; they lose weight with time. NaN makes all results NaN. */
export class TimeProducts extends OfAll {
  readonly #rate: number
  readonly #isAdjusted: boolean
  readonly #resultOf: ResultOf
  readonly #moments = new PairMoments()
  /** Those that tell the spread, which is of the adjusted weights in either case. */
  readonly #weights = new PairMoments()
  #weight = 0
  #time: Timestamp = 0

  constructor(samples: SampleRing, rate: number, isAdjusted: boolean, resultOf: ResultOf) {
    super(samples)
    this.#rate = rate
    this.#isAdjusted = isAdjusted
    this.#resultOf = resultOf
  }

  protected add(place: number): void {
    const x = this.samples.xs[place] as number
    const y = this.samples.ys[place] as number
    const time = this.samples.times[place] as number
    if (this.#weight === 0) {
      this.#moments.begin(x, y)
      this.#weights.begin(0, 0)
      this.#weight = 1
    } else {
      const passed = this.#rate * (time - this.#time)
      const kept = this.#weight * Math.exp(passed)
      const sum = kept + 1
      this.#weights.take(0, 0, kept / sum, 1 / sum)
      if (this.#isAdjusted) this.#moments.take(x, y, kept / sum, 1 / sum)
      else this.#moments.take(x, y, Math.exp(passed), -Math.expm1(passed))
      this.#weight = sum
    }
    this.#moments.spread = this.#weights.spread
    this.#time = time
  }

  protected clear(): void {
    this.#weight = 0
  }

  result(): number {
    return this.#weight === 0 ? Number.NaN : this.#resultOf(this.#moments, this.#weight)
  }
}

/** Fields of a state that is kept: the weight and the moments. */
const KEPT = 7

/** The last samples count, and those before them leave no trace; each keeps `decay` of its weight when another comes. */
export class HorizonProducts extends TwoStacks {
  override readonly keepsNan = true
  private readonly decay: number
  private readonly ignoresNan: boolean
  private readonly resultOf: ResultOf
  private readonly moments = new PairMoments()
  private readonly both = new PairMoments()
  /** Counts what makes samples age; and its number when each sample came, by place. */
  private age = 0
  private ages: Float64Array<ArrayBufferLike> = new Float64Array(FIRST_PLACES)
  private powers: Float64Array<ArrayBufferLike>
  private weight = 0
  /** The age at which the newest sample of the running state came, and the newest of the states kept. */
  private newest = 0
  private keptNewest = 0
  private kept: Float64Array<ArrayBufferLike> = new Float64Array(FIRST_PLACES * KEPT)

  constructor(samples: SampleRing, decay: number, ignoresNan: boolean, resultOf: ResultOf) {
    super(samples)
    this.decay = decay
    this.ignoresNan = ignoresNan
    this.powers = powersOf(decay, samples.places)
    this.resultOf = resultOf
  }

  protected override add(place: number): void {
    if (!this.ignoresNan || !this.samples.hasNan(place)) this.age++
    this.ages[place] = this.age
    super.add(place)
  }

  protected empty(): void {
    this.weight = 0
  }

  /** A state that is made anew takes the newest first, so that the sample may be older than what there is. */
  protected fold(place: number): void {
    const x = this.samples.xs[place] as number
    const y = this.samples.ys[place] as number
    const age = this.ages[place] as number
    if (this.weight === 0) {
      this.moments.begin(x, y)
      this.weight = 1
      this.newest = age
      return
    }
    const isNewer = age > this.newest
    const power = this.powers[Math.abs(age - this.newest)] as number
    const kept = isNewer ? this.weight * power : this.weight
    const fresh = isNewer ? 1 : power
    this.weight = kept + fresh
    this.moments.take(x, y, kept / this.weight, fresh / this.weight)
    if (isNewer) this.newest = age
  }

  protected keep(place: number): void {
    this.kept[place * KEPT] = this.weight
    this.moments.write(this.kept, place * KEPT + 1)
    this.keptNewest = this.newest
  }

  protected reserve(places: number): void {
    this.ages = new Float64Array(places)
    this.powers = powersOf(this.decay, places)
    this.kept = new Float64Array(places * KEPT)
  }

  protected combine(place: number): number {
    const weight = place < 0 ? 0 : (this.kept[place * KEPT] as number)
    if (weight === 0) {
      return this.weight === 0 ? Number.NaN : this.resultOf(this.moments, this.weight)
    }
    const { both } = this
    both.read(this.kept, place * KEPT + 1)
    if (this.weight === 0) return this.resultOf(both, weight)
    const kept = weight * (this.powers[this.newest - this.keptNewest] as number)
    const sum = kept + this.weight
    both.merge(this.moments, kept / sum, this.weight / sum)
    return this.resultOf(both, sum)
  }
}
