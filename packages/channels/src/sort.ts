import type { SortKey } from '@gw/protocol'
import type { z } from 'zod'
import { compareValues } from './compare.js'
import { checkComparable, invalid, isObject } from './filter.js'
import { readerOf } from './paths.js'
import { shown } from './shown.js'

/** An order of records. */
export type Compare = (a: unknown, b: unknown) => number

/** The order that the `sort` of a query asks for. @throws ChannelsError `INVALID_QUERY` naming the path concerned. */
export function compareBy(sort: unknown, schema: z.core.$ZodType, maxKeys: number): Compare {
  const keys = (Array.isArray(sort) ? sort : [sort]).map(sortKeyOf)
  if (keys.length > maxKeys) throw invalid(`a query is sorted by at most ${maxKeys} paths`)
  const readers = keys.map(({ path, order }) => {
    checkComparable(schema, path)
    return { read: readerOf(path), sign: order === 'desc' ? -1 : 1 }
  })
  return (a, b) => {
    for (const { read, sign } of readers) {
      const order = compareValues(read(a), read(b))
      if (order !== 0) return order * sign
    }
    return 0
  }
}

/** The first `enough` of `records` in an order; those that are equal in it keep theirs. May reorder `records`. */
export function firstOf<T>(records: T[], compare: Compare, enough: number): T[] {
  if (enough >= records.length / 4) return records.sort(compare).slice(0, enough)
  // The best so far, and as many that may be among them: sorting those together now and then costs less than sorting all.
  let best: T[] = []
  let worst: T | undefined
  for (const record of records) {
    if (worst !== undefined && compare(record, worst) >= 0) continue
    best.push(record)
    if (best.length < 2 * enough + 64) continue
    best = best.sort(compare).slice(0, enough)
    worst = best.at(-1)
  }
  return best.sort(compare).slice(0, enough)
}

function sortKeyOf(key: unknown): SortKey {
  if (typeof key === 'string') {
    return key.startsWith('-') ? { path: key.slice(1), order: 'desc' } : { path: key, order: 'asc' }
  }
  if (!isObject(key) || (key.order !== 'asc' && key.order !== 'desc')) {
    throw invalid(`a sort key has a path, and the order "asc" or "desc", not ${shown(key)}`)
  }
  return key as unknown as SortKey
}
