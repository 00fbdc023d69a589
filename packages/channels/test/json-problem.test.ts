import { expect, test } from 'vitest'
import { z } from 'zod'
import { jsonProblemOf, struct } from '../src/index.js'

const Closed = struct('Closed', { at: z.array(z.number().nullable()), side: z.enum(['a', 'b']) })
const Free = struct('Free', { inner: z.object({ any: z.unknown() }).optional() })
const Tree = struct('Tree', {
  get trees(): z.ZodArray<z.ZodType> {
    return z.array(Tree)
  },
})
const nested = (depth: number): unknown => {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

test.each<[what: string, schema: z.ZodType, value: unknown, problem: RegExp | undefined]>([
  ['what a schema looks at all through', Closed, { at: [1, null], side: 'a' }, undefined],
  ['a plain value where anything may be', Free, { inner: { any: { list: [1, 'x'] } } }, undefined],
  ['a value that is not there', Free, { inner: undefined }, undefined],
  ['a date', Free, { inner: { any: new Date(0) } }, /^inner\.any .*Date/],
  ['a function', z.unknown(), () => 1, /a function/],
  ['undefined in a list', z.unknown(), [undefined], /^0 .*undefined/],
  ['what nests too deep', Free, { inner: { any: nested(100_000) } }, /^inner\.any.*too deep/],
  ['what nests deep', Free, { inner: { any: nested(100) } }, undefined],
  ['a schema inside itself', Tree, { trees: nested(100_000) }, /too deep/],
  ['fields beside those of a loose object', z.looseObject({}), { odd: 1n }, /^odd .*bigint/],
  ['values of a record', z.record(z.string(), z.any()), { odd: Symbol('odd') }, /^odd .*symbol/],
  ['one of several', z.union([z.string(), z.unknown()]), new Map(), /Map/],
])('%s', (_, schema, value, problem) => {
  const told = jsonProblemOf(schema, value)
  if (problem === undefined) expect(told).toBeUndefined()
  else expect(told).toMatch(problem)
})
