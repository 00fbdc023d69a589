import {
  type ComparisonOperator,
  type Filter,
  filterOf,
  type QUERY_LIMITS,
  type Scalar,
} from '@gw/protocol'
import type { z } from 'zod'
import {
  amongAll,
  comparator,
  comparedWith,
  type Holds,
  type Operand,
  operandOf,
} from './comparison.js'
import { ChannelsError } from './errors.js'
import { dottedName, isComparable, readerOf, schemasAt } from './paths.js'
import { shown } from './shown.js'

/** What a record has to meet: a filter whose paths and values have been checked. */
export type Condition =
  | { readonly kind: 'and' | 'or'; readonly terms: readonly Condition[] }
  | { readonly kind: 'not'; readonly term: Condition }
  | {
      readonly kind: 'field'
      readonly path: string
      readonly op: ComparisonOperator | 'in'
      readonly holds: Holds
      /** The one value that it is compared with; absent when there are several, or a time. */
      readonly constant: Scalar | undefined
      /** Values of which a record that meets it has one; absent when no list of values says it. */
      readonly values: readonly Scalar[] | undefined
    }
  | {
      readonly kind: 'pair'
      readonly path: string
      readonly other: string
      readonly holds: (a: unknown, b: unknown) => boolean
    }

type Limits = { readonly [name in keyof typeof QUERY_LIMITS]: number }

const OPERATORS: readonly string[] = ['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'in']

/**
 * Checks a filter, in any spelling, against the schema of the records and the bounds.
 * @throws ChannelsError `INVALID_QUERY` naming the path or the operator concerned.
 */
export function conditionOf(where: unknown, schema: z.core.$ZodType, limits: Limits): Condition {
  return new Checker(schema, limits).check(filterTree(where, limits.depth))
}

/** Whether a record meets a condition. */
export function predicateOf(condition: Condition): (record: unknown) => boolean {
  switch (condition.kind) {
    case 'and': {
      const terms = condition.terms.map(predicateOf)
      return (record) => terms.every((term) => term(record))
    }
    case 'or': {
      const terms = condition.terms.map(predicateOf)
      return (record) => terms.some((term) => term(record))
    }
    case 'not': {
      const term = predicateOf(condition.term)
      return (record) => !term(record)
    }
    case 'field': {
      const { holds } = condition
      const read = readerOf(condition.path)
      return (record) => holds(read(record))
    }
    case 'pair': {
      const { holds } = condition
      const read = readerOf(condition.path)
      const readOther = readerOf(condition.other)
      return (record) => holds(read(record), readOther(record))
    }
  }
}

/** By path, the values of which every record that meets the condition has one: what an index can answer. */
export function equalitiesOf(
  condition: Condition,
  found: Map<string, readonly Scalar[]> = new Map(),
): ReadonlyMap<string, readonly Scalar[]> {
  if (condition.kind === 'and') {
    for (const term of condition.terms) equalitiesOf(term, found)
  } else if (condition.kind === 'field' && condition.values !== undefined) {
    const { path, values } = condition
    const before = found.get(path)
    if (before === undefined || values.length < before.length) found.set(path, values)
  }
  return found
}

/** @throws ChannelsError `INVALID_QUERY` unless the records have the path, and one value there. */
export function checkComparable(
  schema: z.core.$ZodType,
  path: unknown,
): readonly z.core.$ZodType[] {
  const schemas = checkPath(schema, path)
  if (!isComparable(schemas)) {
    throw invalid(`"${path}" is a list or an object: only single values are compared`)
  }
  return schemas
}

/** @throws ChannelsError `INVALID_QUERY` unless the records have the path. */
export function checkPath(schema: z.core.$ZodType, path: unknown): readonly z.core.$ZodType[] {
  const schemas = typeof path === 'string' ? schemasAt(schema, path) : []
  if (schemas.length === 0) {
    throw invalid(`the records have no attribute ${shown(path)}${dottedName(schema, path)}`)
  }
  return schemas
}

export function invalid(message: string): ChannelsError {
  return new ChannelsError('INVALID_QUERY', message)
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The tree of a filter that is a tree, or is in the typed spelling, or is mixed of both. */
function filterTree(where: unknown, depth: number): Filter {
  if (depth < 0) throw invalid('the filter nests deeper than the limit')
  if (!isObject(where)) throw invalid(`a filter is an object, not ${shown(where)}`)
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

class Checker {
  readonly #schema: z.core.$ZodType
  readonly #limits: Limits
  #terms = 0
  #listed = 0

  constructor(schema: z.core.$ZodType, limits: Limits) {
    this.#schema = schema
    this.#limits = limits
  }

  check(filter: Filter): Condition {
    if ('path' in filter) return this.#comparison(filter)
    if ('not' in filter) return { kind: 'not', term: this.check(filter.not) }
    const [kind, terms] =
      'and' in filter ? ['and' as const, filter.and] : ['or' as const, filter.or]
    return { kind, terms: terms.map((term) => this.check(term)) }
  }

  #comparison(filter: Extract<Filter, { readonly path: string }>): Condition {
    if (++this.#terms > this.#limits.terms) {
      throw invalid(`a query has at most ${this.#limits.terms} comparisons`)
    }
    const { path, op } = filter
    const schemas = checkComparable(this.#schema, path)
    if (!OPERATORS.includes(op)) {
      throw invalid(`${shown(op)} of "${path}" is no operator: use one of ${OPERATORS.join(', ')}`)
    }
    if (op === 'in') return this.#among(path, (filter as { values?: unknown }).values, schemas)
    if ('other' in filter) {
      checkComparable(this.#schema, filter.other)
      return { kind: 'pair', path, other: filter.other, holds: comparator(op) }
    }
    if (!('value' in filter)) throw invalid(`"${path}" is compared with nothing: give a value`)
    const operand = operandOf(path, (filter as { value?: unknown }).value, schemas)
    const { spellings } = operand
    return {
      kind: 'field',
      path,
      op,
      holds: comparedWith(op, operand),
      constant: spellings.length === 1 && operand.time === undefined ? spellings[0] : undefined,
      values: op === 'eq' ? valuesOf([operand]) : undefined,
    }
  }

  #among(path: string, values: unknown, schemas: readonly z.core.$ZodType[]): Condition {
    if (!Array.isArray(values)) throw invalid(`"in" of "${path}" needs a list of values`)
    this.#listed += values.length
    if (this.#listed > this.#limits.terms * 16) {
      throw invalid(`a query has at most ${this.#limits.terms * 16} values in lists`)
    }
    const operands = values.map((value) => operandOf(path, value, schemas))
    return {
      kind: 'field',
      path,
      op: 'in',
      holds: amongAll(operands),
      constant: undefined,
      values: valuesOf(operands),
    }
  }
}

/** A time may be spelled in many ways, so no list of values finds it. */
function valuesOf(operands: readonly Operand[]): readonly Scalar[] | undefined {
  return operands.some(({ time }) => time !== undefined)
    ? undefined
    : operands.flatMap(({ spellings }) => spellings)
}
