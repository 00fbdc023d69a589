import { LONGEST_TIMEOUT_MS } from './check-number.js'
import { GraphError } from './errors.js'
import { type Timestamp, wallNow } from './time.js'

/** The time that a realtime run follows. */
export interface Clock {
  /** Present time. Never goes back. */
  now(): Timestamp
  /** Calls `wake` once, as soon as the clock has reached `time`. @returns what takes the call back. */
  wakeAt(time: Timestamp, wake: () => void): () => void
}

/** Options of {@link wallClock}. */
export interface WallClockOptions {
  /** Time that the clock shows when it is made. @defaultValue the wall's */
  readonly start?: Timestamp
  /** How many seconds pass on it in a second of the wall. @defaultValue 1 */
  readonly speed?: number
}

/**
 * The clock of the wall, or one that starts at another time and runs at another speed, for replays.
 * @throws GraphError `INVALID_OPTION` when the speed is not a number above 0, or the start is no time.
 */
export function wallClock(options: WallClockOptions = {}): Clock {
  const { start, speed = 1 } = options
  if (!(speed > 0 && speed < Number.POSITIVE_INFINITY)) {
    throw new GraphError('INVALID_OPTION', `the speed of a clock is a number above 0, not ${speed}`)
  }
  const origin = wallNow()
  const first = start ?? origin
  checkTime('the start of a clock', first)
  let latest = first
  const now = (): Timestamp => {
    latest = Math.max(latest, first + Math.floor((wallNow() - origin) * speed))
    return latest
  }
  return {
    now,
    wakeAt: (time, wake) => {
      let timeout: ReturnType<typeof setTimeout>
      const wait = (): void => {
        const delayMs = Math.ceil((time - now()) / speed / 1_000)
        if (delayMs <= 0) wake()
        else timeout = setTimeout(wait, Math.min(delayMs, LONGEST_TIMEOUT_MS))
      }
      const delayMs = Math.ceil((time - now()) / speed / 1_000)
      timeout = setTimeout(wait, Math.min(Math.max(delayMs, 0), LONGEST_TIMEOUT_MS))
      return () => clearTimeout(timeout)
    },
  }
}

/** A clock that stands still until it is told to move: realtime runs in tests, without waiting. */
export interface ManualClock extends Clock {
  /**
   * Moves the clock to `time`, stopping at each time that somebody waits for; never back.
   * @throws GraphError `INVALID_OPTION` when it is no whole number of microseconds.
   */
  advanceTo(time: Timestamp): void
  /** Moves the clock by a duration, as {@link advanceTo} does. */
  advance(duration: number): void
}

/**
 * Makes a clock that moves only by `advance` and `advanceTo`.
 * @throws GraphError `INVALID_OPTION` when the start is no time.
 */
export function manualClock(start: Timestamp = 0): ManualClock {
  checkTime('the start of a clock', start)
  let present = start
  const waiting = new Set<{ readonly time: Timestamp; readonly wake: () => void }>()
  const advanceTo = (time: Timestamp): void => {
    checkTime('the time to advance to', time)
    for (;;) {
      let first: { readonly time: Timestamp; readonly wake: () => void } | undefined
      for (const entry of waiting) {
        if (entry.time <= time && (first === undefined || entry.time < first.time)) first = entry
      }
      if (first === undefined) break
      waiting.delete(first)
      present = Math.max(present, first.time)
      first.wake()
    }
    present = Math.max(present, time)
  }
  return {
    now: () => present,
    wakeAt: (time, wake) => {
      const entry = { time, wake }
      waiting.add(entry)
      return () => waiting.delete(entry)
    },
    advanceTo,
    advance: (duration) => advanceTo(present + duration),
  }
}

function checkTime(what: string, time: Timestamp): void {
  if (Number.isSafeInteger(time)) return
  throw new GraphError(
    'INVALID_OPTION',
    `${what} is a whole number of microseconds since 1970, not ${time}`,
  )
}
