import type { PushMode } from './push.js'
import type { Timestamp } from './time.js'

/**
 * Rows in the order of time, read one at a time without an object for each: `next` moves to the next row and puts
 * it into `time` and `value`.
 */
export interface Cursor<out T> {
  /** Engine time of the row, integer microseconds. Never decreases. */
  readonly time: Timestamp
  readonly value: T
  /** @returns true when there is a row, false at the end, a promise of either while the data is still to come. */
  next(): boolean | Promise<boolean>
  /** Called when the run ends, also early. */
  close?(): void
}

/** Rows of a time and a value, in the order of time. */
export type Rows<T> =
  | Cursor<T>
  | Iterable<readonly [time: Timestamp, value: T]>
  | AsyncIterable<readonly [time: Timestamp, value: T]>

/** @internal Rows as a cursor. An iterator that is not at its end when the run ends is closed. */
export function cursorOf<T>(rows: Rows<T>): Cursor<T> {
  if (Symbol.asyncIterator in rows) return new AsyncRows(rows[Symbol.asyncIterator]())
  if (Symbol.iterator in rows) return new SyncRows(rows[Symbol.iterator]())
  return rows
}

/** @internal A cursor that makes one row of those of one time: the last one, or a list of all. */
export function collapsed(cursor: Cursor<unknown>, mode: PushMode): Cursor<unknown> {
  return mode === 'nonCollapsing' ? cursor : new Collapsed(cursor, mode === 'burst')
}

type Row<T> = readonly [time: Timestamp, value: T]

class SyncRows<T> implements Cursor<T> {
  time: Timestamp = Number.NaN
  value: T = undefined as T
  readonly #iterator: Iterator<Row<T>>
  #isDone = false

  constructor(iterator: Iterator<Row<T>>) {
    this.#iterator = iterator
  }

  next(): boolean {
    const { done, value: row } = this.#iterator.next()
    if (done === true) {
      this.#isDone = true
      return false
    }
    this.time = row[0]
    this.value = row[1]
    return true
  }

  close(): void {
    if (!this.#isDone) this.#iterator.return?.()
    this.#isDone = true
  }
}

/** One row is asked for at a time, and only when the one before has ticked: the source is never ahead by more. */
class AsyncRows<T> implements Cursor<T> {
  time: Timestamp = Number.NaN
  value: T = undefined as T
  readonly #iterator: AsyncIterator<Row<T>>
  #isDone = false

  constructor(iterator: AsyncIterator<Row<T>>) {
    this.#iterator = iterator
  }

  async next(): Promise<boolean> {
    const { done, value: row } = await this.#iterator.next()
    if (done === true) {
      this.#isDone = true
      return false
    }
    this.time = row[0]
    this.value = row[1]
    return true
  }

  close(): void {
    // A generator that waits for something finishes on its own; nobody is left to hear of its end.
    if (!this.#isDone) this.#iterator.return?.().catch(() => undefined)
    this.#isDone = true
  }
}

class Collapsed implements Cursor<unknown> {
  time: Timestamp = Number.NaN
  value: unknown
  readonly #cursor: Cursor<unknown>
  readonly #isBurst: boolean
  /** Whether the cursor stands on a row that belongs to the next one of ours. */
  #isAhead = false

  constructor(cursor: Cursor<unknown>, isBurst: boolean) {
    this.#cursor = cursor
    this.#isBurst = isBurst
  }

  next(): boolean | Promise<boolean> {
    if (this.#isAhead) return this.#gather()
    const has = this.#cursor.next()
    return typeof has === 'boolean'
      ? has && this.#gather()
      : has.then((has) => has && this.#gather())
  }

  close(): void {
    this.#cursor.close?.()
  }

  /** The cursor stands on the first row of a time: takes it and the others of that time. */
  #gather(): boolean | Promise<boolean> {
    this.time = this.#cursor.time
    const values: unknown[] = []
    const take = (): boolean | Promise<boolean> => {
      for (;;) {
        values.push(this.#cursor.value)
        const has = this.#cursor.next()
        if (typeof has !== 'boolean') return has.then((has) => (isSame(has) ? take() : finish(has)))
        if (!isSame(has)) return finish(has)
      }
    }
    const isSame = (has: boolean): boolean => has && this.#cursor.time === this.time
    const finish = (isAhead: boolean): boolean => {
      this.#isAhead = isAhead
      this.value = this.#isBurst ? values : values[values.length - 1]
      return true
    }
    return take()
  }
}
