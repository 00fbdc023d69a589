import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import {
  basket,
  channel,
  defineChannels,
  dynamicBasket,
  type Gateway,
  type Module,
  struct,
} from '../../src/index.js'
import { fileDrop } from '../../src/modules/index.js'
import { eventually, keepingLogger, running, temporaryFolder } from './support.js'

const Order = struct('Order', { symbol: z.string(), quantity: z.int().default(1) })
const channels = defineChannels({
  orders: channel(Order),
  lists: channel(z.array(z.number()), { required: false }),
  keyed: basket(['A'], z.number()),
})

async function dropping(folder: string, options: object = {}) {
  const { told, logger } = keepingLogger()
  const drop = fileDrop({ channel: 'orders', folder, pollMs: 1, logger, ...options })
  const gateway = await running(channels, [drop])
  return { gateway, told, seen: symbolsOf(gateway) }
}

/** The symbols of all orders, as they come. */
function symbolsOf(gateway: Gateway<(typeof channels)['channels']>): string[] {
  const seen: string[] = []
  const { epoch } = gateway.channels.positionOf('orders')
  const note = ({ value }: { value: unknown }) => seen.push((value as Order).symbol)
  const watch = gateway.channels.watch('orders', undefined, note, { from: { epoch, offset: 0 } })
  watch.initial.forEach(note)
  return seen
}
type Order = z.output<typeof Order>

const read = (ledger: string, name: string): boolean =>
  readFileSync(ledger, 'utf8').includes(`"name":${JSON.stringify(name)}`)

test('reads each file once, those that were there before the start too, also after a restart', async () => {
  const folder = temporaryFolder()
  const ledger = join(folder, '.file-drop-orders.jsonl')
  writeFileSync(join(folder, '1.json'), '[{"symbol":"A"},{"symbol":"B","quantity":"3"}]')
  const first = await dropping(folder)
  await eventually(() => expect(first.seen).toEqual(['A', 'B']))
  expect(first.gateway.channels.last('orders')).toMatchObject({ symbol: 'B', quantity: 3 })
  writeFileSync(join(folder, '2.jsonl'), '{"symbol":"C"}\n\n{"symbol":"D"}')
  await eventually(() => expect(first.seen).toEqual(['A', 'B', 'C', 'D']))
  await eventually(() => expect(read(ledger, '2.jsonl')).toBe(true))
  await first.gateway.stop()

  rmSync(join(folder, '1.json'))
  writeFileSync(join(folder, '0.json'), '{"symbol":"E"}')
  const second = await dropping(folder)
  await eventually(() => expect(second.seen).toEqual(['E']))
  // A file that is gone is forgotten: the ledger does not grow for ever.
  expect(read(ledger, '1.json')).toBe(false)
  expect(read(ledger, '2.jsonl')).toBe(true)
})

test('reads a file anew when it is replaced by another of the same name', async () => {
  const folder = temporaryFolder()
  const { seen } = await dropping(folder)
  writeFileSync(join(folder, 'daily.json'), '{"symbol":"A"}')
  await eventually(() => expect(seen).toEqual(['A']))
  writeFileSync(join(folder, 'daily.json'), '{"symbol":"LONGER"}')
  await eventually(() => expect(seen).toEqual(['A', 'LONGER']))
})

test('a record that is wrong is logged with its place and left out; the others tick', async () => {
  const folder = temporaryFolder()
  const { seen, told } = await dropping(folder)
  writeFileSync(join(folder, 'a.jsonl'), '{"symbol":"A"}\n{"symbol":7}\nnot json\n{"symbol":"B"}\n')
  await eventually(() => expect(seen).toEqual(['A', 'B']))
  expect(told).toMatchObject([
    ['warn', `${folder}: a record is left out`, { file: 'a.jsonl', record: 2 }],
    ['warn', `${folder}: a record is left out`, { file: 'a.jsonl', record: 3 }],
  ])
  expect(told[0]?.[2].err).toMatchObject({ code: 'INVALID_RECORD', channel: 'orders' })
})

test('a file that cannot be read is logged once and keeps no other from it', async () => {
  const folder = temporaryFolder()
  const { seen, told } = await dropping(folder)
  writeFileSync(join(folder, 'a.json'), '{"symbol":')
  writeFileSync(join(folder, 'b.json'), '{"symbol":"B"}')
  writeFileSync(join(folder, 'c.txt'), 'not for us')
  mkdirSync(join(folder, 'd.json'))
  await eventually(() => expect(seen).toEqual(['B']))
  writeFileSync(join(folder, 'e.json'), '{"symbol":"E"}')
  await eventually(() => expect(seen).toEqual(['B', 'E']))
  expect(told).toMatchObject([['error', `${folder}: a file cannot be read`, { file: 'a.json' }]])
})

test('reads files that begin with the mark of Unicode, and leaves folders and links to nothing alone', async () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'sub.json'))
  symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling.json'))
  writeFileSync(join(folder, 'a.json'), '\ufeff{"symbol":"A"}')
  writeFileSync(join(folder, 'b.jsonl'), '\ufeff{"symbol":"B"}\r\n{"symbol":"C"}')
  const { seen, told } = await dropping(folder)
  await eventually(() => expect(seen).toEqual(['A', 'B', 'C']))
  expect(told).toEqual([])
})

test('two drops of one folder and channel have ledgers of their own, or it is said', async () => {
  const folder = temporaryFolder()
  const half = (name: string, match: RegExp, rest: object = {}): Module => ({
    ...fileDrop({ channel: 'orders', folder, pollMs: 1, match, ...rest }),
    name,
  })
  const other = { ledger: join(folder, '.others') }
  await expect(running(channels, [half('a', /^a/), half('b', /^b/)])).rejects.toMatchObject({
    code: 'MODULE_FAILED',
    module: 'b',
    cause: expect.objectContaining({ code: 'INVALID_OPTION' }),
  })
  for (const restart of [false, true]) {
    const gateway = await running(channels, [half('a', /^a/), half('b', /^b/, other)])
    const seen = symbolsOf(gateway)
    if (!restart)
      for (const name of ['a', 'b'])
        writeFileSync(join(folder, `${name}.json`), `{"symbol":"${name}"}`)
    else writeFileSync(join(folder, 'a2.json'), '{"symbol":"later"}')
    const due = restart ? ['later'] : ['a', 'b']
    await eventually(() => expect(seen.toSorted()).toEqual(due))
    await gateway.stop()
  }
})

test('goes on when its folder was gone for a while', async () => {
  const folder = temporaryFolder()
  const { seen, told } = await dropping(folder)
  rmSync(folder, { recursive: true })
  await eventually(() =>
    expect(told.map(([, message]) => message)).toEqual([expect.stringContaining('read now')]),
  )
  mkdirSync(folder)
  writeFileSync(join(folder, 'a.json'), '{"symbol":"A"}')
  await eventually(() => expect(seen).toEqual(['A']))
  expect(told).toHaveLength(1)
})

test('records get new ids, unless they are to keep theirs', async () => {
  const folder = temporaryFolder()
  const order = { id: 'mine', timestamp: '2019-01-01T00:00:00.000000Z', symbol: 'A', quantity: 1 }
  writeFileSync(join(folder, 'a.json'), JSON.stringify(order))
  const fresh = await dropping(folder)
  await eventually(() => expect(fresh.seen).toEqual(['A']))
  const made = fresh.gateway.channels.last('orders')
  expect(made).toMatchObject({ id: expect.stringMatching(/^\d{30}$/) })
  const kept = await dropping(folder, { keepIds: true, ledger: join(folder, '.other') })
  await eventually(() => expect(kept.seen).toEqual(['A']))
  expect(kept.gateway.channels.last('orders')).toEqual(order)
})

test('reads CSV and Parquet through DuckDB, with empty fields as absent ones', async () => {
  const folder = temporaryFolder()
  const { gateway, seen } = await dropping(folder)
  writeFileSync(join(folder, 'a.csv'), 'symbol,quantity\nA,5\n"B, or ""C""",\n')
  await eventually(() => expect(seen).toEqual(['A', 'B, or "C"']))
  expect(gateway.channels.last('orders')).toMatchObject({ quantity: 1 })
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const connection = await (await DuckDBInstance.create()).connect()
  const rows = "SELECT * FROM (VALUES ('P', 7), ('Q', NULL)) AS t(symbol, quantity)"
  await connection.run(`COPY (${rows}) TO '${join(folder, '.new')}' (FORMAT parquet)`)
  writeFileSync(join(folder, 'b.parquet'), readFileSync(join(folder, '.new')))
  await eventually(() => expect(seen.slice(2)).toEqual(['P', 'Q']))
  connection.closeSync()
})

test('reads a format of its own, and a list channel takes a file as one list', async () => {
  const folder = temporaryFolder()
  async function* words(path: string): AsyncGenerator<number> {
    for (const word of readFileSync(path, 'utf8').split(' ')) yield Number(word)
  }
  const { logger } = keepingLogger()
  const drop = fileDrop({
    channel: 'lists',
    folder,
    format: words,
    match: /\.txt$/,
    pollMs: 1,
    logger,
  })
  const gateway = await running(channels, [drop])
  const next = gateway.channels.next('lists')
  writeFileSync(join(folder, 'a.txt'), '1 2 3')
  expect(await next).toEqual([1, 2, 3])
})

test('a stop in the middle of a file is gone on from at the next start', async () => {
  const folder = temporaryFolder()
  const ledger = join(folder, '.file-drop-orders.jsonl')
  writeFileSync(join(folder, 'big.slow'), '')
  let release: () => void = () => undefined
  const format = (upTo: number) =>
    async function* (): AsyncGenerator<unknown> {
      for (let i = 0; i < 6; i++) {
        if (i === upTo) {
          await new Promise<void>((resolve) => {
            release = resolve
          })
        }
        yield { symbol: String(i) }
      }
    }
  const first = await dropping(folder, { format: format(3) })
  await eventually(() => expect(first.seen).toEqual(['0', '1', '2']))
  const stopping = first.gateway.stop()
  release()
  await stopping
  expect(first.seen).toEqual(['0', '1', '2', '3'])
  expect(JSON.parse(readFileSync(ledger, 'utf8'))).toMatchObject({ records: 4, isDone: false })
  // As a crash may leave it.
  appendFileSync(ledger, '{"name":"big.s')
  const second = await dropping(folder, { format: format(-1) })
  await eventually(() => expect(second.seen).toEqual(['4', '5']))
})

test('into a basket goes to the key that is said, of each record and file', async () => {
  const folder = temporaryFolder()
  const { told, logger } = keepingLogger()
  const options = { folder, pollMs: 1, logger }
  const key = (record: unknown, file: string) =>
    (record as Partial<Order>).symbol ?? file.slice(0, -'.json'.length)
  const living = defineChannels({
    fixed: basket(['A', 'B'], z.number()),
    one: basket(['A', 'B'], z.number()),
    coming: dynamicBasket(Order),
  })
  writeFileSync(join(folder, 'B.json'), '[1, 2]')
  writeFileSync(join(folder, 'C.json'), '[3, {"symbol":"X"}, {"symbol":"Y","quantity":2}]')
  const gateway = await running(living, [
    fileDrop({ ...options, channel: 'fixed', key }),
    fileDrop({ ...options, channel: 'one', key: 'A' }),
    fileDrop({ ...options, channel: 'coming', key }),
  ])
  const { channels: live } = gateway
  await eventually(() => {
    expect(live.last('fixed')).toEqual({ B: 2 })
    expect(live.last('one')).toEqual({ A: 3 })
    expect(Object.keys(live.last('coming') ?? {})).toEqual(['X', 'Y'])
  })
  expect(live.last('coming', 'Y')).toMatchObject({ symbol: 'Y', quantity: 2 })
  await eventually(() => {
    const unknown = told.filter(
      ([, , { err }]) => (err as { code?: string }).code === 'UNKNOWN_KEY',
    )
    expect(unknown.map(([, , { file, record }]) => [file, record])).toEqual([
      ['C.json', 1],
      ['C.json', 2],
      ['C.json', 3],
    ])
  })
})

test.each([
  ['a basket without a key', { channel: 'keyed' }, 'INVALID_OPTION'],
  ['a key of no basket', { channel: 'orders', key: 'A' }, 'INVALID_OPTION'],
  ['a key that the basket does not have', { channel: 'keyed', key: 'Z' }, 'UNKNOWN_KEY'],
])('%s is refused', async (_, options, code) => {
  const drop = fileDrop({ folder: temporaryFolder(), ...options })
  await expect(running(channels, [drop])).rejects.toMatchObject({ code, module: drop.name })
})
