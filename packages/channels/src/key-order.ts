import { compareValues } from './compare.js'
import type { Reader } from './paths.js'

interface Keyed<P> {
  readonly place: P
  readonly key: readonly unknown[]
}

/** Puts what has a key in the order of the keys: by their first values, then by the second, null first. */
export function inKeyOrder<P>(
  places: readonly P[],
  readers: readonly Reader[],
  recordAt: (place: P) => unknown,
): P[] {
  // The keys are read once, and not in each comparison.
  const keyed = places.map((place): Keyed<P> => {
    const record = recordAt(place)
    return { place, key: readers.map((read) => read(record)) }
  })
  return keyed.sort((a, b) => compareKeys(a.key, b.key)).map(({ place }) => place)
}

/** All keys of a state in order: sorted when somebody first asks, and then kept up with what comes and goes. */
export class KeyOrder<P> {
  readonly #readers: readonly Reader[]
  /** The record at a place; `undefined` when there is none any more. */
  readonly #recordAt: (place: P) => unknown
  #sorted: P[] | undefined
  /** What came after that. */
  #added: P[] = []
  #hasGone = false

  constructor(readers: readonly Reader[], recordAt: (place: P) => unknown) {
    this.#readers = readers
    this.#recordAt = recordAt
  }

  /** A new key is at a place. */
  add(place: P): void {
    if (this.#sorted !== undefined) this.#added.push(place)
  }

  /** A key has gone from its place. */
  remove(): void {
    this.#hasGone = true
  }

  /** All of them, in order; `places` gives them in any order, when that is needed. */
  all(places: () => readonly P[]): readonly P[] {
    if (this.#sorted === undefined) {
      this.#sorted = inKeyOrder(places(), this.#readers, this.#recordAt)
    } else if (this.#hasGone) {
      // A place that became free may have been given to a new key.
      const added = new Set(this.#added)
      const kept = this.#sorted.filter((place) => this.#isThere(place) && !added.has(place))
      this.#sorted = this.#merge(
        kept,
        [...added].filter((place) => this.#isThere(place)),
      )
    } else if (this.#added.length > 0) {
      this.#sorted = this.#merge(this.#sorted, this.#added)
    }
    this.#added = []
    this.#hasGone = false
    return this.#sorted
  }

  #isThere(place: P): boolean {
    return this.#recordAt(place) !== undefined
  }

  #merge(sorted: P[], more: readonly P[]): P[] {
    const added = inKeyOrder(more, this.#readers, this.#recordAt)
    const [first] = added
    const last = sorted.at(-1)
    if (first === undefined) return sorted
    if (last === undefined || this.#isBefore(last, first)) {
      for (const place of added) sorted.push(place)
      return sorted
    }
    const merged: P[] = []
    let at = 0
    for (const place of sorted) {
      while (at < added.length && this.#isBefore(added[at] as P, place))
        merged.push(added[at++] as P)
      merged.push(place)
    }
    while (at < added.length) merged.push(added[at++] as P)
    return merged
  }

  #isBefore(a: P, b: P): boolean {
    const [left, right] = [this.#recordAt(a), this.#recordAt(b)]
    for (const read of this.#readers) {
      const order = compareValues(read(left), read(right))
      if (order !== 0) return order < 0
    }
    return false
  }
}

function compareKeys(a: readonly unknown[], b: readonly unknown[]): number {
  for (let i = 0; i < a.length; i++) {
    const order = compareValues(a[i], b[i])
    if (order !== 0) return order
  }
  return 0
}
