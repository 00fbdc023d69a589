import { type Cursor, isoOf, type Timestamp } from '@gw/core'
import { asyncBufferFromFile, type FileMetaData, parquetMetadataAsync } from 'hyparquet'
import { DataFileError } from './data-file-error.js'
import { COLUMNS, type RowGroup } from './row-group.js'
import { RowGroupThread } from './row-group-thread.js'
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
const FLIGHTS_FILE: string = dataFile('flights-3m.parquet')

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
  readonly #metadata: FileMetaData

  private constructor(path: string, metadata: FileMetaData) {
    this.path = path
    this.#metadata = metadata
    this.rows = Number(metadata.num_rows)
    this.first = timeOf(metadata, 0, 'min_value')
    this.last = timeOf(metadata, metadata.row_groups.length - 1, 'max_value')
  }

  /** @throws DataFileError when the file is missing, no parquet file, or lacks a column. */
  static async open(path: string = FLIGHTS_FILE): Promise<FlightsFile> {
    try {
      const metadata = await parquetMetadataAsync(await asyncBufferFromFile(path))
      const names = new Set(metadata.schema.map((element) => element.name))
      const missing = COLUMNS.filter((column) => !names.has(column))
      if (missing.length > 0) throw new Error(`it has no column ${missing.join(', ')}`)
      if (metadata.row_groups.length === 0) throw new Error('it has no rows')
      return new FlightsFile(path, metadata)
    } catch (error) {
      throw new DataFileError(path, error)
    }
  }

  /**
   * The rows in file order, from the first that is not before `from`; row groups that lie before it are not read.
   * One row group is decoded ahead, on another thread, so memory holds two at most.
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
  readonly #thread: RowGroupThread
  #ahead: Promise<RowGroup> | undefined
  /** Text of the time of the row before: up to 85 rows share a minute. */
  #scheduledTime = Number.NaN
  #scheduled = ''

  /** @internal */
  constructor(file: FlightsFile, options: CursorOptions) {
    const { from = file.first, rows = file.rows, onEnd } = options
    this.#file = file
    this.#from = from
    this.#onEnd = onEnd
    this.#left = rows
    this.#thread = new RowGroupThread(file.path)
    this.#nextGroup = 0
    while (this.#nextGroup < file.groups && file.endOfGroup(this.#nextGroup) < from) {
      this.#nextGroup++
    }
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
    void this.#thread.close()
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
      origin: group.airports[group.origins[row] as number] as string,
      destination: group.airports[group.destinations[row] as number] as string,
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
    this.#ahead = this.#thread.read(this.#nextGroup++).catch((error: unknown) => {
      throw new DataFileError(this.#file.path, error)
    })
    // Reported where it is awaited; until then it is no unhandled rejection.
    this.#ahead.catch(() => undefined)
  }
}

function timeOf(metadata: FileMetaData, group: number, end: 'min_value' | 'max_value'): Timestamp {
  const column = metadata.row_groups[group]?.columns.find(
    (candidate) => candidate.meta_data?.path_in_schema[0] === 'date',
  )
  const value = column?.meta_data?.statistics?.[end]
  if (!(value instanceof Date)) throw new Error(`row group ${group} says nothing of its dates`)
  return value.getTime() * 1_000
}
