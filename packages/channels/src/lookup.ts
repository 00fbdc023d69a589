import type { RecordFilter } from './live.js'
import type { Struct } from './struct.js'

/** Where records tick: one object for all of a channel, or of one key of a basket. */
export interface Place {
  readonly structs: readonly Struct[]
  readonly channel: string
  readonly key: string | undefined
}

interface Identified {
  readonly id?: unknown
}

/** Finds recent records by id. The index is made when somebody first looks, so taking records in costs next to nothing before. */
export class Lookup {
  readonly #max: number
  /** A ring: where each record ticked, and the record. */
  readonly #places: Place[] = []
  readonly #records: Identified[] = []
  #next = 0
  /** By id, where in the ring its records are, the oldest first. */
  #index: Map<unknown, number[]> | undefined

  constructor(max: number) {
    this.#max = max
  }

  /** Takes in what ticked, or was staged: a record, or a list of them. Beyond the bound the oldest goes out. */
  add(place: Place, value: unknown): void {
    const [struct] = place.structs
    if (struct === undefined || struct.isLookedUp === false) return
    if (Array.isArray(value)) for (const element of value) this.#addOne(place, element)
    else this.#addOne(place, value)
  }

  /** The record of an id; with `structs`, only one of their types. The newest of several, among those that `isVisible`. */
  find(id: string, structs?: readonly Struct[], isVisible?: RecordFilter): unknown {
    if (this.#index === undefined) {
      this.#index = new Map()
      // From the oldest on: the ring's next place, once it is full.
      const { length } = this.#records
      const oldest = length < this.#max ? 0 : this.#next
      for (let i = 0; i < length; i++) this.#addToIndex(this.#index, (oldest + i) % length)
    }
    const at = this.#index.get(id)?.findLast((one) => {
      const place = this.#places[one] as Place
      return (
        (structs === undefined || structs.some((struct) => place.structs.includes(struct))) &&
        isVisible?.(this.#records[one], place.channel, place.key) !== false
      )
    })
    return at === undefined ? undefined : this.#records[at]
  }

  #addOne(place: Place, record: unknown): void {
    if (typeof record !== 'object' || record === null) return
    const at = this.#next
    this.#next = (at + 1) % this.#max
    const index = this.#index
    if (index !== undefined && at < this.#records.length) this.#removeFromIndex(index, at)
    this.#places[at] = place
    this.#records[at] = record
    if (index !== undefined) this.#addToIndex(index, at)
  }

  #addToIndex(index: Map<unknown, number[]>, at: number): void {
    const { id } = this.#records[at] as Identified
    const places = index.get(id)
    if (places === undefined) index.set(id, [at])
    else places.push(at)
  }

  #removeFromIndex(index: Map<unknown, number[]>, at: number): void {
    const { id } = this.#records[at] as Identified
    const places = index.get(id)
    if (places === undefined) return
    places.splice(places.indexOf(at), 1)
    if (places.length === 0) index.delete(id)
  }
}
