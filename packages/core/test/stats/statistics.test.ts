import {
  curve,
  type Edge,
  empty,
  Graph,
  graphOutput,
  map,
  ms,
  simulate,
  stats,
  ticks,
} from '@gw/core'
import { replay, ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

test('a sum does not drift, whatever has passed through the window', () => {
  const values = Array.from({ length: 20_000 }, (_, i) => (i % 100 === 50 ? 1e16 : 0.1))
  const sums = replay(values, (x) => stats.sum(x, { interval: ticks(10) }))
  // The window behind the last large number holds ten times 0.1, and nothing else.
  expect(sums.at(-1)).toBe(1)
  expect(
    replay(
      Array.from({ length: 100_000 }, () => 0.1),
      stats.sum,
    ).at(-1),
  ).toBe(10_000)
})

test('a window of equal values has no variance at all', () => {
  const values = Array.from({ length: 1_000 }, (_, i) => (i < 500 ? Math.random() * 1e9 : 0.1))
  const last = replay(values, (x) => stats.stddev(x, { interval: ticks(20) })).at(-1)
  expect(last).toBe(0)
})

test('an infinity leaves with its sample', () => {
  const values = [1, Number.POSITIVE_INFINITY, 2, 3]
  expect(replay(values, (x) => stats.sum(x, { interval: ticks(2) }))).toEqual([
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    5,
  ])
})

test('matrices have the variances on the diagonal, and are symmetric', () => {
  const graph = new Graph()
  const rows = [
    [1, 2, 5],
    [2, 1, 4],
    [4, 3, -1],
    [3, 7, 0],
  ]
  const source = curve(
    graph,
    rows.map((row, i) => [i, row] as const),
  )
  const xs = [0, 1, 2].map((i) => map(source, (row) => row[i] as number))
  graphOutput('cov', stats.covMatrix(xs, { interval: ticks(3) }))
  graphOutput('corr', stats.corrMatrix(xs, { interval: ticks(3) }))
  xs.forEach((x, i) => {
    graphOutput(`var${i}`, stats.variance(x, { interval: ticks(3) }))
    xs.forEach((y, j) => {
      graphOutput(`cov${i}${j}`, stats.cov(x, y, { interval: ticks(3) }))
    })
  })
  const { outputs } = simulate(graph)
  const ticksOf = (key: string) => outputs.get(key) as readonly (readonly [number, never])[]
  expect(ticksOf('cov')).toHaveLength(2)
  for (const [at, [time, matrix]] of ticksOf('cov').entries()) {
    expect(time).toBe(at + 2)
    for (const i of [0, 1, 2]) {
      expect(matrix[i]?.[i]).toBeCloseTo(ticksOf(`var${i}`)[at]?.[1] as unknown as number, 12)
      for (const j of [0, 1, 2]) {
        expect(matrix[i]?.[j]).toBe(matrix[j]?.[i])
        expect(matrix[i]?.[j]).toBeCloseTo(ticksOf(`cov${i}${j}`)[at]?.[1] as unknown as number, 12)
      }
    }
  }
  for (const [, matrix] of ticksOf('corr')) {
    for (const i of [0, 1, 2]) expect(matrix[i]?.[i]).toBeCloseTo(1, 12)
  }
  expect(() => stats.covMatrix([])).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
})

test('one series of a matrix that ticks alone ends the run', () => {
  const graph = new Graph()
  const xs = [curve(graph, [[1, 1]]), curve(graph, [[2, 1]])]
  graphOutput('cov', stats.covMatrix(xs))
  expect(() => simulate(graph)).toThrow(expect.objectContaining({ code: 'OUT_OF_STEP' }))
})

test('computes anew when asked to', () => {
  const graph = new Graph()
  const x = curve(graph, [
    [1, 1],
    [2, 2],
    [3, 3],
  ])
  const recalc = curve(graph, [
    [2, true],
    [3, true],
  ])
  for (const statistic of ['sum', 'mean', 'prod', 'variance', 'skew', 'kurt'] as const) {
    graphOutput(statistic, stats[statistic](x, { interval: ticks(2), recalc }))
    graphOutput(`${statistic} as ever`, stats[statistic](x, { interval: ticks(2) }))
  }
  const { outputs } = simulate(graph)
  for (const [key, seen] of outputs)
    expect(seen).toEqual(outputs.get(`${key.split(' ')[0]} as ever`))
})

const window = { interval: ticks(3) }

test.each<[string, (x: Edge<number>) => Edge<unknown>, readonly unknown[]]>([
  ['count', (x) => stats.count(x, window), [3, 3, 3]],
  ['sum', (x) => stats.sum(x, window), [8, 6, 10]],
  ['mean', (x) => stats.mean(x, window), [8 / 3, 2, 10 / 3]],
  ['prod', (x) => stats.prod(x, window), [12, 4, 20]],
  ['gmean', (x) => stats.gmean(x, window), [12, 4, 20].map(Math.cbrt)],
  ['first', (x) => stats.first(x, window), [3, 1, 4]],
  ['last', (x) => stats.last(x, window), [4, 1, 5]],
  ['min', (x) => stats.min(x, window), [1, 1, 1]],
  ['max', (x) => stats.max(x, window), [4, 4, 5]],
  ['argmin', (x) => stats.argmin(x, window), [20, 40, 40]],
  ['argmax', (x) => stats.argmax(x, window), [30, 30, 50]],
  ['median', (x) => stats.median(x, window), [3, 1, 4]],
  ['quantile', (x) => stats.quantile(x, 0.25, window), [2, 1, 2.5]],
  ['rank', (x) => stats.rank(x, window), [2, 0, 2]],
  ['unique', (x) => stats.unique(x, window), [3, 2, 3]],
  ['variance', (x) => stats.variance(x, window), [7 / 3, 3, 13 / 3]],
  ['stddev', (x) => stats.stddev(x, window), [7 / 3, 3, 13 / 3].map(Math.sqrt)],
  ['sem', (x) => stats.sem(x, window), [7 / 9, 1, 13 / 9].map(Math.sqrt)],
  ['cov', (x) => stats.cov(x, x, window), [7 / 3, 3, 13 / 3]],
  ['corr', (x) => stats.corr(x, x, window), [1, 1, 1]],
  [
    'crossSectional',
    (x) => stats.crossSectional(x, window),
    [
      [3, 1, 4],
      [1, 4, 1],
      [4, 1, 5],
    ],
  ],
])('%s ticks from the first full window on', (_name, statistic, expected) => {
  const seen = ticksOf((graph) =>
    statistic(
      curve(
        graph,
        [3, 1, 4, 1, 5].map((value, i) => [10 * (i + 1), value] as const),
      ),
    ),
  )
  const near = (value: unknown) => (typeof value === 'number' ? expect.closeTo(value, 12) : value)
  expect(seen).toEqual([30, 40, 50].map((time, i) => [time, near(expected[i])]))
})

const x = empty<number>(new Graph())
test.each<[string, () => unknown]>([
  ['an interval of 0', () => stats.mean(x, { interval: 0 })],
  ['an interval of 0 ticks', () => stats.mean(x, { interval: ticks(0) })],
  ['a negative interval', () => stats.mean(x, { interval: -1 })],
  ['mixed units', () => stats.mean(x, { interval: ms(1), minWindow: ticks(1) })],
  ['ticks to reach without an interval', () => stats.mean(x, { minWindow: ticks(1) })],
  ['a negative number of points', () => stats.mean(x, { minDataPoints: -1 })],
  ['a recalculation of all that ever was', () => stats.mean(x, { recalc: x })],
  ['a quantile above 1', () => stats.quantile(x, 1.5)],
  ['a quantile that is NaN', () => stats.quantile(x, [0.5, Number.NaN])],
  ['an unknown interpolation', () => stats.quantile(x, 0.5, { interpolate: 'cubic' as 'linear' })],
  ['an unknown rank', () => stats.rank(x, { method: 'dense' as 'min' })],
])('refuses %s', (_what, build) => {
  expect(build).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
})
