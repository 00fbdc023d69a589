import { escapeStep } from '@gw/protocol'
import { z } from 'zod'
import type { ChannelDefinition } from '../contract.js'
import { ChannelsError } from '../errors.js'
import { readerOf, recordSchemaOf, schemasAt } from '../paths.js'
import { isTimestampSchema } from '../struct.js'

/** Which channel goes into which table. */
export interface SqlTable {
  readonly channel: string
  /** @defaultValue the channel's name */
  readonly table?: string
  /** Columns and the paths of their values. @defaultValue every field of the records; of a basket also `key` */
  readonly columns?: Readonly<Record<string, string>>
  /** Columns with the same value in every row. */
  readonly constants?: Readonly<Record<string, string | number | boolean | null>>
}

interface Column {
  readonly name: string
  readonly type: string
  readonly read: (record: unknown, key: string | undefined) => unknown
}

/**
 * A table as records go into it. Values are parameters of its statements, never parts of their text; nested ones are JSON, absent
 * ones NULL.
 */
export class TargetTable {
  readonly #name: string
  readonly #columns: readonly Column[]

  /** @throws ChannelsError `INVALID_OPTION` for a path that the records do not have, and for a column that comes twice. */
  constructor(table: SqlTable, { schema, kind }: ChannelDefinition) {
    this.#name = table.table ?? table.channel
    this.#columns = [
      ...columnsOf(table, recordSchemaOf(schema), kind === 'basket'),
      ...Object.entries(table.constants ?? {}).map(
        ([name, value]): Column => ({ name, type: typeOfValue(value), read: () => value }),
      ),
    ]
    checkColumns(table, this.#columns)
  }

  /** The values of a record, in the order of the columns. */
  row(record: unknown, key: string | undefined): readonly unknown[] {
    return this.#columns.map(({ read }) => sqlValue(read(record, key)))
  }

  get createStatement(): string {
    const list = this.#columns.map(({ name, type }) => `${quoted(name)} ${type}`).join(', ')
    return `CREATE TABLE IF NOT EXISTS ${quoted(this.#name)} (${list})`
  }

  /** The beginning of a statement that inserts rows. */
  get insertInto(): string {
    return `INSERT INTO ${quoted(this.#name)} (${this.#columns.map(({ name }) => quoted(name)).join(', ')})`
  }

  insertStatement(rows: number, placeholder: (index: number) => string): string {
    const width = this.#columns.length
    const values = Array.from({ length: rows }, (_, row) => {
      const places = this.#columns.map((_, i) => placeholder(row * width + i))
      return `(${places.join(', ')})`
    })
    return `${this.insertInto} VALUES ${values.join(', ')}`
  }
}

function columnsOf(table: SqlTable, schema: z.core.$ZodType, isBasket: boolean): readonly Column[] {
  if (table.columns === undefined && !(schema instanceof z.ZodObject)) {
    return [
      ...(isBasket ? [KEY] : []),
      { name: 'value', type: sqlType([schema]), read: (record) => record },
    ]
  }
  const paths = Object.entries(table.columns ?? fieldsOf(schema as z.ZodObject))
  const unknown = paths.find(([, path]) => schemasAt(schema, path).length === 0)
  if (unknown !== undefined) {
    throw new ChannelsError(
      'INVALID_OPTION',
      `the column "${unknown[0]}" is of "${unknown[1]}", which the records of "${table.channel}" do not have`,
      { channel: table.channel },
    )
  }
  const columns = paths.map(([name, path]): Column => {
    const read = readerOf(path)
    return { name, type: sqlType(schemasAt(schema, path)), read: (record) => read(record) }
  })
  return isBasket && table.columns === undefined ? [KEY, ...columns] : columns
}

/** Names of columns are the same in capitals and small letters. */
function checkColumns({ channel }: SqlTable, columns: readonly Column[]): void {
  const seen = new Set<string>()
  for (const { name } of columns) {
    const spelling = name.toLowerCase()
    if (seen.has(spelling)) {
      throw new ChannelsError(
        'INVALID_OPTION',
        `the table of "${channel}" has the column "${name}" twice, where capitals count as small letters: say in its columns which paths go where`,
        { channel },
      )
    }
    seen.add(spelling)
  }
}

const KEY: Column = { name: 'key', type: 'VARCHAR', read: (_, key) => key }

function fieldsOf({ shape }: z.ZodObject): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.keys(shape).map((name) => [name, escapeStep(name)]))
}

function sqlType(schemas: readonly z.core.$ZodType[]): string {
  const types = new Set(schemas.map(sqlTypeOf))
  const [type] = types
  return types.size === 1 && type !== undefined ? type : 'VARCHAR'
}

function sqlTypeOf(schema: z.core.$ZodType): string {
  if (isTimestampSchema(schema)) return 'TIMESTAMP WITH TIME ZONE'
  if (schema instanceof z.ZodBoolean) return 'BOOLEAN'
  if (schema instanceof z.ZodNumber) return schema.isInt ? 'BIGINT' : 'DOUBLE PRECISION'
  return 'VARCHAR'
}

function typeOfValue(value: unknown): string {
  if (typeof value === 'number') return 'DOUBLE PRECISION'
  return typeof value === 'boolean' ? 'BOOLEAN' : 'VARCHAR'
}

const HALF = /\p{Surrogate}/u
const HALVES = /\p{Surrogate}/gu

function sqlValue(value: unknown): unknown {
  if (value === undefined || value === null) return null
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  // Databases hold Unicode, in which half of a character has no place.
  if (typeof value === 'string')
    return HALF.test(value) ? value.replaceAll(HALVES, '\ufffd') : value
  return typeof value === 'object' ? JSON.stringify(value) : value
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
