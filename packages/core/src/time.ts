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
  const match = ISO.exec(time)
  if (match === null) throw new RangeError(`not an ISO 8601 time: ${JSON.stringify(time)}`)
  const [, date, clock = 'T00:00:00', fraction = '', zone = 'Z'] = match
  const milliseconds = Date.parse(`${date}T${clock.slice(1)}${zone.toUpperCase()}`)
  if (Number.isNaN(milliseconds)) {
    throw new RangeError(`not an ISO 8601 time: ${JSON.stringify(time)}`)
  }
  return milliseconds * 1_000 + Number(fraction.slice(1, 7).padEnd(6, '0'))
}

const ISO = /^(\d{4}-\d{2}-\d{2})(?:([Tt ]\d{2}:\d{2}(?::\d{2})?)(\.\d+)?(Z|z|[+-]\d{2}:?\d{2})?)?$/

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
