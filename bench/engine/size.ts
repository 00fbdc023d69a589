// What a graph costs by its size: to build, to set up, to hold, and in a cycle in which only one path of it ticks.
import { count, type Edge, empty, Graph, map, micros, simulate, sink, timer } from '@gw/core'
import { cpuMs, heapUsed } from './process.js'
import { START } from './start.js'

/** Nodes of the path that ticks. */
const PATH = 100
const WARM_UP = 60_000
const CYCLES = 100_000

const addOne = (value: number): number => value + 1

for (const size of [1_000, 10_000, 100_000, 1_000_000]) {
  const before = heapUsed()
  const started = cpuMs()
  const graph = graphOf(size)
  const buildMs = cpuMs() - started
  const built = heapUsed()
  const { setUpMs, bytes, cycleNs } = run(graph)
  console.log(
    [
      `${size.toLocaleString('en').padStart(9)} nodes:`,
      `built in ${buildMs.toFixed(0)} ms, set up in ${setUpMs.toFixed(0)} ms,`,
      `${Math.round((built - before) / size)} bytes a node, ${Math.round((bytes - before) / size)} while it runs,`,
      `${Math.round(cycleNs)} ns a cycle of ${PATH} nodes`,
    ].join(' '),
  )
}

/** One path that ticks, and the rest in paths of the same length that never do. */
function graphOf(size: number): Graph {
  const graph = new Graph()
  path(count(timer(graph, micros(1))))
  const never = empty<number>(graph)
  for (let nodes = PATH; nodes < size; nodes += PATH) path(never)
  return graph
}

function path(start: Edge<number>): void {
  let x = start
  for (let i = 1; i < PATH; i++) x = map(x, addOne)
  sink('end', { x }, () => () => undefined)
}

function run(graph: Graph): { setUpMs: number; bytes: number; cycleNs: number } {
  const started = cpuMs()
  let setUpMs = 0
  let bytes = 0
  let cycles = 0
  let before = 0
  let cycleNs = 0
  sink('measure', { x: timer(graph, micros(1)) }, (_inputs, context) => () => {
    cycles++
    if (cycles === 1) {
      setUpMs = cpuMs() - started
      bytes = heapUsed()
    }
    if (cycles === WARM_UP) before = cpuMs()
    if (cycles !== WARM_UP + CYCLES) return
    cycleNs = ((cpuMs() - before) * 1e6) / CYCLES
    context.stopEngine()
  })
  simulate(graph, { start: START })
  return { setUpMs, bytes, cycleNs }
}
