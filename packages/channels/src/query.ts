import { QUERY_LIMITS, type Query, type Scalar } from '@gw/protocol'
import type { z } from 'zod'
import {
  type Condition,
  conditionOf,
  equalitiesOf,
  invalid,
  isObject,
  predicateOf,
} from './filter.js'
import { projectionOf } from './projection.js'
import { shown } from './shown.js'
import { type Compare, compareBy } from './sort.js'

/** Bounds of queries. */
export interface QueryLimits {
  /** How deep `and`, `or` and `not` may nest. @defaultValue 8 */
  readonly depth: number
  /** Comparisons in one query, and paths that it sorts by. @defaultValue 64 */
  readonly terms: number
  /** Largest `limit`. @defaultValue 100_000 */
  readonly limit: number
}

/** A query made ready to run on the records of one schema. */
export interface QueryPlan {
  /** What a record has to meet; absent when all do. */
  readonly condition: Condition | undefined
  /** Whether a record meets it; absent when all do. */
  readonly matches: ((record: unknown) => boolean) | undefined
  /** By path, the values of which a matching record has one: what an index can answer. */
  readonly equalities: ReadonlyMap<string, readonly Scalar[]>
  readonly compare: Compare | undefined
  readonly offset: number
  readonly limit: number
  readonly project: ((record: unknown) => unknown) | undefined
}

/**
 * Makes a query ready: checks its paths against the schema, and its bounds.
 * @throws ChannelsError `INVALID_QUERY` naming the path or the operator concerned.
 */
export function planQuery(
  query: object,
  schema: z.core.$ZodType,
  limits: QueryLimits = QUERY_LIMITS,
): QueryPlan {
  if (!isObject(query)) throw invalid(`a query is an object, not ${shown(query)}`)
  const unknown = Object.keys(query).find((name) => !MEMBERS.includes(name))
  if (unknown !== undefined) {
    throw invalid(`a query has no ${shown(unknown)}: it has ${MEMBERS.join(', ')}`)
  }
  const { where, sort, limit, offset, select } = query as Query
  const condition = where === undefined ? undefined : conditionOf(where, schema, limits)
  return {
    condition,
    matches: condition === undefined ? undefined : predicateOf(condition),
    equalities: condition === undefined ? new Map() : equalitiesOf(condition),
    compare: sort === undefined ? undefined : compareBy(sort, schema, limits.terms),
    offset: bound('offset', offset, 0, Number.MAX_SAFE_INTEGER),
    limit: bound('limit', limit, Number.POSITIVE_INFINITY, limits.limit),
    project: select === undefined ? undefined : projectionOf(select, schema),
  }
}

const MEMBERS: readonly string[] = ['where', 'sort', 'limit', 'offset', 'select', 'count']

function bound(name: string, value: unknown, absent: number, max: number): number {
  if (value === undefined) return absent
  if (!(Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max)) {
    throw invalid(`${name} is a whole number from 0 to ${max}, not ${shown(value)}`)
  }
  return value as number
}
