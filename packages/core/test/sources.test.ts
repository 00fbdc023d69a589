import { constant, curve, type Edge, END_OF_TIME, empty, type Graph, pull, timer } from '@gw/core'
import { ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

type Points = [number, unknown][]
const rows: Points = [
  [5, 'before'],
  [10, 'a'],
  [20, 'b'],
  [20, 'c'],
  [31, 'after'],
]
const within: Points = rows.slice(1, 4)

test.each<[string, (graph: Graph) => Edge<unknown>, Points]>([
  [
    'a timer: not at the start',
    (graph) => timer(graph, 10),
    [
      [20, true],
      [30, true],
    ],
  ],
  ['a timer with a value', (graph) => timer(graph, 15, 'x'), [[25, 'x']]],
  ['a constant: at the start', (graph) => constant(graph, 'x'), [[10, 'x']]],
  ['a constant, later', (graph) => constant(graph, 'x', 20), [[30, 'x']]],
  ['a constant after the end', (graph) => constant(graph, 'x', 21), []],
  ['an empty edge', empty, []],
  ['a curve', (graph) => curve(graph, rows), within],
  [
    'a curve from the start on',
    (graph) => curve(graph, rows, { relative: true }),
    [
      [15, 'before'],
      [20, 'a'],
      [30, 'b'],
      [30, 'c'],
    ],
  ],
  [
    'the last of each time',
    (graph) => curve(graph, rows, { mode: 'lastValue' }),
    [
      [10, 'a'],
      [20, 'c'],
    ],
  ],
  [
    'all of each time',
    (graph) => curve(graph, rows, { mode: 'burst' }),
    [
      [10, ['a']],
      [20, ['b', 'c']],
    ],
  ],
  [
    'rows of an iterable',
    (graph) => pull(graph, 'rows', () => rows.values() as Iterable<[number, unknown]>),
    within,
  ],
])('%s', (_what, build, expected) => {
  expect(ticksOf(build, { start: 10, end: 30 })).toEqual(expected)
})

test('the end of time is far beyond that of any data', () => {
  const seen = ticksOf((graph) => curve(graph, [[8e15, 'the year 2223']]), { end: END_OF_TIME })
  expect(seen).toEqual([[8e15, 'the year 2223']])
})
