import type { Edge } from '../graph.js'
import { binary, type Operand } from './binary.js'
import { isEqual } from './equality.js'

/**
 * Ticks whether `x` and `y` are equal on any tick, once both are valid: lists and plain objects by what is in them,
 * which costs their size, anything else by `===`. NaN equals nothing, but an object with one equals its copy.
 * @throws GraphError `NOT_AN_EDGE` when neither operand is an edge.
 */
export function eq<T>(x: Operand<T>, y: Operand<T>): Edge<boolean> {
  return binary('eq', x, y, areEqual)
}

/**
 * Ticks the opposite of {@link eq}.
 * @throws GraphError `NOT_AN_EDGE` when neither operand is an edge.
 */
export function ne<T>(x: Operand<T>, y: Operand<T>): Edge<boolean> {
  return binary('ne', x, y, (x, y) => !areEqual(x, y))
}

/**
 * Ticks whether `x < y` on any tick, once both are valid.
 * @throws GraphError `NOT_AN_EDGE` when neither operand is an edge.
 */
export function lt(x: Operand<number>, y: Operand<number>): Edge<boolean>
export function lt(x: Operand<string>, y: Operand<string>): Edge<boolean>
export function lt<T extends number | string>(x: Operand<T>, y: Operand<T>): Edge<boolean> {
  return binary('lt', x, y, (x, y) => x < y)
}

/**
 * Ticks whether `x <= y` on any tick, once both are valid.
 * @throws GraphError `NOT_AN_EDGE` when neither operand is an edge.
 */
export function le(x: Operand<number>, y: Operand<number>): Edge<boolean>
export function le(x: Operand<string>, y: Operand<string>): Edge<boolean>
export function le<T extends number | string>(x: Operand<T>, y: Operand<T>): Edge<boolean> {
  return binary('le', x, y, (x, y) => x <= y)
}

/**
 * Ticks whether `x > y` on any tick, once both are valid.
 * @throws GraphError `NOT_AN_EDGE` when neither operand is an edge.
 */
export function gt(x: Operand<number>, y: Operand<number>): Edge<boolean>
export function gt(x: Operand<string>, y: Operand<string>): Edge<boolean>
export function gt<T extends number | string>(x: Operand<T>, y: Operand<T>): Edge<boolean> {
  return binary('gt', x, y, (x, y) => x > y)
}

/**
 * Ticks whether `x >= y` on any tick, once both are valid.
 * @throws GraphError `NOT_AN_EDGE` when neither operand is an edge.
 */
export function ge(x: Operand<number>, y: Operand<number>): Edge<boolean>
export function ge(x: Operand<string>, y: Operand<string>): Edge<boolean>
export function ge<T extends number | string>(x: Operand<T>, y: Operand<T>): Edge<boolean> {
  return binary('ge', x, y, (x, y) => x >= y)
}

function areEqual(x: unknown, y: unknown): boolean {
  return x === y || (typeof x === 'object' && isEqual(x, y))
}
