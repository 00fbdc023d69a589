import { GraphError } from './errors.js'
import { type Edge, type Graph, type NodeSpec, resolve } from './graph.js'
import { type Cycle, Series } from './series.js'

/** A graph made ready for one run: the needed nodes in topological order, with their series and consumers. */
export interface Program {
  /** In the order in which they run. */
  readonly nodes: readonly NodeSpec[]
  /** For each node, its first output; for a node without outputs, a series that nobody reads. */
  readonly outputs: Series[]
  /** Every series, those of alarms included. */
  readonly allSeries: readonly Series[]
  targets: Int32Array<ArrayBuffer>
  seriesOf(edge: Edge<unknown>): Series | undefined
  inputSeries(node: number): Series[]
  outputSeries(node: number): Series[]
  /** Places in `targets` where `node` is a consumer of `series`. */
  linksOf(node: number, series: Series): number[]
  /** Gives a new series its one consumer. */
  addTarget(series: Series, node: number): Int32Array<ArrayBuffer>
}

/**
 * Numbers the nodes that some sink needs so that each comes after all that it reads, in time linear in nodes and edges.
 * The order is that of declaration as far as the edges allow, hence the same in every run.
 * @throws GraphError `CYCLE` with the path of a loop that no feedback breaks; `UNBOUND_EDGE`.
 */
export function compile(graph: Graph, cycle: Cycle): Program {
  const nodes = order(graph)
  const numberOf = new Map<NodeSpec, number>()
  for (let i = 0; i < nodes.length; i++) numberOf.set(nodes[i] as NodeSpec, i)

  const nobody = ((nodes.length + 1023) >>> 10) << 10
  const firstSeries = new Int32Array(nodes.length)
  const allSeries: Series[] = []
  const outputs: Series[] = []
  const unread = new Series(cycle)
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i] as NodeSpec
    firstSeries[i] = allSeries.length
    for (let port = 0; port < node.outputs; port++) allSeries.push(new Series(cycle))
    outputs.push(node.outputs === 0 ? unread : (allSeries[firstSeries[i] as number] as Series))
  }

  const seriesNumber = (edge: Edge<unknown>): number => {
    const source = resolve(edge)
    const number = numberOf.get(source.node)
    return number === undefined ? -1 : (firstSeries[number] as number) + source.port
  }
  const seriesOf = (edge: Edge<unknown>): Series | undefined => allSeries[seriesNumber(edge)]

  // Two passes: count the consumers of each series, then write them into one shared array.
  const counts = new Int32Array(allSeries.length + 1)
  for (const node of nodes) {
    for (const input of node.inputs) {
      const at = seriesNumber(input)
      counts[at] = (counts[at] as number) + 1
    }
  }
  let length = 0
  for (let i = 0; i < allSeries.length; i++) {
    const series = allSeries[i] as Series
    series.first = length
    series.end = length
    length += counts[i] as number
  }
  let targets = new Int32Array(length)
  const owners = new Int32Array(length)
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i] as NodeSpec
    for (let k = 0; k < node.inputs.length; k++) {
      const series = seriesOf(node.inputs[k] as Edge<unknown>) as Series
      const link = series.end++
      owners[link] = i
      targets[link] = node.passive?.[k] === true ? nobody : i
    }
  }

  return {
    nodes,
    outputs,
    allSeries,
    get targets() {
      return targets
    },
    seriesOf,
    inputSeries: (node) =>
      (nodes[node] as NodeSpec).inputs.map((input) => seriesOf(input) as Series),
    outputSeries: (node) => {
      const first = firstSeries[node] as number
      return allSeries.slice(first, first + (nodes[node] as NodeSpec).outputs)
    },
    linksOf: (node, series) => {
      const links: number[] = []
      for (let link = series.first; link < series.end; link++) {
        if (owners[link] === node) links.push(link)
      }
      return links
    },
    addTarget: (series, node) => {
      if (length === targets.length) {
        const grown = new Int32Array(Math.max(16, length * 2))
        grown.set(targets)
        targets = grown
      }
      series.first = length
      series.end = length + 1
      targets[length++] = node
      allSeries.push(series)
      return targets
    },
  }
}

/** Depth first from the sinks, inputs before readers, without recursion: a chain may be a million nodes long. */
function order(graph: Graph): NodeSpec[] {
  const sorted: NodeSpec[] = []
  const state = new Uint8Array(graph.nodes.length)
  const stack: NodeSpec[] = []
  const nextInput: number[] = []
  for (const sink of graph.nodes) {
    if (!sink.sink || state[sink.id] !== UNSEEN) continue
    stack.push(sink)
    nextInput.push(0)
    state[sink.id] = OPEN
    while (stack.length > 0) {
      const node = stack[stack.length - 1] as NodeSpec
      const at = nextInput[nextInput.length - 1] as number
      if (at === node.inputs.length) {
        state[node.id] = DONE
        sorted.push(node)
        stack.pop()
        nextInput.pop()
        continue
      }
      nextInput[nextInput.length - 1] = at + 1
      const input = resolve(node.inputs[at] as Edge<unknown>).node
      if (state[input.id] === OPEN) throw cycleError(stack, input)
      if (state[input.id] === UNSEEN) {
        state[input.id] = OPEN
        stack.push(input)
        nextInput.push(0)
      }
    }
  }
  return sorted
}

const UNSEEN = 0
const OPEN = 1
const DONE = 2

function cycleError(stack: readonly NodeSpec[], closing: NodeSpec): GraphError {
  const loop = [...stack.slice(stack.indexOf(closing)), closing].map((node) => node.path).reverse()
  return new GraphError(
    'CYCLE',
    `the graph has a cycle: ${loop.join(' -> ')}; break it with feedback()`,
    { node: closing.name, path: closing.path },
  )
}
