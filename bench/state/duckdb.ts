import {
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBPreparedStatement,
} from '@duckdb/node-api'
import { SCANNED_PRICE, type Workload } from './workload.js'

/** The workload's trades in DuckDB, in memory, as the reference keeps its states; found by an index where there is one. */
export class DuckDbState {
  readonly #connection: DuckDBConnection
  readonly #equality: DuckDBPreparedStatement
  readonly #scan: DuckDBPreparedStatement

  private constructor(
    connection: DuckDBConnection,
    equality: DuckDBPreparedStatement,
    scan: DuckDBPreparedStatement,
  ) {
    this.#connection = connection
    this.#equality = equality
    this.#scan = scan
  }

  static async load(workload: Workload): Promise<DuckDbState> {
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    await connection.run(
      `CREATE TABLE trades (id VARCHAR PRIMARY KEY, "timestamp" VARCHAR, account VARCHAR, symbol VARCHAR,
        side VARCHAR, price DOUBLE, quantity INTEGER)`,
    )
    const appender = await connection.createAppender('trades')
    for (const trade of workload.updates) {
      const { id, timestamp, account, symbol, side, price, quantity } = trade
      for (const text of [id, timestamp, account, symbol, side]) appender.appendVarchar(text)
      appender.appendDouble(price)
      appender.appendInteger(quantity)
      appender.endRow()
    }
    appender.closeSync()
    await connection.run('CREATE INDEX by_account ON trades (account)')
    return new DuckDbState(
      connection,
      await connection.prepare('SELECT * FROM trades WHERE account = $1 ORDER BY id'),
      await connection.prepare(
        `SELECT * FROM trades WHERE price > ${SCANNED_PRICE} AND side = 'buy' ORDER BY id`,
      ),
    )
  }

  async equality(account: string): Promise<readonly unknown[]> {
    this.#equality.bindVarchar(1, account)
    return (await this.#equality.runAndReadAll()).getRowObjectsJS()
  }

  async scan(): Promise<readonly unknown[]> {
    return (await this.#scan.runAndReadAll()).getRowObjectsJS()
  }

  close(): void {
    this.#connection.closeSync()
  }
}
