import { isUtf8 } from 'node:buffer'
import type { WebServerError } from '../errors.js'
import { invalid } from './validation.js'

/** Bounds of a JSON text. */
export interface JsonLimits {
  /** Objects and arrays inside one another. */
  readonly maxJsonDepth: number
}

const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
/** Whether a text may hold a key that we refuse; an escape may hide one. */
const SUSPICIOUS_KEY = /__proto__|constructor|prototype|\\u/
/** Whether a text may hold an integer that a JavaScript number cannot hold exactly. */
const LONG_DIGITS = /\d{16}/

/**
 * Parses a JSON text from outside.
 * @throws WebServerError `INVALID_JSON` for what is no JSON, too deep, would reach a prototype, or would be rounded.
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits): unknown {
  if (!isUtf8(bytes)) throw notJson(0, 'the text is not UTF-8')
  return parseJsonText(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(), limits)
}

/** As {@link parseJson}, of a text that is decoded already. */
export function parseJsonText(text: string, limits: JsonLimits): unknown {
  // Nesting of depth d takes 2d characters, so short texts need no look.
  if (text.length > limits.maxJsonDepth * 2) checkDepth(text, limits.maxJsonDepth)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const message = (error as SyntaxError).message
    const offset = /at position (\d+)/.exec(message)
    throw notJson(offset === null ? text.length : Number(offset[1]), plainMessage(message))
  }
  if (SUSPICIOUS_KEY.test(text)) checkKeys(value, [])
  if (LONG_DIGITS.test(text)) checkIntegers(text)
  return value
}

function notJson(offset: number, reason: string): WebServerError {
  return invalid('INVALID_JSON', [
    {
      type: 'json_invalid',
      loc: ['body', offset],
      msg: 'JSON decode error',
      input: {},
      ctx: { error: reason },
    },
  ])
}

/** V8's message without the piece of the text that it quotes. */
function plainMessage(message: string): string {
  return message.replace(/, ".*$/s, '').replace(/ in JSON at position \d+.*$/s, '')
}

function checkDepth(text: string, maxDepth: number): void {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) at = endOfString(text, at)
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > maxDepth) throw notJson(at, `nested deeper than ${maxDepth}`)
    } else if (code === 0x7d || code === 0x5d) depth--
  }
}

/** Index of the quote that ends the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === 0x22) return at
    at += code === 0x5c ? 2 : 1
  }
  return at
}

function checkKeys(value: unknown, path: readonly (string | number)[]): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) checkKeys(element, [...path, index])
    return
  }
  for (const key of Object.keys(value)) {
    if (FORBIDDEN_KEYS.has(key)) {
      throw invalid('INVALID_JSON', [
        {
          type: 'extra_forbidden',
          loc: ['body', ...path, key],
          msg: 'Extra inputs are not permitted',
          input: null,
        },
      ])
    }
    checkKeys((value as Record<string, unknown>)[key], [...path, key])
  }
}

/** Finds the integers that parsing a text has rounded. @throws WebServerError `INVALID_RECORD`. */
function checkIntegers(text: string): void {
  for (const { path, literal } of numbersIn(text)) {
    if (!/^-?\d+$/.test(literal) || !isRounded(literal)) continue
    throw invalid('INVALID_RECORD', [
      {
        type: 'int_parsing_size',
        loc: ['body', ...path],
        msg: 'Input should be an integer that a double-precision number can hold exactly',
        input: literal,
      },
    ])
  }
}

/** A number in a JSON text, as it is written. */
interface WrittenNumber {
  /** Where it is; good until the next one. */
  readonly path: readonly (string | number)[]
  readonly literal: string
}

/** Walks a text that is known to be JSON from number to number. */
export function* numbersIn(text: string): Generator<WrittenNumber> {
  const path: (string | number)[] = []
  const inArray: boolean[] = []
  let at = 0
  while (at < text.length) {
    const char = text[at] as string
    if (char === '"') {
      const end = endOfString(text, at)
      const isKey = inArray.at(-1) === false && /^\s*:/.test(text.slice(end + 1, end + 64))
      if (isKey) path[path.length - 1] = JSON.parse(text.slice(at, end + 1)) as string
      at = end + 1
    } else if (char === '{' || char === '[') {
      inArray.push(char === '[')
      path.push(char === '[' ? 0 : '')
      at++
    } else if (char === '}' || char === ']') {
      inArray.pop()
      path.pop()
      at++
    } else if (char === ',') {
      if (inArray.at(-1) === true) path[path.length - 1] = (path.at(-1) as number) + 1
      at++
    } else if (char === '-' || (char >= '0' && char <= '9')) {
      const [literal] = /^-?[\d.eE+-]+/.exec(text.slice(at, at + 1_100)) as RegExpExecArray
      yield { path, literal }
      at += literal.length
    } else at++
  }
}

function isRounded(integer: string): boolean {
  const value = Number(integer)
  return !Number.isFinite(value) || BigInt(value) !== BigInt(integer)
}
