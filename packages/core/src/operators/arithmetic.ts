import { GraphError } from '../errors.js'
import type { Edge } from '../graph.js'
import { binary, type Operand } from './binary.js'

/**
 * Ticks `x + y` on any tick, once both are valid; strings are joined.
 * @throws GraphError `NOT_AN_EDGE` when neither operand is an edge.
 */
export function add(x: Operand<number>, y: Operand<number>): Edge<number>
export function add(x: Operand<string>, y: Operand<string>): Edge<string>
export function add<T extends number | string>(x: Operand<T>, y: Operand<T>): Edge<unknown> {
  return binary('add', x, y, (x, y) => (x as number) + (y as number))
}

/**
 * Ticks `x - y` on any tick, once both are valid.
 * @throws GraphError `NOT_AN_EDGE` when neither operand is an edge.
 */
export function sub(x: Operand<number>, y: Operand<number>): Edge<number> {
  return binary('sub', x, y, (x, y) => x - y)
}

/**
 * Ticks `x * y` on any tick, once both are valid. csp calls it `multiply`.
 * @throws GraphError `NOT_AN_EDGE` when neither operand is an edge.
 */
export function mul(x: Operand<number>, y: Operand<number>): Edge<number> {
  return binary('mul', x, y, (x, y) => x * y)
}

/**
 * Ticks `x / y` on any tick, once both are valid; by 0 it is an infinity or NaN. csp calls it `divide`.
 * @throws GraphError `NOT_AN_EDGE` when neither operand is an edge.
 */
export function div(x: Operand<number>, y: Operand<number>): Edge<number> {
  return binary('div', x, y, (x, y) => x / y)
}

/**
 * Ticks the whole part of `x / y`, rounded down, on any tick, once both are valid.
 * @throws GraphError `NOT_AN_EDGE` without an edge; at run time, `DIVISION_BY_ZERO`.
 */
export function floordiv(x: Operand<number>, y: Operand<number>): Edge<number> {
  return binary('floordiv', x, y, (x, y) => {
    if (y === 0) throw divisionByZero('floordiv')
    const rest = remainder(x, y)
    if (Math.abs(y) === Number.POSITIVE_INFINITY && Number.isFinite(x)) return rest === x ? 0 : -1
    // Without the rest it is a whole number but for rounding.
    return Math.round((x - rest) / y)
  })
}

/**
 * Ticks what {@link floordiv} leaves, with the sign of `y`: -7 mod 2 is 1.
 * @throws GraphError `NOT_AN_EDGE` without an edge; at run time, `DIVISION_BY_ZERO`.
 */
export function mod(x: Operand<number>, y: Operand<number>): Edge<number> {
  return binary('mod', x, y, (x, y) => {
    if (y === 0) throw divisionByZero('mod')
    return remainder(x, y)
  })
}

/** What is left of `x`, with the sign of `y`. */
function remainder(x: number, y: number): number {
  const rest = x % y
  return rest !== 0 && rest < 0 !== y < 0 ? rest + y : rest
}

/**
 * Ticks `x` to the power of `y` on any tick, once both are valid. As in C, where JavaScript has NaN: 1 to any power,
 * NaN included, is 1, and so is -1 to an infinite one.
 * @throws GraphError `NOT_AN_EDGE` when neither operand is an edge.
 */
export function pow(x: Operand<number>, y: Operand<number>): Edge<number> {
  return binary('pow', x, y, (x, y) => (isAlwaysOne(x, y) ? 1 : x ** y))
}

/** ISO/IEC 9899 (C), F.10.4.4. */
function isAlwaysOne(x: number, y: number): boolean {
  return x === 1 || (x === -1 && (y === Number.POSITIVE_INFINITY || y === Number.NEGATIVE_INFINITY))
}

/**
 * Ticks the greater one on any tick, once both are valid: `y` if it is greater, else `x`.
 * @throws GraphError `NOT_AN_EDGE` when neither operand is an edge.
 */
export function max(x: Operand<number>, y: Operand<number>): Edge<number> {
  // biome-ignore lint/complexity/useMathMinMax: NaN on the left stays, on the right it loses
  return binary('max', x, y, (x, y) => (y > x ? y : x))
}

/**
 * Ticks the lesser one on any tick, once both are valid: `y` if it is less, else `x`.
 * @throws GraphError `NOT_AN_EDGE` when neither operand is an edge.
 */
export function min(x: Operand<number>, y: Operand<number>): Edge<number> {
  // biome-ignore lint/complexity/useMathMinMax: NaN on the left stays, on the right it loses
  return binary('min', x, y, (x, y) => (y < x ? y : x))
}

function divisionByZero(operator: string): GraphError {
  return new GraphError('DIVISION_BY_ZERO', `"${operator}" by zero: filter the divisor before it`)
}
