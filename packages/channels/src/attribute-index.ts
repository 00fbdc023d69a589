import type { Reader } from './paths.js'

/** Finds the places of records by the value of one attribute. */
export class AttributeIndex {
  readonly #read: Reader
  /** The value of the record at each place: what is there now, without a look at the record that was. */
  readonly #values: unknown[] = []
  /** One place stands for itself: most values of a nearly unique attribute have one. */
  readonly #places = new Map<unknown, number | Set<number>>()

  constructor(read: Reader) {
    this.#read = read
  }

  /** A record has come to a place that was empty. */
  add(place: number, record: unknown): void {
    this.#enter(place, this.#read(record) ?? null)
  }

  /** A record has come to a place in place of another. */
  replace(place: number, record: unknown): void {
    const value = this.#read(record) ?? null
    if (this.#values[place] === value) return
    this.remove(place)
    this.#enter(place, value)
  }

  /** The record at a place has gone. */
  remove(place: number): void {
    const value = this.#values[place]
    this.#values[place] = undefined
    const found = this.#places.get(value)
    if (found instanceof Set && found.size > 1) found.delete(place)
    else this.#places.delete(value)
  }

  /** How many records have one of these values, counted twice where a value is given twice. */
  count(values: readonly unknown[]): number {
    let count = 0
    for (const value of values) {
      const found = this.#places.get(value)
      count += found instanceof Set ? found.size : found === undefined ? 0 : 1
    }
    return count
  }

  /** The places of the records that have one of these values, in no order. */
  find(values: readonly unknown[]): number[] {
    const places: number[] = []
    for (const value of new Set(values)) {
      const found = this.#places.get(value)
      if (found instanceof Set) for (const place of found) places.push(place)
      else if (found !== undefined) places.push(found)
    }
    return places
  }

  #enter(place: number, value: unknown): void {
    this.#values[place] = value
    const found = this.#places.get(value)
    if (found === undefined) this.#places.set(value, place)
    else if (found instanceof Set) found.add(place)
    else this.#places.set(value, new Set([found, place]))
  }
}
