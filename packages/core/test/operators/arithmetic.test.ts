import { floordiv, mod } from '@gw/core'
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
