import { timestampOf } from '@gw/core'
import {
  type ComparisonOperator,
  type Filter,
  filterOf,
  QUERY_LIMITS,
  type Query,
  type Scalar,
  type SortKey,
} from '@gw/protocol'
import type { z } from 'zod'
import { compareTexts, compareValues, isPlainText } from './compare.js'
import { ChannelsError } from './errors.js'
import { isoText } from './mint.js'
import { isComparable, readerOf, schemasAt } from './paths.js'
import { isTimestampSchema } from './struct.js'

/** Bounds of queries. */
export interface QueryLimits {
  /** How deep `and`, `or` and `not` may nest. @defaultValue 8 */
  readonly depth: number
  /** Comparisons in one query. @defaultValue 64 */
  readonly terms: number
  /** Largest `limit`. @defaultValue 100_000 */
  readonly limit: number
}

/** A query made ready to run on the records of one schema. */
export interface QueryPlan {
  /** Whether a record matches; absent when all do. */
  readonly matches: ((record: unknown) => boolean) | undefined
  /** By path, the values of which a matching record has one: what an index can answer. */
  readonly equalities: ReadonlyMap<string, readonly unknown[]>
  readonly compare: ((a: unknown, b: unknown) => number) | undefined
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
  const { where, sort, limit, offset, select } = query as Query
  const equalities = new Map<string, readonly unknown[]>()
  const filter = where === undefined ? undefined : filterTree(where, limits.depth)
  const compiler = new FilterCompiler(schema, limits)
  const matches = filter === undefined ? undefined : compiler.compile(filter, equalities)
  return {
    matches,
    equalities,
    compare: sort === undefined ? undefined : comparison(sort, schema),
    offset: bound('offset', offset, 0, Number.MAX_SAFE_INTEGER),
    limit: bound('limit', limit, Number.POSITIVE_INFINITY, limits.limit),
    project: select === undefined ? undefined : projection(select, schema),
  }
}

const OPERATORS: readonly string[] = ['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'in']

function invalid(message: string): ChannelsError {
  return new ChannelsError('INVALID_QUERY', message)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The tree of a filter that is a tree, or is in the typed spelling, or is mixed of both. */
function filterTree(where: unknown, depth: number): Filter {
  if (depth < 0) throw invalid('the filter nests deeper than the limit')
  if (!isObject(where)) throw invalid(`a filter is an object, not ${JSON.stringify(where)}`)
  if (typeof where.path === 'string' && typeof where.op === 'string') return where as Filter
  const terms: Filter[] = []
  for (const [name, condition] of Object.entries(where)) {
    if (condition === undefined) continue
    if (name === 'and' || name === 'or') {
      if (!Array.isArray(condition)) throw invalid(`"${name}" of a filter is a list of filters`)
      const nested = condition.map((term) => filterTree(term, depth - 1))
      terms.push(name === 'and' ? { and: nested } : { or: nested })
    } else if (name === 'not') {
      terms.push({ not: filterTree(condition, depth - 1) })
    } else {
      if (Array.isArray(condition)) {
        throw invalid(`"${name}" is compared with a list: spell it { in: [...] }`)
      }
      const term = filterOf({ [name]: condition })
      terms.push(...('and' in term ? term.and : [term]))
    }
  }
  const [only] = terms
  return terms.length === 1 && only !== undefined ? only : { and: terms }
}

type Predicate = (record: unknown) => boolean

class FilterCompiler {
  readonly #schema: z.core.$ZodType
  readonly #limits: QueryLimits
  #terms = 0
  #listed = 0

  constructor(schema: z.core.$ZodType, limits: QueryLimits) {
    this.#schema = schema
    this.#limits = limits
  }

  /** `equalities` gets what must hold for every match; without it, the filter stands below an `or` or a `not`. */
  compile(filter: Filter, equalities?: Map<string, readonly unknown[]>): Predicate {
    if ('path' in filter) return this.#comparison(filter, equalities)
    if ('and' in filter) {
      const terms = filter.and.map((term) => this.compile(term, equalities))
      const [first, second] = terms
      if (first === undefined) return () => true
      if (terms.length === 1) return first
      if (terms.length === 2 && second !== undefined)
        return (record) => first(record) && second(record)
      return (record) => terms.every((term) => term(record))
    }
    if ('or' in filter) {
      const terms = filter.or.map((term) => this.compile(term))
      return (record) => terms.some((term) => term(record))
    }
    const term = this.compile(filter.not)
    return (record) => !term(record)
  }

  #comparison(
    filter: Extract<Filter, { readonly path: string }>,
    equalities?: Map<string, readonly unknown[]>,
  ): Predicate {
    if (++this.#terms > this.#limits.terms) {
      throw invalid(`a query has at most ${this.#limits.terms} comparisons`)
    }
    const { path, op } = filter
    const schemas = comparableAt(this.#schema, path)
    const read = readerOf(path)
    if (!OPERATORS.includes(op)) {
      throw invalid(
        `${JSON.stringify(op)} of "${path}" is no operator: use one of ${OPERATORS.join(', ')}`,
      )
    }
    if ('other' in filter) {
      comparableAt(this.#schema, filter.other)
      const readOther = readerOf(filter.other)
      const holds = comparator(filter.op)
      return (record) => holds(read(record), readOther(record))
    }
    if (op === 'in') {
      const { values } = filter as { readonly values?: unknown }
      if (!Array.isArray(values)) throw invalid(`"in" of "${path}" needs a list of values`)
      this.#listed += values.length
      if (this.#listed > this.#limits.terms * 16) {
        throw invalid(`a query has at most ${this.#limits.terms * 16} values in lists`)
      }
      const operands = values.map((value) => operandOf(path, value, schemas))
      note(equalities, path, operands)
      const set = new Set<unknown>(operands.flatMap((operand) => operand.spellings))
      if (operands.every((operand) => operand.time === undefined)) {
        return (record) => set.has(read(record) ?? null)
      }
      const terms = operands.map((operand) => comparedWith('eq', operand, schemas))
      return (record) => terms.some((holds) => holds(read(record)))
    }
    const operand = operandOf(path, (filter as { readonly value?: unknown }).value, schemas)
    if (op === 'eq') note(equalities, path, [operand])
    const holds = comparedWith(op, operand, schemas)
    if (path.includes('.')) return (record) => holds(read(record))
    return (record) => holds((record as Readonly<Record<string, unknown>>)[path])
  }
}

function note(
  equalities: Map<string, readonly unknown[]> | undefined,
  path: string,
  operands: readonly Operand[],
): void {
  if (equalities === undefined || operands.some((operand) => operand.time !== undefined)) return
  const values = operands.flatMap((operand) => operand.spellings)
  const before = equalities.get(path)
  if (before === undefined || values.length < before.length) equalities.set(path, values)
}

/** What a field is compared with. */
interface Operand {
  /** The value as it may stand in a field: null, a text, a number, a boolean. */
  readonly spellings: readonly Scalar[]
  /** Microseconds, when the field is a time in any spelling. */
  readonly time?: number
}

const DECIMAL = /^[+-]?\d+(?:\.\d+)?$/

/** A text is a number only where it is that number's decimal spelling, and the other way round; nothing else is cast. */
function operandOf(path: string, value: unknown, schemas: readonly z.core.$ZodType[]): Operand {
  const types = new Set(schemas.map(typeOf))
  const isAnything = types.has('any')
  if (value === null || value === undefined) return { spellings: [null] }
  switch (typeof value) {
    case 'number':
      return { spellings: types.has('string') ? [value, String(value)] : [value] }
    case 'boolean':
      return { spellings: [value] }
    case 'string': {
      if (schemas.some(isTimestampSchema)) {
        const time = timeOf(value)
        return { spellings: [Number.isNaN(time) ? value : isoText(time)] }
      }
      const spellings: Scalar[] = [value]
      if (types.has('number') && DECIMAL.test(value)) spellings.push(Number(value))
      if (types.has('boolean') && (value === 'true' || value === 'false')) {
        spellings.push(value === 'true')
      }
      if (!isAnything && schemas.some(isTime)) {
        const time = timeOf(value)
        if (!Number.isNaN(time)) return { spellings, time }
      }
      return { spellings }
    }
    default:
      throw invalid(
        `"${path}" is compared with ${JSON.stringify(value)}: give a text, a number, a boolean or null`,
      )
  }
}

/** A comparison with a constant. Null is equal to null, and neither before nor after anything. */
function comparedWith(
  op: ComparisonOperator,
  operand: Operand,
  schemas: readonly z.core.$ZodType[],
): (value: unknown) => boolean {
  if (op === 'ne') {
    const equals = comparedWith('eq', operand, schemas)
    return (value) => !equals(value)
  }
  const { spellings, time } = operand
  if (time !== undefined) {
    const holds = comparator(op)
    return (value) => typeof value === 'string' && holds(timeOf(value), time)
  }
  if (op === 'eq') {
    const [only] = spellings
    if (spellings.length > 1) return (value) => (spellings as readonly unknown[]).includes(value)
    if (only === null) return (value) => value === null || value === undefined
    return (value) => value === only
  }
  const number = spellings.find((value) => typeof value === 'number')
  const text = spellings.find((value) => typeof value === 'string')
  const numberHolds = number === undefined ? never : numberComparison(op, number)
  const textHolds = text === undefined ? never : textComparison(op, text)
  if (text === undefined) return (value) => typeof value === 'number' && numberHolds(value)
  if (number === undefined) return (value) => typeof value === 'string' && textHolds(value)
  return (value) =>
    typeof value === 'number' ? numberHolds(value) : typeof value === 'string' && textHolds(value)
}

function never(): boolean {
  return false
}

type OrderOperator = 'lt' | 'le' | 'gt' | 'ge'

function numberComparison(op: OrderOperator, bound: number): (value: number) => boolean {
  switch (op) {
    case 'lt':
      return (value) => value < bound
    case 'le':
      return (value) => value <= bound
    case 'gt':
      return (value) => value > bound
    case 'ge':
      return (value) => value >= bound
  }
}

function textComparison(op: OrderOperator, bound: string): (value: string) => boolean {
  const isPlain = isPlainText(bound)
  switch (op) {
    case 'lt':
      return isPlain ? (value) => value < bound : (value) => compareTexts(value, bound) < 0
    case 'le':
      return isPlain ? (value) => value <= bound : (value) => compareTexts(value, bound) <= 0
    case 'gt':
      return isPlain ? (value) => value > bound : (value) => compareTexts(value, bound) > 0
    case 'ge':
      return isPlain ? (value) => value >= bound : (value) => compareTexts(value, bound) >= 0
  }
}

/** A comparison of two values of which neither is known beforehand. */
function comparator(op: ComparisonOperator): (a: unknown, b: unknown) => boolean {
  if (op === 'eq') return isEqual
  if (op === 'ne') return (a, b) => !isEqual(a, b)
  return (a, b) => {
    const [left, right] = alike(a, b)
    if (typeof left !== typeof right || !(typeof left === 'number' || typeof left === 'string'))
      return false
    const order = compareValues(left, right)
    switch (op) {
      case 'lt':
        return order < 0
      case 'le':
        return order <= 0
      case 'gt':
        return order > 0
      case 'ge':
        return order >= 0
    }
  }
}

function isEqual(a: unknown, b: unknown): boolean {
  const [left, right] = alike(a, b)
  return left === right
}

/** A number and a text that spells a number are compared as numbers. */
function alike(a: unknown, b: unknown): readonly [unknown, unknown] {
  if (typeof a === 'number' && typeof b === 'string' && DECIMAL.test(b)) return [a, Number(b)]
  if (typeof a === 'string' && typeof b === 'number' && DECIMAL.test(a)) return [Number(a), b]
  return [a ?? null, b ?? null]
}

function typeOf(schema: z.core.$ZodType): 'string' | 'number' | 'boolean' | 'any' {
  const { def } = schema._zod as { def: z.core.$ZodTypes['_zod']['def'] }
  switch (def.type) {
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'any':
    case 'unknown':
      return 'any'
    case 'literal':
      return literalType(def.values)
    case 'enum':
      return literalType(Object.values(def.entries))
    default:
      return 'string'
  }
}

function literalType(values: readonly unknown[]): 'string' | 'number' | 'boolean' | 'any' {
  const types = new Set(values.map((value) => typeof value))
  const [type] = types
  return types.size === 1 && (type === 'string' || type === 'number' || type === 'boolean')
    ? type
    : 'any'
}

function isTime(schema: z.core.$ZodType): boolean {
  const { def } = schema._zod as { def: { readonly type: string; readonly format?: string } }
  return def.type === 'string' && def.format === 'datetime'
}

function timeOf(text: string): number {
  try {
    return timestampOf(text)
  } catch {
    return Number.NaN
  }
}

function comparableAt(schema: z.core.$ZodType, path: unknown): readonly z.core.$ZodType[] {
  const schemas = existingAt(schema, path)
  if (!isComparable(schemas)) {
    throw invalid(`"${path}" is a list or an object: only single values are compared`)
  }
  return schemas
}

function existingAt(schema: z.core.$ZodType, path: unknown): readonly z.core.$ZodType[] {
  const schemas = typeof path === 'string' ? schemasAt(schema, path) : []
  if (schemas.length === 0) throw invalid(`the records have no attribute ${JSON.stringify(path)}`)
  return schemas
}

function comparison(sort: unknown, schema: z.core.$ZodType): (a: unknown, b: unknown) => number {
  const keys = (Array.isArray(sort) ? sort : [sort]).map((key: unknown): SortKey => {
    if (typeof key === 'string') {
      return key.startsWith('-')
        ? { path: key.slice(1), order: 'desc' }
        : { path: key, order: 'asc' }
    }
    if (!isObject(key) || (key.order !== 'asc' && key.order !== 'desc')) {
      throw invalid(
        `a sort key has a path, and the order "asc" or "desc", not ${JSON.stringify(key)}`,
      )
    }
    return key as unknown as SortKey
  })
  const readers = keys.map(({ path, order }) => {
    comparableAt(schema, path)
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

/** Keeps the named paths; a nested one keeps its place. */
function projection(select: unknown, schema: z.core.$ZodType): (record: unknown) => unknown {
  if (!Array.isArray(select)) throw invalid('select is a list of paths')
  const paths = select.map((path: unknown) => {
    existingAt(schema, path)
    return { steps: (path as string).split('.'), read: readerOf(path as string) }
  })
  return (record) => {
    const kept: Record<string, unknown> = {}
    for (const { steps, read } of paths) {
      const value = read(record)
      if (value === undefined) continue
      let place = kept
      for (const step of steps.slice(0, -1)) {
        const inner = Object.hasOwn(place, step) ? place[step] : undefined
        place = (isObject(inner) ? inner : put(place, step, {})) as Record<string, unknown>
      }
      put(place, steps.at(-1) as string, value)
    }
    return kept
  }
}

/** A map's key may be `__proto__`; assigning it would not make a field. */
function put(place: Record<string, unknown>, key: string, value: unknown): unknown {
  Object.defineProperty(place, key, { value, enumerable: true, configurable: true, writable: true })
  return value
}

function bound(name: string, value: unknown, absent: number, max: number): number {
  if (value === undefined) return absent
  if (!(Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max)) {
    throw invalid(`${name} is a whole number from 0 to ${max}, not ${JSON.stringify(value)}`)
  }
  return value as number
}
