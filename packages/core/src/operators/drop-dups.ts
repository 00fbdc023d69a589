import { GraphError } from '../errors.js'
import type { Edge } from '../graph.js'
import { node } from '../node.js'
import { isEqual } from './equality.js'

/** Options of {@link dropDups}. */
export interface DropDupsOptions<T> {
  /** For numbers: the least difference from the last value let through that counts as a change. @defaultValue 1e-12 */
  readonly eps?: T extends number ? number : never
  /** Decides what a repeat is, in place of the rules for numbers, lists and plain objects. */
  readonly equals?: (previous: T, next: T) => boolean
}

/**
 * Ticks when `x` ticks with a value other than the last one let through; the first tick passes.
 * Numbers differ by at least `eps`, or in being NaN; an infinity does not differ from itself. Lists and plain objects are
 * repeats when all that is in them is equal, which costs their size; anything else is by `===`.
 * @throws GraphError `INVALID_OPTION` when `eps` is not a number of 0 or more, or is given beside `equals`.
 * @example `const quotes = dropDups(all, { equals: (a, b) => a.bid === b.bid })`
 */
export function dropDups<T>(x: Edge<T>, options: DropDupsOptions<T> = {}): Edge<T> {
  const { eps = 1e-12 } = options
  if (!(eps >= 0) || (options.eps !== undefined && options.equals !== undefined)) {
    throw new GraphError(
      'INVALID_OPTION',
      options.equals === undefined
        ? `eps of "dropDups" is a number of 0 or more, not ${eps}`
        : 'give "dropDups" either eps or equals',
      { node: 'dropDups' },
    )
  }
  const equals = options.equals ?? ((a: T, b: T) => isRepeat(a, b, eps))
  return node('dropDups', { x }, ({ x }) => {
    let isFirst = true
    let last: T
    return () => {
      const { value } = x
      if (!isFirst && equals(last, value)) return undefined
      isFirst = false
      last = value
      return value
    }
  })
}

function isRepeat(previous: unknown, next: unknown, eps: number): boolean {
  if (typeof previous !== 'number' || typeof next !== 'number') return isEqual(previous, next)
  if (Number.isNaN(previous) || Number.isNaN(next)) {
    return Number.isNaN(previous) && Number.isNaN(next)
  }
  // Two equal infinities differ by NaN, which is not a change either.
  return !(Math.abs(next - previous) >= eps)
}

/** Passes the ticks of `x` that are not NaN. */
export function dropNans(x: Edge<number>): Edge<number> {
  return node(
    'dropNans',
    { x },
    ({ x }) =>
      () =>
        Number.isNaN(x.value) ? undefined : x.value,
  )
}
