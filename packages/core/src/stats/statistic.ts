import type { Timestamp } from '../time.js'

/**
 * Computes a result over the samples that were added and not yet removed; they are removed in the order in which they
 * were added. `y` is the other series of a statistic over two, else `x`; `weight` is 1 where there are no weights.
 */
export interface Statistic<R> {
  /**
   * What a sample with NaN is to it: `skip`, it is not added; `add`, it is added, but a window with one has no result
   * unless NaN is ignored; `value`, it is a value like any other. @defaultValue 'skip'
   */
  readonly nan?: 'skip' | 'add' | 'value'
  add(x: number, weight: number, y: number, time: Timestamp): void
  /** Removes the oldest sample, which is given once more. */
  remove(x: number, weight: number, y: number): void
  clear(): void
  result(): R
}
