import { expect, test } from 'vitest'
import { scenarios } from '../engine/scenarios.js'

test.each(scenarios)('every side of $name does the same work', ({ expected, sides }) => {
  for (const [name, side] of Object.entries(sides)) {
    expect([name, side(10)]).toEqual([name, expected(10)])
  }
})
