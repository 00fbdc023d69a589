import {
  accum,
  count,
  curve,
  dynamic,
  dynamicDemultiplex,
  Graph,
  manualClock,
  map,
  Profiler,
  realtime,
  simulate,
  sink,
  timer,
} from '@gw/core'
import { record } from '@gw/core/testing'
import { expect, test } from 'vitest'
import { patient } from './support/patient.js'

test('counts cycles and executions by node, with the names of scopes', () => {
  const graph = new Graph()
  const clock = timer(graph, 10)
  const n = graph.scope('totals', () => count(clock))
  record(map(n, (n) => (n % 2 === 0 ? n : undefined)))
  const profiler = new Profiler()
  simulate(graph, { duration: 100, profiler })
  const report = profiler.report()
  expect(report.cycles).toBe(10)
  expect(report.executions).toBe(25)
  expect(report.utilization).toBeCloseTo(25 / 30)
  const executions = Object.fromEntries(report.nodes.map((node) => [node.path, node.executions]))
  expect(executions).toEqual({ 'totals/count': 10, map: 10, record: 5 })
})

test('finds the node that costs most and the slowest cycle', () => {
  const graph = new Graph()
  const spin = (ms: number) => {
    const end = performance.now() + ms
    while (performance.now() < end);
  }
  const x = curve(graph, [
    [10, 0],
    [20, 5],
    [30, 0],
  ])
  sink(
    'slow',
    { x },
    ({ x }) =>
      () =>
        spin(x.value),
  )
  sink('fast', { x }, () => () => undefined)
  const profiler = new Profiler()
  simulate(graph, { profiler })
  const { nodes, slowestCycle, totalMs, averageCycleMs } = profiler.report()
  expect(nodes[0]?.path).toBe('slow')
  expect(nodes[0]?.maxMs).toBeGreaterThanOrEqual(5)
  expect(slowestCycle).toMatchObject({ time: 20, executions: 2 })
  expect(slowestCycle?.durationMs).toBeGreaterThanOrEqual(5)
  expect(averageCycleMs).toBeCloseTo(totalMs / 3)
})

test('sums up the sub-graphs of all keys under one path', () => {
  const graph = new Graph()
  const key = curve(graph, [
    [1, 'a'],
    [2, 'b'],
    [3, 'a'],
  ])
  const lengths = dynamic(dynamicDemultiplex(key, key), {}, ({ edge }) =>
    accum(map(edge, (text) => text.length)),
  )
  record(lengths)
  const profiler = new Profiler()
  simulate(graph, { profiler })
  const executions = profiler.report().nodes.map(({ path, executions }) => [path, executions])
  expect(executions).toContainEqual(['dynamic[*]/accum', 3])
})

test('a node that throws is measured, and its error is not changed', () => {
  const graph = new Graph()
  sink('bad', { x: timer(graph, 10) }, () => () => {
    throw new Error('broken')
  })
  const profiler = new Profiler()
  expect(() => simulate(graph, { profiler, duration: 10 })).toThrow(
    expect.objectContaining({ code: 'NODE_FAILED', path: 'bad' }),
  )
  expect(profiler.report().executions).toBe(1)
})

test('adds up several runs, of each kind', async () => {
  const graph = new Graph()
  record(count(timer(graph, 10)))
  const profiler = new Profiler()
  expect(profiler.report()).toMatchObject({ cycles: 0, averageCycleMs: 0, utilization: 0 })
  simulate(graph, { duration: 20, profiler })
  const clock = manualClock()
  const run = realtime(graph, { clock, ...patient, duration: 30, profiler })
  clock.advance(30)
  await run.done
  expect(profiler.report()).toMatchObject({ cycles: 5, executions: 10 })
})

test('changes nothing in what the run ticks', () => {
  const graph = new Graph()
  const seen = record(accum(count(timer(graph, 10))))
  simulate(graph, { duration: 50_000 })
  const plain = [...seen]
  simulate(graph, { duration: 50_000, profiler: new Profiler() })
  expect(seen).toEqual(plain)
})
