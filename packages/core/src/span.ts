import { GraphError } from './errors.js'
import type { Duration } from './time.js'

/** A number of ticks, where a plain number would mean a duration. Made by {@link ticks}. */
export class Ticks {
  readonly count: number

  /** @internal */
  constructor(count: number) {
    this.count = count
  }
}

/** A length of history: a duration in microseconds, as `ms(20)` gives it, or a number of ticks, as `ticks(20)` does. */
export type Span = Duration | Ticks

/**
 * `n` ticks, where an operator takes either ticks or a duration: `delay(x, ticks(2))`, `mean(x, { interval: ticks(50) })`.
 * @throws GraphError `INVALID_OPTION` when `n` is not a whole number of 0 or more.
 */
export function ticks(n: number): Ticks {
  if (!(Number.isSafeInteger(n) && n >= 0)) {
    throw new GraphError('INVALID_OPTION', `a number of ticks is a whole number, not ${n}`)
  }
  return new Ticks(n)
}

/**
 * Checks a span that an operator was given.
 * @throws GraphError `INVALID_OPTION` when it is below `least`, NaN or infinite.
 */
export function checkSpan(node: string, option: string, span: Span, least: number): void {
  const isTicks = span instanceof Ticks
  const length = isTicks ? span.count : span
  if (Number.isSafeInteger(length) && length >= least) return
  const unit = isTicks ? 'ticks' : 'microseconds'
  throw new GraphError(
    'INVALID_OPTION',
    `${option} of "${node}" is a whole number of ${unit}, ${least} or more, not ${length}`,
    { node },
  )
}
