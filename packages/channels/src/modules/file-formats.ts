import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { openDuckDb } from './duckdb.js'
import { linesOf, withoutMark } from './lines.js'

/** How the records of a file are written. CSV and Parquet need the package `@duckdb/node-api`. */
export type FileFormat = 'json' | 'jsonLines' | 'csv' | 'parquet'

/** Reads the records of a file, in order. */
export type FileReader = (path: string) => AsyncIterable<unknown> | Iterable<unknown>

/** In place of a record that cannot be read while those after it can. */
export class UnreadableRecord {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

const FORMATS: Readonly<Record<string, FileFormat>> = {
  '.json': 'json',
  '.jsonl': 'jsonLines',
  '.ndjson': 'jsonLines',
  '.csv': 'csv',
  '.parquet': 'parquet',
}

/** The format that the end of a name tells. */
export function formatOf(name: string): FileFormat | undefined {
  return FORMATS[extname(name).toLowerCase()]
}

export const READERS: Readonly<Record<FileFormat, FileReader>> = {
  json: async function* (path) {
    const records: unknown = JSON.parse(withoutMark(await readFile(path, 'utf8')))
    if (Array.isArray(records)) yield* records
    else yield records
  },
  jsonLines: async function* (path) {
    for await (const lines of linesOf(path)) {
      for (const { text } of lines) if (text.trim() !== '') yield parsed(text)
    }
  },
  // Texts, which the schema of the channel turns into what they are due to be.
  csv: (path) => selected(path, 'read_csv(?, header = true, all_varchar = true)'),
  parquet: (path) => selected(path, 'read_parquet(?)'),
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    return new UnreadableRecord(error)
  }
}

/** What DuckDB reads; fields without a value are left out. */
async function* selected(path: string, source: string): AsyncGenerator<unknown> {
  const { connection, close } = await openDuckDb(':memory:', 'reading CSV and Parquet')
  try {
    const result = await connection.stream(`SELECT * FROM ${source}`, [path])
    for await (const rows of result.yieldRowObjectJson()) {
      for (const row of rows) {
        yield Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null))
      }
    }
  } finally {
    close()
  }
}
