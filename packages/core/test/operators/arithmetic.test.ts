import { floordiv, mod, pow } from '@gw/core'
import { replay } from '@gw/core/testing'
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
