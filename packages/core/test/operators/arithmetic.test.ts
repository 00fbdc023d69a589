import {
  add,
  curve,
  div,
  type Edge,
  floordiv,
  max,
  min,
  mod,
  mul,
  type Operand,
  pow,
  sub,
} from '@gw/core'
import { replay, ticksOf } from '@gw/core/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'

const whole = (x: number, y: number) => replay([x], (edge) => floordiv(edge, y))[0]
const rest = (x: number, y: number) => replay([x], (edge) => mod(edge, y))[0]

test('whole part and rest make up the number, and the rest has the sign of the divisor', () => {
  const int = fc.integer({ min: -1_000_000, max: 1_000_000 })
  fc.assert(
    fc.property(
      int,
      int.filter((y) => y !== 0),
      (x, y) => {
        expect((whole(x, y) as number) * y + (rest(x, y) as number) + 0).toBe(x + 0)
        expect((rest(x, y) as number) * Math.sign(y)).toBeGreaterThanOrEqual(0)
        expect((whole(x, y) as number) + 0).toBe(Math.floor(x / y) + 0)
      },
    ),
  )
})

test.each([
  [7, Number.POSITIVE_INFINITY, 0],
  [-7, Number.POSITIVE_INFINITY, -1],
  [7, Number.NEGATIVE_INFINITY, -1],
  [Number.POSITIVE_INFINITY, 2, Number.NaN],
  [1, 0.1, 9],
])('%d by %d is %d', (x, y, result) => {
  expect(whole(x, y)).toBe(result)
})

test.each([
  [1, Number.NaN, 1],
  [1, Number.POSITIVE_INFINITY, 1],
  [-1, Number.POSITIVE_INFINITY, 1],
  [-1, Number.NEGATIVE_INFINITY, 1],
  [-1, Number.NaN, Number.NaN],
  [Number.NaN, 0, 1],
  [Number.NaN, 1, Number.NaN],
  [2, -1, 0.5],
  [-8, 1 / 3, Number.NaN],
  [0, -1, Number.POSITIVE_INFINITY],
])('%d to the power of %d is %d, as in C', (x, y, result) => {
  expect(replay([x], (edge) => pow(edge, y))).toEqual([result])
  expect(replay([y], (edge) => pow(x, edge))).toEqual([result])
})

type Arithmetic = (x: Operand<number>, y: Operand<number>) => Edge<number>

test.each<[string, Arithmetic, readonly number[], readonly number[], readonly number[]]>([
  ['add', add, [8, 12], [8, 10], [8, 10]],
  ['sub', sub, [4, 4], [4, 6], [-4, -6]],
  ['mul', mul, [12, 32], [12, 16], [12, 16]],
  ['div', div, [3, 2], [3, 4], [2 / 6, 0.25]],
  ['floordiv', floordiv, [3, 2], [3, 4], [0, 0]],
  ['mod', mod, [0, 0], [0, 0], [2, 2]],
  ['pow', pow, [36, 4_096], [36, 64], [64, 256]],
  ['max', max, [6, 8], [6, 8], [6, 8]],
  ['min', min, [2, 4], [2, 2], [2, 2]],
])('%s ticks on either edge, once both are valid, and on the one beside a number', (...row) => {
  const [, operator, ofEdges, withNumber, ofNumber] = row
  const operands = (build: (x: Edge<number>, y: Edge<number>) => Edge<number>) =>
    ticksOf((graph) =>
      build(
        curve(graph, [
          [10, 6],
          [20, 8],
        ]),
        curve(graph, [
          [15, 2],
          [20, 4],
        ]),
      ),
    )
  const at = (times: readonly number[], values: readonly number[]) =>
    times.map((time, i) => [time, values[i]])
  expect(operands(operator)).toEqual(at([15, 20], ofEdges))
  expect(operands((x) => operator(x, 2))).toEqual(at([10, 20], withNumber))
  expect(operands((x) => operator(2, x))).toEqual(at([10, 20], ofNumber))
})

test('texts are joined', () => {
  expect(replay(['a', 'b'], (x) => add(x, '!'))).toEqual(['a!', 'b!'])
})

test('by 0 a quotient is infinite or NaN; a whole part and a rest end the run', () => {
  expect(replay([1, -1, 0], (x) => div(x, 0))).toEqual([
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NaN,
  ])
  for (const operator of [floordiv, mod]) {
    expect(() => replay([1], (x) => operator(x, 0))).toThrow(
      expect.objectContaining({ code: 'DIVISION_BY_ZERO' }),
    )
  }
})

test('NaN as the first operand of max and min stays, as the second it loses', () => {
  for (const operator of [max, min]) {
    expect(replay([Number.NaN], (x) => operator(x, 1))).toEqual([Number.NaN])
    expect(replay([Number.NaN], (x) => operator(1, x))).toEqual([1])
  }
})

test('two numbers are refused', () => {
  expect(() => add(1, 2)).toThrow(expect.objectContaining({ code: 'NOT_AN_EDGE' }))
})
