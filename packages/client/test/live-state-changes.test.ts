import {
  basket,
  channel,
  defineChannels,
  Gateway,
  type LiveGateway,
  type Module,
  struct,
} from '@gw/channels'
import type { AuthFilter, Identity } from '@gw/protocol'
import { webServer } from '@gw/server-hono'
import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { type Client, type ClientOptions, createClient } from '../src/index.js'
import { liveState } from '../src/live-state.js'
import { sse } from '../src/sse.js'
import { CuttingProxy } from './support/cutting-proxy.js'

const Trade = struct('Trade', { symbol: z.string(), owner: z.string(), quantity: z.number() })
const channels = defineChannels({
  trades: channel(Trade, {
    state: [
      { by: 'symbol' },
      { by: 'symbol', keep: 2, alias: 'two' },
      { by: 'id', maxRecords: 3, alias: 'recent' },
    ],
    send: true,
  }),
  books: basket(['A', 'B'], Trade, { state: { by: 'symbol' }, send: true }),
})
type Channels = (typeof channels)['channels']
type Live = LiveGateway<Channels>['channels']

interface Opened {
  readonly url: string
  readonly live: Live
  clientOf(options?: Partial<ClientOptions>): Client<typeof channels>
}

/** A gateway with a rule of rows; the key of an identity is its name. */
async function open(
  filter?: AuthFilter,
  identityOf: (key: string) => Identity = (name) => ({ name }),
): Promise<Opened> {
  let live: Live | undefined
  const server = webServer({
    port: 0,
    log: { info: () => undefined, warn: () => undefined, error: console.error },
    limits: { progressIntervalMs: 20 },
    auth: {
      name: 'names',
      authenticate: (credentials) => ({
        ok: true,
        identity: identityOf(credentials.header('x-api-key') ?? ''),
      }),
    },
    ...(filter && { filter }),
  })
  const outside: Module<Channels> = {
    name: 'outside',
    connect: () => undefined,
    start: (gateway) => {
      live = gateway.channels as unknown as Live
    },
  }
  const gateway = new Gateway({
    channels,
    modules: [outside, server as unknown as Module<Channels>],
  })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const url = server.url as string
  return {
    url,
    live: live as unknown as Live,
    clientOf(options = {}) {
      const client = createClient<typeof channels>({ url, apiKey: 'ann', ...options })
      onTestFinished(() => client.$close())
      return client
    },
  }
}

const trade = (symbol: string, quantity: number, owner = 'ann') => ({ symbol, owner, quantity })
const stored = (symbol: string, quantity: number) => ({
  id: `${quantity}`.padStart(20, '0'),
  timestamp: '2026-01-01T00:00:00.000000Z',
  ...trade(symbol, quantity),
})
const own: AuthFilter = (identity, row, { operation }) =>
  operation !== 'read' || row.owner === identity.name
const shown = (records: readonly { symbol: string; quantity: number }[]): string =>
  records.map(({ symbol, quantity }) => `${symbol}${quantity}`).join(' ')

test.each([
  ['a WebSocket', {}],
  ['server-sent events', sse()],
])(
  'what is put into a state, or taken out, without a tick reaches the copy over %s',
  async (_, way) => {
    const { live, clientOf } = await open()
    const client = clientOf(way)
    await client.trades.sendAll([trade('a', 1), trade('b', 2)])
    const copy = liveState(client.trades)
    await copy.ready
    expect(shown(copy.getSnapshot())).toBe('a1 b2')

    live.forgetState('trades', [['a']])
    await vi.waitFor(() => expect(shown(copy.getSnapshot())).toBe('b2'))
    live.restoreState('trades', [stored('c', 3)])
    await vi.waitFor(() => expect(shown(copy.getSnapshot())).toBe('b2 c3'), 5_000)
    await client.trades.send(trade('c', 4))
    await vi.waitFor(() => expect(shown(copy.getSnapshot())).toBe('b2 c4'))
    expect(copy.status).toBe('live')
    copy.close()
  },
)

test('what changed while the connection was lost reaches the copy; when nothing did, it is not loaded anew', async () => {
  const { url, live, clientOf } = await open()
  await using proxy = await CuttingProxy.start(url)
  let loads = 0
  const client = clientOf({
    url: proxy.url,
    reconnect: { minDelayMs: 1, maxDelayMs: 5 },
    fetch: (target, init) => {
      if (target.includes('/state/')) loads++
      return fetch(target, init)
    },
  })
  const sender = clientOf()
  await sender.trades.sendAll([trade('a', 1), trade('b', 2)])
  const copy = liveState(client.trades)
  await copy.ready

  const cut = async (): Promise<void> => {
    const back = new Promise<void>((resolve) => {
      const stop = client.$connection.onState((state) => {
        if (state !== 'live') return
        stop()
        resolve()
      })
    })
    proxy.cut()
    await back
  }
  await cut()
  await sender.trades.send(trade('a', 3))
  await vi.waitFor(() => expect(shown(copy.getSnapshot())).toBe('a3 b2'))
  expect(loads).toBe(1)

  const lost = cut()
  live.forgetState('trades', [['b']])
  await lost
  await vi.waitFor(() => expect(shown(copy.getSnapshot())).toBe('a3'))
  copy.close()
})

test.each([
  ['a WebSocket', undefined],
  ['server-sent events', sse()],
])(
  'over %s a copy is what the state is, whatever a breaking network does',
  async (_, way) => {
    const { url, live, clientOf } = await open(own)
    const sender = clientOf()
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ upstream: fc.nat(3_000), downstream: fc.nat(6_000) }), {
          minLength: 3,
          maxLength: 8,
        }),
        fc.array(fc.integer({ min: 0, max: 11 }), { minLength: 10, maxLength: 60 }),
        async (cuts, steps) => {
          await using proxy = await CuttingProxy.start(url)
          proxy.cuts.push(...cuts)
          const client = clientOf({
            url: proxy.url,
            reconnect: { minDelayMs: 1, maxDelayMs: 5 },
            ...way,
          })
          const copies = [
            [liveState(client.trades), () => sender.trades.query()],
            [
              liveState(client.trades, { state: 'two' }),
              () => sender.trades.query({}, { state: 'two' }),
            ],
          ] as const
          for (const step of steps) {
            const symbol = 'abcd'[step % 4] as string
            if (step === 11) live.forgetState('trades', [[symbol]])
            else live.send('trades', trade(symbol, step, step % 5 === 0 ? 'bob' : 'ann'))
            if (step % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
            if (step === 7) proxy.cut()
          }
          for (const [copy, query] of copies) {
            const kept = await query()
            await vi.waitFor(() => expect(copy.getSnapshot()).toEqual(kept), 15_000)
            await vi.waitFor(() => expect(copy.status).toBe('live'), 15_000)
            copy.close()
          }
          client.$close()
        },
      ),
      { numRuns: 6 },
    )
  },
  60_000,
)

test('a row whose place one takes that may not be seen leaves the copy', async () => {
  const { clientOf } = await open(own)
  const client = clientOf()
  const other = clientOf({ apiKey: 'bob' })
  await client.trades.sendAll([trade('a', 1), trade('b', 2)])
  const copy = liveState(client.trades)
  await copy.ready
  await other.trades.send(trade('a', 3, 'bob'))
  await vi.waitFor(() => expect(shown(copy.getSnapshot())).toBe('b2'))
  expect(shown(await client.trades.query())).toBe('b2')
  copy.close()
})

test('so it does where scopes hide the key of a basket that it came on', async () => {
  const scopes = [{ operations: ['read', 'send'], channels: ['books'], keys: ['A'] }] as const
  const { live, clientOf } = await open(undefined, (name) =>
    name === 'ann' ? { name, scopes } : { name },
  )
  const client = clientOf()
  await client.books.send(trade('a', 1), 'A')
  await client.books.send(trade('b', 2), 'A')
  const copy = liveState(client.books)
  await copy.ready
  await clientOf({ apiKey: 'bob' }).books.send(trade('a', 3), 'B')
  await vi.waitFor(() => expect(shown(copy.getSnapshot())).toBe('b2'))

  // A row of which nobody knows the key is for who sees all of them.
  live.forgetState('books', [['a'], ['b']])
  live.restoreState('books', [stored('c', 4)])
  await vi.waitFor(() => expect(copy.getSnapshot()).toEqual([]), 5_000)
  expect(await client.books.query()).toEqual([])
  expect(await client.books.count()).toBe(0)
  expect(shown(await clientOf({ apiKey: 'bob' }).books.query())).toBe('c4')
  copy.close()
})

test.each([
  ['a WebSocket', {}],
  ['server-sent events', sse()],
])(
  'a rule that changes its mind hides rows of the copy, and shows others, over %s',
  async (_, way) => {
    const hidden = new Set(['c'])
    const { clientOf } = await open((_identity, row) => !hidden.has(row.symbol))
    const client = clientOf({ apiKey: 'ann', ...way })
    const sender = clientOf()
    hidden.clear()
    await sender.trades.sendAll([trade('a', 1), trade('b', 2), trade('c', 3)])
    hidden.add('c')
    const copy = liveState(client.trades)
    await copy.ready
    expect(shown(copy.getSnapshot())).toBe('a1 b2')
    hidden.add('a')
    await vi.waitFor(() => expect(shown(copy.getSnapshot())).toBe('b2'), 5_000)
    hidden.clear()
    await vi.waitFor(() => expect(shown(copy.getSnapshot())).toBe('a1 b2 c3'), 5_000)
    await vi.waitFor(() => expect(copy.status).toBe('live'))
    copy.close()
  },
)

test('a copy of what an identity sees is what it would be answered, whatever others send', async () => {
  const { live, clientOf } = await open(own)
  const client = clientOf()
  const sent = fc.record({
    symbol: fc.constantFrom('a', 'b', 'c'),
    owner: fc.constantFrom('ann', 'bob'),
    quantity: fc.integer({ min: 0, max: 9 }),
  })
  const step = fc.oneof(
    { weight: 6, arbitrary: sent.map((it) => () => live.send('trades', it)) },
    { weight: 3, arbitrary: sent.map((it) => () => live.send('books', it, 'B')) },
    fc.constantFrom('a', 'b').map((symbol) => () => live.forgetState('two', [[symbol]])),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 10 }),
      fc.array(step, { minLength: 1, maxLength: 10 }),
      async (before, after) => {
        for (const act of before) act()
        const copies = [
          [liveState(client.trades), () => client.trades.query()],
          ...(['two', 'recent'] as const).map(
            (state) =>
              [
                liveState(client.trades, { state }),
                () => client.trades.query({}, { state }),
              ] as const,
          ),
          [liveState(client.books), () => client.books.query()],
        ] as const
        await Promise.all(copies.map(([copy]) => copy.ready))
        for (const act of after) act()
        for (const [copy, query] of copies) {
          const kept = await query()
          await vi.waitFor(() => expect(copy.getSnapshot()).toEqual(kept), 10_000)
          copy.close()
        }
      },
    ),
    { numRuns: 8 },
  )
}, 60_000)
