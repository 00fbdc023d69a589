import { curve, Graph, type SyncOptions, sampleBasket, simulate, sync } from '@gw/core'
import { record } from '@gw/core/testing'
import { expect, test } from 'vitest'

function basketOf(graph: Graph) {
  return {
    a: curve(graph, [
      [10, 1],
      [40, 4],
      [60, 6],
      [62, 7],
    ]),
    b: curve(graph, [
      [15, 'p'],
      [65, 'q'],
    ]),
  }
}

const triggers = (graph: Graph, ...times: number[]) =>
  curve(
    graph,
    times.map((time) => [time, true] as const),
  )

test.each<[string, (graph: Graph) => SyncOptions, unknown, unknown]>([
  [
    '',
    () => ({}),
    [
      [15, 1],
      [50, 4],
      [65, 7],
    ],
    [
      [15, 'p'],
      [65, 'q'],
    ],
  ],
  [
    ', complete or not at all',
    () => ({ outputIncomplete: false }),
    [
      [15, 1],
      [65, 7],
    ],
    [
      [15, 'p'],
      [65, 'q'],
    ],
  ],
  [
    ', in rounds that a trigger begins',
    (graph) => ({ trigger: triggers(graph, 12, 55) }),
    [[65, 7]],
    [[22, 'p']],
  ],
])('ticks the elements together%s', (_how, optionsOf, a, b) => {
  const graph = new Graph()
  const together = sync(basketOf(graph), 10, optionsOf(graph))
  const seen = [record(together.a), record(together.b)]
  simulate(graph)
  expect(seen).toEqual([a, b])
})

test('a tick at the end of a round that a trigger began is in the next one, but the value is the present one', () => {
  const graph = new Graph()
  const x = curve(graph, [
    [10, 1],
    [20, 2],
    [30, 3],
    [35, 4],
  ])
  const y = curve(graph, [
    [20, 'p'],
    [40, 'q'],
  ])
  const together = sync({ x, y }, 10, { trigger: triggers(graph, 10, 30) })
  const seen = [record(together.x), record(together.y)]
  simulate(graph)
  expect(seen).toEqual([
    [
      [20, 2],
      [40, 4],
    ],
    [],
  ])
})

test('a list stays a list, and an empty one is refused', () => {
  const graph = new Graph()
  const both = sync(Object.values(basketOf(graph)), 10)
  const seen = both.map((edge) => record<string | number>(edge))
  simulate(graph, { duration: 30 })
  expect(seen).toEqual([[[15, 1]], [[15, 'p']]])
  expect(() => sync([], 10)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
})

test('samples those elements that have a value', () => {
  const graph = new Graph()
  const sampled = sampleBasket(triggers(graph, 5, 12, 50), basketOf(graph))
  const seen = [record(sampled.a), record(sampled.b)]
  simulate(graph)
  expect(seen).toEqual([
    [
      [12, 1],
      [50, 4],
    ],
    [[50, 'p']],
  ])
})
