import type { DescribedNode, GraphDescription } from './describe.js'

/** How a graph is drawn. */
export interface DrawOptions {
  /** From left to right, or from top to bottom. @defaultValue 'LR' */
  readonly direction?: 'LR' | 'TB'
}

/**
 * The graph as a Mermaid flowchart: scopes are boxes, passive inputs dotted, feedback thick.
 * https://mermaid.js.org/syntax/flowchart.html
 */
export function toMermaid(graph: GraphDescription, options: DrawOptions = {}): string {
  const { direction = 'LR' } = options
  const lines = [`flowchart ${direction}`]
  const shape = {
    source: (text: string) => `(["${text}"])`,
    node: (text: string) => `["${text}"]`,
    sink: (text: string) => `[["${text}"]]`,
  }
  let boxes = 0
  drawScopes(graph.nodes, {
    open: (name, depth) =>
      lines.push(`${indent(depth)}subgraph g${boxes++}["${mermaidText(name)}"]`),
    node: (node, depth) => {
      lines.push(`${indent(depth)}n${node.id}${shape[node.kind](mermaidText(node.name))}`)
    },
    close: (depth) => lines.push(`${indent(depth)}end`),
  })
  const arrow = { active: '-->', passive: '-.->', feedback: '==>' }
  const several = severalOutputs(graph)
  for (const { from, output, to, kind } of graph.edges) {
    const label = several.has(from) && kind !== 'feedback' ? `|${output}|` : ''
    lines.push(`  n${from} ${arrow[kind]}${label} n${to}`)
  }
  return `${lines.join('\n')}\n`
}

/**
 * The graph in the DOT language of Graphviz: scopes are clusters, passive inputs dotted, feedback bold and without
 * influence on the order. https://graphviz.org/doc/info/lang.html
 */
export function toDot(graph: GraphDescription, options: DrawOptions = {}): string {
  const { direction = 'LR' } = options
  const lines = ['digraph {', `  rankdir=${direction}`, '  node [shape=box]']
  const shape = { source: ' shape=ellipse', node: '', sink: ' peripheries=2' }
  let clusters = 0
  drawScopes(graph.nodes, {
    open: (name, depth) => {
      lines.push(`${indent(depth)}subgraph cluster_${clusters++} {`)
      lines.push(`${indent(depth + 1)}label=${dotText(name)}`)
    },
    node: (node, depth) => {
      lines.push(`${indent(depth)}n${node.id} [label=${dotText(node.name)}${shape[node.kind]}]`)
    },
    close: (depth) => lines.push(`${indent(depth)}}`),
  })
  const style = { active: '', passive: 'style=dotted', feedback: 'style=bold constraint=false' }
  const several = severalOutputs(graph)
  for (const { from, output, to, kind } of graph.edges) {
    const label = several.has(from) && kind !== 'feedback' ? `label="${output}"` : ''
    const attributes = [style[kind], label].filter((attribute) => attribute !== '').join(' ')
    lines.push(`  n${from} -> n${to}${attributes === '' ? '' : ` [${attributes}]`}`)
  }
  lines.push('}')
  return `${lines.join('\n')}\n`
}

interface Pen {
  open(name: string, depth: number): void
  node(node: DescribedNode, depth: number): void
  close(depth: number): void
}

interface Scope {
  readonly nodes: DescribedNode[]
  readonly inner: Map<string, Scope>
}

/** Draws the nodes, those of one scope together inside it. */
function drawScopes(nodes: readonly DescribedNode[], pen: Pen): void {
  const root: Scope = { nodes: [], inner: new Map() }
  for (const node of nodes) {
    let scope = root
    for (const name of node.scopes) {
      const inner = scope.inner.get(name) ?? { nodes: [], inner: new Map() }
      scope.inner.set(name, inner)
      scope = inner
    }
    scope.nodes.push(node)
  }
  const draw = (scope: Scope, depth: number): void => {
    for (const node of scope.nodes) pen.node(node, depth)
    for (const [name, inner] of scope.inner) {
      pen.open(name, depth)
      draw(inner, depth + 1)
      pen.close(depth)
    }
  }
  draw(root, 1)
}

/** Nodes with several outputs: which one an edge comes from is said. */
function severalOutputs(graph: GraphDescription): ReadonlySet<number> {
  return new Set(graph.nodes.filter((node) => node.outputs > 1).map((node) => node.id))
}

function indent(depth: number): string {
  return '  '.repeat(depth)
}

function mermaidText(text: string): string {
  return text.replace(/[^\p{L}\p{N} _.,:;()+*/=[\]{}-]/gu, (c) => `#${c.codePointAt(0)};`)
}

function dotText(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`
}
