import { curve, Graph, graphOutput, node, simulate } from '@gw/core'
import { expect, test } from 'vitest'

test('a node runs once for each tick of its input', () => {
  const graph = new Graph()
  const x = curve(graph, [
    [10, 1],
    [20, 2],
  ])
  graphOutput(
    'double',
    node(
      'double',
      { x },
      ({ x }) =>
        () =>
          x.value * 2,
    ),
  )
  expect(simulate(graph).outputs.get('double')).toEqual([
    [10, 2],
    [20, 4],
  ])
})
