import { messageOf } from './errors.js'
import type { ReceivedRecord } from './kafka-client.js'
import type { KeyedStore } from './store.js'

/** Names the rule under which the value of a record was written. */
export const SCHEMA_HEADER = 'gw-schema'

/** In the place of a store's name: what fits none. Its keys are those of the records. */
export const UNFIT = ''

/** A record of the changelog that does not fit what its store has now. */
export interface UnfitRecord {
  readonly offset: string
  readonly value: string
  readonly why: string
}

/** Where the entries of a partition go. */
export interface Entries {
  put(store: string, key: string, value: unknown): void
  remove(store: string, key: string): void
}

export function recordKeyOf(store: string, key: string): string {
  return JSON.stringify([store, key])
}

/** Puts what a record says where the entries of its partition are; one that does not fit is put among those that fit none. */
export function applyRecord(
  { key, value, offset, headers }: ReceivedRecord,
  stores: ReadonlyMap<string, KeyedStore>,
  entries: Entries,
): void {
  if (key === null) return
  let place: readonly [store: string, key: string] | undefined
  try {
    place = placeOf(key)
    entries.remove(UNFIT, key)
    if (value === null) return entries.remove(...place)
    const [store, own] = place
    const parsed = JSON.parse(value.toString()) as unknown
    const rule = stores.get(store)?.rule
    const isChecked = rule === undefined || headers[SCHEMA_HEADER] === rule.id
    entries.put(store, own, isChecked ? parsed : rule.complete(own, parsed))
  } catch (error) {
    // What was there before it is not what the key has now.
    if (place !== undefined) entries.remove(...place)
    if (value === null) return entries.remove(UNFIT, key)
    const unfit: UnfitRecord = { offset, value: value.toString(), why: messageOf(error) }
    entries.put(UNFIT, key, unfit)
  }
}

/** @throws Error when it is no key of the changelog. */
function placeOf(key: string): readonly [store: string, key: string] {
  const place = JSON.parse(key) as unknown
  const isPlace =
    Array.isArray(place) && place.length === 2 && place.every((part) => typeof part === 'string')
  if (!isPlace || place[0] === UNFIT) throw new Error('its key is not [STORE, KEY]')
  return place as unknown as readonly [string, string]
}
