import type { Query, TypedQuery } from '@gw/protocol'
import type { z } from 'zod'
import { compareValues } from './compare.js'
import type { StateOptions } from './contract.js'
import { pathsOf } from './contract-problems.js'
import { readerOf } from './paths.js'
import { planQuery, type QueryLimits, type QueryPlan } from './query.js'

/** The records of a state, as nodes and the outside read them. Live: it shows what has ticked when it is read. */
export interface StateView<T> {
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

/** The records of one key. */
interface Slot<T> {
  readonly key: readonly unknown[]
  newest: T
  /** Those before the newest, oldest first; only where more than one is kept. */
  older: T[] | undefined
  /** Place among all slots; -1 when it is gone. */
  at: number
  /** Neighbours in the order of updates. */
  before: Slot<T> | undefined
  after: Slot<T> | undefined
}

type Reader = (record: unknown) => unknown

/** Whether somebody may see a record; the key is that of the basket that it ticked on. */
type Visibility = (record: unknown, key: string | undefined) => boolean

/**
 * Keeps the newest records of each key. Adding a record costs the same however many there are. Equality on a key or on an
 * attribute of `by` or `index` is looked up; other queries look at each record once.
 */
export class StateStore<T> implements StateView<T> {
  readonly #schema: z.core.$ZodType
  readonly #limits: QueryLimits | undefined
  readonly #by: readonly string[]
  readonly #readers: readonly Reader[]
  readonly #only: Reader | undefined
  readonly #keep: number
  readonly #maxRecords: number
  /** By the first value of the key, then by the second, and so on to the slot. */
  readonly #root = new Map<unknown, unknown>()
  readonly #slots: Slot<T>[] = []
  readonly #indexes = new Map<string, AttributeIndex<T>>()
  #oldest: Slot<T> | undefined
  #latest: Slot<T> | undefined
  #size = 0
  #evicted = 0
  /** All slots in the order of their keys, made when it is first needed. */
  #sorted: Slot<T>[] | undefined
  /** Slots that came after `#sorted` was made. */
  #unsorted: Slot<T>[] = []
  #hasGone = false
  /** On which key of a basket the records ticked. */
  #keys: WeakMap<object, string> | undefined

  constructor(options: StateOptions, schema: z.core.$ZodType, limits?: QueryLimits) {
    this.#schema = schema
    this.#limits = limits
    this.#by = pathsOf(options.by)
    this.#readers = this.#by.map(readerOf)
    this.#only = this.#readers.length === 1 ? this.#readers[0] : undefined
    this.#keep = options.keep ?? 1
    this.#maxRecords = options.maxRecords ?? 1_000_000
    for (const path of pathsOf(options.index)) {
      this.#indexes.set(path, new AttributeIndex(readerOf(path), !this.#by.includes(path)))
    }
  }

  get size(): number {
    return this.#size
  }

  /** Records that went out because of the bound. */
  get evicted(): number {
    return this.#evicted
  }

  /** Takes a record in; of a basket, with the key on which it ticked. */
  add(record: T, key?: string): void {
    if (key !== undefined && typeof record === 'object' && record !== null) {
      this.#keys ??= new WeakMap()
      this.#keys.set(record, key)
    }
    const slot = this.#slotOf(record)
    if (slot === undefined) {
      if (this.#size > this.#maxRecords) this.#evict()
      return
    }
    const replaced = slot.newest
    slot.newest = record
    if (this.#keep > 1) {
      slot.older ??= []
      slot.older.push(replaced)
      if (slot.older.length === this.#keep) {
        const dropped = slot.older.shift() as T
        for (const index of this.#indexes.values()) index.replace(slot, dropped, record)
      } else {
        this.#size++
        for (const index of this.#indexes.values()) index.add(slot, record)
      }
    } else if (this.#indexes.size > 0) {
      for (const index of this.#indexes.values()) index.replace(slot, replaced, record)
    }
    this.#touch(slot)
    if (this.#size > this.#maxRecords) this.#evict()
  }

  get(...key: readonly unknown[]): T | undefined {
    return this.#find(key)?.newest
  }

  /** With `isVisible`, as if there were no others than the records for which it says yes. */
  query(query: Query | TypedQuery<T> = {}, isVisible?: Visibility): readonly T[] {
    const plan = this.#plan(query, isVisible)
    const { offset, limit, compare, project } = plan
    // Without a sort of its own, what lies beyond the limit need not be looked for.
    const found = this.#matching(
      plan,
      compare === undefined ? offset + limit : Number.POSITIVE_INFINITY,
    )
    if (compare !== undefined) found.sort(compare)
    const page = offset === 0 && found.length <= limit ? found : found.slice(offset, offset + limit)
    return project === undefined ? page : (page.map(project) as T[])
  }

  count(query: Query | TypedQuery<T> = {}, isVisible?: Visibility): number {
    const plan = this.#plan(query, isVisible)
    const { matches } = plan
    if (matches === undefined) return this.#size
    let count = 0
    const slots = this.#candidates(plan) ?? this.#slots
    for (const { newest, older } of slots) {
      if (matches(newest)) count++
      if (older !== undefined) for (const record of older) if (matches(record)) count++
    }
    return count
  }

  #plan(query: Query | TypedQuery<T>, isVisible: Visibility | undefined): QueryPlan {
    const plan = planQuery(query, this.#schema, this.#limits)
    if (isVisible === undefined) return plan
    const { matches } = plan
    const sees = (record: unknown): boolean => isVisible(record, this.#keys?.get(record as object))
    return {
      ...plan,
      matches: matches === undefined ? sees : (record) => matches(record) && sees(record),
    }
  }

  /** The slot of a record's key; a new one has the record in it already and is not returned. */
  #slotOf(record: T): Slot<T> | undefined {
    if (this.#only !== undefined) {
      const value = this.#only(record) ?? null
      const slot = this.#root.get(value) as Slot<T> | undefined
      if (slot === undefined) this.#root.set(value, this.#newSlot([value], record))
      return slot
    }
    let level = this.#root
    const last = this.#readers.length - 1
    for (let i = 0; i < last; i++) {
      const value = (this.#readers[i] as Reader)(record) ?? null
      let next = level.get(value) as Map<unknown, unknown> | undefined
      if (next === undefined) {
        next = new Map()
        level.set(value, next)
      }
      level = next
    }
    const value = (this.#readers[last] as Reader)(record) ?? null
    const slot = level.get(value) as Slot<T> | undefined
    if (slot === undefined) {
      level.set(
        value,
        this.#newSlot(
          this.#readers.map((read) => read(record) ?? null),
          record,
        ),
      )
    }
    return slot
  }

  #newSlot(key: readonly unknown[], record: T): Slot<T> {
    const slot: Slot<T> = {
      key,
      newest: record,
      older: undefined,
      at: this.#slots.length,
      before: this.#latest,
      after: undefined,
    }
    this.#slots.push(slot)
    if (this.#latest === undefined) this.#oldest = slot
    else this.#latest.after = slot
    this.#latest = slot
    if (this.#sorted !== undefined) this.#unsorted.push(slot)
    for (const index of this.#indexes.values()) index.add(slot, record)
    this.#size++
    return slot
  }

  #find(key: readonly unknown[]): Slot<T> | undefined {
    let level: unknown = this.#root
    for (let i = 0; i < this.#by.length; i++) {
      level = (level as Map<unknown, unknown> | undefined)?.get(key[i] ?? null)
    }
    return level as Slot<T> | undefined
  }

  /** Makes `slot` the one that was updated last. */
  #touch(slot: Slot<T>): void {
    const { before, after } = slot
    if (after === undefined) return
    after.before = before
    if (before === undefined) this.#oldest = after
    else before.after = after
    slot.before = this.#latest
    slot.after = undefined
    ;(this.#latest as Slot<T>).after = slot
    this.#latest = slot
  }

  /** The key that was updated longest ago loses its oldest record. */
  #evict(): void {
    const slot = this.#oldest as Slot<T>
    this.#size--
    this.#evicted++
    const dropped = slot.older?.shift()
    if (dropped !== undefined) {
      for (const index of this.#indexes.values()) index.remove(slot, dropped)
      return
    }
    for (const index of this.#indexes.values()) index.removeAll(slot)
    this.#oldest = slot.after
    if (slot.after === undefined) this.#latest = undefined
    else slot.after.before = undefined
    const last = this.#slots.pop() as Slot<T>
    if (last !== slot) {
      this.#slots[slot.at] = last
      last.at = slot.at
    }
    slot.at = -1
    this.#hasGone = true
    this.#forget(slot.key)
  }

  #forget(key: readonly unknown[]): void {
    const levels = [this.#root]
    for (const value of key.slice(0, -1)) {
      levels.push((levels.at(-1) as Map<unknown, unknown>).get(value) as Map<unknown, unknown>)
    }
    for (let i = levels.length - 1; i >= 0; i--) {
      const level = levels[i] as Map<unknown, unknown>
      level.delete(key[i])
      if (level.size > 0) return
    }
  }

  /** The records that match, at most `enough` of them, in the order of their keys. */
  #matching(plan: QueryPlan, enough: number): T[] {
    const { matches } = plan
    const candidates = matches === undefined ? undefined : this.#candidates(plan)
    if (candidates !== undefined) {
      return collect([...candidates].sort(compareSlots), matches, enough)
    }
    if (matches === undefined || this.#isInOrder()) return collect(this.#ordered(), matches, enough)
    const slots = this.#slots.filter(
      ({ newest, older }) => matches(newest) || older?.some(matches) === true,
    )
    // Ordering all, once, is worth it when many are asked for.
    if (slots.length > this.#slots.length / 8) return collect(this.#ordered(), matches, enough)
    return collect(slots.sort(compareSlots), matches, enough)
  }

  /** The slots that an index leaves over, if one answers a part of the query. */
  #candidates({ equalities }: QueryPlan): Iterable<Slot<T>> | undefined {
    if (equalities.size === 0) return undefined
    const [first] = this.#by
    if (this.#by.length === 1 && first !== undefined) {
      const keys = equalities.get(first)
      if (keys !== undefined) return this.#slotsOf(keys.map((key) => [key]))
    } else if (this.#by.every((path) => equalities.get(path)?.length === 1)) {
      return this.#slotsOf([this.#by.map((path) => equalities.get(path)?.[0])])
    }
    let best: Set<Slot<T>> | undefined
    for (const [path, values] of equalities) {
      const index = this.#indexes.get(path) ?? this.#indexOfKey(path)
      if (index === undefined) continue
      const found = index.find(values)
      if (best === undefined || found.size < best.size) best = found
    }
    return best
  }

  #slotsOf(keys: readonly (readonly unknown[])[]): readonly Slot<T>[] {
    const slots = new Set<Slot<T>>()
    for (const key of keys) {
      const slot = this.#find(key)
      if (slot !== undefined) slots.add(slot)
    }
    return [...slots]
  }

  /** An attribute of a compound key never changes in a slot; its index is made when it is first asked for. */
  #indexOfKey(path: string): AttributeIndex<T> | undefined {
    if (!this.#by.includes(path)) return undefined
    const index = new AttributeIndex<T>(readerOf(path), false)
    for (const slot of this.#slots) index.add(slot, slot.newest)
    this.#indexes.set(path, index)
    return index
  }

  #isInOrder(): boolean {
    return this.#sorted !== undefined && this.#unsorted.length === 0 && !this.#hasGone
  }

  #ordered(): readonly Slot<T>[] {
    if (this.#sorted === undefined) {
      this.#sorted = [...this.#slots].sort(compareSlots)
    } else if (!this.#isInOrder()) {
      const kept = this.#hasGone ? this.#sorted.filter(isThere) : this.#sorted
      const added = this.#unsorted.filter(isThere).sort(compareSlots)
      this.#sorted = mergeSorted(kept, added)
    }
    this.#unsorted = []
    this.#hasGone = false
    return this.#sorted
  }
}

function isThere(slot: Slot<unknown>): boolean {
  return slot.at !== -1
}

function compareSlots(a: Slot<unknown>, b: Slot<unknown>): number {
  for (let i = 0; i < a.key.length; i++) {
    const order = compareValues(a.key[i], b.key[i])
    if (order !== 0) return order
  }
  return 0
}

function mergeSorted<T>(a: Slot<T>[], b: readonly Slot<T>[]): Slot<T>[] {
  const [first] = b
  const last = a.at(-1)
  if (first === undefined) return a
  if (last === undefined || compareSlots(last, first) < 0) {
    for (const slot of b) a.push(slot)
    return a
  }
  const merged: Slot<T>[] = []
  let at = 0
  for (const slot of a) {
    while (at < b.length && compareSlots(b[at] as Slot<T>, slot) < 0)
      merged.push(b[at++] as Slot<T>)
    merged.push(slot)
  }
  while (at < b.length) merged.push(b[at++] as Slot<T>)
  return merged
}

function collect<T>(
  slots: Iterable<Slot<T>>,
  matches: ((record: unknown) => boolean) | undefined,
  enough: number,
): T[] {
  const records: T[] = []
  for (const { newest, older } of slots) {
    if (records.length >= enough) break
    if (older !== undefined) {
      for (const record of older) if (matches === undefined || matches(record)) records.push(record)
    }
    if (matches === undefined || matches(newest)) records.push(newest)
  }
  return records
}

/** Finds slots by the value of an attribute of their records. */
class AttributeIndex<T> {
  readonly #read: Reader
  readonly #changes: boolean
  /** One slot stands for itself; most values of a nearly unique attribute have one. */
  readonly #slots = new Map<unknown, Slot<T> | Set<Slot<T>>>()

  /** `changes` says whether records of one slot may differ in the attribute. */
  constructor(read: Reader, changes: boolean) {
    this.#read = read
    this.#changes = changes
  }

  add(slot: Slot<T>, record: T): void {
    const value = this.#read(record) ?? null
    const found = this.#slots.get(value)
    if (found === undefined) this.#slots.set(value, slot)
    else if (found instanceof Set) found.add(slot)
    else if (found !== slot) this.#slots.set(value, new Set([found, slot]))
  }

  /** A record of the slot has gone and another come. */
  replace(slot: Slot<T>, gone: T, come: T): void {
    if (!this.#changes) return
    if ((this.#read(gone) ?? null) === (this.#read(come) ?? null)) return
    this.remove(slot, gone)
    this.add(slot, come)
  }

  /** A record of the slot has gone. */
  remove(slot: Slot<T>, gone: T): void {
    if (!this.#changes) return
    const value = this.#read(gone) ?? null
    const still = (record: T): boolean => (this.#read(record) ?? null) === value
    if (still(slot.newest) || slot.older?.some(still) === true) return
    this.#delete(value, slot)
  }

  /** The slot has gone with all that was in it. */
  removeAll(slot: Slot<T>): void {
    this.#delete(this.#read(slot.newest) ?? null, slot)
    for (const record of slot.older ?? []) this.#delete(this.#read(record) ?? null, slot)
  }

  find(values: readonly unknown[]): Set<Slot<T>> {
    const found = values.map((value) => this.#slots.get(value ?? null))
    const [only] = found
    if (found.length === 1 && only instanceof Set) return only
    return new Set(
      found.flatMap((slots) =>
        slots instanceof Set ? [...slots] : slots === undefined ? [] : [slots],
      ),
    )
  }

  #delete(value: unknown, slot: Slot<T>): void {
    const found = this.#slots.get(value)
    if (found === slot) this.#slots.delete(value)
    else if (found instanceof Set) {
      found.delete(slot)
      if (found.size === 0) this.#slots.delete(value)
    }
  }
}
