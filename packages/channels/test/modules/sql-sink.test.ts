import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { curve } from '@gw/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { basket, channel, defineChannels, struct } from '../../src/index.js'
import { type SqlConnection, type SqlSinkOptions, sqlSink } from '../../src/modules/index.js'
import { loose, T0 } from '../support.js'
import { eventually, keepingLogger, running, simulating, temporaryFolder } from './support.js'

const Order = struct('Order', {
  symbol: z.string(),
  quantity: z.int(),
  price: z.number().nullable(),
  isOpen: z.boolean().optional(),
  tags: z.array(z.string()).default([]),
  venue: z.object({ code: z.string() }).optional(),
})
const channels = defineChannels({
  orders: channel(Order, { send: true }),
  fills: channel(z.array(Order), { required: false }),
  prices: basket(['A', 'B'], z.number(), { send: true }),
})

async function rowsOf(path: string, sql: string): Promise<unknown> {
  const instance = await DuckDBInstance.fromCache(path)
  const connection = await instance.connect()
  const rows = (await connection.runAndReadAll(sql)).getRowObjectsJson()
  connection.closeSync()
  instance.closeSync()
  return rows
}

const sinkTo = (database: SqlSinkOptions['database'], rest: Partial<SqlSinkOptions> = {}) =>
  sqlSink({ database, tables: [{ channel: 'orders' }], backoffMs: 1, ...rest })

const order = { symbol: 'A', quantity: 1, price: 1.5 }

test('inserts records into a DuckDB file, a column for each field', async () => {
  const path = join(temporaryFolder(), 'ticks.duckdb')
  const gateway = await running(channels, [sinkTo(path)])
  const sent = gateway.channels.send('orders', {
    ...order,
    isOpen: true,
    tags: ['x', `y'; DROP TABLE orders; -- "\\\n\u2028😀`],
    venue: { code: 'N' },
  })
  gateway.channels.send('orders', { symbol: 'B', quantity: 2 ** 53 - 1, price: null })
  await gateway.stop()
  expect(await rowsOf(path, 'SELECT * FROM orders ORDER BY symbol')).toEqual([
    {
      id: sent.id,
      timestamp: '2020-01-01 00:00:00+00',
      symbol: 'A',
      quantity: '1',
      price: 1.5,
      isOpen: true,
      tags: JSON.stringify(sent.tags),
      venue: '{"code":"N"}',
    },
    expect.objectContaining({
      symbol: 'B',
      quantity: '9007199254740991',
      price: null,
      isOpen: null,
    }),
  ])
  const types = await rowsOf(
    path,
    "SELECT data_type AS t FROM duckdb_columns() WHERE table_name = 'orders'",
  )
  expect((types as { t: string }[]).map(({ t }) => t)).toEqual([
    'VARCHAR',
    'TIMESTAMP WITH TIME ZONE',
    'VARCHAR',
    'BIGINT',
    'DOUBLE',
    'BOOLEAN',
    'VARCHAR',
    'VARCHAR',
  ])
})

test('writes the columns, names and constants that it is told, lists by record and baskets by key', async () => {
  const path = join(temporaryFolder(), 'ticks.duckdb')
  const records = [1, 2].map((quantity) => ({
    ...order,
    id: `${quantity}`,
    timestamp: '',
    quantity,
  }))
  const modules = [
    loose('fills', (c) => c.setChannel('fills', curve(c.graph, [[T0, records]]))),
    loose('prices', (c) => c.setChannel('prices', curve(c.graph, [[T0, 7]]), 'B')),
    sqlSink({
      database: path,
      tables: [
        {
          channel: 'fills',
          table: 'all "fills"',
          columns: { n: 'quantity', code: 'venue.code' },
          constants: { site: 'LDN', version: 3 },
        },
        { channel: 'prices' },
      ],
    }),
  ]
  await simulating(channels, modules)
  expect(await rowsOf(path, 'SELECT * FROM "all ""fills"""')).toEqual([
    { n: '1', code: null, site: 'LDN', version: 3 },
    { n: '2', code: null, site: 'LDN', version: 3 },
  ])
  expect(await rowsOf(path, 'SELECT * FROM prices')).toEqual([{ key: 'B', value: 7 }])
})

test('a row that the database refuses is dropped, and takes no other with it', async () => {
  const path = join(temporaryFolder(), 'ticks.duckdb')
  const instance = await DuckDBInstance.create(path)
  const connection = await instance.connect()
  await connection.run('CREATE TABLE orders (symbol VARCHAR, quantity BIGINT CHECK (quantity < 5))')
  connection.closeSync()
  instance.closeSync()
  const { told, logger } = keepingLogger()
  const tables = [{ channel: 'orders', columns: { symbol: 'symbol', quantity: 'quantity' } }]
  const ticks = [1, 2, 9, 3, 4].map((quantity) => [T0, { symbol: 'A', quantity }] as const)
  const source = loose('source', (c) => c.setChannel('orders', curve(c.graph, ticks)))
  await simulating(channels, [source, sinkTo(path, { tables, logger, retries: 1 })])
  expect(await rowsOf(path, 'SELECT quantity::INTEGER AS n FROM orders')).toEqual(
    [1, 2, 3, 4].map((n) => ({ n })),
  )
  expect(told).toMatchObject([
    ['error', expect.anything(), { dropped: 1, err: { message: /CHECK/ } }],
  ])
})

/** A database that notes what it is told, and fails as the test wants. */
function noting(fail: (sql: string) => Error | undefined = () => undefined) {
  const statements: string[] = []
  let connections = 0
  const open = async (): Promise<SqlConnection> => {
    const error = fail('CONNECT')
    if (error !== undefined) throw error
    connections++
    return {
      placeholder: (index) => `$${index + 1}`,
      execute: async (sql, parameters = []) => {
        statements.push(`${sql} ${parameters.join()}`.trim())
        const error = fail(sql)
        if (error !== undefined) throw error
      },
    }
  }
  return { statements, open, connections: () => connections }
}

const tables = [{ channel: 'orders', columns: { q: 'quantity' } }]

test('writes to any database, in transactions, with its placeholders', async () => {
  const { statements, open } = noting()
  const gateway = await running(channels, [sinkTo(open, { tables, create: false })])
  for (const quantity of [1, 2]) gateway.channels.send('orders', { ...order, quantity })
  await gateway.stop()
  expect(statements).toEqual([
    'BEGIN',
    'INSERT INTO "orders" ("q") VALUES ($1), ($2) 1,2',
    'COMMIT',
  ])
})

test('a transaction that fails is tried again on a new connection, and writes nothing twice', async () => {
  let failures = 1
  const { statements, open, connections } = noting((sql) =>
    sql.startsWith('COMMIT') && failures-- > 0 ? new Error('connection reset') : undefined,
  )
  const gateway = await running(channels, [sinkTo(open, { tables, create: false })])
  gateway.channels.send('orders', order)
  await gateway.stop()
  expect(statements.filter((sql) => sql.startsWith('COMMIT'))).toHaveLength(2)
  expect(connections()).toBe(2)
})

test('a database that is gone for a while loses nothing', async () => {
  let isGone = false
  const { statements, open } = noting(() => (isGone ? new Error('refused') : undefined))
  const { told, logger } = keepingLogger()
  const gateway = await running(channels, [
    sinkTo(open, { tables, create: false, retries: 0, logger }),
  ])
  isGone = true
  gateway.channels.send('orders', order)
  await eventually(() => expect(told).toHaveLength(1))
  isGone = false
  await gateway.stop()
  expect(statements.at(-1)).toBe('COMMIT')
})

/** A database with transactions, which refuses rows that are poison, and any statement when `fails` says so. */
function transactional(fails: () => boolean) {
  const rows: unknown[] = []
  const open = async (): Promise<SqlConnection> => {
    let pending: unknown[] = []
    return {
      execute: async (sql, parameters = []) => {
        if (fails() || parameters.includes(POISON)) throw new Error('no')
        if (sql === 'BEGIN') pending = []
        else if (sql === 'COMMIT') rows.push(...pending)
        else pending.push(...parameters)
      },
    }
  }
  return { rows, open }
}
const POISON = -1

async function inserted(quantities: readonly number[], batch: number, fails: () => boolean) {
  const { rows, open } = transactional(fails)
  const ticks = quantities.map((quantity, i) => [i, { quantity }] as const)
  const source = loose('source', (c) =>
    c.setChannel('orders', curve(c.graph, ticks, { relative: true })),
  )
  const { logger } = keepingLogger()
  const sink = sinkTo(open, { tables, create: false, batch, retries: 6, backoffMs: 0, logger })
  await simulating(channels, [source, sink])
  return rows
}

test('whatever fails for a while, each row is there once, in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(20),
      fc.integer({ min: 1, max: 7 }),
      fc.array(fc.boolean(), { maxLength: 6 }),
      async (count, batch, failures) => {
        const quantities = Array.from({ length: count }, (_, i) => i)
        const fails = [...failures]
        expect(await inserted(quantities, batch, () => fails.shift() ?? false)).toEqual(quantities)
      },
    ),
    { numRuns: 40 },
  )
})

test('whichever rows are refused, all others are there, in order', async () => {
  const quantity = fc.oneof(
    { weight: 5, arbitrary: fc.nat() },
    { weight: 1, arbitrary: fc.constant(POISON) },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(quantity, { maxLength: 12 }),
      fc.integer({ min: 1, max: 12 }),
      async (quantities, batch) => {
        const sound = quantities.filter((each) => each !== POISON)
        expect(await inserted(quantities, batch, () => false)).toEqual(sound)
      },
    ),
    { numRuns: 20 },
  )
})

test('a database that cannot be opened at the start is an error of the module', async () => {
  const { open } = noting((sql) => (sql === 'CONNECT' ? new Error('no such host') : undefined))
  await expect(running(channels, [sinkTo(open)])).rejects.toMatchObject({
    code: 'MODULE_FAILED',
    module: 'sql-sink',
    message: /no such host/,
  })
})

test('names and values of any spelling go in as they are', async () => {
  const path = join(temporaryFolder(), 'odd.duckdb')
  const Odd = struct('Odd', {
    select: z.string(),
    'a"b': z.string(),
    "it's": z.number(),
    Ünï: z.number().nullable(),
    mixed: z.union([z.string(), z.number()]),
    nested: z.object({ x: z.array(z.unknown()) }),
  })
  const odd = defineChannels({ from: channel(Odd, { send: true }) })
  const sink = sqlSink({ database: path, tables: [{ channel: 'from', table: 'we"ird; DROP' }] })
  const gateway = await running(odd, [sink])
  gateway.channels.send('from', {
    select: "x'); DROP TABLE y; --",
    'a"b': 'nul \u0000, half \ud83d, whole \ud83d\ude00',
    "it's": 1e308,
    Ünï: null,
    mixed: 5,
    nested: { x: [null, { y: '"' }] },
  })
  await gateway.stop()
  expect(await rowsOf(path, 'SELECT * EXCLUDE (id, timestamp) FROM "we""ird; DROP"')).toEqual([
    {
      select: "x'); DROP TABLE y; --",
      'a"b': 'nul \u0000, half \ufffd, whole \ud83d\ude00',
      "it's": 1e308,
      Ünï: null,
      mixed: '5',
      nested: '{"x":[null,{"y":"\\""}]}',
    },
  ])
})

test('a column that comes twice is refused when it is wired', async () => {
  const Keyed = struct('Keyed', { key: z.string() })
  const Cases = struct('Cases', { a: z.number(), A: z.number() })
  const twice = defineChannels({ keyed: basket(['x'], Keyed), cases: channel(Cases) })
  for (const [table, column] of [
    [{ channel: 'keyed' }, 'key'],
    [{ channel: 'cases' }, 'A'],
    [{ channel: 'cases', columns: { a: 'a' }, constants: { A: 1 } }, 'A'],
  ] as const) {
    await expect(
      running(twice, [sqlSink({ database: ':memory:', tables: [table] })]),
    ).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      channel: table.channel,
      message: expect.stringContaining(`the column "${column}" twice`),
    })
  }
})

test('a column that the records do not have is refused when it is wired', async () => {
  const wrong = sinkTo(':memory:', { tables: [{ channel: 'orders', columns: { x: 'colour' } }] })
  await expect(running(channels, [wrong])).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    module: 'sql-sink',
    channel: 'orders',
  })
})
