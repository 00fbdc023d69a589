/**
 * Computes a result over the samples that were added and not yet removed; they are removed in the order in which they
 * were added. It reads them in the `SampleRing` that it is made with, by their place there: numbers that are passed
 * from function to function would be boxed.
 */
export interface Statistic<R> {
  /**
   * What a sample with NaN is to it: `skip`, it is not added; `add`, it is added, but a window with one has no result
   * unless NaN is ignored; `value`, it is a value like any other. @defaultValue 'skip'
   */
  readonly nan?: 'skip' | 'add' | 'value'
  /** Adds the newest sample; or, after {@link clear}, one after another from the oldest. */
  add(place: number): void
  /** Removes the oldest sample, which is still in its place. */
  remove(place: number): void
  clear(): void
  result(): R
}
