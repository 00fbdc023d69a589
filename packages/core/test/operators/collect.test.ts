import { collect, curve, type Edge, flatten, Graph, unroll } from '@gw/core'
import { record, ticksOf } from '@gw/core/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'

const pair = <T>(operator: (edges: readonly Edge<number>[]) => Edge<T>) =>
  ticksOf((graph) =>
    operator([
      curve(graph, [
        [10, 1],
        [20, 2],
      ]),
      curve(graph, [
        [20, 3],
        [30, 4],
      ]),
    ]),
  )

test('collects what ticked in a cycle, in the order of the edges', () => {
  expect(pair(collect)).toEqual([
    [10, [1]],
    [20, [2, 3]],
    [30, [4]],
  ])
  expect(pair(([x, y]) => collect([y, x] as Edge<number>[]))[1]).toEqual([20, [3, 2]])
})

test('flattens what ticks in one cycle into successive ones', () => {
  expect(pair(flatten)).toEqual([
    [10, 1],
    [20, 2],
    [20, 3],
    [30, 4],
  ])
})

test('flattens as the lists of what ticked unroll, also what comes while some wait', () => {
  const ticks = fc
    .array(fc.integer({ min: 0, max: 3 }), { maxLength: 8 })
    .map((times) => times.sort())
  fc.assert(
    fc.property(fc.array(ticks, { minLength: 2, maxLength: 4 }), (all) => {
      const edges = (graph: Graph): readonly Edge<string>[] =>
        all.map((times, i) =>
          curve(
            graph,
            times.map((time, n) => [10 + time, `${i}${n}`]),
          ),
        )
      expect(ticksOf((graph) => flatten(edges(graph)))).toEqual(
        ticksOf((graph) => unroll(collect(edges(graph)))),
      )
    }),
  )
})

test('a single edge is flat as it is', () => {
  const x = curve(new Graph(), [[1, 1]])
  expect(flatten([x])).toBe(x)
  expect(record(flatten([x]))).toEqual([])
})

test.each<[string, [number, readonly string[]][], [number, string][]]>([
  [
    'a list, one a cycle',
    [[10, ['a', 'b', 'c']]],
    [
      [10, 'a'],
      [10, 'b'],
      [10, 'c'],
    ],
  ],
  [
    'an empty list: nothing',
    [
      [10, []],
      [20, ['a']],
    ],
    [[20, 'a']],
  ],
  [
    'lists of one time, one after the other',
    [
      [10, ['a', 'b']],
      [10, ['c', 'd']],
    ],
    [
      [10, 'a'],
      [10, 'b'],
      [10, 'c'],
      [10, 'd'],
    ],
  ],
  [
    'an empty list between two',
    [
      [10, ['a', 'b']],
      [10, []],
      [10, ['c']],
    ],
    [
      [10, 'a'],
      [10, 'b'],
      [10, 'c'],
    ],
  ],
])('unrolls %s', (_what, lists, expected) => {
  expect(ticksOf((graph) => unroll(curve<readonly string[]>(graph, lists)))).toEqual(expected)
})
