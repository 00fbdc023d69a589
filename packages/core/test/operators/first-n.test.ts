import { firstN } from '@gw/core'
import { replay } from '@gw/core/testing'
import { expect, test } from 'vitest'

test.each([
  [-1, []],
  [0, []],
  [1, ['a']],
  [2, ['a', 'b']],
  [3, ['a', 'b', 'c']],
  [9, ['a', 'b', 'c']],
])('the first %d of three', (n, expected) => {
  expect(replay(['a', 'b', 'c'], (x) => firstN(x, n))).toEqual(expected)
})
