import { GraphError } from './errors.js'
import { Edge, type Graph, outputOf } from './graph.js'
import type { NodeContext, Output } from './node-context.js'
import { type Input, type Series, SharedInput } from './series.js'

/** An input that a node reads without being run by it. Made by {@link passive}. */
export class Passive<out T> {
  readonly edge: Edge<T>
  constructor(edge: Edge<T>) {
    this.edge = edge
  }
}

/** Declares an input as passive: the node reads it, but its ticks are no cause to run. */
export function passive<T>(edge: Edge<T>): Passive<T> {
  return new Passive(edge)
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

/**
 * Declares a custom node with one output.
 *
 * `setup` runs once a run, before the first cycle, and owns the node's state; the step that it returns runs once in
 * each cycle in which an active input or an alarm ticks. What the step returns ticks on the output;
 * `undefined` means: no tick. Steps are not guarded: check `valid` of inputs that may not have ticked yet.
 *
 * @throws GraphError `GRAPH_MISMATCH` when the inputs belong to different graphs, `INVALID_OPTION` when there are none.
 * @example
 * ```ts
 * export function count(x: Edge<unknown>): Edge<number> {
 *   return node('count', { x }, () => {
 *     let n = 0
 *     return () => ++n
 *   })
 * }
 * ```
 */
export function node<I extends InputDeclarations, T>(
  name: string,
  inputs: I,
  setup: (inputs: InputsOf<I>, context: NodeContext) => () => T | undefined,
): Edge<T> {
  const { graph, edges, passives } = flatten(name, inputs)
  return outputOf<T>(
    graph.add({
      name,
      inputs: edges,
      ...(passives === undefined ? {} : { passive: passives }),
      shape: inputs,
      setup,
    }),
  )
}

/** The edges of the outputs of a {@link multiNode}. */
export type EdgesOf<O> = { readonly [K in keyof O]: Edge<O[K]> }

/**
 * Declares a custom node with several outputs, named in `outputs`; the step emits on any of them, at most once a cycle each.
 * @example
 * ```ts
 * const { even, odd } = multiNode<{ even: number; odd: number }>()('parity', { x }, ['even', 'odd'],
 *   ({ x }, out) => () => (x.value % 2 === 0 ? out.even : out.odd).emit(x.value))
 * ```
 */
export function multiNode<O extends object>(): <I extends InputDeclarations>(
  name: string,
  inputs: I,
  outputs: readonly (keyof O & string)[],
  setup: (
    inputs: InputsOf<I>,
    outputs: { readonly [K in keyof O]: Output<O[K]> },
    context: NodeContext,
  ) => () => void,
) => EdgesOf<O> {
  return (name, inputs, outputs, setup) => {
    const { graph, edges, passives } = flatten(name, inputs)
    const spec = graph.add({
      name,
      inputs: edges,
      ...(passives === undefined ? {} : { passive: passives }),
      outputs: outputs.length,
      setup: (series, outputSeries, context) => {
        const named = Object.fromEntries(
          outputs.map((key, i) => [key, context.output(outputSeries[i] as Series, key)]),
        )
        const step = setup(viewOf(inputs, series, passives) as never, named as never, context)
        return () => {
          step()
        }
      },
    })
    return Object.fromEntries(outputs.map((key, i) => [key, outputOf(spec, i)])) as EdgesOf<O>
  }
}

/**
 * Declares a custom node without outputs: it runs for its effect, and what it needs is run for it.
 * @throws GraphError as {@link node} does.
 */
export function sink<I extends InputDeclarations>(
  name: string,
  inputs: I,
  setup: (inputs: InputsOf<I>, context: NodeContext) => () => void,
): void {
  const { graph, edges, passives } = flatten(name, inputs)
  graph.add({
    name,
    inputs: edges,
    ...(passives === undefined ? {} : { passive: passives }),
    outputs: 0,
    shape: inputs,
    setup,
  })
}

/** Whether any of the inputs ticked in this cycle; of a basket, any element. */
export function ticked(...inputs: readonly (Input<unknown> | Basket)[]): boolean {
  return inputs.some((input) =>
    isInput(input) ? input.ticked : Object.values(input).some((element) => element.ticked),
  )
}

/** Whether all of the inputs have ticked so far; of a basket, every element. */
export function valid(...inputs: readonly (Input<unknown> | Basket)[]): boolean {
  return inputs.every((input) =>
    isInput(input) ? input.valid : Object.values(input).every((element) => element.valid),
  )
}

type Basket = readonly Input<unknown>[] | { readonly [key: string]: Input<unknown> }

function isInput(input: Input<unknown> | Basket): input is Input<unknown> {
  return typeof (input as Input<unknown>).ticked === 'boolean'
}

export interface Flat {
  readonly graph: Graph
  readonly edges: readonly Edge<unknown>[]
  readonly passives: readonly boolean[] | undefined
}

/** Lists the edges of a declaration, in its order. */
export function flatten(name: string, inputs: InputDeclarations): Flat {
  const edges: Edge<unknown>[] = []
  let passives: boolean[] | undefined
  for (const key in inputs) {
    const declared = inputs[key] as InputDeclaration
    if (declared instanceof Edge) edges.push(declared)
    else if (declared instanceof Passive) {
      passives ??= []
      passives[edges.length] = true
      edges.push(declared.edge)
    } else edges.push(...Object.values(declared))
  }
  const graph = edges.find((edge) => edge instanceof Edge)?.graph
  if (graph === undefined) {
    throw new GraphError(
      'INVALID_OPTION',
      `node "${name}" has no input edge: a node that starts by itself is declared with source()`,
      { node: name },
    )
  }
  // The copy has no room for more: a graph may have a million nodes.
  return { graph, edges: edges.slice(), passives }
}

/** The series of a node, one an edge, in the shape of its declaration. */
export function viewOf(
  inputs: InputDeclarations,
  series: readonly Series[],
  passives: readonly boolean[] | undefined,
): unknown {
  return shaped(inputs, inputsOf(series, passives))
}

/** The series as inputs; where one edge is read several times, each has an input of its own. */
function inputsOf(
  series: readonly Series[],
  passives: readonly boolean[] | undefined,
): readonly Input<unknown>[] {
  if (series.length === 1 || new Set(series).size === series.length) return series
  const groups = new Map<Series, SharedInput<unknown>[]>()
  return series.map((each, i) => {
    if (series.indexOf(each) === series.lastIndexOf(each)) return each
    const group = groups.get(each) ?? []
    groups.set(each, group)
    return new SharedInput(each, group, passives?.[i] !== true)
  })
}

function shaped(inputs: InputDeclarations, series: readonly Input<unknown>[]): unknown {
  const view: Record<string, unknown> = {}
  let at = 0
  for (const key in inputs) {
    const declared = inputs[key] as InputDeclaration
    if (declared instanceof Edge || declared instanceof Passive) view[key] = series[at++]
    else if (Array.isArray(declared)) {
      view[key] = series.slice(at, at + declared.length)
      at += declared.length
    } else {
      view[key] = Object.fromEntries(Object.keys(declared).map((k) => [k, series[at++]]))
    }
  }
  return view
}
