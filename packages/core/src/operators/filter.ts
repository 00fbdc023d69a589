import { Edge } from '../graph.js'
import { multiNode, node, passive } from '../node.js'

/**
 * Passes the ticks of `x` while `flag` is true. The flag is passive: its ticks let nothing out by themselves, but one
 * in the same cycle counts; nothing passes before its first tick.
 *
 * With a predicate in place of the flag, passes the ticks whose value it accepts.
 * @example `const late = filter(flights, (flight) => flight.delay >= 15)`
 */
export function filter<T>(flag: Edge<boolean>, x: Edge<T>): Edge<T>
export function filter<T, U extends T>(x: Edge<T>, accepts: (value: T) => value is U): Edge<U>
export function filter<T>(x: Edge<T>, accepts: (value: T) => boolean): Edge<T>
export function filter(
  first: Edge<unknown>,
  second: Edge<unknown> | ((value: unknown) => boolean),
): Edge<unknown> {
  if (second instanceof Edge) {
    return node('filter', { flag: passive(first), x: second }, ({ flag, x }) => () => {
      return flag.valid && flag.value === true ? x.value : undefined
    })
  }
  return node(
    'filter',
    { x: first },
    ({ x }) =>
      () =>
        second(x.value) ? x.value : undefined,
  )
}

/**
 * Sends each tick of `x` to the output `true` or `false`, as `flag` says. The flag is passive, as in {@link filter}.
 * @example `const { true: buys, false: sells } = split(isBuy, orders)`
 */
export function split<T>(
  flag: Edge<boolean>,
  x: Edge<T>,
): { readonly true: Edge<T>; readonly false: Edge<T> } {
  return multiNode<{ true: T; false: T }>()(
    'split',
    { flag: passive(flag), x },
    ['true', 'false'],
    ({ flag, x }, outputs) =>
      () => {
        if (flag.valid) (flag.value ? outputs.true : outputs.false).emit(x.value)
      },
  )
}
