import { basket, channel, defineChannels, Gateway, type Module, struct } from '@gw/channels'
import { webServer } from '@gw/server-hono'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { type Client, createClient } from '../src/index.js'
import { liveState } from '../src/live-state.js'

const Trade = struct('Trade', {
  symbol: z.string(),
  side: z.object({ name: z.string() }).optional(),
  quantity: z.number(),
})
const channels = defineChannels({
  trades: channel(Trade, {
    state: [
      { by: 'symbol' },
      { by: ['side.name', 'symbol'], alias: 'bySide' },
      { by: 'symbol', keep: 2, alias: 'two' },
      { by: 'symbol', keep: 'all', alias: 'all' },
      { by: 'id', maxRecords: 5, alias: 'recent' },
      { by: 'symbol', keep: 3, maxRecords: 4, alias: 'few' },
    ],
    send: true,
  }),
  lists: channel(z.array(Trade), { state: { by: 'symbol', keep: 2 }, send: true }),
  books: basket(['A', 'B/c é'], Trade, {
    state: [{ by: 'symbol' }, { by: 'symbol', key: 'B/c é', alias: 'only' }],
    send: true,
  }),
})

let gateway: Gateway<(typeof channels)['channels']>
let client: Client<typeof channels>

beforeAll(async () => {
  const log = { info: () => undefined, warn: () => undefined, error: console.error }
  const server = webServer({ port: 0, log })
  gateway = new Gateway({
    channels,
    modules: [server as unknown as Module<(typeof channels)['channels']>],
  })
  await gateway.start()
  client = createClient<typeof channels>({ url: server.url as string })
})

afterAll(async () => {
  client.$close()
  await gateway.stop()
})

const trade = fc.record({
  symbol: fc.constantFrom('a', 'b', 'c', 'd'),
  side: fc.option(fc.record({ name: fc.constantFrom('buy', 'sell') }), { nil: undefined }),
  quantity: fc.integer({ min: 0, max: 9 }),
  // Records that were made elsewhere bring times of their own: they count as of when they came.
  timestamp: fc.option(fc.constantFrom('2020-01-01T00:00:00Z', '2030-01-01T00:00:00Z'), {
    nil: undefined,
  }),
})
const step = fc.oneof(
  trade.map((it) => () => client.trades.send(it)),
  fc.array(trade, { maxLength: 3 }).map((list) => () => client.lists.send(list)),
  fc.tuple(trade, fc.constantFrom('A' as const, 'B/c é' as const)).map(
    ([it, key]) =>
      () =>
        client.books.send(it, key),
  ),
)

test('a live state keeps what the state of the gateway keeps: how many, of which key, for how long', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 12 }),
      fc.array(step, { minLength: 1, maxLength: 12 }),
      async (before, after) => {
        for (const act of before) await act()
        const copies = [
          [liveState(client.trades), () => client.trades.query()],
          ...(['bySide', 'two', 'all', 'recent', 'few'] as const).map(
            (state) =>
              [
                liveState(client.trades, { state }),
                () => client.trades.query({}, { state }),
              ] as const,
          ),
          [liveState(client.lists), () => client.lists.query()],
          [liveState(client.books), () => client.books.query()],
          [
            liveState(client.books, { state: 'only' }),
            () => client.books.query({}, { state: 'only' }),
          ],
        ] as const
        await Promise.all(copies.map(([copy]) => copy.ready))
        for (const act of after) await act()
        for (const [copy, query] of copies) {
          const kept = await query()
          await vi.waitFor(() => expect(copy.getSnapshot()).toEqual(kept), 10_000)
          copy.close()
        }
      },
    ),
    { numRuns: 25 },
  )
}, 60_000)
