import { sink } from '@gw/core'
import { z } from 'zod'
import { ChannelsError } from '../errors.js'
import { consoleLogger, type Logger } from '../logger.js'
import type { Module } from '../module.js'
import { readerOf, recordSchemaOf, schemasAt } from '../paths.js'
import { isTimestampSchema } from '../struct.js'
import { Outbox, type Overflow } from './outbox.js'
import { entriesOf } from './selection.js'

/** An open database. */
export interface SqlConnection {
  /** Runs a statement whose `?` stand for the parameters. */
  execute(sql: string, parameters?: readonly unknown[]): Promise<unknown>
  close?(): unknown
}

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

/** Options of {@link sqlSink}. */
export interface SqlSinkOptions {
  readonly tables: readonly SqlTable[]
  /** Opens the database when the first row comes. @defaultValue DuckDB in memory, see {@link duckdb} */
  readonly connect?: () => Promise<SqlConnection>
  /** Whether missing tables are created. @defaultValue true */
  readonly create?: boolean
  /** Rows in one statement, at most. @defaultValue 500 */
  readonly batch?: number
  /** Tries after the first one. @defaultValue 3 */
  readonly retries?: number
  /** Wait before the first retry; it doubles. @defaultValue 250 */
  readonly backoffMs?: number
  /** Rows that wait, at most. @defaultValue 1_000_000 */
  readonly maxPending?: number
  /** @defaultValue 'fail' */
  readonly overflow?: Overflow
  readonly logger?: Logger
}

interface Row {
  readonly insert: Insert
  readonly values: readonly unknown[]
}

interface Insert {
  readonly table: string
  readonly columns: readonly { readonly name: string; readonly type: string }[]
}

/**
 * Inserts each record that ticks into a table: columns from the fields, nested values as JSON text, absent ones as NULL.
 * Values are parameters of the statements, never parts of their text.
 */
export function sqlSink(options: SqlSinkOptions): Module {
  const { tables, connect = duckdb(), create = true } = options
  let database: Promise<SqlConnection> | undefined
  const created = new Set<Insert>()
  const deliver = async (rows: readonly Row[]): Promise<void> => {
    database ??= connect()
    const connection = await database.catch((error: unknown) => {
      database = undefined
      throw error
    })
    for (let at = 0; at < rows.length; ) {
      const { insert } = rows[at] as Row
      let end = at + 1
      while (end < rows.length && rows[end]?.insert === insert) end++
      if (create && !created.has(insert)) await connection.execute(createTable(insert))
      created.add(insert)
      const values = rows.slice(at, end)
      await connection.execute(
        insertRows(insert, values.length),
        values.flatMap((row) => row.values),
      )
      at = end
    }
  }
  const outbox = new Outbox<Row>({
    name: 'sql-sink',
    maxPending: options.maxPending ?? 1_000_000,
    overflow: options.overflow ?? 'fail',
    batch: options.batch ?? 500,
    retries: options.retries ?? 3,
    backoffMs: options.backoffMs ?? 250,
    logger: options.logger ?? consoleLogger,
    deliver,
  })
  return {
    name: 'sql-sink',
    requires: [],
    connect(c) {
      for (const table of tables) {
        const { channel, constants = {} } = table
        const { schema, kind } = c.definitionOf(channel)
        const record = recordSchemaOf(schema)
        const columns = columnsOf(table, record, kind === 'basket')
        const insert: Insert = {
          table: table.table ?? channel,
          columns: [
            ...columns.map(({ name, type }) => ({ name, type })),
            ...Object.entries(constants).map(([name, value]) => ({
              name,
              type: typeOfValue(value),
            })),
          ],
        }
        const fixed = Object.values(constants)
        sink(`insert ${channel}`, { entries: entriesOf(c, channel) }, ({ entries }) => () => {
          for (const { key, value, removed } of entries.value) {
            if (removed === true) continue
            for (const one of Array.isArray(value) ? (value as readonly unknown[]) : [value]) {
              const values = columns.map(({ read }) => sqlValue(read(one, key)))
              outbox.add({ insert, values: [...values, ...fixed] })
            }
          }
        })
      }
    },
    async flush() {
      await outbox.flush()
      if (database === undefined) return
      const open = await database
      database = undefined
      await open.close?.()
    },
  }
}

/**
 * Opens a DuckDB database through `@duckdb/node-api`, which is imported when the database is first needed.
 * @throws ChannelsError `MISSING_PACKAGE`.
 */
export function duckdb(path = ':memory:'): () => Promise<SqlConnection> {
  return async () => {
    const name = '@duckdb/node-api'
    const api = (await import(name).catch((cause: unknown) => {
      throw new ChannelsError(
        'MISSING_PACKAGE',
        `the SQL sink needs the package ${name}: install it, or give a connection of another database`,
        { cause },
      )
    })) as DuckDbApi
    const instance = await api.DuckDBInstance.create(path)
    const connection = await instance.connect()
    return {
      execute: (sql, parameters) => connection.run(sql, parameters),
      close: () => {
        connection.closeSync()
        instance.closeSync()
      },
    }
  }
}

/** The part of `@duckdb/node-api` that is used. */
interface DuckDbApi {
  readonly DuckDBInstance: {
    create(path: string): Promise<{
      connect(): Promise<{
        run(sql: string, parameters?: readonly unknown[]): Promise<unknown>
        closeSync(): void
      }>
      closeSync(): void
    }>
  }
}

interface Column {
  readonly name: string
  readonly type: string
  readonly read: (record: unknown, key: string | undefined) => unknown
}

function columnsOf(table: SqlTable, schema: z.core.$ZodType, isBasket: boolean): readonly Column[] {
  const paths = Object.entries(table.columns ?? allFields(schema))
  const unknown = paths.find(([, path]) => schemasAt(schema, path).length === 0)
  if (unknown !== undefined) {
    throw new ChannelsError(
      'INVALID_OPTION',
      `the column "${unknown[0]}" is of "${unknown[1]}", which the records of "${table.channel}" do not have`,
      { channel: table.channel },
    )
  }
  const key: Column = { name: 'key', type: 'VARCHAR', read: (_, key) => key }
  const columns = paths.map(([name, path]): Column => {
    const read = readerOf(path)
    return { name, type: sqlType(schemasAt(schema, path)), read: (record) => read(record) }
  })
  return isBasket && table.columns === undefined ? [key, ...columns] : columns
}

function allFields(schema: z.core.$ZodType): Readonly<Record<string, string>> {
  if (!(schema instanceof z.ZodObject)) return { value: '' }
  return Object.fromEntries(Object.keys(schema.shape).map((name) => [name, name]))
}

function sqlType(schemas: readonly z.core.$ZodType[]): string {
  const types = new Set(schemas.map(sqlTypeOf))
  const [type] = types
  return types.size === 1 && type !== undefined ? type : 'VARCHAR'
}

function sqlTypeOf(schema: z.core.$ZodType): string {
  if (isTimestampSchema(schema)) return 'TIMESTAMP WITH TIME ZONE'
  const { def } = schema._zod as {
    def: {
      readonly type: string
      readonly format?: string
      readonly checks?: readonly z.core.$ZodCheck[]
    }
  }
  if (def.type === 'boolean') return 'BOOLEAN'
  if (def.type !== 'number') return 'VARCHAR'
  const isInteger = schema instanceof z.ZodNumber && schema.isInt
  return isInteger ? 'BIGINT' : 'DOUBLE PRECISION'
}

function typeOfValue(value: unknown): string {
  if (typeof value === 'number') return 'DOUBLE PRECISION'
  return typeof value === 'boolean' ? 'BOOLEAN' : 'VARCHAR'
}

function sqlValue(value: unknown): unknown {
  if (value === undefined || value === null) return null
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  return typeof value === 'object' ? JSON.stringify(value) : value
}

function createTable({ table, columns }: Insert): string {
  const list = columns.map(({ name, type }) => `${quoted(name)} ${type}`).join(', ')
  return `CREATE TABLE IF NOT EXISTS ${quoted(table)} (${list})`
}

function insertRows({ table, columns }: Insert, count: number): string {
  const row = `(${columns.map(() => '?').join(', ')})`
  const names = columns.map(({ name }) => quoted(name)).join(', ')
  return `INSERT INTO ${quoted(table)} (${names}) VALUES ${new Array(count).fill(row).join(', ')}`
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
