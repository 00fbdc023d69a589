import { refusePromise } from './errors.js'
import { type Edge, outputOf, type Step } from './graph.js'
import { flatten, type InputDeclarations, type InputsOf, Passive, viewOf } from './inputs.js'
import type { NodeContext, Output } from './node-context.js'
import type { Input, Series } from './series.js'

/** Declares an input as passive: the node reads it, but its ticks are no cause to run. */
export function passive<T>(edge: Edge<T>): Passive<T> {
  return new Passive(edge)
}

/**
 * Declares a custom node with one output.
 *
 * `setup` runs once a run, before the first cycle, and owns the node's state; the step that it returns runs once in
 * each cycle in which an active input or an alarm ticks. What the step returns ticks on the output;
 * `undefined` means: no tick. Steps are not guarded: check `valid` of inputs that may not have ticked yet.
 *
 * @throws GraphError `GRAPH_MISMATCH` when the inputs belong to different graphs, `NOT_AN_EDGE` when one is none,
 * `INVALID_OPTION` without inputs.
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
  const { graph, edges, shape } = flatten(name, inputs)
  return outputOf<T>(graph.add({ name, inputs: edges, shape, setup }))
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
    const { graph, edges, shape } = flatten(name, inputs)
    const spec = graph.add({
      name,
      inputs: edges,
      ...(shape.passive === undefined ? {} : { passive: shape.passive }),
      outputs: outputs.length,
      setup: (series, outputSeries, context) => {
        const named = Object.fromEntries(
          outputs.map((key, i) => [key, context.output(outputSeries[i] as Series, key)]),
        )
        const step = setup(viewOf(shape, series) as never, named as never, context)
        return withoutValue(step)
      },
    })
    return Object.fromEntries(outputs.map((key, i) => [key, outputOf(spec, i)])) as EdgesOf<O>
  }
}

/** @internal The step of a node that ticks its outputs by itself: what it returns is no tick. */
export function withoutValue(step: () => void): Step {
  return () => {
    const returned: unknown = step()
    if (returned !== undefined) refusePromise(returned)
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
  const { graph, edges, shape } = flatten(name, inputs)
  graph.add({ name, inputs: edges, outputs: 0, shape, setup })
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
