import {
  curve,
  describe,
  dynamic,
  dynamicCollect,
  dynamicDemultiplex,
  type Edge,
  Graph,
  graphOutput,
  map,
  ms,
  simulate,
  stats,
  ticks,
} from '@gw/core'
import { replay, ticksOf } from '@gw/core/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'

/** How many nodes hold samples. */
function windowsOf(build: (x: Edge<number>, graph: Graph) => void): number {
  const graph = new Graph()
  build(curve(graph, [[1, 1]]), graph)
  return describe(graph, { all: true }).names['stats.window'] ?? 0
}

test('statistics of one edge that ask for the same window share it, whatever else they ask for', () => {
  const windows = windowsOf((x, graph) => {
    const interval = ticks(5)
    const trigger = curve(graph, [[1, true]])
    stats.mean(x, { interval })
    stats.stddev(x, { interval: ticks(5), ddof: 0, minWindow: ticks(2) })
    stats.median(x, { interval, trigger, minDataPoints: 3 })
    stats.first(x, { interval, ignoreNa: false })
    stats.ema(x, { span: 9, horizon: 5 })
  })
  expect(windows).toBe(1)
})

test('windows differ by what they hold', () => {
  const windows = windowsOf((x, graph) => {
    const other = curve(graph, [[1, 2]])
    stats.sum(x)
    stats.sum(x, { interval: ticks(5) })
    stats.sum(x, { interval: ms(5) })
    stats.sum(x, { interval: ticks(5), sampler: other })
    stats.sum(x, { interval: ticks(5), reset: other })
    stats.mean(x, { interval: ticks(5), weights: other })
    stats.cov(x, other, { interval: ticks(5) })
    stats.sum(other, { interval: ticks(5) })
  })
  expect(windows).toBe(8)
})

interface Built {
  readonly x: Edge<number>
  readonly y: Edge<number>
  readonly trigger: Edge<unknown>
  readonly recalc: Edge<unknown>
}

type Build = (built: Built, options: stats.WindowOptions) => Edge<unknown>

/** Of each way to keep account of samples one statistic or more, with options that are its own. */
const builds: readonly Build[] = [
  ({ x }, options) => stats.count(x, options),
  ({ x, trigger }, options) => stats.sum(x, { ...options, trigger }),
  ({ x, recalc }, { interval, ...rest }) =>
    stats.mean(x, interval === undefined ? rest : { ...rest, interval, recalc }),
  ({ x, y: weights }, options) => stats.mean(x, { ...options, weights }),
  ({ x, trigger }, options) => stats.prod(x, { ...options, trigger, minDataPoints: 2 }),
  ({ x }, options) => stats.stddev(x, { ...options, ignoreNa: false }),
  ({ x, trigger }, options) => stats.kurt(x, { ...options, trigger }),
  ({ x, trigger }, options) => stats.median(x, { ...options, trigger }),
  ({ x }, options) => stats.rank(x, { ...options, naOption: 'last' }),
  ({ x, trigger }, options) => stats.first(x, { ...options, trigger, ignoreNa: false }),
  ({ x }, options) => stats.last(x, options),
  ({ x, trigger }, options) => stats.max(x, { ...options, trigger }),
  ({ x }, options) => stats.argmin(x, options),
  ({ x, trigger }, options) => stats.unique(x, { ...options, trigger }),
  ({ x }, options) => stats.crossSectional(x, options),
  ({ x, y }, options) => stats.corr(x, y, options),
  ({ x, y, trigger }, options) => stats.cov(x, y, { ...options, trigger }),
  ({ x, trigger }) => stats.ema(x, { span: 5, horizon: 16, trigger }),
  ({ x }) => stats.emaStd(x, { span: 5, horizon: 16, ignoreNa: true }),
  ({ x, trigger }) => stats.ema(x, { span: 5, trigger }),
]

const steps = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 0, max: 3 }),
      x: fc.constantFrom(undefined, Number.NaN, -3, 0, 0.5, 1, 2, 4, 5, 7, 8),
      trigger: fc.boolean(),
      recalc: fc.boolean(),
      reset: fc.integer({ min: 0, max: 30 }).map((n) => n === 0),
    }),
    { minLength: 20, maxLength: 120 },
  )
  .map((steps) => {
    let time = 0
    return steps.map(({ gap, ...rest }) => {
      time += gap
      return { ...rest, time }
    })
  })
// Around the sizes at which a window gets more room.
const interval = fc.oneof(
  fc.constantFrom(1, 2, 15, 16, 17, 31, 32, 33).map(ticks),
  fc.constantFrom(1, 5, 20, 40),
  fc.constant(undefined),
)

test('statistics that share a window tick what each of them ticks alone', () => {
  fc.assert(
    fc.property(steps, interval, fc.boolean(), (steps, interval, isReset) => {
      const outputsOf = (chosen: readonly Build[]): ReadonlyMap<string, readonly unknown[]> => {
        const graph = new Graph()
        const source = curve(
          graph,
          steps.map((step) => [step.time, step] as const),
        )
        const when = (name: 'trigger' | 'recalc' | 'reset') =>
          map(source, (step) => (step[name] ? true : undefined))
        const x = map(source, (step) => step.x) as Edge<number>
        const y = map(x, (x) => Math.abs(x) + 1)
        const built = { x, y, trigger: when('trigger'), recalc: when('recalc') }
        const options = {
          minWindow: interval === undefined || typeof interval === 'number' ? 0 : ticks(0),
          ...(interval === undefined ? {} : { interval }),
          ...(isReset ? { reset: when('reset') } : {}),
        }
        for (const build of chosen) {
          graphOutput(String(builds.indexOf(build)), build(built, options))
        }
        return simulate(graph).outputs
      }
      const together = outputsOf(builds)
      for (const [i, build] of builds.entries()) {
        expect(together.get(String(i))).toEqual(outputsOf([build]).get(String(i)))
      }
    }),
    { numRuns: 40 },
  )
})

test.each([1, 15, 16, 17, 32, 64])(
  'a window of %d samples lets the oldest go, and that one',
  (size) => {
    const values = Array.from({ length: size * 3 }, (_, i) => (i * 7) % (size + 3))
    const options = { interval: ticks(size), minWindow: ticks(1) }
    const windowAt = (i: number) => values.slice(Math.max(0, i + 1 - size), i + 1)
    expect(replay(values, (x) => stats.quantile(x, 0, options))).toEqual(
      values.map((_, i) => Math.min(...windowAt(i))),
    )
    expect(replay(values, (x) => stats.unique(x, options))).toEqual(
      values.map((_, i) => new Set(windowAt(i)).size),
    )
    expect(replay(values, (x) => stats.sum(x, options))).toEqual(
      values.map((_, i) => windowAt(i).reduce((a, b) => a + b, 0)),
    )
  },
)

test('after recalc a result is, to the last digit, that of a window that begins with its samples', () => {
  const sample = fc.integer({ min: -999, max: 999 }).map((n) => n / 7)
  fc.assert(
    fc.property(fc.array(sample, { minLength: 8, maxLength: 40 }), (values) => {
      const options = { interval: ticks(7) }
      const seen = replay(values, (x) => stats.variance(x, { ...options, recalc: x }))
      expect(seen).toEqual(
        values
          .slice(6)
          .map((_, i) => replay(values.slice(i, i + 7), (x) => stats.variance(x)).at(-1)),
      )
    }),
  )
})

test('a graph that runs again begins with empty windows', () => {
  const graph = new Graph()
  const x = curve(graph, [
    [1, 1],
    [2, 2],
  ])
  graphOutput('sum', stats.sum(x))
  graphOutput('median', stats.median(x))
  const first = simulate(graph).outputs
  expect(first.get('sum')).toEqual([
    [1, 1],
    [2, 3],
  ])
  expect(simulate(graph).outputs).toEqual(first)
})

test('sub-graphs have windows of their own', () => {
  const seen = ticksOf((graph) => {
    const x = curve(graph, [
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 4],
    ])
    const byParity = dynamicDemultiplex(
      x,
      map(x, (n) => (n % 2 === 0 ? 'even' : 'odd')),
    )
    const sums = dynamic(byParity, {}, ({ edge }) =>
      stats.sum(edge, { interval: ticks(2), minWindow: ticks(1) }),
    )
    return map(dynamicCollect(sums), (sums) => [...sums])
  })
  expect(seen).toEqual([
    [1, [['odd', 1]]],
    [2, [['even', 2]]],
    [3, [['odd', 4]]],
    [4, [['even', 6]]],
  ])
})
