import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { tableWriter } from '../src/table.js'
import { serve } from './support/served.js'

let folder: string
let command: string
let served: Awaited<ReturnType<typeof serve>>

beforeAll(async () => {
  // Here, so that `ws` is found.
  folder = await mkdtemp(join(import.meta.dirname, '../node_modules/.cli-'))
  command = join(folder, 'bin.mjs')
  await build({
    entryPoints: [join(import.meta.dirname, '../src/bin.ts')],
    outfile: command,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['ws'],
    conditions: ['@gw/source'],
  })
  await writeFile(join(folder, 'key'), 'secret\n')
  served = await serve({ unix: join(tmpdir(), `gw-cli-${process.pid}.sock`) })
})

afterAll(async () => {
  await served[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, [command, ...args], {
    env: { PATH: process.env.PATH, GW_URL: served.url, GW_API_KEY: 'secret', ...env },
  })
}

async function run(
  args: readonly string[],
  { env, stdin = '' }: { readonly env?: Record<string, string>; readonly stdin?: string } = {},
): Promise<Outcome> {
  const child = start(args, env)
  let out = ''
  let err = ''
  child.stdout?.on('data', (data) => {
    out += data
  })
  child.stderr?.on('data', (data) => {
    err += data
  })
  child.stdin?.end(stdin)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}

const order = (symbol: string, quantity: number): string =>
  JSON.stringify({ symbol, side: 'buy', quantity })
const records = ({ out }: Outcome): unknown[] =>
  out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

describe('the command', () => {
  test('sends, and reads what was sent, as JSON lines', async () => {
    expect(await run(['last', 'total'])).toEqual({ code: 0, out: '', err: '' })
    const sent = await run(['send', 'orders'], { stdin: `${order('A', 1)}\n${order('B', 2)}\n` })
    expect(sent).toMatchObject({ code: 0, err: '' })
    expect(records(sent)).toMatchObject([{ symbol: 'A' }, { symbol: 'B' }])
    expect(records(await run(['last', 'orders']))).toEqual(records(sent).slice(1))
    const query = ['query', 'orders', '--where', '{"quantity":{"ge":1}}', '--sort=-quantity']
    const found = await run([...query, '--limit', '1', '--select', 'symbol'])
    expect(records(found)).toEqual([{ symbol: 'B' }])
    await run(['send', 'prices', 'AAPL', '--data', '{"value":7}'])
    expect(records(await run(['last', 'prices', 'AAPL']))).toEqual([{ value: 7 }])
    const channels = records(await run(['channels']))
    expect(channels).toContainEqual({
      name: 'orders',
      kind: 'single',
      calls: 'last next watch send stage',
      states: 'bySide orders',
    })
    expect(channels).toContainEqual({
      name: 'prices',
      kind: 'basket',
      calls: 'last next watch send',
      keys: 'AAPL MSFT',
    })
  })

  test('sends what comes, line by line, while more is to come', async () => {
    const child = start(['send', 'total'])
    for (const n of [1, 2]) {
      child.stdin?.write(`${n}\n`)
      const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data')
      expect(String(line)).toBe(`${n}\n`)
    }
    child.stdin?.end('oops\n')
    const [text] = await once(child.stderr as NodeJS.ReadableStream, 'data')
    expect(String(text)).toMatch(/^line 3 is no JSON: oops/)
    expect(await once(child, 'close')).toEqual([2, null])
  })

  test('watches from a position, over server-sent events too, and tells of what is missing', async () => {
    const { position } = served.gateway.channels.sendAll('total', [1, 2])
    const { epoch, offset } = position as { epoch: string; offset: number }
    for (const way of [[], ['--sse']]) {
      const from = ['--from', `${epoch}:${offset - 1}`]
      const child = start(['watch', 'total', ...from, ...way])
      const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data')
      expect(String(line)).toBe('2\n')
      child.kill('SIGTERM')
      expect(await once(child, 'close')).toEqual([0, null])
    }
    const child = start(['watch', 'total', '--from', 'another:1', '--mode', 'lastValue'])
    const [text] = await once(child.stderr as NodeJS.ReadableStream, 'data')
    expect(String(text)).toMatch(/^gap: ticks are missing here \(history/)
    child.kill('SIGTERM')
    expect(await once(child, 'close')).toEqual([0, null])
  })

  test('watches until it is stopped', async () => {
    const child = start(['watch', 'prices', 'MSFT', '--from', 'snapshot'])
    await served.gateway.channels.send('prices', { value: 3 }, 'MSFT')
    const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data')
    expect(JSON.parse(String(line).split('\n')[0] as string)).toEqual({ value: 3 })
    child.kill('SIGINT')
    expect(await once(child, 'close')).toEqual([0, null])
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('stopped by %s before the answer came ends with %i', async (signal, code) => {
    const mute = createServer()
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    const { port } = mute.address() as AddressInfo
    const child = start(['next', 'total', '--url', `http://127.0.0.1:${port}`])
    await once(mute, 'request')
    child.kill(signal)
    expect(await once(child, 'close')).toEqual([code, null])
    mute.closeAllConnections()
    mute.close()
  })

  test('ends quietly when its reader has enough', async () => {
    const child = start(['watch', 'total'])
    let err = ''
    child.stderr?.on('data', (data) => {
      err += data
    })
    const ticking = setInterval(() => served.gateway.channels.send('total', 1), 10)
    await once(child.stdout as NodeJS.ReadableStream, 'data')
    child.stdout?.destroy()
    expect(await once(child, 'close')).toEqual([0, null])
    clearInterval(ticking)
    expect(err).toBe('')
  })

  test('says what is at the bottom of it', async () => {
    const { code, err } = await run(['last', 'total', '--url', 'http://127.0.0.1:9'])
    expect(code).toBe(1)
    expect(err).toMatch(/^CONNECTION_FAILED: .*could not be reached \(bad port\)\n$/)
  })

  test.each([
    ['channels'],
    ['last', 'total'],
    ['next', 'total'],
    ['query', 'orders'],
    ['send', 'total', '--data', '1'],
    ['send', 'total', '--data', '1', '--sse'],
    ['watch', 'total'],
    ['watch', 'total', '--sse'],
  ])('says at once that the gateway is not there: %s %s %s %s %s', async (...args) => {
    const free = createServer()
    await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve))
    const { port } = free.address() as AddressInfo
    await new Promise((resolve) => free.close(resolve))
    const call = args.filter((arg) => arg !== undefined)
    const { code, out, err } = await run([...call, '--url', `http://127.0.0.1:${port}`])
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toMatch(/^CONNECTION_FAILED: .*ECONNREFUSED/)
  })

  test('a watch waits no longer than it is told for a gateway that does not answer', async () => {
    const mute = createServer()
    mute.on('upgrade', () => undefined)
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    const { port } = mute.address() as AddressInfo
    const url = `http://127.0.0.1:${port}`
    const { code, err } = await run(['watch', 'total', '--timeout', '0.2', '--url', url])
    expect(code).toBe(1)
    expect(err).toMatch(/^TIMEOUT: .*connecting/)
    mute.closeAllConnections()
    mute.close()
  })

  test('takes the key from a file, and the UNIX socket as its way', async () => {
    const file = ['--key-file', join(folder, 'key')]
    const env = { GW_API_KEY: 'wrong' }
    expect(await run(['channels', ...file], { env })).toMatchObject({ code: 0 })
    const unix = ['--unix', join(tmpdir(), `gw-cli-${process.pid}.sock`)]
    expect(await run(['send', 'total', '--data', '5', ...unix])).toMatchObject({ out: '5\n' })
    expect(await run(['last', 'total', ...unix])).toMatchObject({ code: 0, out: '5\n' })
  })

  test('says what went wrong, with a code of its own for wrong calls', async () => {
    const refused = await run(['last', 'total'], { env: { GW_API_KEY: 'wrong' } })
    expect(refused).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^UNAUTHORIZED: /),
    })
    expect(refused.err).not.toContain('wrong')
    expect(await run(['next', 'orders', '--timeout', '0.05'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^TIMEOUT: /),
    })
    expect(await run(['last', 'nobody'])).toMatchObject({ code: 1 })
    expect(await run(['last', 'total', '--url', 'nonsense'])).toMatchObject({ code: 1 })
    const wrong = [
      [],
      ['dance'],
      ['last'],
      ['last', 'a', 'b', 'c'],
      ['query', 'orders', '--where', '{'],
      ['query', 'orders', '--limit', 'many'],
      ['send', 'orders', '--data', '{'],
      ['watch', 'orders', '--from', 'yesterday'],
      ['watch', 'orders', '--mode', 'fast'],
      ['channels', 'orders'],
      ['last', 'orders', '--timeout', '0'],
      ['last', 'orders', '--key-file', join(folder, 'nothing')],
      ['last', 'orders', '--nonsense'],
      ['last', '$connection'],
      ['watch', 'then'],
    ]
    const outcomes = await Promise.all(wrong.map((args) => run(args)))
    expect(outcomes.map(({ code, out }) => [code, out])).toEqual(wrong.map(() => [2, '']))
    expect(await run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('watch') })
  })
})

test('a UNIX socket needs ws, and the command says so', async () => {
  vi.doMock('ws', () => {
    throw new Error('not installed')
  })
  const { runCommand } = await import('../src/cli.js')
  let err = ''
  const code = await runCommand(['last', 'total', '--unix', '/nowhere'], {
    env: {},
    isInteractive: false,
    signal: new AbortController().signal,
    async *stdin() {},
    readFile: () => '',
    stdout: () => undefined,
    stderr: (text) => {
      err += text
    },
  })
  vi.doUnmock('ws')
  expect(code).toBe(2)
  expect(err).toContain('-p ws')
})

test('a table has a column for each field, and no record writes over the terminal', () => {
  expect(
    tableWriter()([
      { a: 1, b: 'x' },
      { b: '\u001b[2J', c: { d: 2 } },
    ]),
  ).toBe('a  b     c\n1  x\n   \uFFFD[2J  {"d":2}\n')
  expect(tableWriter()(['orders', 'total'])).toBe('orders\ntotal\n')
  expect(tableWriter()(5)).toBe('5\n')
  expect(tableWriter()(undefined)).toBe('')
})

test('a table that goes on has one head, and another one when its columns change', () => {
  const write = tableWriter()
  const written = [{ n: 100 }, { n: 1 }, { n: 1, m: 2 }].map((record) => write([record]))
  expect(written.join('')).toBe('n\n100\n1\nn  m\n1  2\n')
})
