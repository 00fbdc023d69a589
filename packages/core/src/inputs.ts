import { GraphError } from './errors.js'
import { Edge, type Graph } from './graph.js'
import { type Input, type Series, SharedInput } from './series.js'

/** An input that a node reads without being run by it. Made by {@link passive}. */
export class Passive<out T> {
  readonly edge: Edge<T>
  constructor(edge: Edge<T>) {
    this.edge = edge
  }
}

/** What a node may name as an input: an edge, a passive edge, a list basket or a basket by key. */
export type InputDeclaration =
  | Edge<unknown>
  | Passive<unknown>
  | readonly Edge<unknown>[]
  | { readonly [key: string]: Edge<unknown> }

/** The declared inputs of a node, by name. */
export interface InputDeclarations {
  readonly [name: string]: InputDeclaration
}

/** The inputs as the running node sees them: same names, same shape. */
export type InputsOf<I extends InputDeclarations> = {
  readonly [K in keyof I]: InputOf<I[K]>
}

/** One declared input as the running node sees it. */
export type InputOf<D> =
  D extends Edge<infer T>
    ? Input<T>
    : D extends Passive<infer T>
      ? Input<T>
      : D extends readonly Edge<unknown>[]
        ? { readonly [K in keyof D]: D[K] extends Edge<infer T> ? Input<T> : never }
        : { readonly [K in keyof D]: D[K] extends Edge<infer T> ? Input<T> : never }

/** How the inputs of a node were declared, without their edges: what its view at run time is made from. */
export interface InputShape {
  readonly parts: readonly InputPart[]
  /** For each edge, whether it is passive; `undefined` when none is. */
  readonly passive: readonly boolean[] | undefined
  /** Whether nodes that are declared alike share it: not with a basket, which has as many edges as it likes. */
  readonly isShared: boolean
}

/** One named input: an edge, where `elements` is `undefined`; a list of so many; or a basket with such keys. */
interface InputPart {
  readonly name: string
  readonly elements: number | readonly string[] | undefined
}

/** The inputs of a node, flat. */
export interface FlatInputs {
  readonly graph: Graph
  readonly edges: readonly Edge<unknown>[]
  readonly shape: InputShape
}

/** Shapes that are shared, by their keys. The names of inputs are written in code, so they are few. */
const shapes = new Map<string, InputShape>()
const MOST_SHAPES = 1_000

/**
 * Lists the edges of a declaration, in its order.
 * @throws GraphError `INVALID_OPTION` when there is none.
 */
export function flatten(name: string, inputs: InputDeclarations): FlatInputs {
  const edges: Edge<unknown>[] = []
  let key = ''
  let hasBaskets = false
  for (const input in inputs) {
    const declared = inputs[input] as InputDeclaration
    if (declared instanceof Edge) {
      edges.push(declared)
      key += ` ${input}\n`
    } else if (declared instanceof Passive) {
      edges.push(declared.edge)
      key += `*${input}\n`
    } else if (typeof declared === 'object' && declared !== null) {
      edges.push(...Object.values(declared))
      hasBaskets = true
    } else {
      throw notAnEdge(name, input, declared)
    }
  }
  const graph = edges.find((edge) => edge instanceof Edge)?.graph
  if (graph === undefined) {
    throw new GraphError(
      'INVALID_OPTION',
      `node "${name}" has no input edge: a node that starts by itself is declared with source()`,
      { node: name },
    )
  }
  const shape = hasBaskets ? shapeOf(inputs, false) : sharedShape(inputs, key)
  // The copy has no room for more: a graph may have a million nodes.
  return { graph, edges: edges.slice(), shape }
}

function notAnEdge(node: string, input: string, given: unknown): GraphError {
  return new GraphError(
    'NOT_AN_EDGE',
    `input "${input}" of node "${node}" is ${String(given)}, not an edge`,
    { node },
  )
}

function sharedShape(inputs: InputDeclarations, key: string): InputShape {
  let shape = shapes.get(key)
  if (shape === undefined) {
    const isShared = shapes.size < MOST_SHAPES
    shape = shapeOf(inputs, isShared)
    if (isShared) shapes.set(key, shape)
  }
  return shape
}

function shapeOf(inputs: InputDeclarations, isShared: boolean): InputShape {
  const parts: InputPart[] = []
  let passive: boolean[] | undefined
  let edges = 0
  for (const name in inputs) {
    const declared = inputs[name] as InputDeclaration
    if (declared instanceof Edge) {
      parts.push({ name, elements: undefined })
      edges++
    } else if (declared instanceof Passive) {
      parts.push({ name, elements: undefined })
      passive ??= []
      passive[edges++] = true
    } else {
      const keys = Object.keys(declared)
      parts.push({ name, elements: Array.isArray(declared) ? keys.length : keys })
      edges += keys.length
    }
  }
  return { parts, passive, isShared }
}

/** The series of a node, one an edge, in the shape of its declaration. */
export function viewOf({ parts, passive }: InputShape, series: readonly Series[]): unknown {
  const inputs = inputsOf(series, passive)
  const view: Record<string, unknown> = {}
  let at = 0
  for (const { name, elements } of parts) {
    if (elements === undefined) view[name] = inputs[at++]
    else if (typeof elements === 'number') {
      view[name] = inputs.slice(at, at + elements)
      at += elements
    } else {
      view[name] = Object.fromEntries(elements.map((key) => [key, inputs[at++]]))
    }
  }
  return view
}

/** The series as inputs; where one edge is read several times, each has an input of its own. */
function inputsOf(
  series: readonly Series[],
  passive: readonly boolean[] | undefined,
): readonly Input<unknown>[] {
  if (series.length === 1 || new Set(series).size === series.length) return series
  const groups = new Map<Series, SharedInput<unknown>[]>()
  return series.map((each, i) => {
    if (series.indexOf(each) === series.lastIndexOf(each)) return each
    const group = groups.get(each) ?? []
    groups.set(each, group)
    return new SharedInput(each, group, passive?.[i] !== true)
  })
}
