import type { RecordFilter } from './live.js'
import type { Struct } from './struct.js'

/** Where records tick: one object for all of a channel, or of one key of a basket. */
export interface Place {
  readonly structs: readonly Struct[]
  readonly channel: string
  readonly key: string | undefined
}

interface Entry {
  readonly place: Place
  readonly record: { readonly id?: unknown }
}

/** Finds recent records by id. The index is made when somebody first looks, so taking records in costs next to nothing before. */
export class Lookup {
  readonly #max: number
  readonly #entries: (Entry | undefined)[] = []
  #next = 0
  #index: Map<unknown, Entry[]> | undefined

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
      for (let i = 0; i < this.#entries.length; i++) {
        const at = this.#entries.length < this.#max ? i : (this.#next + i) % this.#max
        const entry = this.#entries[at]
        if (entry !== undefined) this.#addToIndex(this.#index, entry)
      }
    }
    return this.#index
      .get(id)
      ?.findLast(
        ({ place, record }) =>
          (structs === undefined || structs.some((struct) => place.structs.includes(struct))) &&
          isVisible?.(record, place.channel, place.key) !== false,
      )?.record
  }

  #addOne(place: Place, record: unknown): void {
    if (typeof record !== 'object' || record === null) return
    const entry: Entry = { place, record }
    const gone = this.#entries[this.#next]
    this.#entries[this.#next] = entry
    this.#next = (this.#next + 1) % this.#max
    if (this.#index === undefined) return
    if (gone !== undefined) this.#removeFromIndex(this.#index, gone)
    this.#addToIndex(this.#index, entry)
  }

  #addToIndex(index: Map<unknown, Entry[]>, entry: Entry): void {
    const { id } = entry.record
    const entries = index.get(id)
    if (entries === undefined) index.set(id, [entry])
    else entries.push(entry)
  }

  #removeFromIndex(index: Map<unknown, Entry[]>, entry: Entry): void {
    const { id } = entry.record
    const entries = index.get(id)
    if (entries === undefined) return
    entries.splice(entries.indexOf(entry), 1)
    if (entries.length === 0) index.delete(id)
  }
}
