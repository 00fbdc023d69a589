import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@gw/client'
import type { ContractType } from '@gw/protocol'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createMcpServer } from '../src/index.js'
import { serve } from './support/served.js'

const socketPath = join(tmpdir(), `gw-mcp-${process.pid}.sock`)
let folder: string
let command: string
let served: Awaited<ReturnType<typeof serve>>
const assistants: Client[] = []

beforeAll(async () => {
  // Here, so that the dependencies are found.
  folder = await mkdtemp(join(import.meta.dirname, '../node_modules/.mcp-'))
  command = join(folder, 'bin.mjs')
  await build({
    entryPoints: [join(import.meta.dirname, '../src/bin.ts')],
    outfile: command,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['ws', '@modelcontextprotocol/sdk'],
    conditions: ['@gw/source'],
  })
  await writeFile(join(folder, 'key'), 'all\n')
  served = await serve({ unix: socketPath })
})

afterEach(async () => {
  for (const assistant of assistants.splice(0)) await assistant.close()
})

afterAll(async () => {
  await served[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** An assistant that has started the command. */
async function assistant(args: readonly string[], key = 'all'): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' })
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [command, ...args],
    env: { PATH: process.env.PATH ?? '', GW_API_KEY: key },
    stderr: 'pipe',
  })
  await client.connect(transport)
  assistants.push(client)
  return client
}

interface Outcome {
  readonly isError: boolean
  readonly text: string
}

async function call(client: Client, name: string, args: object = {}): Promise<Outcome> {
  const { isError = false, content } = await client.callTool({
    name,
    arguments: args as Record<string, unknown>,
  })
  const [{ text } = { text: '' }] = content as readonly { readonly text: string }[]
  return { isError: isError === true, text }
}

const answer = async (client: Client, name: string, args: object = {}): Promise<unknown> => {
  const { isError, text } = await call(client, name, args)
  expect({ isError, text }).toMatchObject({ isError: false })
  return JSON.parse(text)
}

const order = (symbol: string, quantity: number) => ({ symbol, side: 'buy', quantity })

describe('an assistant', () => {
  test('finds tools that the contract describes, and may only read when nothing else is said', async () => {
    const client = await assistant([served.url])
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual([
      'list_channels',
      'describe_channel',
      'last',
      'next',
      'watch',
      'lookup',
      'query',
      'stagings',
      'field',
      'control',
    ])
    expect(tools.every(({ annotations }) => annotations?.readOnlyHint === true)).toBe(true)
    expect(tools.find(({ name }) => name === 'query')?.description).toContain('orders by symbol')
    expect((await call(client, 'send_total', { records: [1] }).catch(String)).toString()).toContain(
      'there is no tool send_total',
    )
    expect(client.getInstructions()).toContain('list_channels')
  })

  test('reads: channels, last values, states, fields, the gateway itself', async () => {
    const client = await assistant([served.url, '--key-file', join(folder, 'key')], 'wrong')
    const { channels } = served.gateway
    channels.sendAll('orders', [order('A', 1), order('B', 20), order('C', 30)] as never)
    channels.send('prices', { value: 7 }, 'AAPL')
    expect(await answer(client, 'list_channels')).toContainEqual({
      name: 'orders',
      kind: 'single',
      doc: 'Orders as they come in.',
      states: [{ name: 'orders', by: ['symbol'] }],
      sendable: true,
      staged: true,
    })
    expect(await answer(client, 'describe_channel', { channel: 'orders' })).toMatchObject({
      record: { properties: { symbol: { description: 'Ticker symbol' } } },
    })
    const last = (await answer(client, 'last', { channel: 'orders' })) as { readonly id: string }
    expect(last).toMatchObject(order('C', 30))
    expect(await answer(client, 'lookup', { channel: 'orders', id: last.id })).toEqual(last)
    expect(await answer(client, 'lookup', { channel: 'orders', id: '1' })).toBeNull()
    expect(await answer(client, 'last', { channel: 'prices' })).toEqual({ AAPL: { value: 7 } })
    expect(await answer(client, 'last', { channel: 'prices', key: 'MSFT' })).toBeNull()
    const large = {
      state: 'orders',
      where: { quantity: { ge: 20 } },
      sort: ['-quantity'],
      limit: 1,
      select: ['symbol'],
    }
    expect(await answer(client, 'query', large)).toEqual({
      matching: 2,
      records: [{ symbol: 'C' }],
    })
    expect(await answer(client, 'field', { name: 'about' })).toEqual({ name: 'Demo' })
    expect(await answer(client, 'control', { name: 'stats' })).toMatchObject({
      data: { pid: process.pid },
    })
  })

  test('waits for ticks, and gathers them for a while', async () => {
    const client = await assistant([served.url])
    await client.listTools()
    const ticking = setInterval(() => served.gateway.channels.send('total', 5), 5)
    try {
      expect(await answer(client, 'next', { channel: 'total' })).toBe(5)
      const watched = await answer(client, 'watch', { channel: 'total', maxTicks: 3 })
      expect(watched).toEqual({ ticks: [5, 5, 5], gaps: 0 })
    } finally {
      clearInterval(ticking)
    }
    const brief = { channel: 'prices', timeoutSeconds: 0.1 }
    expect(await answer(client, 'watch', brief)).toEqual({ ticks: [], gaps: 0 })
    expect(await call(client, 'next', brief)).toMatchObject({
      isError: true,
      text: expect.stringMatching(/^TIMEOUT: /),
    })
  })

  test('sends and stages where that is allowed', async () => {
    const client = await assistant([served.url, '--allow-send'])
    const { tools } = await client.listTools()
    const send = tools.find(({ name }) => name === 'send_orders')
    expect(send?.inputSchema.properties?.records).toMatchObject({
      items: { required: ['symbol', 'side', 'quantity'] },
    })
    expect(send?.annotations).toMatchObject({ readOnlyHint: false })
    const named = { records: [order('S', 1), order('T', 2)], messageId: 'once' }
    const sent = await answer(client, 'send_orders', named)
    expect(sent).toMatchObject({ records: [order('S', 1), order('T', 2)] })
    expect(await answer(client, 'send_orders', named)).toEqual(sent)
    await answer(client, 'send_prices', { records: [{ value: 3 }], key: 'MSFT' })
    expect(served.gateway.channels.last('prices', 'MSFT')).toEqual({ value: 3 })

    const staged = { channel: 'orders', action: 'add', record: order('U', 9) }
    const [id = ''] = Object.keys((await answer(client, 'stage', staged)) as object)
    expect(await answer(client, 'stagings', { channel: 'orders' })).toMatchObject({
      [id]: [order('U', 9)],
    })
    await answer(client, 'stage', { channel: 'orders', action: 'release', ids: [id] })
    expect(await answer(client, 'last', { channel: 'orders' })).toMatchObject(order('U', 9))
    await answer(client, 'stage', { channel: 'orders', action: 'add', record: order('V', 1) })
    await answer(client, 'stage', { channel: 'orders', action: 'remove' })
    expect(await answer(client, 'stagings', { channel: 'orders' })).toEqual({})
  })

  test('is told what was wrong: arguments, records, what its key does not allow', async () => {
    const client = await assistant([served.url, '--allow-send'], 'reader')
    const wrong = async (name: string, args: object): Promise<string> => {
      const { isError, text } = await call(client, name, args)
      expect(isError).toBe(true)
      return text
    }
    expect(await wrong('last', { channel: 'nothing' })).toMatch(/^INVALID_ARGUMENTS: /)
    expect(await wrong('last', {})).toMatch(/^INVALID_ARGUMENTS: /)
    expect(await wrong('send_orders', { records: [order('A', -1)] })).toMatch(/^INVALID_ARG/)
    expect(await wrong('send_prices', { records: [{ value: 1 }] })).toContain('key')
    expect(await wrong('query', { state: 'orders', where: { colour: 'red' } })).toMatch(
      /^INVALID_QUERY: .*colour/,
    )
    expect(await wrong('last', { channel: 'silent' })).toMatch(/^NO_PROVIDER: /)
    expect(await wrong('last', { channel: 'prices', key: 'GOOG' })).toMatch(/^UNKNOWN_KEY: /)
    expect(await wrong('send_total', { records: [1] })).toMatch(/^FORBIDDEN: /)
    expect(await wrong('watch', { channel: 'orders', where: { colour: 1 } })).toMatch(/^INVALID_Q/)
  })

  test('sees only the channels that it is to see', async () => {
    const client = await assistant([served.url, '--allow-send', '--channels', 'total'])
    const { tools } = await client.listTools()
    const names = tools.map(({ name }) => name)
    expect(names).toContain('send_total')
    expect(names).not.toContain('send_orders')
    expect(names).not.toContain('query')
    expect((await call(client, 'last', { channel: 'orders' })).text).toMatch(/^INVALID_ARGUMENTS/)
    const mistaken = await assistant([served.url, '--channels', 'total,orderz'])
    await expect(mistaken.listTools()).rejects.toThrow('no channel orderz')
  })

  test.each([
    ['a UNIX socket', ['--unix', socketPath]],
    ['server-sent events', ['URL', '--sse']],
  ])('comes in over %s too', async (_, args) => {
    const client = await assistant([
      ...args.map((arg) => (arg === 'URL' ? served.url : arg)),
      '--allow-send',
    ])
    const watching = answer(client, 'watch', { channel: 'total', maxTicks: 1 })
    await answer(client, 'send_total', { records: [41] })
    const ticking = setInterval(() => served.gateway.channels.send('total', 42), 10)
    expect(await watching).toMatchObject({ gaps: 0 })
    clearInterval(ticking)
  })

  test('hears of a key that is wrong, and of a gateway that is not there', async () => {
    const stranger = await assistant([served.url], 'wrong')
    await expect(stranger.listTools()).rejects.toThrow('unauthorized')
    expect(await call(stranger, 'last', { channel: 'total' })).toMatchObject({
      isError: true,
      text: expect.stringMatching(/^UNAUTHORIZED: /),
    })
    const absent = await assistant(['http://127.0.0.1:9', '--timeout', '2'])
    await expect(absent.listTools()).rejects.toThrow('could not be reached')
    const { port } = new URL(served.url)
    const lost = await assistant([`http://127.0.0.2:${port}`, '--timeout', '2'])
    expect(await call(lost, 'last', { channel: 'total' })).toMatchObject({
      isError: true,
      text: expect.stringMatching(/^CONNECTION_FAILED: .*ECONNREFUSED/),
    })
  })
})

test('an answer that is too large is an error that says how to ask for less; a call that is given up ends', async () => {
  const client = createClient<ContractType>({ url: served.url, apiKey: 'all' })
  const [near, far] = InMemoryTransport.createLinkedPair()
  await createMcpServer({ client, maxAnswerLength: 20 }).connect(near)
  const mcp = new Client({ name: 'test', version: '1' })
  await mcp.connect(far)
  expect(await call(mcp, 'list_channels')).toMatchObject({
    isError: true,
    text: expect.stringMatching(/^TOO_LARGE: .*select/),
  })
  const abort = new AbortController()
  const waiting = mcp.callTool({ name: 'next', arguments: { channel: 'total' } }, undefined, {
    signal: abort.signal,
  })
  abort.abort()
  await expect(waiting).rejects.toThrow()
  await mcp.close()
  client.$close()
})

test.each([
  [[]],
  [['http://127.0.0.1:1', 'http://127.0.0.1:2']],
  [['nonsense']],
  [['http://127.0.0.1:1', '--nonsense']],
  [['http://127.0.0.1:1', '--timeout', '0']],
  [['http://127.0.0.1:1', '--key-file', '/nowhere']],
])('a wrong call %j is told so, on standard error', async (args) => {
  const child = spawn(process.execPath, [command, ...args], { env: { PATH: process.env.PATH } })
  let out = ''
  let err = ''
  child.stdout.on('data', (data) => {
    out += data
  })
  child.stderr.on('data', (data) => {
    err += data
  })
  expect(await once(child, 'close')).toEqual([2, null])
  expect(out).toBe('')
  expect(err).toContain('--help')
})
