import type { Edge } from '../graph.js'
import { node } from '../node.js'

/**
 * Ticks `fn(value)` on each tick of `x`; nothing where `fn` returns `undefined`. csp calls it `apply`.
 * @example `const names = map(orders, (order) => order.symbol)`
 */
export function map<T, U>(x: Edge<T>, fn: (value: T) => U | undefined): Edge<U> {
  return node(
    'map',
    { x },
    ({ x }) =>
      () =>
        fn(x.value),
  )
}
