import { and, curve, type Edge, not, or } from '@gw/core'
import { ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

type Logic = (x: Edge<boolean>, y: Edge<boolean>) => Edge<boolean>

test.each<[string, Logic, [number, boolean][]]>([
  [
    'and',
    and,
    [
      [15, false],
      [20, false],
      [30, true],
    ],
  ],
  [
    'or',
    or,
    [
      [15, true],
      [20, false],
      [30, true],
    ],
  ],
  [
    'not',
    (x) => not(x),
    [
      [10, false],
      [20, true],
      [30, false],
    ],
  ],
])('%s ticks on any tick, once all are valid', (_name, operator, expected) => {
  const seen = ticksOf((graph) => {
    const x = curve<boolean>(graph, [
      [10, true],
      [20, false],
      [30, true],
    ])
    const y = curve<boolean>(graph, [
      [15, false],
      [30, true],
    ])
    return operator(x, y)
  })
  expect(seen).toEqual(expected)
})

test.each([
  [true, true, true],
  [true, true, false],
  [false, false, true],
  [false, false, false],
])('of three: %s, %s and %s', (...values) => {
  const of = (operator: typeof and) =>
    ticksOf((graph) => operator(...values.map((value) => curve(graph, [[1, value]]))))
  expect(of(and)).toEqual([[1, values.every((value) => value)]])
  expect(of(or)).toEqual([[1, values.some((value) => value)]])
})
