import type { Query, TypedQuery } from '@gw/protocol'

/** The records of a state, as nodes and the outside read them. Live: it shows what has ticked when it is read. */
export interface StateView<T> {
  readonly size: number
  /** Records in the order of their keys. */
  query(query?: Query | TypedQuery<T>): readonly T[]
  /** Number of records that match. */
  count(query?: Query | TypedQuery<T>): number
  /** The newest record of a key, given as the values of `by`. */
  get(...key: readonly unknown[]): T | undefined
}
