import { curve, Graph, node, simulate, wrapFeedback } from '@gw/core'
import { record } from '@gw/core/testing'
import { expect, test } from 'vitest'

test('ticks a cycle later, at the same time', () => {
  const graph = new Graph()
  const x = curve(graph, [
    [10, 1],
    [20, 2],
  ])
  const later = wrapFeedback(x)
  const seen = record(
    node('seen', { x, later }, ({ x, later }) => () => [
      x.ticked ? x.value : undefined,
      later.ticked ? later.value : undefined,
    ]),
  )
  simulate(graph)
  expect(seen).toEqual([
    [10, [1, undefined]],
    [10, [undefined, 1]],
    [20, [2, undefined]],
    [20, [undefined, 2]],
  ])
})
