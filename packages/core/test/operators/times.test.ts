import { curve, times, timesNs } from '@gw/core'
import { ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

const AT = 1_700_000_000_000_001

test('ticks the time of each tick, in microseconds or exact nanoseconds', () => {
  const points = [10, AT, AT].map((time) => [time, 'x'] as const)
  expect(ticksOf((graph) => times(curve(graph, points)))).toEqual([
    [10, 10],
    [AT, AT],
    [AT, AT],
  ])
  expect(ticksOf((graph) => timesNs(curve(graph, points))).map(([, ns]) => ns)).toEqual([
    10_000n,
    1_700_000_000_000_001_000n,
    1_700_000_000_000_001_000n,
  ])
})
