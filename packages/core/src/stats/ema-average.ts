import type { Timestamp } from '../time.js'
import { FIRST_PLACES, type SampleRing } from './sample-ring.js'
import { Incremental } from './statistic.js'
import { TwoStacks } from './two-stacks.js'

/** Where all samples count, none is ever removed. */
export abstract class OfAll extends Incremental<number> {
  readonly keepsNan = true

  constructor(samples: SampleRing) {
    super(samples, true)
  }

  protected remove(): void {
    // Old samples fade.
  }
}

/** Starts from the first sample: e += alpha (x - e). */
export class UnadjustedEma extends OfAll {
  readonly #alpha: number
  readonly #ignoresNan: boolean
  /** Infinite after an infinite sample, then NaN until a reset. */
  #average = Number.NaN
  #isEmpty = true
  /** Samples, this one included, since the last one that was not NaN. */
  #gap = 1

  constructor(samples: SampleRing, alpha: number, ignoresNan: boolean) {
    super(samples)
    this.#alpha = alpha
    this.#ignoresNan = ignoresNan
  }

  protected add(place: number): void {
    const x = this.samples.xs[place] as number
    if (Number.isNaN(x)) {
      if (!this.#ignoresNan && !this.#isEmpty) this.#gap++
      return
    }
    if (this.#isEmpty) {
      this.#average = x
      this.#isEmpty = false
    } else if (this.#gap === 1) {
      this.#average += this.#alpha * (x - this.#average)
    } else {
      const decay = (1 - this.#alpha) ** this.#gap
      this.#average = (this.#average * decay + this.#alpha * x) / (decay + this.#alpha)
      this.#gap = 1
    }
  }

  protected clear(): void {
    this.#average = Number.NaN
    this.#isEmpty = true
    this.#gap = 1
  }

  result(): number {
    return this.#average
  }
}

/** Weighs by all that there has been: a sample keeps `decay` of its weight when another comes. */
export class AdjustedEma extends OfAll {
  readonly #decay: number
  readonly #ignoresNan: boolean
  #gap = 1
  #sum = 0
  #weight = 0

  constructor(samples: SampleRing, decay: number, ignoresNan: boolean) {
    super(samples)
    this.#decay = decay
    this.#ignoresNan = ignoresNan
  }

  protected add(place: number): void {
    const x = this.samples.xs[place] as number
    if (Number.isNaN(x)) {
      if (!this.#ignoresNan) this.#gap++
      return
    }
    const kept = this.#gap === 1 ? this.#decay : this.#decay ** this.#gap
    this.#sum = this.#sum * kept + x
    this.#weight = this.#weight * kept + 1
    this.#gap = 1
  }

  protected clear(): void {
    this.#gap = 1
    this.#sum = 0
    this.#weight = 0
  }

  result(): number {
    return this.#weight > 0 ? this.#sum / this.#weight : Number.NaN
  }
}

/** What a sample keeps of its weight after 0, 1 and so on others: to compute a power takes as long as all else. */
export function powersOf(decay: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => decay ** i)
}

/** Of the last samples only, and without a trace of those before them. */
export class HorizonEma extends TwoStacks {
  override readonly keepsNan = true
  private readonly decay: number
  private readonly ignoresNan: boolean
  /** Counts what makes samples age; and its number when each sample came, by place. */
  private age = 0
  private ages: Float64Array<ArrayBufferLike> = new Float64Array(FIRST_PLACES)
  private powers: Float64Array<ArrayBufferLike>
  private weight = 0
  private sum = 0
  /** The age at which the newest sample of the running state came, and the newest of the states kept. */
  private newest = 0
  private keptNewest = 0
  /** Weight and sum of each state that is kept. */
  private kept: Float64Array<ArrayBufferLike> = new Float64Array(FIRST_PLACES * 2)

  constructor(samples: SampleRing, decay: number, ignoresNan: boolean) {
    super(samples)
    this.decay = decay
    this.ignoresNan = ignoresNan
    this.powers = powersOf(decay, samples.places)
  }

  protected override add(place: number): void {
    if (!this.ignoresNan || !this.samples.hasNan(place)) this.age++
    this.ages[place] = this.age
    super.add(place)
  }

  protected empty(): void {
    this.weight = 0
    this.sum = 0
  }

  /** A state that is made anew takes the newest first, so that `x` may be older than what there is. */
  protected fold(place: number): void {
    const x = this.samples.xs[place] as number
    const age = this.ages[place] as number
    if (this.weight === 0) {
      this.weight = 1
      this.sum = x
      this.newest = age
    } else if (age > this.newest) {
      const kept = this.powers[age - this.newest] as number
      this.weight = this.weight * kept + 1
      this.sum = this.sum * kept + x
      this.newest = age
    } else {
      const weight = this.powers[this.newest - age] as number
      this.weight += weight
      this.sum += x * weight
    }
  }

  protected keep(place: number): void {
    this.kept[place * 2] = this.weight
    this.kept[place * 2 + 1] = this.sum
    this.keptNewest = this.newest
  }

  protected reserve(places: number): void {
    this.ages = new Float64Array(places)
    this.powers = powersOf(this.decay, places)
    this.kept = new Float64Array(places * 2)
  }

  protected combine(place: number): number {
    let { weight, sum } = this
    const front = place < 0 ? 0 : (this.kept[place * 2] as number)
    if (front > 0) {
      const kept = weight === 0 ? 1 : (this.powers[this.newest - this.keptNewest] as number)
      weight += front * kept
      sum += (this.kept[place * 2 + 1] as number) * kept
    }
    return weight > 0 ? sum / weight : Number.NaN
  }
}

/** Samples lose weight with time. */
export class TimeEma extends OfAll {
  readonly #rate: number
  readonly #isAdjusted: boolean
  #sum = 0
  #weight = 0
  #time: Timestamp = 0

  constructor(samples: SampleRing, rate: number, isAdjusted: boolean) {
    super(samples)
    this.#rate = rate
    this.#isAdjusted = isAdjusted
  }

  protected add(place: number): void {
    const x = this.samples.xs[place] as number
    const time = this.samples.times[place] as number
    if (this.#weight === 0) {
      this.#sum = x
      this.#weight = 1
    } else {
      const passed = this.#rate * (time - this.#time)
      if (this.#isAdjusted) {
        const kept = Math.exp(passed)
        this.#sum = this.#sum * kept + x
        this.#weight = this.#weight * kept + 1
      } else {
        this.#sum -= Math.expm1(passed) * (x - this.#sum)
      }
    }
    this.#time = time
  }

  protected clear(): void {
    this.#sum = 0
    this.#weight = 0
  }

  result(): number {
    return this.#weight > 0 ? this.#sum / this.#weight : Number.NaN
  }
}
