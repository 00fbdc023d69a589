import type { Duration, Timestamp } from '@gw/core'

/** One moment of a statistic's inputs: what ticked in the cycle. */
export interface Moment {
  readonly time: Timestamp
  readonly x?: number
  readonly y?: number
  readonly weight?: number
  readonly sampler?: true
  readonly trigger?: true
  readonly reset?: true
}

export interface WindowRules {
  /** Samples, or an age that a sample is below; neither for all. */
  readonly count?: number
  readonly age?: Duration
  readonly minCount?: number
  readonly minAge?: Duration
  readonly hasSampler?: boolean
  readonly hasTrigger?: boolean
  readonly hasWeights?: boolean
  readonly ignoreNa?: boolean
  readonly minDataPoints?: number
}

export interface Sample {
  readonly time: Timestamp
  readonly x: number
  readonly y: number
  readonly weight: number
}

/**
 * What a windowed statistic ticks, from the rules alone: all samples are kept, and for each result those in the window
 * are looked up anew. `missing` ticks where the rules say that there is no result.
 */
export function naiveWindow<R>(
  moments: readonly Moment[],
  rules: WindowRules,
  statistic: (samples: readonly Sample[], all: readonly Sample[]) => R,
  missing: R,
): readonly (readonly [Timestamp, R])[] {
  const { count = Number.POSITIVE_INFINITY, age = Number.POSITIVE_INFINITY } = rules
  const minCount = rules.minCount ?? (count === Number.POSITIVE_INFINITY ? 0 : count)
  const minAge = rules.minAge ?? (age === Number.POSITIVE_INFINITY ? 0 : age)
  const ticks: (readonly [Timestamp, R])[] = []
  let samples: Sample[] = []
  let seen = 0
  let isReached = false
  let weight = Number.NaN
  for (const moment of moments) {
    const { time } = moment
    if (moment.weight !== undefined) weight = moment.weight
    if (moment.reset) samples = []
    const isSample = rules.hasSampler ? moment.sampler === true : moment.x !== undefined
    if (isSample) {
      seen++
      const { x = Number.NaN } = moment
      samples.push({ time, x, y: moment.y ?? x, weight: rules.hasWeights ? weight : 1 })
    }
    if (!(rules.hasTrigger ? moment.trigger === true : isSample)) continue
    isReached ||= (minCount <= 1 || seen >= minCount) && time >= minAge
    if (!isReached) continue
    const inside = samples.slice(-Math.min(count, samples.length) || samples.length)
    const window = inside.filter((sample) => sample.time > time - age)
    const isNan = ({ x, y, weight }: Sample): boolean => Number.isNaN(x + y + weight)
    const points = window.filter((sample) => !isNan(sample))
    const isMissing =
      points.length < (rules.minDataPoints ?? 0) ||
      (rules.ignoreNa === false && points.length < window.length)
    ticks.push([time, isMissing ? missing : statistic(points, window)])
  }
  return ticks
}
