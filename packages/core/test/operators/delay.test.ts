import { curve, delay, Graph, node, type Span, simulate, ticks } from '@gw/core'
import { record, ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

const points: [number, string][] = [
  [10, 'a'],
  [12, 'b'],
  [30, 'c'],
  [30, 'd'],
]

test.each<[string, Span, [number, string][]]>([
  [
    '5 microseconds',
    5,
    [
      [15, 'a'],
      [17, 'b'],
      [35, 'c'],
      [35, 'd'],
    ],
  ],
  [
    '20, beyond the end',
    20,
    [
      [30, 'a'],
      [32, 'b'],
    ],
  ],
  [
    'a tick',
    ticks(1),
    [
      [12, 'a'],
      [30, 'b'],
      [30, 'c'],
    ],
  ],
  ['3 ticks', ticks(3), [[30, 'a']]],
  ['more ticks than there are', ticks(4), []],
])('delays by %s', (_what, by, expected) => {
  expect(ticksOf((graph) => delay(curve(graph, points), by), { end: 40 })).toEqual(expected)
})

test('a delay of 0 is the next cycle at the same time', () => {
  const graph = new Graph()
  const x = curve(graph, [[10, 'a']])
  const later = delay(x, 0)
  const seen = record(
    node('seen', { x, later }, ({ x, later }) => () => [x.ticked, later.ticked]),
  )
  simulate(graph)
  expect(seen).toEqual([
    [10, [true, false]],
    [10, [false, true]],
  ])
})

test('what a delay by time holds ticks in order', () => {
  const two: [number, number][] = [
    [10, 1],
    [10, 2],
  ]
  expect(ticksOf((graph) => delay(curve(graph, two), 10))).toEqual([
    [20, 1],
    [20, 2],
  ])
})
