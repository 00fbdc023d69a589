import { GraphError } from '../errors.js'
import type { Edge } from '../graph.js'
import { node } from '../node.js'
import { type CorrOptions, type CovOptions, corr, cov } from './covariance.js'

/** A square of numbers by row and column, in the order of the series. */
export type Matrix = readonly (readonly number[])[]

/**
 * Ticks the covariances of all pairs of series in the window, as {@link cov} has them; on the diagonal are the
 * variances. A sample with NaN is missing from the pairs of its series only. Amortised O(k^2) a tick for k series.
 * @throws GraphError `INVALID_OPTION` without series; at run time, `OUT_OF_STEP`, when one ticks without another.
 * @example `const risk = stats.covMatrix([apple, microsoft, nvidia], { interval: ticks(250) })`
 */
export function covMatrix(xs: readonly Edge<number>[], options: CovOptions = {}): Edge<Matrix> {
  return matrix('stats.covMatrix', xs, (x, y) => cov(x, y, options))
}

/**
 * Ticks the correlations of all pairs of series in the window, as {@link corr} has them. Amortised O(k^2) a tick.
 * @throws GraphError as {@link covMatrix} does.
 */
export function corrMatrix(xs: readonly Edge<number>[], options: CorrOptions = {}): Edge<Matrix> {
  return matrix('stats.corrMatrix', xs, (x, y) => corr(x, y, options))
}

function matrix(
  name: string,
  xs: readonly Edge<number>[],
  statistic: (x: Edge<number>, y: Edge<number>) => Edge<number>,
): Edge<Matrix> {
  if (xs.length === 0) {
    throw new GraphError('INVALID_OPTION', `"${name}" takes one series or more`, { node: name })
  }
  const size = xs.length
  /** Of the pairs on and above the diagonal, row by row. */
  const half = xs.flatMap((x, row) => xs.slice(row).map((y) => statistic(x, y)))
  return node(name, { half }, ({ half }) => () => {
    const rows: number[][] = Array.from({ length: size }, () => new Array<number>(size))
    let at = 0
    for (let row = 0; row < size; row++) {
      for (let column = row; column < size; column++) {
        const pair = half[at++] as (typeof half)[number]
        const value = pair.valid ? pair.value : Number.NaN
        ;(rows[row] as number[])[column] = value
        ;(rows[column] as number[])[row] = value
      }
    }
    return rows
  })
}
