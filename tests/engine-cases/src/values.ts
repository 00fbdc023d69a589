import { ms, type Timestamp, timestampOf } from '@gw/core'
import type { Milliseconds } from './case.js'

/** Time 0 of the cases. */
const T0: Timestamp = timestampOf('2020-01-01T00:00:00Z')

export function timeOf(milliseconds: Milliseconds): Timestamp {
  return T0 + ms(milliseconds)
}

export function millisecondsOf(time: Timestamp): Milliseconds {
  return (time - T0) / 1_000
}

const SPECIAL: { readonly [text: string]: number } = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
}

/** A value as it runs: NaN and infinities are texts in JSON. */
export function decode(value: unknown, type: string): unknown {
  if (Array.isArray(value)) return value.map((element) => decode(element, type.replace('[]', '')))
  return type === 'float' && typeof value === 'string' ? (SPECIAL[value] ?? value) : value
}

/** A value that ticked, as JSON has it. */
export function encode(value: unknown, type: string): unknown {
  if (type === 'time') return millisecondsOf(value as Timestamp)
  if (type === 'nanoseconds') return Number((value as bigint) - BigInt(T0) * 1_000n)
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, each]) => [key, encode(each, type)]))
  }
  if (Array.isArray(value)) return value.map((each) => encode(each, type))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, encode(each, type)]))
  }
  if (typeof value !== 'number' || Number.isFinite(value)) return value
  return String(value)
}

/** Whether two values in JSON's form are the same: floats up to the rounding of sums, all else exactly. */
export function same(actual: unknown, expected: unknown): boolean {
  if (typeof actual === 'number' && typeof expected === 'number') {
    if (actual === expected) return true
    if (Number.isInteger(actual) && Number.isInteger(expected)) return false
    return Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(actual), Math.abs(expected))
  }
  if (Array.isArray(actual) && Array.isArray(expected)) {
    return actual.length === expected.length && actual.every((each, i) => same(each, expected[i]))
  }
  if (isObject(actual) && isObject(expected)) {
    const keys = Object.keys(actual)
    return (
      keys.length === Object.keys(expected).length &&
      keys.every((key) => Object.hasOwn(expected, key) && same(actual[key], expected[key]))
    )
  }
  return actual === expected
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
