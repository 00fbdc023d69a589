import { type Cursor, isoOf, type Timestamp } from '@gw/core'
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
} from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { DataFileError } from './data-file-error.js'
import { dataFile } from './vega-datasets.js'

/** One departure, as it goes on the channel `flights` with id and timestamp. */
export interface DepartureRow {
  readonly origin: string
  readonly destination: string
  /** Minutes; negative when it left early. */
  readonly delay: number
  /** Miles. */
  readonly distance: number
  /** ISO 8601. */
  readonly scheduled: string
}

/** Six months of US departures, sorted by time, as the file of `vega-datasets` has them. */
export const FLIGHTS_FILE: string = dataFile('flights-3m.parquet')

const COLUMNS = ['date', 'delay', 'distance', 'origin', 'destination'] as const
type Column = (typeof COLUMNS)[number]

/** The decoded columns of one row group. */
interface RowGroup {
  readonly rows: number
  /** Microseconds since the epoch. */
  readonly times: Float64Array
  readonly delays: Int16Array
  readonly distances: Int16Array
  readonly origins: readonly string[]
  readonly destinations: readonly string[]
}

/** Options of {@link FlightsFile.cursor}. */
export interface CursorOptions {
  /** Rows before it are skipped. @defaultValue the first row's time */
  readonly from?: Timestamp
  /** Rows to read. @defaultValue all */
  readonly rows?: number
  /** Called when the last row has been read. */
  readonly onEnd?: () => void
}

/** A file of departures: knows its span, and gives cursors over its rows. */
export class FlightsFile {
  readonly path: string
  readonly rows: number
  /** Time of the first and of the last row. */
  readonly first: Timestamp
  readonly last: Timestamp
  readonly #buffer: AsyncBuffer
  readonly #metadata: FileMetaData

  private constructor(path: string, buffer: AsyncBuffer, metadata: FileMetaData) {
    this.path = path
    this.#buffer = buffer
    this.#metadata = metadata
    this.rows = Number(metadata.num_rows)
    this.first = timeOf(metadata, 0, 'min_value')
    this.last = timeOf(metadata, metadata.row_groups.length - 1, 'max_value')
  }

  /** @throws DataFileError when the file is missing, no parquet file, or lacks a column. */
  static async open(path: string = FLIGHTS_FILE): Promise<FlightsFile> {
    try {
      const buffer = await asyncBufferFromFile(path)
      const metadata = await parquetMetadataAsync(buffer)
      const names = new Set(metadata.schema.map((element) => element.name))
      const missing = COLUMNS.filter((column) => !names.has(column))
      if (missing.length > 0) throw new Error(`it has no column ${missing.join(', ')}`)
      if (metadata.row_groups.length === 0) throw new Error('it has no rows')
      return new FlightsFile(path, buffer, metadata)
    } catch (error) {
      throw new DataFileError(path, error)
    }
  }

  /**
   * The rows in file order, from the first that is not before `from`; row groups that lie before it are not read.
   * One row group is decoded ahead, so memory holds two at most.
   */
  cursor(options: CursorOptions = {}): FlightsCursor {
    return new FlightsCursor(this, options)
  }

  /** @internal */
  get groups(): number {
    return this.#metadata.row_groups.length
  }

  /** Time of the last row of a row group. @internal */
  endOfGroup(group: number): Timestamp {
    return timeOf(this.#metadata, group, 'max_value')
  }

  /** @internal */
  async readGroup(group: number): Promise<RowGroup> {
    const { row_groups: groups } = this.#metadata
    let start = 0
    for (let i = 0; i < group; i++) start += Number(groups[i]?.num_rows ?? 0)
    const rows = Number(groups[group]?.num_rows ?? 0)
    try {
      // One column after the other: only one is held in its raw form at a time.
      const times = new Float64Array(await this.#readColumn<number>('date', start, rows))
      const delays = smallIntegers(await this.#readColumn<bigint>('delay', start, rows))
      const distances = smallIntegers(await this.#readColumn<bigint>('distance', start, rows))
      const origins = await this.#readColumn<string>('origin', start, rows)
      const destinations = await this.#readColumn<string>('destination', start, rows)
      return { rows, times, delays, distances, origins, destinations }
    } catch (error) {
      throw new DataFileError(this.path, error)
    }
  }

  async #readColumn<T>(column: Column, start: number, rows: number): Promise<T[]> {
    let values: T[] = []
    await parquetRead({
      file: this.#buffer,
      metadata: this.#metadata,
      compressors,
      columns: [column],
      rowStart: start,
      rowEnd: start + rows,
      // The column has no zone: it is UTC.
      parsers: { timestampFromMicroseconds: (micros: bigint) => Number(micros) },
      onChunk: ({ columnData, rowStart, rowEnd }) => {
        const chunk = columnData as T[]
        const from = Math.max(start - rowStart, 0)
        const to = Math.min(start + rows, rowEnd) - rowStart
        const part = from === 0 && to === chunk.length ? chunk : chunk.slice(from, to)
        values = values.length === 0 ? part : values.concat(part)
      },
    })
    if (values.length !== rows) {
      throw new Error(`column ${column} has ${values.length} of ${rows} rows from row ${start} on`)
    }
    return values
  }
}

/** Walks the rows of a {@link FlightsFile}; its promise is the next row group, which is being decoded. */
export class FlightsCursor implements Cursor<DepartureRow> {
  time: Timestamp = 0
  value: DepartureRow = { origin: '', destination: '', delay: 0, distance: 0, scheduled: '' }
  readonly #file: FlightsFile
  readonly #from: Timestamp
  readonly #onEnd: (() => void) | undefined
  #left: number
  #group: RowGroup | undefined
  #row = 0
  #nextGroup: number
  #ahead: Promise<RowGroup> | undefined
  /** Text of the time of the row before: up to 85 rows share a minute. */
  #scheduledTime = Number.NaN
  #scheduled = ''

  /** @internal */
  constructor(file: FlightsFile, from: Timestamp, rows: number) {
    this.#file = file
    this.#from = from
    this.#left = rows
    this.#nextGroup = 0
    while (this.#nextGroup < file.groups && file.endOfGroup(this.#nextGroup) < from)
      this.#nextGroup++
    this.#readAhead()
  }

  next(): boolean | Promise<boolean> {
    const group = this.#group
    if (group === undefined || this.#row === group.rows) return this.#nextRowGroup()
    return this.#take(group)
  }

  close(): void {
    this.#left = 0
    this.#group = undefined
    this.#ahead = undefined
  }

  #take(group: RowGroup): boolean {
    if (this.#left === 0) return this.#end()
    this.#left--
    const row = this.#row++
    const time = group.times[row] as number
    if (time !== this.#scheduledTime) {
      this.#scheduledTime = time
      this.#scheduled = isoOf(time)
    }
    this.time = time
    this.value = {
      origin: group.origins[row] as string,
      destination: group.destinations[row] as string,
      delay: group.delays[row] as number,
      distance: group.distances[row] as number,
      scheduled: this.#scheduled,
    }
    return true
  }

  #nextRowGroup(): boolean | Promise<boolean> {
    if (this.#left === 0 || this.#ahead === undefined) return this.#end()
    return this.#ahead.then((group) => {
      if (this.#left === 0) return false
      this.#group = group
      this.#row = 0
      this.#readAhead()
      while (this.#row < group.rows && (group.times[this.#row] as number) < this.#from) this.#row++
      return this.next()
    })
  }

  #end(): false {
    this.#onEnd?.()
    return false
  }

  #readAhead(): void {
    if (this.#nextGroup === this.#file.groups) {
      this.#ahead = undefined
      return
    }
    this.#ahead = this.#file.readGroup(this.#nextGroup++)
    // Reported where it is awaited; until then it is no unhandled rejection.
    this.#ahead.catch(() => undefined)
  }
}

/** A loop: `Int16Array.from` with a mapping takes ten times as long. */
function smallIntegers(values: readonly bigint[]): Int16Array {
  const result = new Int16Array(values.length)
  for (let i = 0; i < values.length; i++) result[i] = Number(values[i])
  return result
}

function timeOf(metadata: FileMetaData, group: number, end: 'min_value' | 'max_value'): Timestamp {
  const column = metadata.row_groups[group]?.columns.find(
    (candidate) => candidate.meta_data?.path_in_schema[0] === 'date',
  )
  const value = column?.meta_data?.statistics?.[end]
  if (!(value instanceof Date)) throw new Error(`row group ${group} says nothing of its dates`)
  return value.getTime() * 1_000
}
