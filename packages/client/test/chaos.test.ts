import fc from 'fast-check'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createClient } from '../src/index.js'
import { liveState } from '../src/live-state.js'
import { sse } from '../src/sse.js'
import { CuttingProxy } from './support/cutting-proxy.js'
import { type Served, serve } from './support/served.js'

let served: Awaited<ReturnType<typeof serve>>

beforeAll(async () => {
  served = await serve()
})

afterAll(async () => {
  await served[Symbol.asyncDispose]()
})

/** Where a connection is cut: within the handshake, within messages, or after many of them. */
const cut = fc.record({
  upstream: fc.integer({ min: 1, max: 20_000 }),
  downstream: fc.integer({ min: 1, max: 20_000 }),
})

test('whatever a breaking network does, each send happens once and each tick is seen once, in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(cut, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 100 }),
      async (cuts, count) => {
        await using proxy = await CuttingProxy.start(served.url)
        proxy.cuts.push(...cuts)
        const options = { apiKey: 'secret', reconnect: { minDelayMs: 1, maxDelayMs: 5 } }
        await using client = createClient<Served>({ url: proxy.url, ...options })
        await using direct = createClient<Served>({ url: served.url, ...options })
        const witness = direct.total.subscribe()
        const subscription = client.total.subscribe()
        await Promise.all([witness.ready, subscription.ready])
        const numbers = Array.from({ length: count }, (_, n) => n)
        const sent = Promise.all(numbers.map((n) => client.total.send(n)))
        expect(await take(subscription, count)).toEqual(numbers)
        expect(await sent).toEqual(numbers)
        await direct.total.send(-1)
        expect(await take(witness, count + 1)).toEqual([...numbers, -1])
        expect(subscription.gaps).toBe(0)
      },
    ),
    { numRuns: Number(process.env.GW_RUNS ?? 20) },
  )
}, 120_000)

test.each([
  ['a WebSocket', {}],
  ['server-sent events', sse()],
])(
  'whatever a breaking network does, over %s a live state becomes that of the gateway',
  async (_, way) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(cut, { minLength: 1, maxLength: 12 }),
        fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 30 }),
        async (cuts, symbols) => {
          await using proxy = await CuttingProxy.start(served.url)
          proxy.cuts.push(...cuts)
          const options = { apiKey: 'secret', reconnect: { minDelayMs: 1, maxDelayMs: 5 } }
          await using client = createClient<Served>({ url: proxy.url, ...options, ...way })
          await using direct = createClient<Served>({ url: served.url, ...options })
          using orders = liveState(client.orders)
          for (const [quantity, symbol] of symbols.entries()) {
            await direct.orders.send({ symbol, side: 'buy', quantity: quantity + 1 })
          }
          await orders.ready
          const kept = await direct.orders.query()
          await vi.waitFor(() => expect(orders.getSnapshot()).toEqual(kept), 10_000)
        },
      ),
      { numRuns: Number(process.env.GW_RUNS ?? 8) },
    )
  },
  120_000,
)

async function take<T>(iterable: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const item of iterable) if (taken.push(item) === count) break
  return taken
}
