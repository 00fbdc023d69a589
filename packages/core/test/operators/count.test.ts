import { accum, count, curve } from '@gw/core'
import { replay, ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

test('counts ticks, several of one time included', () => {
  const points = [10, 10, 30].map((time) => [time, 'x'] as const)
  expect(ticksOf((graph) => count(curve(graph, points)))).toEqual([
    [10, 1],
    [10, 2],
    [30, 3],
  ])
})

test('sums up from a start', () => {
  expect(replay([1, 2, -4], (x) => accum(x))).toEqual([1, 3, -1])
  expect(replay([1, 2, -4], (x) => accum(x, 10))).toEqual([11, 13, 9])
  expect(replay(['b', 'c'], (x) => accum(x, 'a'))).toEqual(['ab', 'abc'])
})

test('starts anew in each run', () => {
  const twice = [1, 2].map(() => replay([1, 1], (x) => count(x)))
  expect(twice[1]).toEqual(twice[0])
})
