import { type DropDupsOptions, dropDups, dropNans, empty, Graph } from '@gw/core'
import { replay } from '@gw/core/testing'
import { expect, test } from 'vitest'

const nan = Number.NaN
const infinity = Number.POSITIVE_INFINITY

test.each<[string, readonly unknown[], DropDupsOptions<unknown>, readonly unknown[]]>([
  ['equal numbers', [1, 1, 2, 1], {}, [1, 2, 1]],
  ['numbers that differ by a rounding', [1, 1 + 1e-13, 1 + 1e-11], {}, [1, 1 + 1e-11]],
  ['NaN after NaN', [nan, nan, 1, nan], {}, [nan, 1, nan]],
  ['equal infinities', [infinity, infinity, -infinity], {}, [infinity, -infinity]],
  [
    'equal objects and lists',
    [{ a: [1] }, { a: [1] }, { a: [2] }, [2], [2]],
    {},
    [{ a: [1] }, { a: [2] }, [2]],
  ],
  [
    'what is said to be equal',
    ['a', 'A', 'b'],
    { equals: (x, y) => String(x).toLowerCase() === String(y).toLowerCase() },
    ['a', 'b'],
  ],
])('drops %s', (_what, values, options, expected) => {
  expect(replay(values, (x) => dropDups(x, options))).toEqual(expected)
})

test('numbers are compared with the last one let through, by eps', () => {
  expect(replay([1, 1.4, 1.5, 1.9, 2], (x) => dropDups(x, { eps: 0.5 }))).toEqual([1, 1.5, 2])
})

test.each([{ eps: -1 }, { eps: nan }, { eps: 1, equals: () => true }])('refuses %o', (options) => {
  expect(() => dropDups(empty<number>(new Graph()), options)).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION' }),
  )
})

test('drops NaN', () => {
  expect(replay([nan, 1, nan, infinity], dropNans)).toEqual([1, infinity])
})
