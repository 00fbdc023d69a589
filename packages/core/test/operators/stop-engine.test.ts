import {
  count,
  curve,
  dynamic,
  dynamicCollect,
  dynamicDemultiplex,
  Graph,
  map,
  scheduleOnEngineStop,
  simulate,
  sink,
  stopEngine,
  timer,
} from '@gw/core'
import { record } from '@gw/core/testing'
import { expect, test } from 'vitest'

test('completes the cycle and runs no other, also not at the same time', () => {
  const graph = new Graph()
  const x = curve(graph, [
    [10, 1],
    [20, 2],
    [20, 3],
    [30, 4],
  ])
  stopEngine(map(x, (value) => (value === 2 ? true : undefined)))
  const seen = record(x)
  expect(simulate(graph)).toMatchObject({ now: 20, cycles: 2 })
  expect(seen).toEqual([
    [10, 1],
    [20, 2],
  ])
})

test('in a sub-graph, ends that alone or the run', () => {
  const ends = (isDynamic: boolean): number => {
    const graph = new Graph()
    const x = curve(graph, [[10, 'a']])
    const keyed = dynamic(dynamicDemultiplex(x, x), {}, ({ graph, edge }) => {
      stopEngine(timer(graph, 5), { dynamic: isDynamic })
      return edge
    })
    record(dynamicCollect(keyed))
    record(count(timer(graph, 10)))
    return simulate(graph, { duration: 50 }).now
  }
  expect(ends(true)).toBe(50)
  expect(ends(false)).toBe(15)
})

test.each<[string, (graph: Graph) => void]>([
  ['comes to its end', () => undefined],
  ['is stopped', (graph) => stopEngine(timer(graph, 15))],
  [
    'fails',
    (graph) =>
      sink('failing', { x: timer(graph, 15) }, () => () => {
        throw new Error('on purpose')
      }),
  ],
])('calls back when a run %s, each time', (_how, build) => {
  const graph = new Graph()
  let stops = 0
  scheduleOnEngineStop(graph, () => stops++)
  record(timer(graph, 10))
  build(graph)
  for (const run of [1, 2]) {
    try {
      simulate(graph, { duration: 30 })
    } catch (error) {
      expect(error).toMatchObject({ code: 'NODE_FAILED' })
    }
    expect(stops).toBe(run)
  }
})
