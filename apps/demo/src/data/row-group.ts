import { type AsyncBuffer, type FileMetaData, parquetRead } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

/** Columns of the file of departures. */
export const COLUMNS = ['date', 'delay', 'distance', 'origin', 'destination'] as const

type Column = (typeof COLUMNS)[number]

/** The decoded columns of one row group, in arrays that can be handed from one thread to another. */
export interface RowGroup {
  readonly rows: number
  /** Microseconds since the epoch. */
  readonly times: Float64Array<ArrayBuffer>
  readonly delays: Int16Array<ArrayBuffer>
  readonly distances: Int16Array<ArrayBuffer>
  /** Places in `airports`. */
  readonly origins: Uint16Array<ArrayBuffer>
  readonly destinations: Uint16Array<ArrayBuffer>
  readonly airports: readonly string[]
}

/** Decodes one row group, one column after the other, so that only one is held in its raw form at a time. */
export async function decodeRowGroup(
  file: AsyncBuffer,
  metadata: FileMetaData,
  group: number,
): Promise<RowGroup> {
  let start = 0
  for (let i = 0; i < group; i++) start += Number(metadata.row_groups[i]?.num_rows ?? 0)
  const rows = Number(metadata.row_groups[group]?.num_rows ?? 0)
  const read = <T>(column: Column): Promise<T[]> => readColumn(file, metadata, column, start, rows)

  const codes = new Map<string, number>()
  return {
    rows,
    times: new Float64Array(await read<number>('date')),
    delays: smallIntegers(await read<bigint>('delay')),
    distances: smallIntegers(await read<bigint>('distance')),
    origins: codesOf(await read<string>('origin'), codes),
    destinations: codesOf(await read<string>('destination'), codes),
    airports: [...codes.keys()],
  }
}

async function readColumn<T>(
  file: AsyncBuffer,
  metadata: FileMetaData,
  column: Column,
  start: number,
  rows: number,
): Promise<T[]> {
  let values: T[] = []
  await parquetRead({
    file,
    metadata,
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

/** A loop: `Int16Array.from` with a mapping takes ten times as long. */
function smallIntegers(values: readonly bigint[]): Int16Array<ArrayBuffer> {
  const result = new Int16Array(values.length)
  for (let i = 0; i < values.length; i++) result[i] = Number(values[i])
  return result
}

/** Numbers the different texts, in the order in which they appear. */
function codesOf(values: readonly string[], codes: Map<string, number>): Uint16Array<ArrayBuffer> {
  const result = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as string
    let code = codes.get(value)
    if (code === undefined) {
      code = codes.size
      codes.set(value, code)
    }
    result[i] = code
  }
  return result
}
