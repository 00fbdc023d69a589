import type { Edge } from '../graph.js'
import { node } from '../node.js'

/** The same edge under a narrower type; nothing is checked. */
export function staticCast<U extends T, T>(x: Edge<T>): Edge<U> {
  return x as Edge<U>
}

/**
 * Ticks each tick of `x`, checked: a value that `is` refuses ends the run.
 * @throws TypeError at run time, as the cause of `NODE_FAILED`.
 */
export function dynamicCast<U>(x: Edge<unknown>, is: (value: unknown) => value is U): Edge<U> {
  return node('dynamicCast', { x }, ({ x }) => () => {
    const { value } = x
    if (!is(value)) throw new TypeError(`a value of another type: ${String(value)}`)
    return value
  })
}
