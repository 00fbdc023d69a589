import {
  abs,
  arccos,
  arccosh,
  arcsin,
  arcsinh,
  arctan,
  arctanh,
  bitwiseNot,
  cos,
  cosh,
  curve,
  type Edge,
  erf,
  exp,
  exp2,
  ln,
  log2,
  log10,
  neg,
  pos,
  sin,
  sinh,
  sqrt,
  tan,
  tanh,
} from '@gw/core'
import { replay, ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

const { PI, E } = Math
const infinity = Number.POSITIVE_INFINITY
const nan = Number.NaN

/** Arguments and results; those that no closed form gives are of tables of 16 digits. */
const functions: readonly [(x: Edge<number>) => Edge<number>, ...[number, number][]][] = [
  [pos, [-2, -2]],
  [neg, [2, -2]],
  [abs, [-2, 2], [-infinity, infinity]],
  [ln, [E, 1], [0, -infinity], [-1, nan]],
  [log2, [8, 3], [0.5, -1]],
  [log10, [1_000, 3], [0.01, -2]],
  [exp, [1, E], [-infinity, 0]],
  [exp2, [10, 1_024], [-1, 0.5]],
  [sqrt, [2.25, 1.5], [-1, nan]],
  [sin, [PI / 6, 0.5], [infinity, nan]],
  [cos, [PI / 3, 0.5]],
  [tan, [PI / 4, 1]],
  [arcsin, [0.5, PI / 6], [2, nan]],
  [arccos, [0.5, PI / 3], [2, nan]],
  [arctan, [1, PI / 4], [infinity, PI / 2]],
  [sinh, [1, 1.1752011936438014]],
  [cosh, [1, 1.5430806348152437]],
  [tanh, [1, 0.7615941559557649], [infinity, 1]],
  [arcsinh, [1, 0.881373587019543]],
  [arccosh, [2, 1.3169578969248166], [0.5, nan]],
  [arctanh, [0.5, 0.5493061443340548], [1, infinity], [2, nan]],
  [bitwiseNot, [5, -6], [-6, 5], [2 ** 40, -(2 ** 40) - 1]],
  [
    erf,
    [0, 0],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [-3, -0.9999779095030014],
    [infinity, 1],
    [nan, nan],
  ],
]

test.each(functions.map(([operator, ...rows]) => [operator.name, operator, rows] as const))(
  '%s',
  (_name, operator, rows) => {
    const results = replay(
      rows.map(([x]) => x),
      operator,
    )
    expect(results).toHaveLength(rows.length)
    for (const [i, [, expected]] of rows.entries()) {
      if (Number.isFinite(expected)) expect(results[i]).toBeCloseTo(expected, 14)
      else expect(results[i]).toBe(expected)
    }
  },
)

test('each tick gives one, at its time', () => {
  const points = [
    [10, 4],
    [10, 9],
    [30, 16],
  ] as const
  expect(ticksOf((graph) => sqrt(curve(graph, points)))).toEqual([
    [10, 2],
    [10, 3],
    [30, 4],
  ])
})
