import type { ErrorCode, FieldError } from '@gw/protocol'
import type { z } from 'zod'
import { WebServerError } from '../errors.js'

/** One thing that is wrong with an input, in the form that the reference's clients know. */
export interface ValidationItem {
  readonly type: string
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly input?: unknown
  readonly ctx?: Readonly<Record<string, unknown>>
}

type Issue = z.core.$ZodIssue

/** The refusal of an input: the items as `detail`, and the same as `errors`. */
export function invalid(
  code: ErrorCode,
  items: readonly ValidationItem[],
  own: readonly ValidationItem[] = items,
): WebServerError {
  const errors: FieldError[] = own.map((item) => ({
    path: item.loc.slice(1),
    message: item.msg,
  }))
  const first = errors[0]
  const where = first === undefined || first.path.length === 0 ? '' : ` at ${first.path.join('.')}`
  return new WebServerError(code, `${first?.message ?? 'invalid'}${where}`, {
    detail: items,
    errors,
  })
}

/**
 * The items of what zod found wrong with records of `schema`. `depth` steps of each path lead to a record; inputs are
 * those that the issues report.
 */
export function itemsOf(
  issues: readonly Issue[],
  schema: z.ZodType,
  prefix: readonly (string | number)[],
  depth: number,
): ValidationItem[] {
  return issues.flatMap((issue) => {
    const path = issue.path as (string | number)[]
    const input = (issue as { readonly input?: unknown }).input
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        type: 'extra_forbidden',
        loc: [...prefix, ...path, key],
        msg: 'Extra inputs are not permitted',
        input: (input as Readonly<Record<string, unknown>> | undefined)?.[key] ?? null,
      }))
    }
    const { type, msg, ctx } = wordingOf(issue, input, schemaAt(schema, path.slice(depth)))
    const loc = [...prefix, ...path]
    return [{ type, loc, msg, input: input ?? null, ...(ctx === undefined ? {} : { ctx }) }]
  })
}

interface Wording {
  readonly type: string
  readonly msg: string
  readonly ctx?: Readonly<Record<string, unknown>>
}

function wordingOf(issue: Issue, input: unknown, schema: z.ZodType | undefined): Wording {
  switch (issue.code) {
    case 'invalid_type':
      return input === undefined
        ? { type: 'missing', msg: 'Field required' }
        : typeWording(issue.expected, input, schema)
    case 'invalid_value': {
      const expected = alternatives(issue.values.map(literal))
      return { type: 'enum', msg: `Input should be ${expected}`, ctx: { expected } }
    }
    case 'too_small':
      return sizeWording(issue, issue.minimum, issue.inclusive === true ? 'ge' : 'gt')
    case 'too_big':
      return sizeWording(issue, issue.maximum, issue.inclusive === true ? 'le' : 'lt')
    case 'custom':
      return { type: 'value_error', msg: `Value error, ${issue.message}`, ctx: { error: {} } }
    case 'invalid_format':
      if (issue.format === 'datetime') {
        return {
          type: 'datetime_from_date_parsing',
          msg: `Input should be a valid datetime, ${issue.message}`,
        }
      }
      if (issue.format === 'date') {
        return {
          type: 'date_from_datetime_parsing',
          msg: `Input should be a valid date, ${issue.message}`,
        }
      }
      return { type: 'string_pattern_mismatch', msg: issue.message }
    default:
      return { type: issue.code ?? 'value_error', msg: issue.message }
  }
}

function typeWording(expected: string, input: unknown, schema: z.ZodType | undefined): Wording {
  switch (expected) {
    case 'int':
      return {
        type: 'int_from_float',
        msg: 'Input should be a valid integer, got a number with a fractional part',
      }
    case 'number': {
      const [name, noun] = isInteger(schema) ? ['int', 'integer'] : ['float', 'number']
      return typeof input === 'string'
        ? {
            type: `${name}_parsing`,
            msg: `Input should be a valid ${noun}, unable to parse string as ${name === 'int' ? 'an' : 'a'} ${noun}`,
          }
        : { type: `${name}_type`, msg: `Input should be a valid ${noun}` }
    }
    case 'string':
      return { type: 'string_type', msg: 'Input should be a valid string' }
    case 'boolean':
      return { type: 'bool_type', msg: 'Input should be a valid boolean' }
    case 'array':
      return { type: 'list_type', msg: 'Input should be a valid list' }
    case 'record':
      return { type: 'dict_type', msg: 'Input should be a valid dictionary' }
    case 'object':
      return {
        type: 'model_attributes_type',
        msg: 'Input should be a valid dictionary or object to extract fields from',
      }
    default:
      return { type: `${expected}_type`, msg: `Input should be a valid ${expected}` }
  }
}

const COMPARISON = {
  ge: ['greater_than_equal', 'greater than or equal to'],
  gt: ['greater_than', 'greater than'],
  le: ['less_than_equal', 'less than or equal to'],
  lt: ['less_than', 'less than'],
} as const

function sizeWording(
  issue: { readonly origin: string; readonly message: string },
  bound: number | bigint,
  comparison: keyof typeof COMPARISON,
): Wording {
  const isMinimum = comparison === 'ge' || comparison === 'gt'
  const ctx = { [comparison]: Number(bound) }
  if (issue.origin === 'string') {
    return { type: isMinimum ? 'string_too_short' : 'string_too_long', msg: issue.message, ctx }
  }
  if (issue.origin !== 'number' && issue.origin !== 'int') {
    return { type: isMinimum ? 'too_short' : 'too_long', msg: issue.message, ctx }
  }
  const [type, words] = COMPARISON[comparison]
  return { type, msg: `Input should be ${words} ${bound}`, ctx }
}

/** `1, 2 or 3` */
export function alternatives(words: readonly string[]): string {
  return words.length < 2
    ? words.join('')
    : `${words.slice(0, -1).join(', ')} or ${words[words.length - 1]}`
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value)
}

/** The schema at a path, as far as it can be told without knowing which branch of a union was meant. */
function schemaAt(schema: z.ZodType, path: readonly (string | number)[]): z.ZodType | undefined {
  let at: SchemaView | undefined = view(schema)
  for (const step of path) {
    if (at === undefined) return undefined
    const { shape } = at
    // What every object has is no field of it.
    const field = shape !== undefined && Object.hasOwn(shape, step) ? shape[step] : undefined
    at = view(field ?? at.element ?? at.valueType)
  }
  return at as z.ZodType | undefined
}

/** The members of a zod schema that lead to the schemas inside it. */
interface SchemaView {
  readonly def: { readonly type: string; readonly innerType?: SchemaView }
  readonly shape?: { readonly [key: string | number]: SchemaView }
  readonly element?: SchemaView
  readonly valueType?: SchemaView
  readonly format?: string | null
}

function view(schema: unknown): SchemaView | undefined {
  let at = schema as SchemaView | undefined
  while (at?.def.innerType !== undefined) at = at.def.innerType
  return at
}

/** Kind of the schema at a path: `number`, `boolean`, `string` and so on. */
export function typeAt(schema: z.ZodType, path: readonly (string | number)[]): string | undefined {
  return (schemaAt(schema, path) as SchemaView | undefined)?.def.type
}

function isInteger(schema: z.ZodType | undefined): boolean {
  const format = (schema as SchemaView | undefined)?.format
  return format === 'safeint' || format === 'int32' || format === 'uint32'
}
