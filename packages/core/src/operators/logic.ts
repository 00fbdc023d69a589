import type { Edge } from '../graph.js'
import { node } from '../node.js'

/** Ticks `!x` on each tick. */
export function not(x: Edge<boolean>): Edge<boolean> {
  return node(
    'not',
    { x },
    ({ x }) =>
      () =>
        !x.value,
  )
}

/** Ticks whether all are true, on any tick, once all are valid: one that is false does not speak for those not valid yet. */
export function and(...inputs: readonly Edge<boolean>[]): Edge<boolean> {
  return node('and', { inputs }, ({ inputs }) => () => {
    return inputs.every((x) => x.valid) ? inputs.every((x) => x.value) : undefined
  })
}

/** Ticks whether any is true, on any tick, once all are valid. */
export function or(...inputs: readonly Edge<boolean>[]): Edge<boolean> {
  return node('or', { inputs }, ({ inputs }) => () => {
    return inputs.every((x) => x.valid) ? inputs.some((x) => x.value) : undefined
  })
}
