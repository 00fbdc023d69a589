import {
  adapter,
  constant,
  delay,
  diff,
  type Edge,
  empty,
  firstN,
  Graph,
  GraphError,
  graphOutput,
  history,
  manualClock,
  mapAsync,
  push,
  realtime,
  simulate,
  simulateAsync,
  stats,
  sync,
  ticks,
  timer,
  wallClock,
  withDefault,
} from '@gw/core'
import { describe, expect, test } from 'vitest'

type Take = (n: number, x: Edge<number>) => unknown

/** All that takes a duration in microseconds, and the least one that it takes. */
const durations: readonly (readonly [string, number, Take])[] = [
  ['timer', 1, (n, x) => timer(x.graph, n)],
  ['constant, delay', 0, (n, x) => constant(x.graph, 1, n)],
  ['withDefault, delay', 0, (n, x) => withDefault(x, 1, n)],
  ['delay', 0, (n, x) => delay(x, n)],
  ['diff', 0, (n, x) => diff(x, n)],
  ['history', 1, (n, x) => history(x, n)],
  ['sync, threshold', 0, (n, x) => sync([x], n)],
  ['graphOutput, keep', 1, (n, x) => graphOutput(`kept ${n}`, x, { keep: n })],
  ['statistics, interval', 1, (n, x) => stats.mean(x, { interval: n })],
  ['statistics, minWindow', 0, (n, x) => stats.mean(x, { minWindow: n })],
  ['ema, halflife', 1, (n, x) => stats.ema(x, { halflife: n })],
  ['emaVar, halflife', 1, (n, x) => stats.emaVar(x, { halflife: n })],
  ['simulate, duration', 0, (n, x) => simulate(x.graph, { duration: n })],
  [
    'realtime, duration',
    0,
    (n, x) => ended(realtime(x.graph, { clock: manualClock(), duration: n })),
  ],
]

/** All that takes a number of things, and the least one that it takes. */
const counts: readonly (readonly [string, number, Take])[] = [
  ['ticks', 0, (n) => ticks(n)],
  ['firstN', Number.NEGATIVE_INFINITY, (n, x) => firstN(x, n)],
  ['delay by ticks', 1, (n, x) => delay(x, ticks(n))],
  ['diff by ticks', 1, (n, x) => diff(x, ticks(n))],
  ['history by ticks', 1, (n, x) => history(x, ticks(n))],
  ['graphOutput, keep by ticks', 1, (n, x) => graphOutput(`kept ${n}`, x, { keep: ticks(n) })],
  ['statistics, interval by ticks', 1, (n, x) => stats.sum(x, { interval: ticks(n) })],
  [
    'statistics, minWindow by ticks',
    0,
    (n, x) => stats.sum(x, { interval: ticks(9), minWindow: ticks(n) }),
  ],
  ['statistics, minDataPoints', 0, (n, x) => stats.median(x, { minDataPoints: n })],
  ['variance, ddof', 0, (n, x) => stats.variance(x, { ddof: n })],
  ['stddev, ddof', 0, (n, x) => stats.stddev(x, { ddof: n })],
  ['sem, ddof', 0, (n, x) => stats.sem(x, { ddof: n })],
  ['cov, ddof', 0, (n, x) => stats.cov(x, x, { ddof: n })],
  ['covMatrix, ddof', 0, (n, x) => stats.covMatrix([x], { ddof: n })],
  ['unique, precision', 0, (n, x) => stats.unique(x, { precision: n })],
  ['ema, minPeriods', 0, (n, x) => stats.ema(x, { alpha: 0.5, minPeriods: n })],
  ['ema, horizon', 0, (n, x) => stats.ema(x, { alpha: 0.5, horizon: n })],
  ['emaStd, horizon', 0, (n, x) => stats.emaStd(x, { alpha: 0.5, horizon: n })],
  ['push, maxPending', 1, (n, x) => push(x.graph, 'burst', { maxPending: n })],
  ['mapAsync, concurrency', 1, (n, x) => mapAsync(x, () => 1, { concurrency: n })],
  ['mapAsync, maxPending', 0, (n, x) => mapAsync(x, () => 1, { maxPending: n })],
  ['simulate, maxCyclesAtOneTime', 1, (n, x) => simulate(x.graph, { maxCyclesAtOneTime: n })],
]

/** All that takes milliseconds of the wall, and the least that it takes. */
const timeouts: readonly (readonly [string, number, Take])[] = [
  ['mapAsync, timeoutMs', 1, (n, x) => mapAsync(x, () => 1, { timeoutMs: n })],
  [
    'adapter, stopTimeoutMs',
    0,
    (n, x) => adapter(x.graph, 'feed', () => undefined, { stopTimeoutMs: n }),
  ],
]

/** All that takes a point in time. */
const times: readonly (readonly [string, Take])[] = [
  ['simulate, start', (n, x) => simulate(x.graph, { start: n, end: Number.MAX_SAFE_INTEGER })],
  ['simulate, end', (n, x) => simulate(x.graph, { start: -10, end: n })],
  ['realtime, start', (n, x) => ended(realtime(x.graph, { clock: manualClock(), start: n }))],
  ['realtime, end', (n, x) => ended(realtime(x.graph, { clock: manualClock(-10), end: n }))],
  ['manualClock', (n) => manualClock(n)],
  ['manualClock, advanceTo', (n) => manualClock().advanceTo(n)],
  ['manualClock, advance', (n) => manualClock().advance(n)],
  ['wallClock, start', (n) => wallClock({ start: n })],
]

function ended(run: ReturnType<typeof realtime>): void {
  void run.stop()
}

function codeOf(take: Take, n: number): string | undefined {
  try {
    take(n, empty<number>(new Graph()))
  } catch (error) {
    if (!(error instanceof GraphError)) throw error
    expect(error.message).toContain(`not ${n}`)
    return error.code
  }
  return undefined
}

describe.each(durations)('%s', (_name, least, take) => {
  test.each([least, least + 1, 1_000_000])('takes %d microseconds', (n) => {
    expect(codeOf(take, n)).toBeUndefined()
  })
  test.each([least + 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('refuses %d', (n) => {
    expect(codeOf(take, n)).toBe('INVALID_OPTION')
  })
})

test.each(durations.filter(([name]) => !name.endsWith('duration')))(
  '%s refuses less',
  (_name, least, take) => {
    expect(codeOf(take, least - 1)).toBe('INVALID_OPTION')
  },
)

describe.each(counts)('%s', (_name, least, take) => {
  const from = Math.max(least, -1)
  test.each([from, from + 1, 7])('takes %d', (n) => {
    expect(codeOf(take, n)).toBeUndefined()
  })
  const tooFew = least === Number.NEGATIVE_INFINITY ? [] : [least - 1]
  test.each([...tooFew, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d', (n) => {
    expect(codeOf(take, n)).toBe('INVALID_OPTION')
  })
})

describe.each(timeouts)('%s', (_name, least, take) => {
  test.each([least, 1.5, 2 ** 31 - 1])('takes %d milliseconds', (n) => {
    expect(codeOf(take, n)).toBeUndefined()
  })
  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31])('refuses %d', (n) => {
    expect(codeOf(take, n)).toBe('INVALID_OPTION')
  })
})

describe.each(times)('%s', (_name, take) => {
  test.each([0, 1])('takes %d', (n) => {
    expect(codeOf(take, n)).toBeUndefined()
  })
  test.each([0.5, Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY])(
    'refuses %d',
    (n) => {
      expect(codeOf(take, n)).toBe('INVALID_OPTION')
    },
  )
})

test.each([0, 1.5, Number.POSITIVE_INFINITY])('realtime takes a budget of %d milliseconds', (n) => {
  expect(codeOf((n, x) => ended(realtime(x.graph, { budgetMs: n })), n)).toBeUndefined()
})

test.each([-1, Number.NaN])('realtime refuses a budget of %d', (n) => {
  expect(codeOf((n, x) => ended(realtime(x.graph, { budgetMs: n })), n)).toBe('INVALID_OPTION')
})

test('a run ends before it starts', async () => {
  const code = { code: 'INVALID_OPTION' }
  expect(() => simulate(new Graph(), { duration: -1 })).toThrow(expect.objectContaining(code))
  expect(() => simulate(new Graph(), { start: 2, end: 1 })).toThrow(expect.objectContaining(code))
  await expect(simulateAsync(new Graph(), { start: 2, end: 1 })).rejects.toMatchObject(code)
  expect(() => realtime(new Graph(), { start: 2, end: 1 })).toThrow(expect.objectContaining(code))
})
