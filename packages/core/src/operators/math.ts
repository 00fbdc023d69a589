import type { Edge } from '../graph.js'
import { node } from '../node.js'

function unary(name: string, x: Edge<number>, compute: (x: number) => number): Edge<number> {
  return node(
    name,
    { x },
    ({ x }) =>
      () =>
        compute(x.value),
  )
}

/** Ticks `+x` on each tick. */
export function pos(x: Edge<number>): Edge<number> {
  return unary('pos', x, (x) => x)
}

/** Ticks `-x` on each tick. */
export function neg(x: Edge<number>): Edge<number> {
  return unary('neg', x, (x) => -x)
}

/** Ticks the absolute value on each tick. */
export function abs(x: Edge<number>): Edge<number> {
  return unary('abs', x, Math.abs)
}

/** Ticks the natural logarithm on each tick. */
export function ln(x: Edge<number>): Edge<number> {
  return unary('ln', x, Math.log)
}

/** Ticks the logarithm to base 2 on each tick. */
export function log2(x: Edge<number>): Edge<number> {
  return unary('log2', x, Math.log2)
}

/** Ticks the logarithm to base 10 on each tick. */
export function log10(x: Edge<number>): Edge<number> {
  return unary('log10', x, Math.log10)
}

/** Ticks e to the power of `x` on each tick. */
export function exp(x: Edge<number>): Edge<number> {
  return unary('exp', x, Math.exp)
}

/** Ticks 2 to the power of `x` on each tick. */
export function exp2(x: Edge<number>): Edge<number> {
  return unary('exp2', x, (x) => 2 ** x)
}

/** Ticks the square root on each tick. */
export function sqrt(x: Edge<number>): Edge<number> {
  return unary('sqrt', x, Math.sqrt)
}

/** Ticks the sine on each tick. */
export function sin(x: Edge<number>): Edge<number> {
  return unary('sin', x, Math.sin)
}

/** Ticks the cosine on each tick. */
export function cos(x: Edge<number>): Edge<number> {
  return unary('cos', x, Math.cos)
}

/** Ticks the tangent on each tick. */
export function tan(x: Edge<number>): Edge<number> {
  return unary('tan', x, Math.tan)
}

/** Ticks the inverse sine on each tick. */
export function arcsin(x: Edge<number>): Edge<number> {
  return unary('arcsin', x, Math.asin)
}

/** Ticks the inverse cosine on each tick. */
export function arccos(x: Edge<number>): Edge<number> {
  return unary('arccos', x, Math.acos)
}

/** Ticks the inverse tangent on each tick. */
export function arctan(x: Edge<number>): Edge<number> {
  return unary('arctan', x, Math.atan)
}

/** Ticks the hyperbolic sine on each tick. */
export function sinh(x: Edge<number>): Edge<number> {
  return unary('sinh', x, Math.sinh)
}

/** Ticks the hyperbolic cosine on each tick. */
export function cosh(x: Edge<number>): Edge<number> {
  return unary('cosh', x, Math.cosh)
}

/** Ticks the hyperbolic tangent on each tick. */
export function tanh(x: Edge<number>): Edge<number> {
  return unary('tanh', x, Math.tanh)
}

/** Ticks the inverse hyperbolic sine on each tick. */
export function arcsinh(x: Edge<number>): Edge<number> {
  return unary('arcsinh', x, Math.asinh)
}

/** Ticks the inverse hyperbolic cosine on each tick. */
export function arccosh(x: Edge<number>): Edge<number> {
  return unary('arccosh', x, Math.acosh)
}

/** Ticks the inverse hyperbolic tangent on each tick. */
export function arctanh(x: Edge<number>): Edge<number> {
  return unary('arctanh', x, Math.atanh)
}

/** Ticks the integer with all bits turned, `-x - 1`, on each tick. */
export function bitwiseNot(x: Edge<number>): Edge<number> {
  return unary('bitwiseNot', x, (x) => -x - 1)
}

/** Ticks the error function on each tick, to about 15 digits. */
export function erf(x: Edge<number>): Edge<number> {
  return unary('erf', x, errorFunction)
}

/**
 * The error function: near 0 by the series whose terms are all of one sign, further out by the continued fraction of
 * its complement. M. Abramowitz, I. Stegun, "Handbook of Mathematical Functions", 7.1.6 and 7.1.14.
 */
function errorFunction(x: number): number {
  const z = Math.abs(x)
  if (z < 2.5) {
    let term = z
    let sum = z
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * z * z) / (2 * n + 1)
      sum += term
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum
  }
  if (!(z < 6)) return Math.sign(x)
  let fraction = 0
  for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction)
  return Math.sign(x) * (1 - Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction))
}
