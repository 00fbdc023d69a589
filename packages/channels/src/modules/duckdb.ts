import type { DuckDBConnection } from '@duckdb/node-api'
import { ChannelsError } from '../errors.js'

/** An open DuckDB database. */
export interface DuckDb {
  readonly connection: DuckDBConnection
  close(): void
}

/**
 * Opens a DuckDB database through the optional package `@duckdb/node-api`, which is imported now. Everybody in the process who opens
 * the same file shares one instance.
 * @throws ChannelsError `MISSING_PACKAGE`.
 */
export async function openDuckDb(path: string, purpose: string): Promise<DuckDb> {
  const { DuckDBInstance } = await import('@duckdb/node-api').catch((cause: unknown) => {
    throw new ChannelsError(
      'MISSING_PACKAGE',
      `${purpose} needs the package @duckdb/node-api: install it with "npm install @duckdb/node-api"`,
      { cause },
    )
  })
  const instance = await (path === ':memory:'
    ? DuckDBInstance.create(path)
    : DuckDBInstance.fromCache(path))
  const connection = await instance.connect()
  return {
    connection,
    close: () => {
      connection.closeSync()
      instance.closeSync()
    },
  }
}
