import { curve, diff, type Span, ticks } from '@gw/core'
import { ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

const points: [number, number][] = [
  [10, 1],
  [20, 4],
  [30, 9],
]

test.each<[string, Span, [number, number][]]>([
  [
    'a tick',
    ticks(1),
    [
      [20, 3],
      [30, 5],
    ],
  ],
  ['two ticks', ticks(2), [[30, 8]]],
  [
    'exactly an interval',
    10,
    [
      [20, 3],
      [30, 5],
    ],
  ],
  ['a time between two ticks', 15, [[30, 8]]],
  ['longer than there is', 21, []],
])('takes off what was there %s ago', (_what, lag, expected) => {
  expect(ticksOf((graph) => diff(curve(graph, points), lag))).toEqual(expected)
})
