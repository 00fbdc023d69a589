import { curve, type Edge, empty, Graph, type GraphError, micros, stats } from '@gw/core'
import { replay, ticksOf } from '@gw/core/testing'
import fc from 'fast-check'
import { expect, expectTypeOf, test } from 'vitest'
import { Exact } from '../support/exact.js'

const one = Exact.of(1)

const value = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: -999, max: 999 }).map((n) => n / 8) },
  { weight: 1, arbitrary: fc.constant(Number.NaN) },
)
const values = fc.array(value, { maxLength: 20 })
const alpha = fc.constantFrom(0.125, 0.3, 0.5, 0.9, 1)

/** The values that are not NaN, each with how often it has decayed since, by samples or by values. */
function aged(values: readonly number[], ignoreNa: boolean): { x: Exact; age: number }[] {
  const present = values.flatMap((x, i) => (Number.isNaN(x) ? [] : [{ x, i }]))
  const newest = present.at(-1)?.i ?? 0
  return present.map(({ x, i }, place) => ({
    x: Exact.of(x),
    age: ignoreNa ? present.length - 1 - place : newest - i,
  }))
}

function adjusted(values: readonly number[], alpha: number, ignoreNa: boolean): number {
  const decay = one.minus(Exact.of(alpha))
  const samples = aged(values, ignoreNa).map(({ x, age }) => ({ x, w: decay.power(age) }))
  if (samples.length === 0) return Number.NaN
  const total = Exact.sum(samples.map(({ w }) => w))
  return Exact.sum(samples.map(({ x, w }) => x.times(w)))
    .over(total)
    .toNumber()
}

function unadjusted(values: readonly number[], alpha: number, ignoreNa: boolean): number {
  const fresh = Exact.of(alpha)
  let average: Exact | undefined
  let gap = 1
  for (const x of values) {
    if (Number.isNaN(x)) {
      if (!ignoreNa && average !== undefined) gap++
    } else if (average === undefined) {
      average = Exact.of(x)
    } else {
      const kept = one.minus(fresh).power(gap)
      const both = average.times(kept).plus(Exact.of(x).times(fresh))
      average = both.over(kept.plus(fresh))
      gap = 1
    }
  }
  return average?.toNumber() ?? Number.NaN
}

function expectClose(actual: readonly unknown[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length)
  for (const [i, value] of expected.entries()) {
    if (Number.isFinite(value)) expect(actual[i]).toBeCloseTo(value, 9)
    else expect(actual[i]).toEqual(value)
  }
}

test('weighs each sample by its age, NaN ageing the others or not', () => {
  fc.assert(
    fc.property(values, alpha, fc.boolean(), fc.boolean(), (values, alpha, adjust, ignoreNa) => {
      const actual = replay(values, (x) => stats.ema(x, { alpha, adjust, ignoreNa }))
      const exact = adjust ? adjusted : unadjusted
      expectClose(
        actual,
        values.map((_, i) => exact(values.slice(0, i + 1), alpha, ignoreNa)),
      )
    }),
  )
})

test('with a horizon, older samples do not count', () => {
  fc.assert(
    fc.property(values, alpha, fc.integer({ min: 1, max: 6 }), (values, alpha, horizon) => {
      fc.pre(alpha < 1)
      for (const ignoreNa of [false, true]) {
        const actual = replay(values, (x) => stats.ema(x, { alpha, horizon, ignoreNa }))
        expectClose(
          actual,
          values.map((_, i) =>
            adjusted(values.slice(Math.max(0, i + 1 - horizon), i + 1), alpha, ignoreNa),
          ),
        )
      }
    }),
  )
})

test.each([40, 41, 42])('with a horizon, a sample after %d without a value counts alone', (gap) => {
  const values = [1, ...new Array(gap).fill(Number.NaN), 8, 6]
  for (const ignoreNa of [false, true]) {
    const options = { alpha: 0.5, horizon: 3, ignoreNa }
    expect(replay(values, (x) => stats.ema(x, options)).slice(-2)).toEqual([8, (8 / 2 + 6) / 1.5])
    expect(replay(values, (x) => stats.emaVar(x, { ...options, bias: true })).slice(-2)).toEqual([
      0,
      expect.closeTo(8 / 9, 12),
    ])
  }
})

test('with a halflife, a sample counts half after it', () => {
  const rows = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: -50, max: 50 })),
    {
      minLength: 1,
      maxLength: 20,
    },
  )
  fc.assert(
    fc.property(rows, fc.boolean(), (steps, adjust) => {
      let now = 0
      const ticks = steps.map(([gap, x]) => {
        now += gap
        return [now, x] as const
      })
      const actual = ticksOf((graph) =>
        stats.ema(curve(graph, ticks), { halflife: micros(10), adjust }),
      ).map(([, value]) => value)
      const expected = ticks.map(([time], i) => {
        const seen = ticks.slice(0, i + 1)
        if (!adjust) {
          return seen.reduce((e, [at, x], k) => {
            const before = seen[k - 1]
            return before === undefined ? x : e + (1 - 0.5 ** ((at - before[0]) / 10)) * (x - e)
          }, 0)
        }
        const weights = seen.map(([at]) => 0.5 ** ((time - at) / 10))
        const total = weights.reduce((a, b) => a + b)
        return seen.reduce((sum, [, x], k) => sum + x * (weights[k] as number), 0) / total
      })
      expectClose(actual, expected)
    }),
  )
})

test('an average that an infinite sample has spoilt does not begin anew before a reset', () => {
  const values = [1, Number.POSITIVE_INFINITY, 2, 4]
  expect(replay(values, (x) => stats.ema(x, { alpha: 0.5, adjust: false }))).toEqual([
    1,
    Number.POSITIVE_INFINITY,
    Number.NaN,
    Number.NaN,
  ])
  expect(replay(values, (x) => stats.ema(x, { alpha: 0.5 }))).toEqual([
    1,
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ])
})

test('span and centre of mass are other names for alpha', () => {
  const values = [1, 5, 2, 8]
  const by = (options: stats.EmaOptions) => replay(values, (x) => stats.ema(x, options))
  expect(by({ span: 3 })).toEqual(by({ alpha: 0.5 }))
  expect(by({ com: 1 })).toEqual(by({ alpha: 0.5 }))
})

/** Pairs of which some have NaN, far from 0 or not: where numbers are 1e9, their squares have no digits left for a variance. */
const pairsOf = (offset: number) =>
  fc
    .array(fc.tuple(value, value), { minLength: 1, maxLength: 15 })
    .map((pairs) => pairs.map(([x, y]) => [x + offset, y + offset] as const))

interface Weighing {
  readonly alpha: number
  readonly adjust: boolean
  readonly ignoreNa: boolean
  readonly horizon: number
}

/** The pairs that count, each with its weight; with `adjust` the newest has 1, else all of them together. */
function weighed(
  pairs: readonly (readonly [number, number])[],
  { alpha, adjust, ignoreNa, horizon }: Weighing,
): { x: Exact; y: Exact; w: Exact }[] {
  const seen = horizon === 0 ? pairs : pairs.slice(-horizon)
  const fresh = Exact.of(alpha)
  const decay = one.minus(fresh)
  let samples: { x: Exact; y: Exact; w: Exact }[] = []
  let gap = 1
  for (const [x, y] of seen) {
    if (Number.isNaN(x) || Number.isNaN(y)) {
      if (!ignoreNa && samples.length > 0) gap++
      continue
    }
    const kept = decay.power(gap)
    const all = adjust || samples.length === 0 ? one : kept.plus(fresh)
    samples = samples.map((sample) => ({ ...sample, w: sample.w.times(kept).over(all) }))
    const w = adjust || samples.length === 0 ? one : fresh.over(all)
    samples.push({ x: Exact.of(x), y: Exact.of(y), w })
    gap = 1
  }
  return samples
}

function covariance(
  pairs: readonly (readonly [number, number])[],
  rules: Weighing,
  bias: boolean,
): number {
  const samples = weighed(pairs, rules)
  if (samples.length === 0) return Number.NaN
  const total = Exact.sum(samples.map(({ w }) => w))
  const mean = (of: (sample: { x: Exact; y: Exact }) => Exact): Exact =>
    Exact.sum(samples.map((sample) => of(sample).times(sample.w))).over(total)
  const biased = mean(({ x, y }) => x.times(y)).minus(mean(({ x }) => x).times(mean(({ y }) => y)))
  if (bias) return biased.toNumber()
  const room = total.power(2).minus(Exact.sum(samples.map(({ w }) => w.power(2))))
  if (room.toNumber() <= 1e-9) return Number.NaN
  return biased.times(total.power(2)).over(room).toNumber()
}

const rulesOf = fc
  .record({
    alpha: fc.constantFrom(0.125, 0.3, 0.5, 0.9),
    adjust: fc.boolean(),
    ignoreNa: fc.boolean(),
    horizon: fc.constantFrom(0, 0, 1, 2, 3, 7),
  })
  .map((rules) => ({ ...rules, horizon: rules.adjust ? rules.horizon : 0 }))

function both(
  graph: Graph,
  pairs: readonly (readonly [number, number])[],
): readonly [Edge<number>, Edge<number>] {
  const edge = (which: 0 | 1): Edge<number> =>
    curve(
      graph,
      pairs.map((pair, i) => [i, pair[which]] as const),
    )
  return [edge(0), edge(1)]
}

test.each([0, 1e9])(
  'covariance and variance of samples around %d agree with exact fractions',
  (offset) => {
    fc.assert(
      fc.property(pairsOf(offset), rulesOf, fc.boolean(), (pairs, rules, bias) => {
        const options = { ...rules, bias }
        const seen = (i: number): typeof pairs => pairs.slice(0, i + 1)
        const covariances = ticksOf((graph) => stats.emaCov(...both(graph, pairs), options))
        expectClose(
          covariances.map(([, value]) => value),
          pairs.map((_, i) => covariance(seen(i), rules, bias)),
        )
        const squares = pairs.map(([x]) => [x, x] as const)
        const variances = ticksOf((graph) => stats.emaVar(both(graph, pairs)[0], options))
        expectClose(
          variances.map(([, value]) => value),
          pairs.map((_, i) => covariance(squares.slice(0, i + 1), rules, bias)),
        )
      }),
    )
  },
)

test('with a halflife, covariance does not depend on where 0 is', () => {
  const rows = fc.array(fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: 99 }), fc.nat({ max: 99 })), {
    minLength: 1,
    maxLength: 20,
  })
  fc.assert(
    fc.property(rows, fc.boolean(), fc.boolean(), (rows, adjust, bias) => {
      const shifted = (offset: number): number[] => {
        const build = (graph: Graph): Edge<number> => {
          const edge = (which: 1 | 2): Edge<number> => {
            let now = 0
            return curve(
              graph,
              rows.map((row) => {
                now += row[0]
                return [now, row[which] + offset] as const
              }),
            )
          }
          return stats.emaCov(edge(1), edge(2), { halflife: micros(10), adjust, bias })
        }
        return ticksOf(build).map(([, value]) => value)
      }
      expectClose(shifted(1e9), shifted(0))
    }),
  )
})

test('what has passed the horizon leaves no trace, however large it was', () => {
  const values = [1e18, -1e18, 1, 2, 3, 5]
  const last = (statistic: typeof stats.ema): unknown =>
    replay(values, (x) => statistic(x, { alpha: 0.5, horizon: 2 })).at(-1)
  expect(last(stats.ema)).toBeCloseTo(13 / 3, 12)
  expect(last(stats.emaVar)).toBeCloseTo(2, 12)
})

test('variance is never below 0, and deviation is its root', () => {
  const same = [5, 5, 5, 5.0000001, 5]
  for (const value of replay(same, (x) => stats.emaVar(x, { alpha: 0.3 })).slice(1)) {
    expect(value).toBeGreaterThanOrEqual(0)
  }
  const values = [1, 5, 2, 8]
  const variances = replay(values, (x) => stats.emaVar(x, { alpha: 0.3, bias: true }))
  expect(replay(values, (x) => stats.emaStd(x, { alpha: 0.3, bias: true }))).toEqual(
    variances.map(Math.sqrt),
  )
})

test('ticks nothing before minPeriods samples have come', () => {
  expect(replay([1, 1, 1, 1], (x) => stats.ema(x, { alpha: 0.5, minPeriods: 3 }))).toEqual([1, 1])
})

test.each<stats.EmaOptions>([
  {},
  { alpha: 0.5, span: 3 },
  { alpha: -0.1 },
  { alpha: 1.1 },
  { alpha: Number.NaN },
  { span: 0 },
  { halflife: 0 },
  { halflife: Number.NaN },
  { alpha: 0.5, adjust: false, horizon: 3 },
  { alpha: 0.5, horizon: 1.5 },
])('refuses %o', (options) => {
  const x = empty<number>(new Graph())
  for (const statistic of [stats.ema, stats.emaVar, stats.emaStd]) {
    expect(() => statistic(x, options)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }) as GraphError,
    )
  }
  expectTypeOf(stats.emaVar).returns.toEqualTypeOf<Edge<number>>()
})
