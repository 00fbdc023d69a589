import { neededNodes } from './compile.js'
import { type Graph, type NodeSpec, resolve } from './graph.js'

/** What a node is to the graph: it starts ticks, passes them on, or ends them. */
export type NodeKind = 'source' | 'node' | 'sink'

/** One node of a {@link GraphDescription}. */
export interface DescribedNode {
  /** Its place in the order of declaration. */
  readonly id: number
  readonly name: string
  /** The names of the scopes that it was declared in, then its own. */
  readonly path: string
  /** The names of those scopes, outermost first. */
  readonly scopes: readonly string[]
  readonly kind: NodeKind
  /** 0 for a source, else 1 more than the highest of its inputs: nodes run in this order. */
  readonly rank: number
  /** Number of inputs and outputs. */
  readonly inputs: number
  readonly outputs: number
}

/** One connection of a {@link GraphDescription}. */
export interface DescribedEdge {
  /** Ids of the nodes, and which output of the one is which input of the other. */
  readonly from: number
  readonly output: number
  readonly to: number
  readonly input: number
  /** How ticks go: they run the node, are read only, or come in the next cycle. */
  readonly kind: 'active' | 'passive' | 'feedback'
}

/** A graph as plain data, which JSON can carry. */
export interface GraphDescription {
  readonly nodes: readonly DescribedNode[]
  readonly edges: readonly DescribedEdge[]
  /** How many nodes there are of each name. */
  readonly names: { readonly [name: string]: number }
  /** Nodes on the longest way from a source to a sink. */
  readonly longestPath: number
}

/** Options of {@link describe}. */
export interface DescribeOptions {
  /** Show also the nodes that no sink needs, and which are not run. @defaultValue false */
  readonly all?: boolean
}

/**
 * Describes a graph as a run would have it: the nodes that some sink needs, in the order in which they run, and how
 * they are connected. What is declared at the first run, such as a `delayedCollect`, is declared now.
 * @throws GraphError `CYCLE` with the path of a loop that no feedback breaks; `UNBOUND_EDGE`.
 * @example `console.log(toMermaid(describe(graph)))`
 */
export function describe(graph: Graph, options: DescribeOptions = {}): GraphDescription {
  graph.complete()
  const specs = neededNodes(graph, options.all === true)
  const ranks = new Map<NodeSpec, number>()
  const feeds = new Map<NodeSpec, NodeSpec>()
  const edges: DescribedEdge[] = []
  const names = new Map<string, number>()
  for (const spec of specs) {
    let rank = 0
    spec.inputs.forEach((declared, input) => {
      const { node, port } = resolve(declared)
      rank = Math.max(rank, (ranks.get(node) as number) + 1)
      const kind = spec.passive?.[input] === true ? 'passive' : 'active'
      edges.push({ from: node.id, output: port, to: spec.id, input, kind })
    })
    ranks.set(spec, rank)
    names.set(spec.name, (names.get(spec.name) ?? 0) + 1)
    if (spec.feeds !== undefined) feeds.set(spec, spec.feeds)
  }
  for (const [from, to] of feeds) {
    if (!ranks.has(to)) continue
    edges.push({ from: from.id, output: 0, to: to.id, input: 0, kind: 'feedback' })
  }
  return {
    nodes: specs.map((spec) => described(spec, ranks.get(spec) as number)),
    edges,
    names: Object.fromEntries(names),
    longestPath: specs.reduce((longest, spec) => Math.max(longest, (ranks.get(spec) ?? 0) + 1), 0),
  }
}

function described(spec: NodeSpec, rank: number): DescribedNode {
  const { id, name, path, scopes, inputs, outputs } = spec
  return {
    id,
    name,
    path,
    scopes,
    kind: inputs.length === 0 && outputs > 0 ? 'source' : outputs === 0 ? 'sink' : 'node',
    rank,
    inputs: inputs.length,
    outputs,
  }
}
