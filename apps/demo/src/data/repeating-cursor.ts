import { type Cursor, isoOf, type Timestamp } from '@gw/core'
import type { CursorOptions, DepartureRow, FlightsCursor, FlightsFile } from './flights.js'

/** Reads a file over and over: each pass is the data's span later than the one before, its scheduled times too. */
export class RepeatingCursor implements Cursor<DepartureRow> {
  time: Timestamp = 0
  value: DepartureRow = { origin: '', destination: '', delay: 0, distance: 0, scheduled: '' }
  readonly #file: FlightsFile
  #pass: FlightsCursor
  #shift = 0
  #scheduledTime = Number.NaN
  #scheduled = ''

  constructor(file: FlightsFile, options: Pick<CursorOptions, 'from'>) {
    this.#file = file
    this.#pass = file.cursor(options.from === undefined ? {} : { from: options.from })
  }

  next(): boolean | Promise<boolean> {
    const has = this.#pass.next()
    return typeof has === 'boolean' ? this.#take(has) : has.then((late) => this.#take(late))
  }

  close(): void {
    this.#pass.close()
  }

  #take(has: boolean): boolean | Promise<boolean> {
    if (!has) {
      this.#shift += this.#file.last - this.#file.first
      this.#pass.close()
      this.#pass = this.#file.cursor()
      return this.next()
    }
    this.time = this.#pass.time + this.#shift
    if (this.#shift === 0) {
      this.value = this.#pass.value
      return true
    }
    if (this.time !== this.#scheduledTime) {
      this.#scheduledTime = this.time
      this.#scheduled = isoOf(this.time)
    }
    this.value = { ...this.#pass.value, scheduled: this.#scheduled }
    return true
  }
}
