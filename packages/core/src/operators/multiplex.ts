import { GraphError } from '../errors.js'
import type { Edge } from '../graph.js'
import { outputOf } from '../graph.js'
import { node } from '../node.js'
import type { NodeContext, Output } from '../node-context.js'
import type { Input, Series } from '../series.js'

/** Options of {@link multiplex}. */
export interface MultiplexOptions {
  /** Tick the element's present value also when `key` ticks. @defaultValue false */
  readonly tickOnIndex?: boolean
  /** A key that the basket does not have ends the run, in place of being silent. @defaultValue false */
  readonly raiseOnBadKey?: boolean
}

/**
 * Ticks what the element of the present `key` ticks.
 * @throws GraphError at run time, `UNKNOWN_KEY`, with `raiseOnBadKey`.
 */
export function multiplex<T>(
  basket: { readonly [key: string]: Edge<T> },
  key: Edge<string | number>,
  options: MultiplexOptions = {},
): Edge<T> {
  const { tickOnIndex = false, raiseOnBadKey = false } = options
  return node('multiplex', { basket, key }, ({ basket, key }, context) => {
    for (const element of Object.values(basket)) context.makePassive(element)
    let chosen: Input<T> | undefined
    return () => {
      if (key.ticked) {
        if (chosen !== undefined) context.makePassive(chosen)
        chosen = Object.hasOwn(basket, key.value) ? basket[key.value] : undefined
        if (chosen !== undefined) context.makeActive(chosen)
        else if (raiseOnBadKey) throw unknownKey(key.value)
        if (tickOnIndex && chosen?.valid === true) return chosen.value
      }
      return chosen?.ticked === true ? chosen.value : undefined
    }
  })
}

/** Options of {@link demultiplex}. */
export interface DemultiplexOptions {
  /** A key that is not in `keys` ends the run, in place of dropping the tick. @defaultValue false */
  readonly raiseOnBadKey?: boolean
}

/**
 * Ticks each tick of `x` on the output of the present `key`. The key is passive, but one that ticks in the same cycle counts.
 * @throws GraphError at run time, `UNKNOWN_KEY`, with `raiseOnBadKey`.
 */
export function demultiplex<T, const K extends string | number>(
  x: Edge<T>,
  key: Edge<string | number>,
  keys: readonly K[],
  options: DemultiplexOptions = {},
): { readonly [P in K]: Edge<T> } {
  const { raiseOnBadKey = false } = options
  const spec = x.graph.add({
    name: 'demultiplex',
    inputs: [x, key],
    passive: [false, true],
    outputs: keys.length,
    setup: (inputs, series, context: NodeContext) => {
      const [x, key] = inputs as [Series<T>, Series<string | number>]
      const outputs = new Map<string | number, Output<T>>(
        keys.map((k, i) => [k, context.output(series[i] as Series<T>, String(k))]),
      )
      return () => {
        if (!key.valid) return
        const output = outputs.get(key.value)
        if (output !== undefined) output.emit(x.value)
        else if (raiseOnBadKey) throw unknownKey(key.value)
      }
    },
  })
  return Object.fromEntries(keys.map((k, i) => [k, outputOf<T>(spec, i)])) as {
    readonly [P in K]: Edge<T>
  }
}

function unknownKey(key: string | number): GraphError {
  return new GraphError('UNKNOWN_KEY', `the basket has no key ${JSON.stringify(key)}`)
}
