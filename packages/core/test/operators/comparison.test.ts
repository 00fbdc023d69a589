import { curve, type Edge, eq, ge, gt, le, lt, ne } from '@gw/core'
import { ticksOf } from '@gw/core/testing'
import { expect, expectTypeOf, test } from 'vitest'

function both<T>(
  operator: (x: Edge<T>, y: Edge<T>) => Edge<boolean>,
  x: T,
  y: T,
): boolean | undefined {
  return ticksOf((graph) => operator(curve(graph, [[0, x]]), curve(graph, [[0, y]])))[0]?.[1]
}

const nan = Number.NaN
const date = new Date(0)

test.each<[unknown, unknown, boolean]>([
  [1, 1, true],
  [1, 2, false],
  [nan, nan, false],
  ['a', 'a', true],
  [{ a: 1, b: [1, { c: 2 }] }, { b: [1, { c: 2 }], a: 1 }, true],
  [{ a: 1, b: [1, { c: 2 }] }, { a: 1, b: [1, { c: 3 }] }, false],
  [{ a: 1 }, { a: 1, b: undefined }, false],
  [{ a: nan }, { a: nan }, true],
  [[1, 2], [1, 2], true],
  [[1, 2], [1, 2, 3], false],
  [[], {}, false],
  [null, null, true],
  [null, {}, false],
  [date, date, true],
  [date, new Date(0), false],
])('%o and %o are equal: %s', (x, y, equal) => {
  expect(both(eq, x, y)).toBe(equal)
  expect(both(ne, x, y)).toBe(!equal)
})

test.each([
  [1, 2],
  [2, 2],
  [3, 2],
  [nan, 1],
  [1, nan],
])('%d and %d are compared as numbers', (x, y) => {
  expect(both<number>(lt, x, y)).toBe(x < y)
  expect(both<number>(le, x, y)).toBe(x <= y)
  expect(both<number>(gt, x, y)).toBe(x > y)
  expect(both<number>(ge, x, y)).toBe(x >= y)
})

test('texts are compared by their letters', () => {
  expect(both<string>(lt, 'a', 'b')).toBe(true)
  expect(both<string>(ge, 'b', 'b')).toBe(true)
  expectTypeOf(eq<{ a: number }>).returns.toEqualTypeOf<Edge<boolean>>()
  // @ts-expect-error a number and a text have no order
  expect(() => both(lt, 1, 'a')).not.toThrow()
})
