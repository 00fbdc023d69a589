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
  const milliseconds = Math.floor(time / 1_000)
  const rest = time - milliseconds * 1_000
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(rest).padStart(3, '0')}Z`
}
