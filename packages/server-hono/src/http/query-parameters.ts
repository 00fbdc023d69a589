import { isoOf, timestampOf } from '@gw/core'
import {
  type ComparisonOperator,
  type Filter,
  QUERY_LIMITS,
  type Query,
  type SortKey,
  splitUnescaped,
  stepsOf,
} from '@gw/protocol'
import type { z } from 'zod'
import { WebServerError } from '../errors.js'
import { parseJsonText } from './json.js'
import { invalid, typeAt, type ValidationItem } from './validation.js'

/** Each level of a tree is an object and a list. */
const TREE_LIMITS = { maxJsonDepth: QUERY_LIMITS.depth * 2 + 4 }
const OPERATORS: ReadonlySet<string> = new Set(['eq', 'ne', 'lt', 'le', 'gt', 'ge'])
const REFERENCE_OPERATOR: { readonly [where: string]: ComparisonOperator } = {
  '==': 'eq',
  '!=': 'ne',
  '<': 'lt',
  '<=': 'le',
  '>': 'gt',
  '>=': 'ge',
}

/**
 * The query that a URL's parameters spell: the reference's `query`, and the readable `where`, `sort`, `limit`,
 * `offset`, `select` and `count`.
 * @throws WebServerError `INVALID_QUERY`, or `INVALID_JSON` when `query` is no JSON.
 */
export function queryOfParameters(parameters: URLSearchParams, record: z.ZodType): Query {
  const terms = [
    ...parameters.getAll('query').flatMap(referenceTerms),
    ...parameters.getAll('where').map((text) => readableTerm(text, record)),
  ]
  if (terms.length > QUERY_LIMITS.terms) {
    throw badQuery(`a query has at most ${QUERY_LIMITS.terms} terms, not ${terms.length}`)
  }
  const sort = list(parameters, 'sort')?.map(sortKey)
  const select = list(parameters, 'select')
  const limit = wholeNumber(parameters, 'limit')
  const offset = wholeNumber(parameters, 'offset')
  return {
    ...(terms.length === 0 ? {} : { where: { and: terms } }),
    ...(sort === undefined ? {} : { sort }),
    ...(limit === undefined ? {} : { limit }),
    ...(offset === undefined ? {} : { offset }),
    ...(select === undefined ? {} : { select }),
    ...(flagOf('count', once(parameters, 'count')) ? { count: true } : {}),
  }
}

/** Whether a parameter says yes. @throws WebServerError `INVALID_QUERY` when it says neither yes nor no. */
export function flagOf(name: string, text: string | null | undefined): boolean {
  if (text === '1' || text === 'true') return true
  if (text === undefined || text === null || text === '0' || text === 'false') return false
  throw badQuery(`${name}=${text} is neither 1 nor 0`)
}

/** `PATH:OPERATOR:VALUE`, or the JSON of a filter tree. */
function readableTerm(text: string, record: z.ZodType): Filter {
  if (text.startsWith('{')) return filterTree(text)
  const [path = ''] = splitUnescaped(text, ':')
  const [op, ...rest] = text.slice(path.length + 1).split(':')
  const value = rest.join(':')
  if (path === '' || op === undefined || rest.length === 0) {
    throw badQuery(`where=${text} is not of the form PATH:OPERATOR:VALUE, such as quantity:gt:10`)
  }
  if (op === 'in') {
    return { path, op, values: value.split(',').map((each) => scalar(each, path, record)) }
  }
  if (!OPERATORS.has(op)) {
    throw badQuery(`where=${text} has the operator ${op}: use eq, ne, lt, le, gt, ge or in`)
  }
  return { path, op: op as ComparisonOperator, value: scalar(value, path, record) }
}

function filterTree(text: string): Filter {
  try {
    return parseJsonText(text, TREE_LIMITS) as Filter
  } catch {
    throw badQuery(`where is no filter tree of at most ${QUERY_LIMITS.depth} levels in JSON`)
  }
}

/** A parameter is text; what it stands for follows from the field that it is compared with. */
function scalar(text: string, path: string, record: z.ZodType): string | number | boolean | null {
  if (text === 'null') return null
  const type = typeAt(record, stepsOf(path))
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  if (type === 'number' && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text)) {
    const value = Number(text)
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      throw badQuery(`${text} is an integer that cannot be held exactly`)
    }
    return value
  }
  return text
}

function sortKey(text: string): SortKey {
  const path = text.startsWith('-') ? text.slice(1) : text
  if (path === '') throw badQuery('sort names no path')
  return { path, order: text.startsWith('-') ? 'desc' : 'asc' }
}

function list(parameters: URLSearchParams, name: string): string[] | undefined {
  const texts = parameters.getAll(name)
  return texts.length === 0 ? undefined : texts.flatMap((text) => splitUnescaped(text, ','))
}

function wholeNumber(parameters: URLSearchParams, name: string): number | undefined {
  const text = once(parameters, name)
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) throw badQuery(`${name}=${text} is not a whole number`)
  return Number(text)
}

/** @throws WebServerError `INVALID_QUERY` when a parameter that says one thing is there twice. */
function once(parameters: URLSearchParams, name: string): string | undefined {
  const texts = parameters.getAll(name)
  if (texts.length > 1) throw badQuery(`${name} is given ${texts.length} times`)
  return texts[0]
}

function badQuery(message: string): WebServerError {
  return new WebServerError('INVALID_QUERY', message)
}

/** The terms of the reference's spelling: `{"filters":[{"attr","by":{"value"|"when"|"attr","where"}}]}`. */
function referenceTerms(text: string): Filter[] {
  let parsed: unknown
  try {
    parsed = parseJsonText(text, TREE_LIMITS)
  } catch (error) {
    if (error instanceof WebServerError && error.code === 'INVALID_RECORD') {
      throw badQuery('query has an integer that cannot be held exactly')
    }
    throw invalid('INVALID_JSON', [
      {
        type: 'json_invalid',
        loc: ['query', 'query'],
        msg: 'Invalid JSON',
        input: text,
        ctx: { error: (error as Error).message },
      },
    ])
  }
  const root = objectAt(parsed, [])
  const filters = root.filters
  if (filters === undefined || filters === null) return []
  if (!Array.isArray(filters)) {
    throw badShape({ type: 'list_type', loc: ['filters'], msg: 'Input should be a valid list' })
  }
  return filters.flatMap((filter, index) => referenceTerm(filter, ['filters', index]))
}

function referenceTerm(filter: unknown, loc: readonly (string | number)[]): Filter[] {
  const { attr, by: comparison } = objectAt(filter, loc)
  if (typeof attr !== 'string') throw notString(attr, [...loc, 'attr'])
  const by = objectAt(comparison, [...loc, 'by'])
  const op = REFERENCE_OPERATOR[by.where === undefined ? '==' : String(by.where)]
  if (op === undefined) {
    throw badShape({
      type: 'literal_error',
      loc: [...loc, 'by', 'where'],
      msg: "Input should be '==', '!=', '<', '<=', '>' or '>='",
      input: by.where,
      ctx: { expected: "'==', '!=', '<', '<=', '>' or '>='" },
    })
  }
  if (by.value !== undefined && by.value !== null) {
    const { value } = by
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw notString(value, [...loc, 'by', 'value'])
    }
    return [{ path: attr, op, value }]
  }
  if (by.when !== undefined && by.when !== null) {
    if (typeof by.when !== 'string') throw notString(by.when, [...loc, 'by', 'when'])
    return [{ path: attr, op, value: instant(by.when, [...loc, 'by', 'when']) }]
  }
  if (by.attr !== undefined && by.attr !== null && by.attr !== '') {
    if (typeof by.attr !== 'string') throw notString(by.attr, [...loc, 'by', 'attr'])
    return [{ path: attr, op, other: by.attr }]
  }
  return []
}

function instant(text: string, loc: readonly (string | number)[]): string {
  try {
    return isoOf(timestampOf(text))
  } catch {
    throw badShape({
      type: 'datetime_from_date_parsing',
      loc,
      msg: 'Input should be a valid datetime or date',
      input: text,
    })
  }
}

function objectAt(
  value: unknown,
  loc: readonly (string | number)[],
): { readonly [name: string]: unknown } {
  if (value === undefined) throw badShape({ type: 'missing', loc, msg: 'Field required' })
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as { readonly [name: string]: unknown }
  }
  throw badShape({
    type: 'model_type',
    loc,
    msg: 'Input should be a valid dictionary or object',
    input: value,
  })
}

function notString(input: unknown, loc: readonly (string | number)[]): WebServerError {
  return badShape(
    input === undefined
      ? { type: 'missing', loc, msg: 'Field required' }
      : { type: 'string_type', loc, msg: 'Input should be a valid string', input },
  )
}

/** A query of the wrong shape is a 400, its items as those of a 422. */
function badShape(item: ValidationItem): WebServerError {
  const refusal = invalid('INVALID_QUERY', [item])
  return new WebServerError('INVALID_QUERY', refusal.message, {
    detail: [{ input: null, url: 'urn:gw:error:INVALID_QUERY', ...item }],
    errors: [{ path: item.loc, message: item.msg }],
  })
}
