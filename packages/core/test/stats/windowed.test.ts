import { curve, type Edge, Graph, graphOutput, map, simulate, stats, ticks } from '@gw/core'
import fc from 'fast-check'
import { expect, expectTypeOf, test } from 'vitest'
import { Exact } from '../support/exact.js'
import { type Moment, naiveWindow, type Sample, type WindowRules } from '../support/window.js'

type Options = stats.WindowOptions & stats.WeightOptions

interface Statistic {
  readonly build: (x: Edge<number>, options: Options, y: Edge<number>) => Edge<unknown>
  /** The result over the samples without NaN; `all` has those too. */
  readonly exact: (samples: readonly Sample[], all: readonly Sample[]) => unknown
  /** What ticks where there are too few samples, or a NaN that is not ignored. */
  readonly missing?: unknown
  /** Error allowed beside that of one rounding, for a sample whose distance from 0 is 1 and whose spread is 1. */
  readonly tolerance?: number
  readonly takesWeights?: true
  readonly isPaired?: true
  /** NaN is a sample as any other, if it is not ignored. */
  readonly keepsNan?: true
  readonly takesNoNanPolicy?: true
}

const exactly = (values: readonly number[]): Exact[] => values.map((x) => Exact.of(x))
const xs = (samples: readonly Sample[]): number[] => samples.map(({ x }) => x)

/** Weighted sums of the products of powers of distances from the means, and the sum of weights. */
function centred(samples: readonly Sample[]) {
  const w = exactly(samples.map(({ weight }) => weight))
  const total = Exact.sum(w)
  const weigh = (values: readonly Exact[]): Exact =>
    Exact.sum(values.map((value, i) => value.times(w[i] as Exact)))
  const distances = (values: readonly number[]): Exact[] => {
    const exact = exactly(values)
    const mean = weigh(exact).over(total)
    return exact.map((value) => value.minus(mean))
  }
  const weight = total.toNumber()
  if (weight === 0) return { weight, moment: () => 0 }
  const dx = distances(xs(samples))
  const dy = distances(samples.map(({ y }) => y))
  return {
    weight,
    moment: (i: number, j = 0): number =>
      weigh(dx.map((d, k) => d.power(i).times((dy[k] as Exact).power(j)))).toNumber(),
  }
}

function varianceOf(samples: readonly Sample[], ddof: number): number {
  const { weight, moment } = centred(samples)
  return weight > ddof ? moment(2) / (weight - ddof) : Number.NaN
}

function skewOf(samples: readonly Sample[]): number {
  const { weight: n, moment } = centred(samples)
  const v = moment(2) / n
  if (n <= 2 || v < 1e-9) return Number.NaN
  return (moment(3) / n / v ** 1.5) * (Math.sqrt(n * (n - 1)) / (n - 2))
}

function kurtOf(samples: readonly Sample[]): number {
  const { weight: n, moment } = centred(samples)
  const v = moment(2) / n
  if (n <= 3 || v < 1e-9) return Number.NaN
  const k = ((n + 1) * (n - 1)) / ((n - 2) * (n - 3))
  return (k * moment(4)) / n / (v * v) - (3 * k * (n - 1)) / (n + 1)
}

function corrOf(samples: readonly Sample[]): number {
  const { weight: n, moment } = centred(samples)
  if (!(n > 1) || moment(2) / (n - 1) < 1e-9 || moment(0, 2) / (n - 1) < 1e-9) return Number.NaN
  return moment(1, 1) / Math.sqrt(moment(2) * moment(0, 2))
}

function quantileOf(samples: readonly Sample[], q: number, at: (p: number, v: number[]) => number) {
  const sorted = xs(samples).sort((a, b) => a - b)
  return sorted.length === 0 ? Number.NaN : at(q * (sorted.length - 1), sorted)
}

const place = (v: readonly number[], i: number): number => v[i] as number
const linear = (p: number, v: number[]): number => {
  const low = Math.floor(p)
  return low === p ? place(v, p) : (1 - (p - low)) * place(v, low) + (p - low) * place(v, low + 1)
}

function rankOf(method: 'min' | 'max' | 'avg', naOption: 'keep' | 'last') {
  return (samples: readonly Sample[], all: readonly Sample[]): number => {
    const last = naOption === 'keep' ? all.at(-1)?.x : samples.at(-1)?.x
    if (last === undefined || Number.isNaN(last)) return Number.NaN
    const below = xs(samples).filter((x) => x < last).length
    const highest = xs(samples).filter((x) => x <= last).length - 1
    return { min: below, max: highest, avg: (below + highest) / 2 }[method]
  }
}

function timeOf(beats: (a: number, b: number) => boolean) {
  return (samples: readonly Sample[]): number => {
    if (samples.length === 0) return 0
    return samples.reduce((best, sample) => (beats(sample.x, best.x) ? sample : best)).time
  }
}

const statistics: { readonly [name: string]: Statistic } = {
  count: { build: stats.count, exact: (samples) => samples.length },
  sum: { build: stats.sum, exact: (samples) => Exact.sum(exactly(xs(samples))).toNumber() },
  mean: {
    build: stats.mean,
    takesWeights: true,
    exact: (samples) => {
      const weight = Exact.sum(exactly(samples.map(({ weight }) => weight)))
      if (!(weight.toNumber() > 1e-9)) return Number.NaN
      const products = samples.map(({ x, weight }) => Exact.of(x * weight))
      return Exact.sum(products).over(weight).toNumber()
    },
  },
  prod: {
    build: (x, options) =>
      stats.prod(
        map(x, (x) => x % 8),
        options,
      ),
    tolerance: 1e-14,
    exact: (samples) =>
      samples.length === 0
        ? Number.NaN
        : exactly(xs(samples).map((x) => x % 8))
            .reduce((a, b) => a.times(b))
            .toNumber(),
  },
  gmean: {
    build: (x, options) =>
      stats.gmean(
        map(x, (x) => Math.abs(x) + 1),
        options,
      ),
    tolerance: 1e-13,
    exact: (samples) => {
      const logarithms = xs(samples).map((x) => Math.log(Math.abs(x) + 1))
      return Math.exp(Exact.sum(exactly(logarithms)).toNumber() / samples.length)
    },
  },
  first: { build: stats.first, keepsNan: true, exact: ([first]) => first?.x ?? Number.NaN },
  last: { build: stats.last, keepsNan: true, exact: (all) => all.at(-1)?.x ?? Number.NaN },
  min: {
    build: stats.min,
    exact: (samples) => (samples.length === 0 ? Number.NaN : Math.min(...xs(samples))),
  },
  max: {
    build: stats.max,
    exact: (samples) => (samples.length === 0 ? Number.NaN : Math.max(...xs(samples))),
  },
  median: { build: stats.median, exact: (samples) => quantileOf(samples, 0.5, linear) },
  'quantile linear': {
    build: (x, options) => stats.quantile(x, 0.3, options),
    exact: (samples) => quantileOf(samples, 0.3, linear),
  },
  'quantile lower': {
    build: (x, options) => stats.quantile(x, 0.3, { ...options, interpolate: 'lower' }),
    exact: (samples) => quantileOf(samples, 0.3, (p, v) => place(v, Math.floor(p))),
  },
  'quantile higher': {
    build: (x, options) => stats.quantile(x, 0.3, { ...options, interpolate: 'higher' }),
    exact: (samples) => quantileOf(samples, 0.3, (p, v) => place(v, Math.ceil(p))),
  },
  'quantile midpoint': {
    build: (x, options) => stats.quantile(x, 0.3, { ...options, interpolate: 'midpoint' }),
    exact: (samples) =>
      quantileOf(samples, 0.3, (p, v) => (place(v, Math.floor(p)) + place(v, Math.ceil(p))) / 2),
  },
  'quantile nearest': {
    build: (x, options) => stats.quantile(x, 0.5, { ...options, interpolate: 'nearest' }),
    exact: (samples) => quantileOf(samples, 0.5, (p, v) => place(v, Math.floor(p + 0.5))),
  },
  variance: {
    build: stats.variance,
    takesWeights: true,
    tolerance: 1e-13,
    exact: (samples) => varianceOf(samples, 1),
  },
  'variance of the whole': {
    build: (x, options) => stats.variance(x, { ...options, ddof: 0 }),
    takesWeights: true,
    tolerance: 1e-13,
    exact: (samples) => varianceOf(samples, 0),
  },
  stddev: {
    build: stats.stddev,
    takesWeights: true,
    tolerance: 1e-13,
    exact: (samples) => Math.sqrt(varianceOf(samples, 1)),
  },
  sem: {
    build: stats.sem,
    takesWeights: true,
    tolerance: 1e-13,
    exact: (samples) => Math.sqrt(varianceOf(samples, 1) / centred(samples).weight),
  },
  skew: { build: stats.skew, tolerance: 1e-11, exact: skewOf },
  kurt: { build: stats.kurt, tolerance: 1e-11, exact: kurtOf },
  cov: {
    build: (x, options, y) => stats.cov(x, y, options),
    isPaired: true,
    takesWeights: true,
    tolerance: 1e-12,
    exact: (samples) => {
      const { weight, moment } = centred(samples)
      return weight > 1 ? moment(1, 1) / (weight - 1) : Number.NaN
    },
  },
  corr: {
    build: (x, options, y) => stats.corr(x, y, options),
    isPaired: true,
    tolerance: 1e-12,
    exact: corrOf,
  },
  unique: {
    build: (x, options) => stats.unique(x, { ...options, precision: 1 }),
    takesNoNanPolicy: true,
    exact: (samples) => new Set(xs(samples).map((x) => Math.trunc(x * 10))).size,
  },
  ...Object.fromEntries(
    (['min', 'max', 'avg'] as const).flatMap((method) =>
      (['keep', 'last'] as const).map((naOption): [string, Statistic] => [
        `rank ${method} ${naOption}`,
        {
          build: (x, options) => stats.rank(x, { ...options, method, naOption }),
          exact: rankOf(method, naOption),
        },
      ]),
    ),
  ),
  argmin: {
    build: stats.argmin,
    takesNoNanPolicy: true,
    missing: 0,
    exact: timeOf((a, b) => a <= b),
  },
  'earliest argmax': {
    build: (x, options) => stats.argmax(x, { ...options, returnMostRecent: false }),
    takesNoNanPolicy: true,
    missing: 0,
    exact: timeOf((a, b) => a > b),
  },
  crossSectional: {
    build: stats.crossSectional,
    takesNoNanPolicy: true,
    missing: [],
    exact: (_samples, all) => xs(all),
  },
}

/** Whole numbers, fractions, large ones with a small spread, and NaN. */
const value = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -5, max: 5 }) },
  { weight: 3, arbitrary: fc.integer({ min: -999, max: 999 }).map((n) => n / 100) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 9 }).map((n) => 1e6 + n / 8) },
  { weight: 1, arbitrary: fc.constant(Number.NaN) },
)
const maybe = fc.boolean().map((is) => (is ? true : undefined))
const moments = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 0, max: 3 }),
      x: fc.option(value, { freq: 5, nil: undefined }),
      y: value,
      weight: fc.option(fc.constantFrom(0, 0.5, 1, 2, Number.NaN), { nil: undefined }),
      sampler: maybe,
      trigger: maybe,
      reset: fc.integer({ min: 0, max: 9 }).map((n) => (n === 0 ? true : undefined)),
    }),
    { maxLength: 40 },
  )
  .map((steps) => {
    let time = 0
    return steps.map(({ gap, ...rest }) => {
      time += gap
      return { ...rest, time } as Moment
    })
  })

const rules = fc
  .record({
    window: fc.oneof(
      fc.record({
        count: fc.integer({ min: 1, max: 12 }),
        minCount: fc.option(fc.nat({ max: 5 }), { nil: undefined }),
      }),
      fc.record({
        age: fc.integer({ min: 1, max: 12 }),
        minAge: fc.option(fc.nat({ max: 9 }), { nil: undefined }),
      }),
      fc.record({ minAge: fc.option(fc.nat({ max: 9 }), { nil: undefined }) }),
    ),
    hasSampler: fc.boolean(),
    hasTrigger: fc.boolean(),
    hasWeights: fc.boolean(),
    ignoreNa: fc.boolean(),
    minDataPoints: fc.nat({ max: 3 }),
  })
  .map(({ window, ...rest }) => ({ ...window, ...rest }) as WindowRules)

function outputOf(moments: readonly Moment[], rules: WindowRules, statistic: Statistic): unknown {
  const graph = new Graph()
  const source = curve(
    graph,
    moments.map((moment) => [moment.time, moment] as const),
  )
  const field = <K extends keyof Moment>(name: K) => map(source, (moment) => moment[name])
  const { count, age, minCount, minAge, ignoreNa, minDataPoints } = rules
  const interval = count === undefined ? age : ticks(count)
  const minWindow = minCount === undefined ? minAge : ticks(minCount)
  const options: Options = {
    ...(interval === undefined ? {} : { interval }),
    ...(minWindow === undefined ? {} : { minWindow }),
    ...(rules.hasSampler ? { sampler: field('sampler') } : {}),
    ...(rules.hasTrigger ? { trigger: field('trigger') } : {}),
    ...(rules.hasWeights ? { weights: field('weight') as Edge<number> } : {}),
    reset: field('reset'),
    ...(ignoreNa === undefined ? {} : { ignoreNa }),
    ...(minDataPoints === undefined ? {} : { minDataPoints }),
  }
  const x = field('x') as Edge<number>
  const y = map(source, ({ x, y }) => (x === undefined ? undefined : y))
  graphOutput('result', statistic.build(x, options, y))
  return simulate(graph).outputs.get('result')
}

/** How far a result may be off: by roundings, the more the smaller the spread is beside the numbers. */
function allowed(
  name: string,
  tolerance: number,
  exact: number,
  moments: readonly Moment[],
): number {
  const largest = Math.max(
    1,
    ...moments.map(({ x = 0, y = 0 }) => Math.abs(x || 0) + Math.abs(y || 0)),
  )
  const unit = name === 'cov' ? largest * largest : Math.max(Math.abs(exact), 1)
  return unit * (tolerance * largest + 4 * Number.EPSILON)
}

test.each(Object.entries(statistics))(
  '%s agrees with an exact recomputation from the rules, whatever the options',
  (name, statistic) => {
    fc.assert(
      fc.property(moments, rules, (pairs, given) => {
        const moments = statistic.isPaired ? pairs : pairs.map(({ y: _, ...moment }) => moment)
        const { hasWeights, ignoreNa, ...rest } = given
        const applied: WindowRules = {
          ...rest,
          hasWeights: hasWeights === true && statistic.takesWeights === true,
          ...(statistic.takesNoNanPolicy ? {} : { ignoreNa: ignoreNa === true }),
          ...(name === 'crossSectional' ? { minDataPoints: 0 } : {}),
        }
        const actual = outputOf(moments, applied, statistic) as [number, unknown][]
        const { missing = Number.NaN, tolerance = 0 } = statistic
        const isAll = statistic.keepsNan === true && ignoreNa === false
        const expected = naiveWindow(
          moments,
          isAll ? { ...applied, ignoreNa: true } : applied,
          (samples, all) => statistic.exact(isAll ? all : samples, all),
          missing,
        )
        expect(actual.map(([time]) => time)).toEqual(expected.map(([time]) => time))
        for (const [i, [, result]] of expected.entries()) {
          const got = actual[i]?.[1]
          if (typeof result !== 'number' || typeof got !== 'number' || !Number.isFinite(result)) {
            expect(got).toEqual(result)
          } else {
            const limit = allowed(name, tolerance, result, moments)
            expect(Math.abs(got - result)).toBeLessThanOrEqual(limit)
          }
        }
      }),
      { numRuns: 60 },
    )
  },
)

test('is typed', () => {
  const x = curve(new Graph(), [[1, 1]])
  expectTypeOf(stats.mean(x)).toEqualTypeOf<Edge<number>>()
  expectTypeOf(stats.quantile(x, [0.1, 0.9])).toEqualTypeOf<readonly Edge<number>[]>()
  expectTypeOf(stats.crossSectional(x)).toEqualTypeOf<Edge<readonly number[]>>()
  expectTypeOf(stats.covMatrix([x, x])).toEqualTypeOf<Edge<stats.Matrix>>()
  // @ts-expect-error a statistic is over numbers
  stats.mean(curve(new Graph(), [[1, 'text']]))
  // @ts-expect-error weights have no meaning for a median
  stats.median(x, { weights: x })
  // @ts-expect-error nothing is left of a mean of trues
  stats.mean(curve(new Graph(), [[1, true]]))
})
