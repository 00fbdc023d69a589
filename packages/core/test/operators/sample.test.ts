import { curve, sample } from '@gw/core'
import { ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

test('ticks what is in force whenever the trigger ticks, once there is something', () => {
  const seen = ticksOf((graph) => {
    const x = curve(graph, [
      [10, 1],
      [20, 2],
      [25, 3],
    ])
    const trigger = curve(
      graph,
      [5, 15, 20, 30, 40].map((time) => [time, true] as const),
    )
    return sample(trigger, x)
  })
  expect(seen).toEqual([
    [15, 1],
    [20, 2],
    [30, 3],
    [40, 3],
  ])
})
