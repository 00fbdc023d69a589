import { isoOf, timestampOf } from '@gw/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'

// What a number holds exactly: the years 1684 to 2255.
const timestamp = fc.integer({ min: -9_000_000_000_000_000, max: 9_000_000_000_000_000 })

test('a timestamp is spelled as Date spells it, with microseconds', () => {
  fc.assert(
    fc.property(timestamp, (time) => {
      const milliseconds = Math.floor(time / 1_000)
      const micros = String(time - milliseconds * 1_000).padStart(3, '0')
      expect(isoOf(time)).toBe(`${new Date(milliseconds).toISOString().slice(0, -1)}${micros}Z`)
    }),
  )
})

test('reading a spelled timestamp gives it back', () => {
  fc.assert(
    fc.property(timestamp, (time) => {
      expect(timestampOf(isoOf(time))).toBe(time)
    }),
  )
})

test('a text in UTC is read as Date reads it, with the digits of a second that there are', () => {
  const number = (digits: number, max: number): fc.Arbitrary<string> =>
    fc.integer({ min: 0, max }).map((n) => String(n).padStart(digits, '0'))
  const parts = fc.tuple(
    number(4, 9999),
    number(2, 13),
    number(2, 32),
    number(2, 25),
    number(2, 61),
    number(2, 61),
    fc.option(number(1, 99_999_999)),
  )
  fc.assert(
    fc.property(parts, ([year, month, day, hour, minute, second, fraction]) => {
      const time = `${year}-${month}-${day}T${hour}:${minute}:${second}`
      const milliseconds = Date.parse(`${time}Z`)
      const text = fraction === null ? `${time}Z` : `${time}.${fraction}Z`
      if (Number.isNaN(milliseconds)) expect(() => timestampOf(text)).toThrow(RangeError)
      else {
        const micros = Number((fraction ?? '').slice(0, 6).padEnd(6, '0'))
        expect(timestampOf(text)).toBe(milliseconds * 1_000 + micros)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('the order of texts is the order of times', () => {
  fc.assert(
    fc.property(timestamp, timestamp, (a, b) => {
      expect(isoOf(a) < isoOf(b)).toBe(a < b)
    }),
  )
})

test('a text without a zone is UTC, an offset is converted', () => {
  expect(isoOf(timestampOf('2001-03-01'))).toBe('2001-03-01T00:00:00.000000Z')
  expect(isoOf(timestampOf('2001-03-01T06:00'))).toBe('2001-03-01T06:00:00.000000Z')
  expect(isoOf(timestampOf('2001-03-01T06:00:00.5+02:00'))).toBe('2001-03-01T04:00:00.500000Z')
})

test.each([
  '',
  'soon',
  '2001-13-01',
  '2001-02-03T',
  '12',
  '2001-02-03T04:05:06.Z',
  '2001-02-03T04:05:0aZ',
  '2001-02-03T04:05:06.1aZ',
  '2001/02/03T04:05:06Z',
])('%j is no time', (text) => {
  expect(() => timestampOf(text)).toThrow(RangeError)
})
