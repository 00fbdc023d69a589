import {
  constant,
  curve,
  empty,
  type Feedback,
  feedback,
  Graph,
  graphOutput,
  ms,
  simulate,
  timer,
} from '@gw/core'
import type { Case, CaseNode, Ref, Source } from './case.js'
import { operators } from './operators.js'
import { type Argument, isTyped, type TypedEdge } from './typed-edge.js'
import { decode, encode, millisecondsOf, same, timeOf } from './values.js'

/** Runs a case. @returns why it fails; `undefined` when it passes. */
export function checkCase(each: Case): string | undefined {
  let outputs: { readonly [name: string]: readonly (readonly [number, unknown])[] }
  try {
    outputs = runCase(each)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return each.error === undefined ? `it failed: ${message}` : undefined
  }
  if (each.error !== undefined) return `it did not fail with ${each.error.type}`
  for (const [name, expected] of Object.entries(each.expected ?? {})) {
    const actual = outputs[name] ?? []
    if (!same(actual, expected)) {
      return `${name} ticked ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`
    }
  }
  return undefined
}

/** What the outputs of a case tick. @throws what building or running throws. */
function runCase(each: Case): {
  readonly [name: string]: readonly (readonly [number, unknown])[]
} {
  const graph = new Graph()
  const edges = new Map<string, TypedEdge>()
  const feedbacks: { readonly bind: string; readonly feedback: Feedback<unknown> }[] = []
  for (const source of each.program.sources) {
    if (source.kind === 'feedback') {
      const loop = feedback<unknown>(graph)
      feedbacks.push({ bind: source.bind, feedback: loop })
      edges.set(source.id, { edge: loop.out, type: source.type })
    } else {
      edges.set(source.id, sourceOf(graph, source))
    }
  }
  for (const node of each.program.nodes) addNode(graph, node, edges)
  for (const { bind, feedback } of feedbacks) feedback.bind(named(edges, bind).edge)
  for (const name of each.program.outputs) graphOutput(name, named(edges, name).edge)
  if (each.endMs < each.startMs) return {} // Nothing ticks in the reference; the engine refuses it.
  const run = simulate(graph, { start: timeOf(each.startMs), end: timeOf(each.endMs) })
  return Object.fromEntries(
    [...run.outputs].map(([name, ticks]) => {
      const { type } = named(edges, name)
      return [name, ticks.map(([time, value]) => [millisecondsOf(time), encode(value, type)])]
    }),
  )
}

function sourceOf(graph: Graph, source: Exclude<Source, { kind: 'feedback' }>): TypedEdge {
  const { type } = source
  switch (source.kind) {
    case 'null':
      return { edge: empty(graph), type }
    case 'const': {
      const delay = ms(source.delayMs ?? 0)
      return { edge: constant(graph, decode(source.value, type), delay), type }
    }
    case 'timer': {
      return { edge: timer(graph, ms(source.everyMs), decode(source.value, type)), type }
    }
    case 'curve': {
      const relative = source.relative === true
      const ticks = source.ticks.map(([time, value]) => {
        return [relative ? ms(time) : timeOf(time), decode(value, type)] as const
      })
      if (source.pushMode === 'BURST') {
        return { edge: curve(graph, ticks, { relative, mode: 'burst' }), type: `${type}[]` }
      }
      const mode = source.pushMode === 'LAST_VALUE' ? 'lastValue' : 'nonCollapsing'
      return { edge: curve(graph, ticks, { relative, mode }), type }
    }
  }
}

function addNode(graph: Graph, node: CaseNode, edges: Map<string, TypedEdge>): void {
  const operator = operators[node.op]
  if (operator === undefined) throw new Error(`unknown operator ${node.op}`)
  const result = operator(graph, {
    inputs: node.in.map((ref) => resolveRef(edges, ref)),
    named: Object.fromEntries(
      Object.entries(node.kw ?? {}).map(([name, edge]) => [name, named(edges, edge)]),
    ),
    params: node.params ?? {},
  })
  if (result === undefined) return
  if (isTyped(result)) {
    edges.set(node.id, result)
  } else {
    for (const [name, edge] of Object.entries(result)) edges.set(`${node.id}.${name}`, edge)
  }
}

function resolveRef(edges: ReadonlyMap<string, TypedEdge>, ref: Ref): Argument {
  if (typeof ref === 'string') return named(edges, ref)
  if (isList(ref)) return ref.map((name) => named(edges, name))
  return Object.fromEntries(Object.entries(ref).map(([key, name]) => [key, named(edges, name)]))
}

function isList(ref: Ref): ref is readonly string[] {
  return Array.isArray(ref)
}

function named(edges: ReadonlyMap<string, TypedEdge>, name: string): TypedEdge {
  const edge = edges.get(name)
  if (edge === undefined) throw new Error(`there is no edge ${name}`)
  return edge
}
