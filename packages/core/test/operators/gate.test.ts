import { curve, type GateOptions, gate } from '@gw/core'
import { ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

test.each<[string, GateOptions, [number, number[]][]]>([
  [
    'while the release is true',
    {},
    [
      [25, [1, 2]],
      [30, [3]],
      [50, [4, 5]],
    ],
  ],
  [
    'when the release ticks',
    { releaseOnTick: true },
    [
      [25, [1, 2]],
      [50, [3, 4, 5]],
    ],
  ],
])('lets out what it holds %s', (_when, options, expected) => {
  const seen = ticksOf((graph) => {
    const x = curve(graph, [
      [10, 1],
      [20, 2],
      [30, 3],
      [40, 4],
      [50, 5],
    ])
    const release = curve<boolean>(graph, [
      [5, true],
      [7, false],
      [25, true],
      [35, false],
      [50, true],
    ])
    return gate(x, release, options)
  })
  expect(seen).toEqual(expected)
})
