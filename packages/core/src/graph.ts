import { GraphError } from './errors.js'
import type { InputShape } from './inputs.js'
import type { NodeContext } from './node-context.js'
import type { Series } from './series.js'

/**
 * What a node does each time it runs. A value other than `undefined` ticks the node's first output;
 * `undefined` means: no tick. A node with several outputs ticks them itself and returns nothing.
 */
export type Step = () => unknown

/**
 * Starts a node for one run: receives the run-time side of its inputs and of its outputs, in the order of
 * the declaration, and returns the step. A source returns nothing.
 */
export type Setup = (
  inputs: readonly Series[],
  outputs: readonly Series[],
  context: NodeContext,
) => Step | undefined

/** As {@link Setup}, for a node whose inputs have a shape: receives them by name. */
export type ShapedSetup = (inputs: never, context: NodeContext) => Step | undefined

/** How a node is declared to {@link Graph.add}. */
export interface NodeDeclaration {
  readonly name: string
  /** Edges that the node reads, in order. */
  readonly inputs?: readonly Edge<unknown>[]
  /** For each input, whether it starts passive: read, but not a cause to run. @defaultValue what the shape says; all active */
  readonly passive?: readonly boolean[]
  /** Number of outputs. @defaultValue 1 */
  readonly outputs?: number
  /** Whether the node runs although nobody reads its outputs. @defaultValue `outputs === 0` */
  readonly sink?: boolean
  /** The node that ticks, in the next cycle, what this one takes: a feedback is drawn so. */
  readonly feeds?: NodeSpec
  readonly shape?: undefined
  readonly setup: Setup
}

/** How a node is declared whose setup receives its inputs by name, in the shape in which they were declared. */
export interface ShapedDeclaration extends Omit<NodeDeclaration, 'shape' | 'setup'> {
  readonly shape: InputShape
  readonly setup: ShapedSetup
}

/**
 * A typed time series of a graph: one output of one node, seen at build time.
 * What ticks on it at run time is read by the nodes that have it as an input.
 */
export class Edge<out T> {
  /** Carries the type of the ticks; never there at run time. */
  declare readonly '~value': T
  /** @internal */
  readonly node: NodeSpec
  /** @internal */
  readonly port: number

  /** @internal */
  constructor(node: NodeSpec, port: number) {
    this.node = node
    this.port = port
  }

  get graph(): Graph {
    return this.node.graph
  }
}

/** Where nodes are declared: a graph, and the names of scopes inside it. */
interface Scope {
  readonly graph: Graph
  /** Outermost first. */
  readonly names: readonly string[]
  /** The names, each with a `/` behind. */
  readonly path: string
}

/** What nodes that are declared alike have in common. */
interface NodeKind {
  readonly name: string
  readonly passive: readonly boolean[] | undefined
  readonly outputs: number
  readonly sink: boolean
  readonly feeds: NodeSpec | undefined
  readonly shape: InputShape | undefined
}

/**
 * A node as the graph keeps it. A graph may have a million of them: what is the same in many they share, and of a node
 * that reads one edge, as most do, only that is kept which the edge is made from.
 */
export class NodeSpec {
  /** Position in the order of declaration. */
  readonly id: number
  readonly setup: Setup | ShapedSetup
  readonly #scope: Scope
  readonly #kind: NodeKind
  readonly #inputs: NodeSpec | readonly Edge<unknown>[]

  /** @internal */
  constructor(
    id: number,
    scope: Scope,
    kind: NodeKind,
    inputs: readonly Edge<unknown>[],
    setup: Setup | ShapedSetup,
  ) {
    this.id = id
    this.setup = setup
    this.#scope = scope
    this.#kind = kind
    const only = inputs.length === 1 ? inputs[0] : undefined
    // A delayed edge stands for more than an output of its node.
    const isFirstOutput = only !== undefined && only.port === 0 && !(only instanceof DelayedEdge)
    this.#inputs = isFirstOutput ? only.node : inputs
  }

  get graph(): Graph {
    return this.#scope.graph
  }

  get name(): string {
    return this.#kind.name
  }

  /** Names of the scopes around the declaration and the node's own, joined by `/`. */
  get path(): string {
    return this.#scope.path + this.#kind.name
  }

  /** Names of those scopes, outermost first. */
  get scopes(): readonly string[] {
    return this.#scope.names
  }

  /** The edges that it reads, in order. */
  get inputs(): readonly Edge<unknown>[] {
    return this.#inputs instanceof NodeSpec ? [new Edge(this.#inputs, 0)] : this.#inputs
  }

  /** For each input, whether it starts passive; `undefined` when none does. */
  get passive(): readonly boolean[] | undefined {
    return this.#kind.passive
  }

  get outputs(): number {
    return this.#kind.outputs
  }

  get sink(): boolean {
    return this.#kind.sink
  }

  get feeds(): NodeSpec | undefined {
    return this.#kind.feeds
  }

  get shape(): InputShape | undefined {
    return this.#kind.shape
  }
}

/** Kinds that are shared, by name. Names and shapes are mostly written in code, so they are few. */
const kinds = new Map<string, NodeKind[]>()
const MOST_NAMES = 1_000

function kindOf(declaration: NodeDeclaration | ShapedDeclaration): NodeKind {
  const { name, outputs = 1, sink = outputs === 0, feeds, shape } = declaration
  const passive = shape?.passive ?? declaration.passive
  const isShared =
    feeds === undefined && (shape === undefined ? passive === undefined : shape.isShared)
  const known = isShared ? kinds.get(name) : undefined
  for (const kind of known ?? []) {
    if (kind.shape === shape && kind.outputs === outputs && kind.sink === sink) return kind
  }
  const kind = { name, passive, outputs, sink, feeds, shape }
  if (known !== undefined) known.push(kind)
  else if (isShared && kinds.size < MOST_NAMES) kinds.set(name, [kind])
  return kind
}

const NO_NAMES: readonly string[] = []

/** The event graph while it is built: holds the nodes, knows nothing of time. It can be run any number of times. */
export class Graph {
  /** @internal */
  readonly nodes: NodeSpec[] = []
  #scope: Scope = { graph: this, names: NO_NAMES, path: '' }
  #beforeRun: (() => void)[] = []

  /** Runs `build` with `name` in front of the paths of all nodes that it declares; errors and descriptions show it. */
  scope<R>(name: string, build: () => R): R {
    const outer = this.#scope
    this.#scope = { graph: this, names: [...outer.names, name], path: `${outer.path}${name}/` }
    try {
      return build()
    } finally {
      this.#scope = outer
    }
  }

  /** @internal Calls back once, when the graph is first run: the last moment to declare nodes. */
  beforeRun(complete: () => void): void {
    this.#beforeRun.push(complete)
  }

  /** @internal Declares what waited for the rest of the graph. */
  complete(): void {
    const waiting = this.#beforeRun
    this.#beforeRun = []
    for (const complete of waiting) complete()
  }

  /**
   * Declares a node and returns it; its outputs are read with {@link outputOf}.
   * Operators and custom nodes are better declared with `node`, `multiNode` and `sink`.
   * @throws GraphError `GRAPH_MISMATCH` when an input belongs to another graph, `NOT_AN_EDGE` when it is no edge.
   */
  add(declaration: NodeDeclaration | ShapedDeclaration): NodeSpec {
    const { name, inputs = [], setup } = declaration
    const scope = this.#scope
    for (let i = 0; i < inputs.length; i++) {
      const input = inputs[i]
      if (!(input instanceof Edge)) {
        const path = scope.path + name
        throw new GraphError('NOT_AN_EDGE', `input ${i} of node "${path}" is not an edge`, {
          node: name,
          path,
        })
      }
      if (input.graph !== this) {
        const path = scope.path + name
        throw new GraphError(
          'GRAPH_MISMATCH',
          `input ${i} of node "${path}" is "${input.node.path}" of another graph: build both in one graph`,
          { node: name, path },
        )
      }
    }
    const spec = new NodeSpec(this.nodes.length, scope, kindOf(declaration), inputs, setup)
    this.nodes.push(spec)
    return spec
  }
}

/** The edge of output `port` of a declared node. */
export function outputOf<T>(node: NodeSpec, port = 0): Edge<T> {
  return new Edge<T>(node, port)
}

/** Stands for an edge that is bound later, without the shift of a cycle that feedback has. See {@link delayedEdge}. */
export class DelayedEdge<T> extends Edge<T> {
  #target: Edge<T> | undefined

  /** The edge that this one stands for; `undefined` before {@link bind}. */
  get target(): Edge<T> | undefined {
    return this.#target
  }

  /**
   * Says which edge this one stands for.
   * @throws GraphError `BOUND_TWICE`, or `GRAPH_MISMATCH` when the edge is of another graph.
   */
  bind(edge: Edge<T>): void {
    if (this.#target !== undefined) {
      throw new GraphError('BOUND_TWICE', `the delayed edge "${this.node.path}" is bound already`, {
        node: this.node.name,
        path: this.node.path,
      })
    }
    if (edge.graph !== this.graph) {
      throw new GraphError(
        'GRAPH_MISMATCH',
        `the delayed edge "${this.node.path}" cannot be bound to "${edge.node.path}" of another graph`,
        { node: this.node.name, path: this.node.path },
      )
    }
    this.#target = edge
  }
}

/**
 * Declares an edge that can be read at once and is bound to a real one later with `bind`, in the same graph.
 * A run of a graph with an unbound delayed edge in use fails with `UNBOUND_EDGE`; one that closes a loop, with `CYCLE`.
 */
export function delayedEdge<T>(graph: Graph, name = 'delayedEdge'): DelayedEdge<T> {
  const spec = graph.add({ name, sink: false, setup: () => undefined })
  return new DelayedEdge<T>(spec, 0)
}

/**
 * The edge that really ticks behind delayed edges.
 * @throws GraphError `UNBOUND_EDGE`, or `CYCLE` when delayed edges are bound in a ring.
 */
export function resolve(edge: Edge<unknown>): Edge<unknown> {
  let current = edge
  for (let hops = 0; current instanceof DelayedEdge; hops++) {
    const { target, node } = current
    if (target === undefined) {
      throw new GraphError('UNBOUND_EDGE', `the delayed edge "${node.path}" was never bound`, {
        node: node.name,
        path: node.path,
      })
    }
    if (hops > node.graph.nodes.length) {
      throw new GraphError('CYCLE', `the delayed edge "${node.path}" is bound to itself`, {
        node: node.name,
        path: node.path,
      })
    }
    current = target
  }
  return current
}

/**
 * Whether `edge` is computed, in the same cycle, from `target`: walks upstream through inputs and bound delayed
 * edges; feedback ends the walk. An unbound delayed edge has nothing upstream.
 */
export function dependsOn(edge: Edge<unknown>, target: Edge<unknown>): boolean {
  const seen = new Set<Edge<unknown> | NodeSpec>()
  const queue: Edge<unknown>[] = [edge]
  for (let at = 0; at < queue.length; at++) {
    const current = queue[at] as Edge<unknown>
    if (current === target || (current.node === target.node && current.port === target.port))
      return true
    if (current instanceof DelayedEdge) {
      if (seen.has(current)) continue
      seen.add(current)
      if (current.target !== undefined) queue.push(current.target)
    } else if (!seen.has(current.node)) {
      seen.add(current.node)
      queue.push(...current.node.inputs)
    }
  }
  return false
}
