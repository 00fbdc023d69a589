import { stepsOf } from '@gw/protocol'
import { z } from 'zod'
import { isPlainText } from './compare.js'
import { type Condition, predicateOf } from './filter.js'
import { isInherited, readerOf } from './paths.js'

/** Adds the places of the records that meet a condition to `found`, in order; without one, of all. Places without a record are passed over. */
export type Scan = (records: readonly unknown[], found: number[]) => void

/** Below this number of records making code costs more than it saves. */
const WORTH_CODE = 2_000

/**
 * How to look for the records that meet a condition among `count`. Code that is made for the one condition is three times
 * as fast as calls from condition to condition; where code cannot be generated, those calls do the same.
 */
export function scanOf(condition: Condition | undefined, count: number): Scan {
  if (condition === undefined) return all
  if (count >= WORTH_CODE && z.core.util.allowsEval.value) return generatedScan(condition)
  const matches = predicateOf(condition)
  return (records, found) => {
    for (let place = 0; place < records.length; place++) {
      const record = records[place]
      if (record !== undefined && matches(record)) found.push(place)
    }
  }
}

function all(records: readonly unknown[], found: number[]): void {
  for (let place = 0; place < records.length; place++) {
    if (records[place] !== undefined) found.push(place)
  }
}

/** Code by what makes it: run again, for other values, it is fast from the first record on. */
const codes = new Map<string, (...constants: readonly unknown[]) => Scan>()
const MAX_CODES = 256

function generatedScan(condition: Condition): Scan {
  const steps: string[] = []
  const operands: unknown[] = []
  const source = sourceOf(condition, steps, operands)
  // One code for each set of paths, so that it reads the same fields each time.
  const key = JSON.stringify([source, steps])
  let code = codes.get(key)
  if (code === undefined) {
    if (codes.size === MAX_CODES) codes.clear()
    code = codeOf(source, steps.length, operands.length)
    codes.set(key, code)
  }
  return code(...steps, ...operands)
}

function codeOf(
  source: string,
  steps: number,
  operands: number,
): (...c: readonly unknown[]) => Scan {
  const names = [
    ...Array.from({ length: steps }, (_, i) => `step${i}`),
    ...Array.from({ length: operands }, (_, i) => `operand${i}`),
  ]
  const lines = [
    'return (records, found) => {',
    '  let value',
    '  for (let place = 0; place < records.length; place++) {',
    '    const record = records[place]',
    `    if (record !== undefined && ${source}) found.push(place)`,
    '  }',
    '}',
  ]
  return new Function(...names, lines.join('\n')) as (...c: readonly unknown[]) => Scan
}

const SYMBOLS = { lt: '<', le: '<=', gt: '>', ge: '>=' } as const

/** Nothing from outside gets into the code: the steps of paths and the values are parameters that it names. */
function sourceOf(condition: Condition, steps: string[], operands: unknown[]): string {
  const operand = (value: unknown): string => `operand${operands.push(value) - 1}`
  const read = (path: string): string => {
    if (isInherited(path)) return `${operand(readerOf(path))}(record)`
    return stepsOf(path).reduce(
      (inner, step) => `${inner}?.[step${steps.push(step) - 1}]`,
      'record',
    )
  }
  switch (condition.kind) {
    case 'and':
    case 'or': {
      const terms = condition.terms.map((term) => sourceOf(term, steps, operands))
      if (terms.length === 0) return String(condition.kind === 'and')
      return `(${terms.join(condition.kind === 'and' ? ' && ' : ' || ')})`
    }
    case 'not':
      return `!${sourceOf(condition.term, steps, operands)}`
    case 'pair':
      return `${operand(condition.holds)}(${read(condition.path)}, ${read(condition.other)})`
    case 'field': {
      const { op, holds, constant } = condition
      const value = read(condition.path)
      if (constant === undefined || op === 'in') return `${operand(holds)}(${value})`
      // Null is also what is missing.
      if (op === 'eq')
        return constant === null ? `(${value} == null)` : `(${value} === ${operand(constant)})`
      if (op === 'ne')
        return constant === null ? `(${value} != null)` : `(${value} !== ${operand(constant)})`
      if (typeof constant === 'number' || (typeof constant === 'string' && isPlainText(constant))) {
        return `(typeof (value = ${value}) === '${typeof constant}' && value ${SYMBOLS[op]} ${operand(constant)})`
      }
      return `${operand(holds)}(${value})`
    }
  }
}
