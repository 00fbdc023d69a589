import type { Query, TypedQuery } from '@gw/protocol'
import type { z } from 'zod'
import { ArrivalOrder } from './arrival-order.js'
import { AttributeIndex } from './attribute-index.js'
import type { StateOptions } from './contract.js'
import { pathsOf } from './contract-problems.js'
import { Fifo } from './fifo.js'
import { inKeyOrder, KeyOrder } from './key-order.js'
import { KeyTree } from './key-tree.js'
import { type Reader, readerOf } from './paths.js'
import { planQuery, type QueryLimits, type QueryPlan } from './query.js'
import { scanOf } from './scan.js'
import { firstOf } from './sort.js'

/**
 * The records of a state, as nodes and the outside read them. Live: it shows what has ticked when it is read.
 * Iterating gives all records in the order of their keys, those that are there when it begins.
 */
export interface StateView<T> extends Iterable<T> {
  readonly size: number
  /**
   * Records in the order of their keys, null first; of one key the oldest first.
   * @throws ChannelsError `INVALID_QUERY` naming the path concerned.
   */
  query(query?: Query | TypedQuery<T>): readonly T[]
  /** Number of records that match. */
  count(query?: Query | TypedQuery<T>): number
  /** The newest record of a key, given as the values of `by`. */
  get(...key: readonly unknown[]): T | undefined
}

/** Whether somebody may see a record; the key is that of the basket that it ticked on. */
type Visibility = (record: unknown, basketKey: string | undefined) => boolean

/** Records that a state keeps where its contract does not say. */
export const MAX_RECORDS = 1_000_000

/** A record of a state; of a basket, with the key on which it ticked, where that is known. */
export interface StateRecord {
  readonly record: unknown
  readonly key: string | undefined
}

/** A record that ticked and came into a state; none where records were put in or taken out otherwise. */
export interface StateChange {
  readonly came: StateRecord | undefined
  /** What it took the place of: a record of its key. */
  readonly replaced?: StateRecord | undefined
  /** What went out since more were there than are kept in all. */
  readonly evicted?: StateRecord | undefined
}

/** Where the records of one key are: at one place, or, where more than one is kept, at several, oldest first. */
type Places = number | Fifo

/**
 * Keeps the newest records of each key. Adding a record costs the same however many there are. Equality on a key or on an
 * attribute of `by` or `index` is looked up; other queries look at each record once.
 *
 * Each record has a place, a number, by which all else knows it; a record that replaces another takes its place.
 */
export class StateStore<T> implements StateView<T> {
  readonly #schema: z.core.$ZodType
  readonly #limits: QueryLimits | undefined
  readonly #by: readonly string[]
  readonly #readers: readonly Reader[]
  readonly #keep: number
  readonly #maxRecords: number
  readonly #records: (T | undefined)[] = []
  readonly #freePlaces: number[] = []
  /** By place, on which key of a basket the record ticked. */
  #basketKeys: (string | undefined)[] | undefined
  readonly #keys: KeyTree<Places>
  readonly #keyOrder: KeyOrder<Places>
  readonly #arrivals = new ArrivalOrder()
  readonly #indexes = new Map<string, AttributeIndex>()
  /** The same, for the many times that all of them are told of a record. */
  #indexList: readonly AttributeIndex[] = []
  #size = 0
  #evicted = 0
  #revision = 0
  readonly #listeners = new Set<(change: StateChange) => void>()
  /** What went out when the last record came, while somebody listens. */
  #replaced: StateRecord | undefined
  #evictedRecord: StateRecord | undefined

  constructor(options: StateOptions, schema: z.core.$ZodType, limits?: QueryLimits) {
    this.#schema = schema
    this.#limits = limits
    this.#by = pathsOf(options.by)
    this.#readers = this.#by.map(readerOf)
    this.#keys = new KeyTree(this.#readers)
    this.#keyOrder = new KeyOrder(this.#readers, (places) => this.#newestAt(places))
    const { keep = 1, maxRecords = MAX_RECORDS } = options
    this.#keep = keep === 'all' ? Number.POSITIVE_INFINITY : keep
    this.#maxRecords = maxRecords
    for (const path of pathsOf(options.index)) this.#addIndex(path)
  }

  get size(): number {
    return this.#size
  }

  /** Records that went out because of the bound. */
  get evicted(): number {
    return this.#evicted
  }

  /** Times that records were put in or taken out otherwise than by {@link add}. */
  get revision(): number {
    return this.#revision
  }

  /** Takes a record in; of a basket, with the key on which it ticked. */
  add(record: T, basketKey?: string): void {
    if (this.#listeners.size === 0) return this.#add(record, basketKey)
    this.#replaced = this.#evictedRecord = undefined
    this.#add(record, basketKey)
    const [replaced, evicted] = [this.#replaced, this.#evictedRecord]
    this.#tell({ came: { record, key: basketKey }, replaced, evicted })
  }

  /** Puts records in that did not tick. */
  restore(records: Iterable<T>, basketKey?: string): void {
    for (const record of records) this.#add(record, basketKey)
    this.#revised()
  }

  /** Takes out all records of some keys. */
  forget(keys: Iterable<readonly unknown[]>): void {
    for (const key of keys) this.remove(...key)
    this.#revised()
  }

  /** Calls `listener`, which must not throw, for changes from now on. @returns what ends it. */
  listen(listener: (change: StateChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #add(record: T, basketKey: string | undefined): void {
    const place = this.#take(record)
    if (basketKey !== undefined) this.#basketKeys ??= []
    if (this.#basketKeys !== undefined) this.#basketKeys[place] = basketKey
    if (this.#size > this.#maxRecords) this.#evict()
  }

  #revised(): void {
    this.#revision++
    this.#tell({ came: undefined })
  }

  #tell(change: StateChange): void {
    for (const listener of this.#listeners) listener(change)
  }

  /** What is at a place, for those who listen. */
  #leaving(place: number): StateRecord | undefined {
    if (this.#listeners.size === 0) return undefined
    return { record: this.#records[place], key: this.#basketKeys?.[place] }
  }

  [Symbol.iterator](): Iterator<T> {
    return this.query()[Symbol.iterator]()
  }

  get(...key: readonly unknown[]): T | undefined {
    const places = this.#keys.get(key)
    return places === undefined ? undefined : this.#newestAt(places)
  }

  /** Takes out all records of a key. @returns whether there were any. */
  remove(...key: readonly unknown[]): boolean {
    const places = this.#keys.get(key)
    if (places === undefined) return false
    this.#keys.delete(this.#newestAt(places))
    this.#keyOrder.remove()
    if (typeof places === 'number') this.#clear(places)
    else while (places.length > 0) this.#clear(places.shift())
    return true
  }

  /** With `isVisible`, as if there were no others than the records for which it says yes. */
  query(query: Query | TypedQuery<T> = {}, isVisible?: Visibility): readonly T[] {
    const plan = planQuery(query, this.#schema, this.#limits)
    const { offset, limit, compare, project } = plan
    const enough = offset + limit
    const places = this.#matchingPlaces(plan, isVisible)
    // With an order of its own, what comes first may be anywhere.
    const found = this.#inKeyOrder(
      places,
      compare === undefined ? enough : Number.POSITIVE_INFINITY,
    )
    const sorted = compare === undefined ? found : firstOf(found, compare, enough)
    const page = offset === 0 && sorted.length <= limit ? sorted : sorted.slice(offset, enough)
    return project === undefined ? page : (page.map(project) as T[])
  }

  /** All records in the order in which they came, which is that in which they go out. */
  arrivals(isVisible?: Visibility): readonly T[] {
    const found: T[] = []
    for (const place of this.#arrivals) {
      const record = this.#records[place] as T
      if (isVisible?.(record, this.#basketKeys?.[place]) !== false) found.push(record)
    }
    return found
  }

  count(query: Query | TypedQuery<T> = {}, isVisible?: Visibility): number {
    const plan = planQuery(query, this.#schema, this.#limits)
    return this.#matchingPlaces(plan, isVisible)?.length ?? this.#size
  }

  /** Gives a record its place. */
  #take(record: T): number {
    const places = this.#keys.find(record)
    if (places === undefined) return this.#addKey(record)
    if (typeof places === 'number') return this.#replace(places, record)
    const place =
      places.length < this.#keep ? this.#place(record) : this.#replace(places.shift(), record)
    places.push(place)
    return place
  }

  #addKey(record: T): number {
    const place = this.#place(record)
    let places: Places = place
    if (this.#keep > 1) {
      places = new Fifo()
      places.push(place)
    }
    this.#keys.set(record, places)
    this.#keyOrder.add(places)
    return place
  }

  /** Puts a record where there is none. */
  #place(record: T): number {
    const place = this.#freePlaces.pop() ?? this.#records.length
    this.#records[place] = record
    this.#arrivals.append(place)
    for (const index of this.#indexList) index.add(place, record)
    this.#size++
    return place
  }

  #replace(place: number, record: T): number {
    this.#replaced = this.#leaving(place)
    this.#records[place] = record
    this.#arrivals.moveToEnd(place)
    for (const index of this.#indexList) index.replace(place, record)
    return place
  }

  /** The record that came first goes out. */
  #evict(): void {
    const place = this.#arrivals.oldest
    const record = this.#records[place]
    this.#evictedRecord = this.#leaving(place)
    const places = this.#keys.find(record) as Places
    // Of a key, too, the first one is the one that came first.
    if (typeof places !== 'number') places.shift()
    if (typeof places === 'number' || places.length === 0) {
      this.#keys.delete(record)
      this.#keyOrder.remove()
    }
    this.#clear(place)
    this.#evicted++
  }

  /** A place is free again. */
  #clear(place: number): void {
    this.#arrivals.remove(place)
    for (const index of this.#indexList) index.remove(place)
    this.#records[place] = undefined
    this.#freePlaces.push(place)
    this.#size--
  }

  #newestAt(places: Places): T | undefined {
    const place = typeof places === 'number' ? places : places.last
    return place === undefined ? undefined : this.#records[place]
  }

  /** The records at some places, or all, in the order of their keys; at most `enough` of them. */
  #inKeyOrder(places: readonly number[] | undefined, enough: number): T[] {
    const found: T[] = []
    if (places === undefined) {
      this.#collect(this.#allKeys(), () => true, enough, found)
    } else if (places.length > this.#size / 8) {
      // Ordering all, once, costs less than ordering that many each time.
      const isWanted = new Uint8Array(this.#records.length)
      for (const place of places) isWanted[place] = 1
      this.#collect(this.#allKeys(), (place) => isWanted[place] === 1, enough, found)
    } else if (this.#keep > 1) {
      const wanted = new Set(places)
      const keys = new Set(places.map((place) => this.#keys.find(this.#records[place]) as Places))
      this.#collect(this.#sorted([...keys]), (place) => wanted.has(place), enough, found)
    } else {
      this.#collect(this.#sorted(places), () => true, enough, found)
    }
    return found
  }

  #collect(
    keys: readonly Places[],
    isWanted: (place: number) => boolean,
    enough: number,
    found: T[],
  ): void {
    for (const places of keys) {
      if (found.length >= enough) return
      if (typeof places === 'number') {
        if (isWanted(places)) found.push(this.#records[places] as T)
      } else {
        for (const place of places) if (isWanted(place)) found.push(this.#records[place] as T)
      }
    }
  }

  #sorted(keys: readonly Places[]): readonly Places[] {
    return inKeyOrder(keys, this.#readers, (places) => this.#newestAt(places))
  }

  #allKeys(): readonly Places[] {
    return this.#keyOrder.all(() => {
      const keys = new Set<Places>()
      for (const record of this.#records) {
        if (record !== undefined) keys.add(this.#keys.find(record) as Places)
      }
      return [...keys]
    })
  }

  /** Places of the records that match and may be seen, in no order; `undefined` means all. */
  #matchingPlaces(plan: QueryPlan, isVisible?: Visibility): readonly number[] | undefined {
    const { condition, matches } = plan
    if (condition === undefined && isVisible === undefined) return undefined
    let places = this.#candidates(plan)
    if (places !== undefined && matches !== undefined) {
      places = places.filter((place) => matches(this.#records[place]))
    } else {
      const found: number[] = []
      scanOf(condition, this.#size)(this.#records, found)
      places = found
    }
    if (isVisible === undefined) return places
    const keys = this.#basketKeys
    return places.filter((place) => isVisible(this.#records[place], keys?.[place]))
  }

  /** The places that a key or an index leaves over, if one answers a part of the query. */
  #candidates({ equalities }: QueryPlan): readonly number[] | undefined {
    if (equalities.size === 0) return undefined
    const [first] = this.#by
    if (this.#by.length === 1 && first !== undefined) {
      const values = equalities.get(first)
      if (values !== undefined) return this.#placesOf(values.map((value) => [value]))
    } else if (this.#by.every((path) => equalities.get(path)?.length === 1)) {
      return this.#placesOf([this.#by.map((path) => equalities.get(path)?.[0])])
    }
    let best: { readonly count: number; readonly find: () => readonly number[] } | undefined
    for (const [path, values] of equalities) {
      const index = this.#indexes.get(path) ?? this.#indexOfKey(path)
      if (index === undefined) continue
      const count = index.count(values)
      if (best === undefined || count < best.count) best = { count, find: () => index.find(values) }
    }
    return best?.find()
  }

  #placesOf(keys: readonly (readonly unknown[])[]): readonly number[] {
    const found = new Set<number>()
    for (const key of keys) {
      const places = this.#keys.get(key)
      if (typeof places === 'number') found.add(places)
      else if (places !== undefined) for (const place of places) found.add(place)
    }
    return [...found]
  }

  /** An attribute of a compound key gets its index when it is first asked for. */
  #indexOfKey(path: string): AttributeIndex | undefined {
    return this.#by.includes(path) ? this.#addIndex(path) : undefined
  }

  #addIndex(path: string): AttributeIndex {
    const index = new AttributeIndex(readerOf(path))
    this.#records.forEach((record, place) => {
      if (record !== undefined) index.add(place, record)
    })
    this.#indexes.set(path, index)
    this.#indexList = [...this.#indexes.values()]
    return index
  }
}
