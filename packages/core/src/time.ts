/** A point in engine time: integer microseconds since 1970-01-01T00:00:00Z. Exact until the year 2255. */
export type Timestamp = number

/** A span of engine time: integer microseconds. */
export type Duration = number

/** `n` microseconds. */
export function micros(n: number): Duration {
  return Math.round(n)
}

/** `n` milliseconds as a duration. */
export function ms(n: number): Duration {
  return Math.round(n * 1_000)
}

/** `n` seconds as a duration. */
export function seconds(n: number): Duration {
  return Math.round(n * 1_000_000)
}

/** `n` minutes as a duration. */
export function minutes(n: number): Duration {
  return Math.round(n * 60_000_000)
}

/** `n` hours as a duration. */
export function hours(n: number): Duration {
  return Math.round(n * 3_600_000_000)
}

/** `n` days of 24 hours as a duration. */
export function days(n: number): Duration {
  return Math.round(n * 86_400_000_000)
}

/** The wall clock as a timestamp, with the sub-millisecond part that the platform offers. */
export function wallNow(): Timestamp {
  return Math.round((performance.timeOrigin + performance.now()) * 1_000)
}

/**
 * The timestamp of a `Date`, or of an ISO 8601 text; a text without a zone is read as UTC.
 * Microseconds of the text are kept.
 * @throws RangeError when the text is not a time.
 */
export function timestampOf(time: Date | string): Timestamp {
  if (typeof time !== 'string') return time.getTime() * 1_000
  const micros = utcMicros(time)
  if (micros !== undefined) return micros
  const match = ISO.exec(time)
  if (match === null) throw new RangeError(`not an ISO 8601 time: ${JSON.stringify(time)}`)
  const [, date, clock = 'T00:00:00', fraction = '', zone = 'Z'] = match
  const milliseconds = Date.parse(`${date}T${clock.slice(1)}${zone.toUpperCase()}`)
  const [year = 0, month = 0, day = 0] = (date as string).split('-').map(Number)
  // Date reads the 30th of February as a day of March.
  if (Number.isNaN(milliseconds) || day > daysIn(year, month)) {
    throw new RangeError(`not an ISO 8601 time: ${JSON.stringify(time)}`)
  }
  return milliseconds * 1_000 + Number(fraction.slice(1, 7).padEnd(6, '0'))
}

const ISO = /^(\d{4}-\d{2}-\d{2})(?:([Tt ]\d{2}:\d{2}(?::\d{2})?)(\.\d+)?(Z|z|[+-]\d{2}:?\d{2})?)?$/

/** The same of a text in UTC down to the second, the way nearly all are written, 15 times as fast; `undefined` for others. */
function utcMicros(text: string): Timestamp | undefined {
  const end = text.length - 1
  if (end < 19 || text.charCodeAt(end) !== 90 /* Z */) return undefined
  if (
    text.charCodeAt(4) !== 45 /* - */ ||
    text.charCodeAt(7) !== 45 ||
    text.charCodeAt(10) !== 84 /* T */ ||
    text.charCodeAt(13) !== 58 /* : */ ||
    text.charCodeAt(16) !== 58
  ) {
    return undefined
  }
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2)
  const month = twoDigits(text, 5)
  const day = twoDigits(text, 8)
  const hour = twoDigits(text, 11)
  const minute = twoDigits(text, 14)
  const second = twoDigits(text, 17)
  if (year < 0 || month < 1 || month > 12 || day < 1) return undefined
  if (day > 28 && day > daysIn(year, month)) return undefined
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) {
    return undefined
  }
  let fraction = 0
  if (end > 19) {
    if (end === 20 || text.charCodeAt(19) !== 46 /* . */) return undefined
    for (let at = 20; at < end; at++) {
      const digit = text.charCodeAt(at) - 48
      if (digit < 0 || digit > 9) return undefined
      if (at < 26) fraction = fraction * 10 + digit
    }
    for (let at = end; at < 26; at++) fraction *= 10
  }
  return (
    (((daysOf(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + fraction
  )
}

/** The number that two digits of a text spell; below zero when they are none. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48
  const ones = text.charCodeAt(at + 1) - 48
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -10_000
}

function daysIn(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
}

/** Days since 1970-01-01 of a date; years begin in March, so that the leap day is the last. After Howard Hinnant's `days_from_civil`. */
function daysOf(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const leapDays =
    Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400)
  return marchYear * 365 + leapDays + dayOfYear - 719_468
}

/** ISO 8601 text of a timestamp: six digits of a second, ending in `Z`, so that text order is time order. */
export function isoOf(time: Timestamp): string {
  const day = Math.floor(time / DAY)
  if (day !== lastDay) {
    // Keeps the date and the `T`; the part behind has always the same width. Throws for what is no time.
    lastDate = new Date(day * 86_400_000).toISOString().slice(0, -13)
    lastDay = day
  }
  const rest = time - day * DAY
  const second = Math.floor(rest / 1_000_000)
  const fraction = rest - second * 1_000_000
  const minute = Math.floor(second / 60)
  const hour = Math.floor(minute / 60)
  const micros = fraction === 0 ? '000000' : String(fraction).padStart(6, '0')
  return `${lastDate}${TWO_DIGITS[hour]}:${TWO_DIGITS[minute % 60]}:${TWO_DIGITS[second % 60]}.${micros}Z`
}

/** A time in an error: ISO 8601, or the number where it is no time. */
export function describeTime(time: Timestamp): string {
  return Number.isFinite(time) ? isoOf(time) : String(time)
}

const DAY: Duration = 86_400_000_000
const TWO_DIGITS: readonly string[] = Array.from({ length: 60 }, (_, i) =>
  String(i).padStart(2, '0'),
)
let lastDay = Number.NaN
let lastDate = ''
