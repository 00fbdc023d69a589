import {
  type AliasOf,
  type ChannelTypes,
  type Position,
  parsePosition,
  STATE_HEADER,
  stepsOf,
} from '@gw/protocol'
import { backoffMs } from './backoff.js'
import type { UntypedChannelClient } from './channel-client.js'
import type { Typed } from './channel-types.js'
import { GatewayClientError } from './errors.js'
import type { StateEvent, SubscriptionEvent } from './events.js'
import { type LiveStore, liveStore, type StoreFiller } from './live-store.js'
import type { ElementOf, PathOf } from './projection.js'
import { isPassing } from './rest.js'

export { liveBasket, liveLast } from './live-last.js'
export type { LiveStatus, LiveStore } from './live-store.js'

/** A client's channel with types `T`. */
export type TypedChannel<T extends ChannelTypes> = Typed<T>

/** Options of {@link liveState}. */
export interface LiveStateOptions<T extends ChannelTypes> {
  /** Name of the state. @defaultValue that of the channel */
  readonly state?: AliasOf<T>
  /** Paths that make the key of the state. @defaultValue as the server says */
  readonly by?: readonly PathOf<T['value']>[]
}

interface WaitingTick {
  readonly value: unknown
  readonly key?: string | undefined
  readonly position?: Position | undefined
}

/** A bounded state lets the record go that came first, which nothing in the records tells. */
const IN_ARRIVAL_ORDER = { order: 'arrival' } as object

/** Ticks that may wait while the state is loaded; one more, and it is loaded anew. */
const MAX_WAITING = 10_000

/**
 * A local copy of a channel's state that is always current: the records that the gateway keeps, of each key the newest one or as many
 * as the contract says, in the order of the keys. It is loaded once, follows the ticks from there on without gap or overlap, and
 * is loaded again when ticks are missing.
 * @example
 * ```ts
 * const orders = liveState(client.orders)
 * orders.subscribe((records) => render(records))
 * ```
 */
export function liveState<T extends ChannelTypes>(
  channel: TypedChannel<T> & { query: unknown },
  options: LiveStateOptions<T> = {},
): LiveStore<readonly ElementOf<T['value']>[]> {
  const records = new KeyedRecords()
  const store = liveStore<readonly unknown[]>(
    () => records.sorted(),
    (filler) => fillState(channel as unknown as UntypedChannelClient, options, records, filler),
  )
  return store as LiveStore<readonly ElementOf<T['value']>[]>
}

function fillState(
  channel: UntypedChannelClient,
  options: { readonly state?: string; readonly by?: readonly string[] },
  records: KeyedRecords,
  filler: StoreFiller,
): () => void {
  const { state } = options
  const ended = new AbortController()
  const first: WaitingTick[] = []
  /** Ticks that came while the state is loaded; `undefined` when it is there. */
  let waiting: WaitingTick[] | undefined = first

  /** Up to here, ticks may be in what was loaded, or not. */
  let through: Position | undefined
  const take = ({ value, key, position }: WaitingTick): void => {
    if (through !== undefined && isCovered(position, through)) records.putUnlessLoaded(value, key)
    else records.put(value, key)
  }

  /** Version of the state, where the server tells it. */
  let version: string | undefined
  /** What is loaded may be of an earlier version. */
  let isOld = false

  /** Loads the state, and then takes in the ticks that `own` has gathered meanwhile. */
  const load = async (own: WaitingTick[]): Promise<void> => {
    waiting = own
    isOld = false
    for (let failures = 0; waiting === own; failures++) {
      try {
        const { signal } = ended
        const named = state === undefined ? {} : { state }
        const at = await channel.stateAt(IN_ARRIVAL_ORDER, { ...named, signal })
        if (waiting !== own) return
        records.reset(rulesOf(at.headers, options.by), at.records)
        through = parsePosition(at.headers.get(STATE_HEADER.THROUGH) ?? '')
        for (const tick of own) if (!isCovered(tick.position, at.position)) take(tick)
        waiting = undefined
        filler.changed()
        filler.setStatus('live')
        if (isOld) reload()
      } catch (error) {
        if (waiting !== own || ended.signal.aborted) return
        if (!(error instanceof GatewayClientError) || !isPassing(error)) return fail(error)
        await new Promise((resolve) => setTimeout(resolve, backoffMs(failures)))
      }
    }
  }
  const fail = (error: unknown): void => {
    close()
    filler.fail(error as GatewayClientError)
  }
  const reload = (): void => {
    filler.setStatus('stale')
    void load([])
  }
  const onEvent = (event: SubscriptionEvent | StateEvent): void => {
    if (event.type === 'gap') {
      reload()
    } else if (event.type === 'state') {
      const isOther = version !== undefined && version !== event.version
      version = event.version
      // What is being loaded is shown first, so that one change after the other does not keep it from coming.
      if (isOther && waiting === undefined) reload()
      else isOld ||= isOther
    } else if (event.type === 'data') {
      if (waiting === undefined) {
        take(event)
        filler.changed()
      } else if (waiting.length < MAX_WAITING) {
        waiting.push(event)
      } else {
        void load([])
      }
    }
  }
  const watch = channel.watch(onEvent, { state: state ?? true, onError: fail })
  const close = (): void => {
    waiting = undefined
    ended.abort()
    watch.close()
  }
  watch.ready.then(
    () => load(first),
    () => undefined,
  ) // a refusal comes to `fail`
  return close
}

/** Whether what was loaded at `loaded` holds the tick at `position` already. */
function isCovered(position: Position | undefined, loaded: Position | undefined): boolean {
  return position?.epoch === loaded?.epoch && (position?.offset ?? 0) <= (loaded?.offset ?? 0)
}

function noKey(): never {
  throw new GatewayClientError(
    'INVALID_ANSWER',
    'the server does not say what makes the key of the state: name it, as in liveState(channel, { by: ["symbol"] })',
  )
}

/** What a state keeps. */
interface StateRules {
  /** Paths that make the key. */
  readonly by: readonly string[]
  /** Records of each key. */
  readonly keep: number
  /** Records in all: the one that came first goes out. */
  readonly maxRecords: number
  /** Of a basket: the one key whose ticks it keeps. */
  readonly key: string | undefined
}

/** The rules of a state, by the server's word; `by` may be given. */
function rulesOf(headers: Headers, by: readonly string[] | undefined): StateRules {
  const [keep, maxRecords, key] = [
    headers.get(STATE_HEADER.KEEP) ?? 1,
    headers.get(STATE_HEADER.MAX_RECORDS),
    headers.get(STATE_HEADER.KEY),
  ]
  return {
    by: by ?? headers.get(STATE_HEADER.BY)?.split(',').map(decodeURIComponent) ?? noKey(),
    keep: keep === 'all' ? Number.POSITIVE_INFINITY : Number(keep),
    maxRecords: Number(maxRecords ?? Number.POSITIVE_INFINITY),
    key: key === null ? undefined : decodeURIComponent(key),
  }
}

/** A key, with its records: the one that came first at first. */
interface Entry {
  readonly name: string
  readonly key: readonly unknown[]
  readonly items: Item[]
}

interface Item {
  readonly entry: Entry
  readonly record: unknown
}

/** Records by the values at some of their paths, as a state keeps them. */
class KeyedRecords {
  #rules: StateRules | undefined
  #paths: readonly (readonly string[])[] = []
  #entries = new Map<string, Entry>()
  /** All of them, in the order in which they came. */
  readonly #items = new Set<Item>()
  /** What there was at first, by the names of keys, where there are several of a key. */
  #loaded = new Map<string, readonly unknown[]>()
  #isSorted = true

  /** Begins anew with the records of a state, in the order in which they came. */
  reset(rules: StateRules, records: readonly unknown[]): void {
    this.#rules = rules
    this.#paths = rules.by.map(stepsOf)
    this.#entries.clear()
    this.#items.clear()
    for (const record of records) this.#put(record)
    this.#loaded = new Map(
      rules.keep === 1
        ? []
        : [...this.#entries].map(([name, { items }]) => [name, recordsIn(items)]),
    )
  }

  /** As {@link put}; a record that was there at first brings back what its key had then: all that its key had before is in that. */
  putUnlessLoaded(value: unknown, key: string | undefined): void {
    const ofKey = this.#rules?.key
    if (ofKey !== undefined && ofKey !== key) return
    for (const record of Array.isArray(value) ? value : [value]) {
      const { name } = this.#keyOf(record)
      const loaded = this.#loaded.get(name)
      const text = JSON.stringify(record)
      if (loaded?.some((one) => JSON.stringify(one) === text) !== true) {
        this.#put(record)
        continue
      }
      for (const item of this.#entries.get(name)?.items.splice(0) ?? []) this.#items.delete(item)
      for (const one of loaded) this.#put(one)
    }
  }

  /** Takes what ticked, of a basket on a key: a record, or the records of a list. */
  put(value: unknown, key: string | undefined): void {
    const ofKey = this.#rules?.key
    if (ofKey !== undefined && ofKey !== key) return
    for (const record of Array.isArray(value) ? value : [value]) this.#put(record)
  }

  #put(record: unknown): void {
    const { keep = 1, maxRecords = Number.POSITIVE_INFINITY } = this.#rules ?? {}
    const { key, name } = this.#keyOf(record)
    let entry = this.#entries.get(name)
    if (entry === undefined) {
      entry = { name, key, items: [] }
      this.#entries.set(name, entry)
      this.#isSorted = false
    } else if (entry.items.length >= keep) this.#items.delete(entry.items.shift() as Item)
    const item = { entry, record }
    entry.items.push(item)
    this.#items.add(item)
    if (this.#items.size > maxRecords) this.#evict()
  }

  #keyOf(record: unknown): Pick<Entry, 'key' | 'name'> {
    const key = this.#paths.map((path) => at(record, path))
    return { key, name: JSON.stringify(key) }
  }

  /** The record that came first goes out. */
  #evict(): void {
    const [item] = this.#items as Iterable<Item> as [Item]
    this.#items.delete(item)
    item.entry.items.shift()
    if (item.entry.items.length === 0) this.#entries.delete(item.entry.name)
  }

  /** The records in the order of their keys; of one key, in the order in which they came. */
  sorted(): readonly unknown[] {
    if (!this.#isSorted) {
      const entries = [...this.#entries].sort(([, a], [, b]) => compareKeys(a.key, b.key))
      this.#entries = new Map(entries)
      this.#isSorted = true
    }
    return recordsIn(Array.from(this.#entries.values(), ({ items }) => items).flat())
  }
}

function recordsIn(items: readonly Item[]): readonly unknown[] {
  return items.map(({ record }) => record)
}

function at(record: unknown, path: readonly string[]): unknown {
  let value = record
  for (const step of path) value = (value as Record<string, unknown> | null | undefined)?.[step]
  return value
}

function compareKeys(a: readonly unknown[], b: readonly unknown[]): number {
  for (let i = 0; i < a.length; i++) {
    const order = compare(a[i] ?? null, b[i] ?? null)
    if (order !== 0) return order
  }
  return 0
}

/** As the server sorts: null before everything, numbers by value, texts by code unit. */
function compare(a: unknown, b: unknown): number {
  if (a === b) return 0
  if (a === null) return -1
  if (b === null) return 1
  return (a as string) < (b as string) ? -1 : 1
}
