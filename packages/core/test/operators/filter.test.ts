import { curve, filter, Graph, simulate, split } from '@gw/core'
import { record, replay } from '@gw/core/testing'
import { expect, test } from 'vitest'

test('passes what ticks while the flag is true, and splits off the rest', () => {
  const graph = new Graph()
  const flag = curve<boolean>(graph, [
    [15, true],
    [25, false],
    [30, true],
  ])
  const x = curve(graph, [
    [10, 'before the flag'],
    [20, 'a'],
    [26, 'b'],
    [30, 'c'],
  ])
  const both = split(flag, x)
  const seen = [filter(flag, x), both.true, both.false].map(record)
  simulate(graph)
  const passed = [
    [20, 'a'],
    [30, 'c'],
  ]
  expect(seen).toEqual([passed, passed, [[26, 'b']]])
})

test('passes what a predicate accepts', () => {
  expect(replay([1, 2, 3, 4], (x) => filter(x, (n) => n % 2 === 0))).toEqual([2, 4])
})
