import { curve, map } from '@gw/core'
import { ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

test('ticks what the function gives, and nothing for undefined', () => {
  const seen = ticksOf((graph) =>
    map(
      curve(graph, [
        [10, 1],
        [20, 2],
        [20, 3],
      ]),
      (n) => (n === 2 ? undefined : [n, null]),
    ),
  )
  expect(seen).toEqual([
    [10, [1, null]],
    [20, [3, null]],
  ])
})
