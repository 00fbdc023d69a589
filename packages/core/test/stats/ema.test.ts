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

test('span and centre of mass are other names for alpha', () => {
  const values = [1, 5, 2, 8]
  const by = (options: stats.EmaOptions) => replay(values, (x) => stats.ema(x, options))
  expect(by({ span: 3 })).toEqual(by({ alpha: 0.5 }))
  expect(by({ com: 1 })).toEqual(by({ alpha: 0.5 }))
})

test('covariance is that of the weighted samples, without bias unless asked', () => {
  const pairs = fc.array(
    fc.tuple(fc.integer({ min: -99, max: 99 }), fc.integer({ min: -99, max: 99 })),
    { minLength: 1, maxLength: 15 },
  )
  fc.assert(
    fc.property(pairs, alpha, fc.boolean(), (pairs, alpha, bias) => {
      fc.pre(alpha < 1)
      const build = (graph: Graph): Edge<number> => {
        const edge = (which: 0 | 1) =>
          curve(
            graph,
            pairs.map((pair, i) => [i, pair[which]] as const),
          )
        return stats.emaCov(edge(0), edge(1), { alpha, bias })
      }
      const actual = ticksOf(build).map(([, value]) => value)
      const expected = pairs.map((_, i) => {
        const seen = pairs.slice(0, i + 1)
        const w = seen.map((_, k) => one.minus(Exact.of(alpha)).power(i - k))
        const total = Exact.sum(w)
        const mean = (values: readonly number[]): Exact =>
          Exact.sum(values.map((value, k) => Exact.of(value).times(w[k] as Exact))).over(total)
        const product = mean(seen.map(([x, y]) => x * y))
        const biased = product.minus(mean(seen.map(([x]) => x)).times(mean(seen.map(([, y]) => y))))
        if (bias) return biased.toNumber()
        const squares = Exact.sum(w.map((each) => each.power(2)))
        const room = total.power(2).minus(squares)
        if (room.toNumber() <= 1e-9) return Number.NaN
        return biased.times(total.power(2)).over(room).toNumber()
      })
      expect(actual).toHaveLength(expected.length)
      for (const [i, value] of expected.entries()) {
        if (Number.isNaN(value)) expect(actual[i]).toBeNaN()
        else expect(actual[i]).toBeCloseTo(value, 6)
      }
    }),
  )
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
