import { days, hours, isoOf, micros, minutes, ms, seconds, timestampOf, wallNow } from '@gw/core'
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

test('a text in UTC is read as Date reads it, with the digits of a second that there are, and the days that a month has', () => {
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
      const lastDay = new Date(Date.UTC(2000 + (Number(year) % 400), Number(month), 0)).getUTCDate()
      const isNone = Number.isNaN(milliseconds) || Number(day) > lastDay
      if (isNone) expect(() => timestampOf(text)).toThrow(RangeError)
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
  expect(isoOf(timestampOf('2000-02-29T23:59:59Z'))).toBe('2000-02-29T23:59:59.000000Z')
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
  '2001-02-29T00:00:00Z',
  '1900-02-29T00:00:00Z',
  '2001-02-29',
  '2001-04-31T04:05:06+02:00',
])('%j is no time', (text) => {
  expect(() => timestampOf(text)).toThrow(RangeError)
})

test.each([
  ['micros', micros, 1],
  ['ms', ms, 1_000],
  ['seconds', seconds, 1_000_000],
  ['minutes', minutes, 60_000_000],
  ['hours', hours, 3_600_000_000],
  ['days', days, 86_400_000_000],
])('%s are whole microseconds', (_unit, durationOf, unit) => {
  expect([0, 1, 3, -2].map(durationOf)).toEqual([0, unit, 3 * unit, -2 * unit])
  expect(durationOf(1.5)).toBe(Math.round(1.5 * unit))
  expect(durationOf(1 / 3)).toBe(Math.round(unit / 3))
})

test('the wall clock is that of the platform', () => {
  const now = wallNow()
  expect(Number.isSafeInteger(now)).toBe(true)
  expect(Math.abs(now / 1_000 - Date.now())).toBeLessThan(60_000)
})
