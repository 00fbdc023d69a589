// What a steady cycle allocates. Run with a young generation that takes all of it, so that nothing is collected.
import {
  count,
  curve,
  type Edge,
  feedback,
  Graph,
  map,
  merge,
  micros,
  node,
  passive,
  simulate,
  sink,
  stats,
  ticks,
  timer,
} from '@gw/core'
import { START } from './start.js'

const WARM_UP = 600_000
const CYCLES = 200_000

/** Bytes a cycle of what `build` makes, of which each cycle ticks the edge. */
function bytesACycle(build: (graph: Graph) => Edge<unknown>): number {
  const graph = new Graph()
  let cycle = 0
  let before = 0
  let after = 0
  sink('count', { x: build(graph) }, (_inputs, context) => () => {
    cycle++
    if (cycle === WARM_UP) before = process.memoryUsage().heapUsed
    if (cycle !== WARM_UP + CYCLES) return
    after = process.memoryUsage().heapUsed
    context.stopEngine()
  })
  simulate(graph, { start: START })
  return Math.max(0, Math.round((after - before) / CYCLES))
}

const ints = (graph: Graph): Edge<number> => count(timer(graph, micros(1)))
const floats = (graph: Graph): Edge<number> => map(ints(graph), (n) => n / 3)
const window = { interval: ticks(100) }

const graphs: Readonly<Record<string, (graph: Graph) => Edge<unknown>>> = {
  'a timer': (graph) => timer(graph, micros(1)),
  'two timers, merged': (graph) => merge(timer(graph, micros(1)), timer(graph, micros(2))),
  'count, and 100 nodes in a chain': (graph) => {
    let x = ints(graph)
    for (let i = 0; i < 100; i++) x = map(x, (value) => value + 1)
    return x
  },
  'count, and 64 nodes side by side': (graph) => {
    const x = ints(graph)
    const edges = Array.from({ length: 64 }, (_, i) => map(x, (value) => value + i))
    return node(
      'last',
      { edges },
      ({ edges }) =>
        () =>
          edges[63]?.value,
    )
  },
  'a feedback': (graph) => {
    const state = feedback<number>(graph)
    const inputs = { tick: timer(graph, micros(1)), state: passive(state.out) }
    const next = node(
      'next',
      inputs,
      ({ state }) =>
        () =>
          (state.valid ? state.value : 0) + 1,
    )
    state.bind(next)
    return next
  },
  'a curve': (graph) => {
    const points = Array.from({ length: WARM_UP + CYCLES }, (_, i) => [START + i, `${i}`] as const)
    return curve(graph, points)
  },
  'a fraction (a number that JavaScript boxes)': floats,
  'rolling mean of fractions': (graph) => stats.mean(floats(graph), window),
  'rolling stddev of fractions': (graph) => stats.stddev(floats(graph), window),
}

// What is made once a process is made before.
bytesACycle(ints)
for (const [name, build] of Object.entries(graphs)) {
  console.log(`${name.padEnd(46)} ${bytesACycle(build)} bytes a cycle`)
}
