import { timestampOf } from '@gw/core'
import type { ComparisonOperator, Scalar } from '@gw/protocol'
import type { z } from 'zod'
import { compareTexts, compareValues, isPlainText } from './compare.js'
import { ChannelsError } from './errors.js'
import { isoText } from './mint.js'
import { shown } from './shown.js'
import { isTimestampSchema } from './struct.js'

/** Whether a value stands in the relation that a query asks for. */
export type Holds = (value: unknown) => boolean

/** What a field is compared with. */
export interface Operand {
  /** The value as it may stand in a field: null, a text, a number, a boolean. */
  readonly spellings: readonly Scalar[]
  /** Microseconds, when the field is a time in any spelling. */
  readonly time?: number
}

const DECIMAL = /^[+-]?\d+(?:\.\d+)?$/

/**
 * What `value` means to a field of these schemas. A text is a number only where it is that number's decimal spelling, and
 * the other way round; nothing else is cast.
 * @throws ChannelsError `INVALID_QUERY` naming the path, when it is no single value.
 */
export function operandOf(
  path: string,
  value: unknown,
  schemas: readonly z.core.$ZodType[],
): Operand {
  const types = new Set(schemas.map(typeOf))
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
      if (!types.has('any') && schemas.some(isTime)) {
        const time = timeOf(value)
        if (!Number.isNaN(time)) return { spellings, time }
      }
      return { spellings }
    }
    default:
      throw new ChannelsError(
        'INVALID_QUERY',
        `"${path}" is compared with ${shown(value)}: give a text, a number, a boolean or null`,
      )
  }
}

/** A comparison with a constant. Null is equal to null, and neither before nor after anything. */
export function comparedWith(op: ComparisonOperator, operand: Operand): Holds {
  if (op === 'ne') {
    const equals = comparedWith('eq', operand)
    return (value) => !equals(value)
  }
  const { spellings, time } = operand
  if (time !== undefined) {
    const holds = timeComparison(op, time)
    return (value) => typeof value === 'string' && holds(value)
  }
  if (op === 'eq') return oneOf(spellings)
  const number = spellings.find((value) => typeof value === 'number')
  const text = spellings.find((value) => typeof value === 'string')
  const truth = spellings.find((value) => typeof value === 'boolean')
  if (truth !== undefined) {
    const holds = comparator(op)
    return (value) => spellings.some((spelling) => holds(value, spelling))
  }
  const numberHolds = number === undefined ? never : numberComparison(op, number)
  const textHolds = text === undefined ? never : textComparison(op, text)
  return (value) =>
    typeof value === 'number' ? numberHolds(value) : typeof value === 'string' && textHolds(value)
}

/** Whether a value is one of several operands. */
export function amongAll(operands: readonly Operand[]): Holds {
  const known = oneOf(
    operands.flatMap(({ time, spellings }) => (time === undefined ? spellings : [])),
  )
  const times = new Set(operands.flatMap(({ time }) => (time === undefined ? [] : [time])))
  if (times.size === 0) return known
  // Most texts are of a time outside of them, which shows without reading it.
  const isNotBefore = timeComparison('ge', Math.min(...times))
  const isNotAfter = timeComparison('le', Math.max(...times))
  return (value) =>
    known(value) ||
    (typeof value === 'string' &&
      isNotBefore(value) &&
      isNotAfter(value) &&
      times.has(timeOf(value)))
}

function oneOf(spellings: readonly Scalar[]): Holds {
  const [only] = spellings
  if (spellings.length === 1 && only !== null) return (value) => value === only
  const all = new Set<unknown>(spellings)
  return (value) => all.has(value ?? null)
}

function never(): boolean {
  return false
}

type OrderOperator = Exclude<ComparisonOperator, 'eq' | 'ne'>

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

/** A comparison of a text in ISO 8601 with a time. */
function timeComparison(op: 'eq' | OrderOperator, time: number): (text: string) => boolean {
  // A slice of a text is a view of it, which compares several times slower than a text of its own.
  const second = [...isoText(time)].slice(0, 19).join('')
  const lastDigit = second.charCodeAt(18)
  const isBefore = op === 'lt' || op === 'le'
  const holds = op === 'eq' ? (value: number) => value === time : numberComparison(op, time)
  return (text) => {
    // Of texts that are written alike the order is that of the times, except within a second.
    if (isUtcText(text) && (text.charCodeAt(18) !== lastDigit || !text.startsWith(second))) {
      return op !== 'eq' && text < second === isBefore
    }
    return holds(timeOf(text))
  }
}

/** Whether a time is written in UTC, down to the second. */
function isUtcText(text: string): boolean {
  return (
    text.length >= 20 &&
    text.charCodeAt(text.length - 1) === 90 /* Z */ &&
    text.charCodeAt(4) === 45 /* - */ &&
    text.charCodeAt(10) === 84 /* T */ &&
    text.charCodeAt(16) === 58 /* : */
  )
}

/** A comparison of two values of which neither is known beforehand. */
export function comparator(op: ComparisonOperator): (a: unknown, b: unknown) => boolean {
  if (op === 'eq') return isEqual
  if (op === 'ne') return (a, b) => !isEqual(a, b)
  return (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') {
      return op === 'lt' ? a < b : op === 'le' ? a <= b : op === 'gt' ? a > b : a >= b
    }
    const [left, right] = alike(a, b)
    if (left === null || typeof left !== typeof right || typeof left === 'object') return false
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
  if (a === b) return true
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
