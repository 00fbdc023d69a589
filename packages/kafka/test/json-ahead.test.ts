import type { ReceivedRecord } from '@gw/kafka'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { JsonAhead } from '../src/json-ahead.js'

const recordOf = (text: string | null, i: number): ReceivedRecord => ({
  topic: 'orders',
  partition: 0,
  offset: String(i),
  key: null,
  value: text === null ? null : Buffer.from(text),
  headers: {},
  timestampMs: 0,
})

function outcomeOf(read: () => unknown): unknown {
  try {
    return { value: read() }
  } catch (error) {
    return { error: String(error) }
  }
}

/** As text is put together that makes others whole: in pairs, or with what stands between them. */
const odd = [
  '{"a":"x}',
  '{",","b":1}',
  '{"a":1},{"b":2}',
  '{"a":[1}',
  '{"a":["}',
  '{"]}',
  '{"a":{"b":1}}',
  '{"a":"{}"}',
  '1,2',
  '[3',
  '4]',
  '{"a":"',
  '"}',
  '"',
  '{"a":{}',
  '}',
  '',
  ' ',
  '1,',
  ',1',
  '[]]',
  '1 2',
]
const many = <T>(text: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(text, { maxLength: 300 })
const large = JSON.stringify('x'.repeat(70_000))

test('records are read as each of them alone is, whatever stands beside it', () => {
  const good = fc.oneof(fc.json(), fc.constantFrom('{"a":"é€😀"}', ' 1 ', '{"__proto__":1}', large))
  const text = fc.oneof(
    { weight: 8, arbitrary: good },
    { weight: 1, arbitrary: fc.constantFrom(...odd) },
    { weight: 1, arbitrary: fc.constant(null) },
  )
  const flat = fc.oneof(
    { weight: 20, arbitrary: fc.nat().map((n) => `{"n":${n},"text":"é"}`) },
    { weight: 1, arbitrary: fc.constantFrom(...odd) },
    { weight: 1, arbitrary: fc.constant(null) },
  )
  const blocks = fc.array(fc.oneof(text, fc.constantFrom(...odd)), { maxLength: 150 })
  fc.assert(
    fc.property(fc.oneof(many(text), many(flat), blocks), (texts) => {
      const records = texts.map(recordOf)
      const ahead = new JsonAhead(records)
      for (const record of records) {
        const { value } = record
        if (value === null) continue
        expect(outcomeOf(() => ahead.read(value, record))).toEqual(
          outcomeOf(() => JSON.parse(value.toString())),
        )
      }
    }),
    { numRuns: 300 },
  )
})

test('texts that make up for each other are found out', () => {
  const texts = ['1,2,3', '[3', '4]', '5']
  const records = texts.map(recordOf)
  const ahead = new JsonAhead(records)
  const read = records.map((record) => outcomeOf(() => ahead.read(record.value as Buffer, record)))
  expect(read).toEqual([
    { error: expect.stringContaining('SyntaxError') },
    { error: expect.stringContaining('SyntaxError') },
    { error: expect.stringContaining('SyntaxError') },
    { value: 5 },
  ])
})

test('flat texts that make up for each other are found out', () => {
  const texts = ['{"a":1},{"b":2}', '{"a":"}', '{","c":3}', '{"d":4}']
  const records = texts.map(recordOf)
  const ahead = new JsonAhead(records)
  const read = records.map((record) => outcomeOf(() => ahead.read(record.value as Buffer, record)))
  const wrong = { error: expect.stringContaining('SyntaxError') }
  expect(read).toEqual([wrong, wrong, wrong, { value: { d: 4 } }])
})

test('flat texts of which one is two values, and two are one, are found out', () => {
  const texts = ['{"a":1},5', '{"s":"', '{x"}', '{"b":2}']
  const records = texts.map(recordOf)
  const ahead = new JsonAhead(records)
  const read = records.map((record) => outcomeOf(() => ahead.read(record.value as Buffer, record)))
  expect(read).toEqual(texts.map((text) => outcomeOf(() => JSON.parse(text))))
  expect(read[3]).toEqual({ value: { b: 2 } })
})
