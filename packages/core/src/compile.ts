import { GraphError } from './errors.js'
import { type Edge, type Graph, type NodeSpec, resolve } from './graph.js'
import { type Cycle, SEVERAL, Series } from './series.js'

/** A graph made ready for one run: the needed nodes in topological order, with their series and consumers. */
export class Program {
  /** In the order in which they run. */
  readonly nodes: readonly NodeSpec[]
  /** For each node, its first output; for a node without outputs, a series that nobody reads. */
  readonly outputs: Series[]
  /** All other series: further outputs, and those of alarms. */
  readonly others: Series[] = []
  /** See `Scheduler.targets`. */
  targets: Int32Array<ArrayBuffer> = new Int32Array(0)
  readonly #cycle: Cycle
  /** Number of each node by its place in the graph; {@link NOT_NEEDED}. */
  readonly #numberOf: Int32Array
  /** Of a node with several outputs, where in {@link others} the second one is. */
  #secondOutput: Map<number, number> | undefined
  #length = 0

  constructor(nodes: readonly NodeSpec[], graphSize: number, cycle: Cycle) {
    this.nodes = nodes
    this.#cycle = cycle
    this.#numberOf = new Int32Array(graphSize).fill(NOT_NEEDED)
    const unread = new Series(cycle)
    this.outputs = new Array(nodes.length).fill(unread)
    for (let i = 0; i < nodes.length; i++) {
      const { id, outputs } = nodes[i] as NodeSpec
      this.#numberOf[id] = i
      if (outputs > 0) this.outputs[i] = new Series(cycle)
      if (outputs > 1) {
        this.#secondOutput ??= new Map()
        this.#secondOutput.set(i, this.others.length)
      }
      for (let port = 1; port < outputs; port++) this.others.push(new Series(cycle))
    }
    this.#link()
  }

  /** The run-time side of an edge; `undefined` when the edge is not needed. */
  seriesOf(edge: Edge<unknown>): Series | undefined {
    const number = this.#seriesNumber(edge)
    return number === NOT_NEEDED ? undefined : this.#seriesAt(number)
  }

  inputSeries(node: number): Series[] {
    const { inputs } = this.nodes[node] as NodeSpec
    const series: Series[] = new Array(inputs.length)
    for (let i = 0; i < inputs.length; i++) {
      series[i] = this.#seriesAt(this.#seriesNumber(inputs[i] as Edge<unknown>))
    }
    return series
  }

  outputSeries(node: number): Series[] {
    const { outputs } = this.nodes[node] as NodeSpec
    const second = this.#secondOutput?.get(node) ?? 0
    return outputs === 0
      ? []
      : [this.outputs[node] as Series, ...this.others.slice(second, second + outputs - 1)]
  }

  /** A new series of which `node` is the one consumer. */
  addSeries(node: number): Series {
    if (this.#length + 2 > this.targets.length) {
      const grown = new Int32Array(Math.max(16, this.#length * 2))
      grown.set(this.targets)
      this.targets = grown
    }
    const series = new Series(this.#cycle)
    series.first = this.#length
    series.only = node
    this.targets[this.#length++] = node >>> 5
    this.targets[this.#length++] = 1 << node
    series.end = this.#length
    this.others.push(series)
    return series
  }

  #seriesNumber(edge: Edge<unknown>): number {
    const { node, port } = resolve(edge)
    const number = this.#numberOf[node.id] as number
    if (port === 0 || number === NOT_NEEDED) return number
    return this.nodes.length + (this.#secondOutput?.get(number) as number) + port - 1
  }

  /** First outputs have the numbers of their nodes, the others come behind. */
  #seriesAt(number: number): Series {
    const { outputs, others } = this
    return (number < outputs.length ? outputs[number] : others[number - outputs.length]) as Series
  }

  /** Fills {@link targets} in two passes over all inputs: the first counts the words of each series, the second sets the bits. */
  #link(): void {
    const { nodes } = this
    const size = nodes.length + this.others.length
    const lastWord = new Int32Array(size).fill(-1)
    for (let i = 0; i < nodes.length; i++) {
      for (const input of (nodes[i] as NodeSpec).inputs) {
        const at = this.#seriesNumber(input)
        if (lastWord[at] === i >>> 5) continue
        lastWord[at] = i >>> 5
        this.#seriesAt(at).end += 2
      }
    }
    for (let at = 0; at < size; at++) {
      const series = this.#seriesAt(at)
      const length = series.end - series.first
      series.first = this.#length
      series.end = series.first
      this.#length += length
    }
    this.targets = new Int32Array(this.#length)
    const consumers = new Uint8Array(size)
    lastWord.fill(-1)
    for (let i = 0; i < nodes.length; i++) {
      const { inputs, passive } = nodes[i] as NodeSpec
      for (let k = 0; k < inputs.length; k++) {
        const at = this.#seriesNumber(inputs[k] as Edge<unknown>)
        const series = this.#seriesAt(at)
        if (lastWord[at] !== i >>> 5) {
          lastWord[at] = i >>> 5
          this.targets[series.end] = i >>> 5
          series.end += 2
        }
        if (passive?.[k] === true) continue
        if (series.only !== i) {
          const isFirst = consumers[at] === 0
          consumers[at] = 1
          series.only = isFirst ? i : SEVERAL
        }
        // biome-ignore lint/style/noNonNullAssertion: inside the array by construction
        this.targets[series.end - 1]! |= 1 << i
      }
    }
  }
}

const NOT_NEEDED = -1

/**
 * Numbers the nodes that some sink needs so that each comes after all that it reads, in time linear in nodes and edges.
 * The order is that of declaration as far as the edges allow, hence the same in every run.
 * @throws GraphError `CYCLE` with the path of a loop that no feedback breaks; `UNBOUND_EDGE`.
 */
export function compile(graph: Graph, cycle: Cycle): Program {
  graph.complete()
  return new Program(neededNodes(graph), graph.nodes.length, cycle)
}

/**
 * Depth first from the sinks, or from all nodes, inputs before readers, without recursion: a chain may be a million
 * nodes long.
 */
export function neededNodes(graph: Graph, fromAll = false): NodeSpec[] {
  const sorted: NodeSpec[] = []
  const state = new Uint8Array(graph.nodes.length)
  const stack: NodeSpec[] = []
  const nextInput: number[] = []
  for (const sink of graph.nodes) {
    if (!(sink.sink || fromAll) || state[sink.id] !== UNSEEN) continue
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
  // The copy has no room for more: a graph may have a million nodes.
  return sorted.slice()
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
