import type { ChannelInfo, ChannelTick, LiveChannels, StateInfo } from '@gw/channels'
import { type AnyChannels, stepsOf } from '@gw/protocol'
import { completed } from './completed.js'
import { type EntryRule, idOf } from './entry-rule.js'
import { KeyedStore, STATE } from './store.js'

/** What a store has of a record of a basket: with the key on which it ticked. */
type OfBasket = readonly [basketKey: string, record: unknown]

/**
 * A state of a channel as a store, so that it goes to the changelog; what comes from there goes into the state. Where several
 * records of a key are kept, each is an entry of its own, and the one after the last that is kept takes the place of the first:
 * a record costs one record, and compaction leaves those that are kept. Entries are in the order in which the records came.
 */
export class StateMirror {
  readonly store: KeyedStore
  readonly #channels: LiveChannels<AnyChannels>
  readonly #state: StateInfo
  readonly #paths: readonly (readonly string[])[]
  readonly #keep: number
  readonly #maxRecords: number
  readonly #isOfBasket: boolean
  /** By key of the state, the place of its newest record; only where several are kept. */
  readonly #places = new Map<string, number>()
  readonly #watch: { stop(): void }

  constructor(channels: LiveChannels<AnyChannels>, state: StateInfo) {
    const { keep = 1, maxRecords = 1_000_000, channel, name, by } = state
    this.#channels = channels
    this.#state = state
    this.#paths = by.map(stepsOf)
    this.#keep = keep === 'all' ? Number.POSITIVE_INFINITY : keep
    this.#maxRecords = maxRecords
    const info = channels.info.find((info) => info.name === channel)
    this.#isOfBasket = info?.kind === 'basket'
    this.store = new KeyedStore(`${STATE}${name}`, {
      inOrderOfChange: true,
      ...(info === undefined ? {} : { rule: this.#ruleOf(info) }),
    })
    this.#watch = channels.watch(channel, undefined, (tick) => this.#take(tick))
  }

  /** Has the state show what the store holds of a partition. */
  restore(partition: number): void {
    const { name } = this.#state
    if (!this.#isOfBasket) {
      this.#channels.restoreState(name, this.#restored(partition))
      return
    }
    for (const value of this.#restored(partition)) {
      const [basketKey, record] = value as OfBasket
      this.#channels.restoreState(name, [record], basketKey)
    }
  }

  forget(keys: readonly string[]): void {
    const values = keys.map((key) => this.#split(key).values)
    if (this.#keep > 1) for (const each of values) this.#places.delete(JSON.stringify(each))
    this.#channels.forgetState(this.#state.name, values)
  }

  stop(): void {
    this.#watch.stop()
  }

  /** Entries are records of the channel, under the keys that the state has now. */
  #ruleOf({ recordSchema, keys, dynamic }: ChannelInfo): EntryRule {
    const { by, key: wanted } = this.#state
    const complete = (key: string, value: unknown): unknown => {
      const record = completed(recordSchema, value)
      const values = JSON.stringify(this.#valuesOf(record))
      if (JSON.stringify(this.#split(key).values) === values) return record
      throw new Error(`its key is ${key}, and by ${by.join(', ')} it is ${values}`)
    }
    const isOfBasket = this.#isOfBasket
    return {
      id: idOf(recordSchema, by, wanted, isOfBasket, isOfBasket && !dynamic && keys),
      complete: (key, value) => {
        if (!isOfBasket) return complete(key, value)
        if (!Array.isArray(value) || value.length !== 2) throw new Error('it is of no basket')
        const [basketKey, record] = value as unknown as OfBasket
        const isWanted =
          wanted === undefined ? dynamic || keys.includes(basketKey) : basketKey === wanted
        if (!isWanted) throw new Error(`the state is not of the key "${basketKey}"`)
        return [basketKey, complete(key, record)]
      },
    }
  }

  *#restored(partition: number): IterableIterator<unknown> {
    for (const [key, value] of this.store.of(partition)) {
      if (this.#keep > 1) {
        const { values, place } = this.#split(key)
        this.#places.set(JSON.stringify(values), place)
      }
      yield value
    }
  }

  #take({ key: basketKey, value, removed }: ChannelTick): void {
    const { key: wanted } = this.#state
    if (removed || (wanted !== undefined && basketKey !== wanted)) return
    for (const record of Array.isArray(value) ? (value as unknown[]) : [value]) {
      this.store.set(this.#keyOf(record), this.#isOfBasket ? [basketKey, record] : record)
      // As in the state, the one that came first goes out.
      if (this.store.size > this.#maxRecords) this.#dropOldest()
    }
  }

  #dropOldest(): void {
    const key = this.store.deleteOldest()
    if (key === undefined || this.#keep === 1) return
    const { values, place } = this.#split(key)
    const ofState = JSON.stringify(values)
    if (this.#places.get(ofState) === place) this.#places.delete(ofState)
  }

  /** The key of the entry of a record: the values of `by`, and where several are kept its place. */
  #keyOf(record: unknown): string {
    const values = this.#valuesOf(record)
    const key = JSON.stringify(values)
    if (this.#keep === 1) return key
    const newest = this.#places.get(key)
    const place = newest === undefined ? 0 : (newest + 1) % this.#keep
    this.#places.set(key, place)
    return JSON.stringify([...values, place])
  }

  #valuesOf(record: unknown): readonly unknown[] {
    return this.#paths.map((path) => {
      let value = record
      for (const name of path) value = (value as Record<string, unknown> | undefined)?.[name]
      return value ?? null
    })
  }

  #split(key: string): { readonly values: readonly unknown[]; readonly place: number } {
    const parts = JSON.parse(key) as unknown[]
    const count = this.#paths.length
    // Without a place: from when one was kept.
    return { values: parts.slice(0, count), place: (parts[count] as number | undefined) ?? 0 }
  }
}
