import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Client, type ClientOptions, createClient } from '../src/index.js'
import { liveState } from '../src/live-state.js'
import { sse } from '../src/sse.js'
import { CuttingProxy } from './support/cutting-proxy.js'
import { type Served, serve } from './support/served.js'

let served: Awaited<ReturnType<typeof serve>>
const clients: Client<Served>[] = []

beforeAll(async () => {
  served = await serve()
})

afterAll(async () => {
  await served[Symbol.asyncDispose]()
})

afterEach(() => {
  for (const client of clients.splice(0)) client.$close()
})

function connect(options: Partial<ClientOptions> = {}): Client<Served> {
  const client = createClient<Served>({
    url: served.url,
    apiKey: 'secret',
    reconnect: { minDelayMs: 1, maxDelayMs: 20 },
    ...sse(),
    ...options,
  })
  clients.push(client)
  return client
}

async function take<T>(iterable: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const item of iterable) if (taken.push(item) === count) break
  return taken
}

const order = (symbol: string, quantity: number) => ({ symbol, side: 'buy', quantity }) as const

describe('without a WebSocket', () => {
  test('what is sent comes back, in order, to who subscribed before', async () => {
    const client = connect()
    const totals = client.total.subscribe()
    const numbers = Array.from({ length: 50 }, (_, n) => n)
    const sent = Promise.all(numbers.map((n) => client.total.send(n)))
    expect(await take(totals, 50)).toEqual(numbers)
    expect(await sent).toEqual(numbers)
    expect(client.$connection.state).toBe('live')
  })

  test('subscriptions filter, select, carry keys, and begin with a snapshot', async () => {
    const client = connect()
    await client.prices.send({ value: 1 }, 'AAPL')
    const prices = client.prices.subscribe({ from: 'snapshot' })
    const large = client.orders.subscribe({
      where: { quantity: { gt: 5 } },
      select: ['symbol'],
    })
    await Promise.all([prices.ready, large.ready])
    await client.prices.send({ value: 2 }, 'MSFT')
    await client.orders.sendAll([order('A', 1), order('B', 10)])
    expect(await take(large, 1)).toEqual([{ symbol: 'B' }])
    expect(await take(prices.events(), 4)).toMatchObject([
      { type: 'snapshotStart' },
      { type: 'data', key: 'AAPL', value: { value: 1 }, snapshot: true },
      { type: 'snapshotEnd' },
      { type: 'data', key: 'MSFT', value: { value: 2 } },
    ])
  })

  test('a subscription starts in the past, or says what is missing', async () => {
    const client = connect()
    const { position } = await client.total.sendAll([1, 2, 3])
    const { epoch, offset } = position ?? { epoch: '', offset: 0 }
    const from = { epoch, offset: offset - 2 }
    expect(await take(client.total.subscribe({ from }), 2)).toEqual([2, 3])
    const lost = client.total.subscribe({ from: { epoch: 'another', offset: 1 } })
    await lost.ready
    await client.total.send(4)
    expect(await take(lost.events(), 2)).toMatchObject([
      { type: 'gap', reason: 'history' },
      { type: 'data', value: 4 },
    ])
  })

  test('refusals have their codes, and leave the others alone', async () => {
    const client = connect()
    const totals = client.total.subscribe()
    await totals.ready
    const untyped = client as unknown as Record<string, typeof client.orders>
    await expect(untyped.nothing?.subscribe().ready).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const colour = { where: { colour: 'red' } } as never
    await expect(client.orders.subscribe(colour).ready).rejects.toMatchObject({
      code: 'INVALID_QUERY',
    })
    await expect(client.orders.send(order('A', -1))).rejects.toMatchObject({
      code: 'INVALID_RECORD',
      errors: [{ path: expect.arrayContaining(['quantity']) }],
    })
    await expect(client.$batch([])).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    await client.total.send(5)
    expect(await take(totals, 1)).toEqual([5])
    const stranger = connect({ apiKey: 'wrong' })
    await expect(stranger.total.subscribe().ready).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    await expect(stranger.total.send(1)).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
  })

  test('live copies follow', async () => {
    const client = connect()
    const orders = liveState(client.orders)
    await orders.ready
    const changed = new Promise<void>((resolve) => {
      orders.subscribe((records) => records.some(({ symbol }) => symbol === 'LIVE') && resolve())
    })
    await client.orders.send(order('LIVE', 1))
    await changed
    expect(orders.getSnapshot()).toEqual(await client.orders.query())
    orders.close()
  })

  test('a silent peer is noticed: a connection that is quiet asks for a sign of life', async () => {
    await using proxy = await CuttingProxy.start(served.url)
    const client = connect({ url: proxy.url, silenceMs: 30 })
    const totals = client.total.subscribe()
    await totals.ready
    proxy.hold()
    const direct = connect()
    await direct.total.send(6)
    expect(await take(totals, 1)).toEqual([6])
    expect(totals.gaps).toBe(0)
  })
})

test('whatever a breaking network does, each send happens once and each tick is seen once', async () => {
  await using proxy = await CuttingProxy.start(served.url)
  // Early enough to cut requests, answers and streams alike.
  for (let n = 1; n <= 24; n++) {
    proxy.cuts.push({ upstream: (n * 397) % 2_000, downstream: (n * 1_013) % 3_000 })
  }
  const client = connect({ url: proxy.url })
  const direct = connect()
  const witness = direct.total.subscribe()
  const totals = client.total.subscribe()
  await Promise.all([witness.ready, totals.ready])
  const numbers = Array.from({ length: 60 }, (_, n) => n)
  const sent = Promise.all(numbers.map((n) => client.total.send(n)))
  expect(await take(totals, 60)).toEqual(numbers)
  expect(await sent).toEqual(numbers)
  expect(await take(witness, 60)).toEqual(numbers)
  expect(totals.gaps).toBe(0)
  expect(proxy.connections).toBeGreaterThan(24)
})
