import { sink } from '@gw/core'
import { ChannelsError } from '../errors.js'
import { isObject } from '../filter.js'
import { consoleLogger, type Logger } from '../logger.js'
import type { Module } from '../module.js'
import { BOOLEAN, checkModuleOptions } from './check-options.js'
import { openDuckDb } from './duckdb.js'
import { entriesOf } from './entries.js'
import { OUTBOX_OPTIONS, Outbox, type Overflow, Unreachable } from './outbox.js'
import { type SqlTable, TargetTable } from './sql-table.js'

/** An open connection to a database that speaks SQL. */
export interface SqlConnection {
  /** Runs a statement whose placeholders stand for the parameters. */
  execute(sql: string, parameters?: readonly unknown[]): Promise<unknown>
  /** Inserts rows in a faster way than a statement with a placeholder for each value; `into` is `INSERT INTO table (columns)`. */
  insert?(into: string, rows: readonly (readonly unknown[])[]): Promise<unknown>
  /** How the parameter of an index, from 0 on, is written: `$1` for PostgreSQL, say. @defaultValue `?` */
  placeholder?(index: number): string
  close?(): unknown
}

/** Options of {@link sqlSink}. */
export interface SqlSinkOptions {
  /** Path of a DuckDB file, which needs the package `@duckdb/node-api`; or what opens a connection to another database. */
  readonly database: string | (() => Promise<SqlConnection>)
  readonly tables: readonly SqlTable[]
  /** Whether missing tables are created. @defaultValue true */
  readonly create?: boolean
  /** Rows in one transaction, at most. @defaultValue 5_000 for DuckDB, else 500 */
  readonly batch?: number
  /** Tries after the first one. While the database cannot be reached at all, it is tried for ever. @defaultValue 3 */
  readonly retries?: number
  /** Wait before the first retry; it doubles. @defaultValue 250 */
  readonly backoffMs?: number
  /** Rows that wait, at most. @defaultValue 1_000_000 */
  readonly maxPending?: number
  /** What happens beyond it: an error of the module, or the oldest rows go. @defaultValue 'fail' */
  readonly overflow?: Overflow
  readonly logger?: Logger
}

interface Row {
  readonly table: TargetTable
  readonly values: readonly unknown[]
}

/**
 * Inserts each record that ticks into a table: a column for each field, nested values as JSON text, absent ones as NULL. Rows go
 * in transactions, in order; one that the database refuses is dropped, counted and logged, and takes no other with it.
 *
 * What is committed stays. A stop writes all that waits, within its time; a process that is killed loses the rows that wait, `maxPending`
 * at most and mostly those of the last few milliseconds: let sources begin again where they were, and give tables a key, if none may be
 * missing. A COMMIT whose answer is lost is done again: a key in the table keeps such rows from being there twice.
 * @throws ChannelsError `INVALID_OPTION`.
 * @example `sqlSink({ database: 'ticks.duckdb', tables: [{ channel: 'orders' }] })`
 */
export function sqlSink(options: SqlSinkOptions): Module {
  checkModuleOptions('sqlSink', options, {
    database: {
      holds: (value) => (typeof value === 'string' && value !== '') || typeof value === 'function',
      what: 'the path of a DuckDB file, or a function that opens a connection',
      isRequired: true,
    },
    tables: {
      holds: (value) => Array.isArray(value) && value.every(isTable),
      what: 'a list of { channel: a text, table?, columns?, constants? }',
      isRequired: true,
    },
    create: BOOLEAN,
    ...OUTBOX_OPTIONS,
  })
  const { database, tables, create = true } = options
  const open = typeof database === 'string' ? () => duckdb(database) : database
  let connection: Promise<SqlConnection> | undefined
  let missing: ChannelsError | undefined
  const created = new Set<TargetTable>()

  const connect = (): Promise<SqlConnection> => {
    connection ??= open().catch((cause: unknown) => {
      connection = undefined
      throw cause
    })
    return connection
  }
  const disconnect = async (): Promise<void> => {
    const closing = connection
    connection = undefined
    created.clear()
    await (await closing)?.close?.()
  }
  const insert = async (to: SqlConnection, rows: readonly Row[]): Promise<void> => {
    const placeholder = to.placeholder?.bind(to) ?? (() => '?')
    for (const table of new Set(rows.map((row) => row.table))) {
      const values = rows.filter((row) => row.table === table).map((row) => row.values)
      if (create && !created.has(table)) await to.execute(table.createStatement)
      if (to.insert !== undefined) await to.insert(table.insertInto, values)
      else await to.execute(table.insertStatement(values.length, placeholder), values.flat())
    }
  }
  const deliver = async (rows: readonly Row[]): Promise<void> => {
    const to = await connect().catch((cause: unknown) => {
      if (cause instanceof ChannelsError) {
        missing = cause
        throw cause
      }
      throw new Unreachable('the database cannot be opened', { cause })
    })
    let isOpen = false
    try {
      await to.execute('BEGIN')
      isOpen = true
      await insert(to, rows)
      await to.execute('COMMIT')
      for (const { table } of rows) created.add(table)
    } catch (cause) {
      // Whether the connection is at fault is not known, so the next try has a new one.
      await disconnect().catch(() => undefined)
      throw isOpen ? cause : new Unreachable('the database takes no transaction', { cause })
    }
  }
  const outbox = new Outbox<Row>({
    name: 'sql-sink',
    maxPending: options.maxPending ?? 1_000_000,
    overflow: options.overflow ?? 'fail',
    batch: options.batch ?? (typeof database === 'string' ? 5_000 : 500),
    retries: options.retries ?? 3,
    backoffMs: options.backoffMs ?? 250,
    logger: options.logger ?? consoleLogger,
    deliver,
  })
  return {
    name: 'sql-sink',
    requires: [],
    connect(c) {
      for (const one of tables) {
        const { channel } = one
        const table = new TargetTable(one, c.definitionOf(channel))
        sink(`insert ${channel}`, { entries: entriesOf(c, channel) }, ({ entries }) => () => {
          if (missing !== undefined) throw missing
          for (const { key, value, removed } of entries.value) {
            if (removed === true) continue
            const records: readonly unknown[] = Array.isArray(value) ? value : [value]
            for (const record of records) outbox.add({ table, values: table.row(record, key) })
          }
        })
      }
    },
    async start() {
      await connect()
    },
    async flush(signal) {
      await outbox.flush(signal)
      await disconnect()
      if (missing !== undefined) throw missing
    },
  }
}

function isTable(table: unknown): boolean {
  if (!isObject(table)) return false
  const { channel, table: name = '', columns = {}, constants = {} } = table
  return (
    typeof channel === 'string' &&
    typeof name === 'string' &&
    isObject(columns) &&
    Object.values(columns).every((path) => typeof path === 'string') &&
    isObject(constants)
  )
}

async function duckdb(path: string): Promise<SqlConnection> {
  const { connection, close } = await openDuckDb(path, 'the SQL sink')
  return {
    execute: (sql, parameters) => connection.run(sql, parameters as never),
    // One parameter with all rows: several times as fast as one for each value.
    insert: (into, rows) => {
      const columns = rows[0]?.map((_, i) => `value->>${i}`).join(', ')
      return connection.run(`${into} SELECT ${columns} FROM json_each(?::JSON)`, [
        JSON.stringify(rows),
      ])
    },
    close,
  }
}
