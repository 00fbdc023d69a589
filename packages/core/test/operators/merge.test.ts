import { curve, merge, withDefault } from '@gw/core'
import { ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

const points: [number, number][] = [
  [10, 1],
  [20, 2],
]

test('ticks what either ticks; in one cycle, the first', () => {
  const seen = ticksOf((graph) =>
    merge(
      curve(graph, points),
      curve(graph, [
        [20, 'lost'],
        [30, 'y'],
      ]),
    ),
  )
  expect(seen).toEqual([...points, [30, 'y']])
})

test.each<[string, number, number | undefined, [number, unknown][]]>([
  ['at the start', 0, undefined, [[0, 'none'], ...points]],
  ['later', 0, 5, [[5, 'none'], ...points]],
  ['not with a tick of the edge', 0, 10, points],
  ['not after one', 0, 15, points],
  ['not with a tick at the start', 10, 0, points],
])('gives a default %s', (_when, start, delay, expected) => {
  const seen = ticksOf((graph) => withDefault(curve(graph, points), 'none', delay), { start })
  expect(seen).toEqual(expected)
})
