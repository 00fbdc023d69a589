import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest'
import { type Client, createClient } from '../src/index.js'
import { liveBasket, liveLast, liveState } from '../src/live-state.js'
import { createClient as createValidatingClient } from '../src/validation.js'
import { channels, type Served, serve } from './support/served.js'

let served: Awaited<ReturnType<typeof serve>>
let client: Client<Served>

beforeAll(async () => {
  served = await serve()
  client = createClient<typeof channels>({
    url: served.url,
    apiKey: 'secret',
    reconnect: { minDelayMs: 1, maxDelayMs: 20 },
  })
})

afterAll(async () => {
  client.$close()
  await served[Symbol.asyncDispose]()
})

async function take<T>(iterable: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const item of iterable) if (taken.push(item) === count) break
  return taken
}

describe('against a real gateway', () => {
  test('what is sent is answered completed, and read back', async () => {
    expect(await client.total.last()).toBeUndefined()
    const order = await client.orders.send({ symbol: 'AAPL', side: 'buy', quantity: 3 })
    expect(order).toMatchObject({ symbol: 'AAPL', id: expect.stringMatching(/^\d+$/) })
    expect(await client.orders.last()).toEqual(order)
    expect(await client.orders.lookup(order.id)).toEqual(order)
    expect(await client.orders.lookup('1')).toBeUndefined()
    expect(await client.total.send(5)).toBe(5)
    expect(await client.total.last()).toBe(5)
  })

  test('lists, baskets, keys and fields are what the contract says', async () => {
    expect(await client.fills.last()).toBeUndefined()
    const fills = await client.fills.send([{ symbol: 'A', side: 'buy', quantity: 1 }])
    expect(await client.fills.last()).toEqual(fills)
    expect(fills).toHaveLength(1)
    expect(await client.prices.last()).toEqual({})
    expect(await client.prices.send({ value: 1 }, 'AAPL')).toEqual({ value: 1 })
    const receipt = await client.prices.sendBasket({ AAPL: { value: 2 }, MSFT: { value: 3 } })
    expect(receipt.records).toEqual([{ value: 2 }, { value: 3 }])
    expect(await client.prices.last()).toEqual({ AAPL: { value: 2 }, MSFT: { value: 3 } })
    expect(await client.prices.last('MSFT')).toEqual({ value: 3 })
    await client.quotes.send({ value: 9 }, 'a/b c')
    expect(await client.quotes.last('a/b c')).toEqual({ value: 9 })
    expect(await client.metadata.value()).toEqual({ name: 'Demo' })
  })

  test('next waits for the tick that follows', async () => {
    const next = client.total.next()
    const abort = new AbortController()
    const never = client.orders.next({ signal: abort.signal })
    await expect(client.orders.next({ timeoutMs: 5 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    let isDone = false
    const sends = (async () => {
      for (let n = 100; !isDone; n++) await client.total.send(n)
    })()
    expect(await next).toBeGreaterThanOrEqual(100)
    isDone = true
    await sends
    abort.abort()
    await expect(never).rejects.toMatchObject({ code: 'ABORTED' })
  })

  test('queries select, sort and cut records, with or, not and nested attributes', async () => {
    await client.orders.sendAll([
      { symbol: 'Q1', side: 'buy', quantity: 10, price: { amount: 1, currency: 'USD' } },
      { symbol: 'Q2', side: 'sell', quantity: 20, price: { amount: 2, currency: 'EUR' } },
      { symbol: 'Q3', side: 'buy', quantity: 30 },
    ])
    const symbols = async (query: Parameters<typeof client.orders.query>[0]) =>
      (await client.orders.query(query)).map(({ symbol }) => symbol)
    const ours = { symbol: { in: ['Q1', 'Q2', 'Q3'] } }
    expect(await symbols({ where: ours, sort: '-quantity', limit: 2 })).toEqual(['Q3', 'Q2'])
    expect(await symbols({ where: { 'price.currency': 'EUR' } })).toEqual(['Q2'])
    expect(
      await symbols({ where: { ...ours, or: [{ quantity: { lt: 15 } }, { symbol: 'Q3' }] } }),
    ).toEqual(['Q1', 'Q3'])
    expect(await symbols({ where: { and: [ours, { not: { side: 'buy' } }] } })).toEqual(['Q2'])
    expect(await client.orders.count({ where: ours })).toBe(3)
    expect(await client.orders.count({ where: ours }, { state: 'bySide' })).toBe(3)
    const selected = await client.orders.query({
      where: { symbol: 'Q1' },
      select: ['symbol', 'price.currency'],
    })
    expect(selected).toEqual([{ symbol: 'Q1', price: { currency: 'USD' } }])
    const unknown = { where: { colour: 'red' } } as never
    await expect(client.orders.query(unknown)).rejects.toMatchObject({ code: 'INVALID_QUERY' })
  })

  test('staged records tick when they are released', async () => {
    const [[id, records] = ['', []]] = Object.entries(
      await client.orders.stage.add({ symbol: 'S', side: 'buy', quantity: 1 }),
    )
    expect(records).toMatchObject([{ symbol: 'S' }])
    expect(await client.orders.stage.list()).toEqual([id])
    expect(await client.orders.stage.contents(id)).toEqual({ [id]: records })
    const subscription = client.orders.subscribe({ where: { symbol: 'S' } })
    await subscription.ready
    expect(await client.orders.stage.release([id])).toEqual({ [id]: records })
    for await (const order of subscription) {
      expect(order).toEqual(records[0])
      break
    }
    expect(await client.orders.stage.list()).toEqual([])
  })

  test('refusals have their codes', async () => {
    await expect(client.silent.last()).rejects.toMatchObject({ code: 'NO_PROVIDER', status: 404 })
    const refused = client.orders.send({ symbol: 'A', side: 'buy', quantity: -1 })
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_RECORD',
      errors: [{ path: expect.arrayContaining(['quantity']) }],
    })
    const untyped = client as unknown as Record<string, typeof client.orders>
    await expect(untyped.nothing?.last()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(untyped.nothing?.subscribe().ready).rejects.toMatchObject({
      code: 'UNKNOWN_CHANNEL',
    })
    await expect(untyped.silent?.send({} as never)).rejects.toMatchObject({
      code: 'NOT_SENDABLE',
    })
    const position = { epoch: 'another', offset: 1 }
    await expect(client.total.send(1, { expect: position })).rejects.toMatchObject({
      code: 'POSITION_MISMATCH',
    })
    const stranger = createClient<typeof channels>({ url: served.url, apiKey: 'wrong' })
    await expect(stranger.total.last()).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    await expect(stranger.total.subscribe().ready).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    stranger.$close()
  })

  test('a send that is said twice happens once', async () => {
    const { position } = await client.total.sendAll([7], { messageId: 'once' })
    expect(await client.total.sendAll([8], { messageId: 'once' })).toMatchObject({
      records: [7],
      position,
    })
    expect(await client.total.last()).toBe(7)
  })

  test('subscriptions filter, select and carry keys', async () => {
    const large = client.orders.subscribe({
      where: { quantity: { gt: 100 } },
      select: ['symbol', 'quantity'],
    })
    const prices = client.prices.subscribe()
    await Promise.all([large.ready, prices.ready])
    for (const quantity of [1, 200, 2, 300]) {
      await client.orders.send({ symbol: 'F', side: 'buy', quantity })
    }
    await client.prices.send({ value: 4 }, 'MSFT')
    const seen: { readonly symbol: string; readonly quantity: number }[] = []
    for await (const order of large) {
      expectTypeOf(order).toEqualTypeOf<{ symbol: string; quantity: number }>()
      if (seen.push(order) === 2) break
    }
    expect(seen).toEqual([
      { symbol: 'F', quantity: 200 },
      { symbol: 'F', quantity: 300 },
    ])
    for await (const price of prices) {
      expect(price).toEqual({ key: 'MSFT', value: { value: 4 } })
      break
    }
  })

  test('live copies follow', async () => {
    const orders = liveState(client.orders)
    const prices = liveBasket(client.prices)
    const total = liveLast(client.total)
    await Promise.all([orders.ready, prices.ready, total.ready])
    expect(orders.getSnapshot()).toEqual(await client.orders.query())
    await client.orders.send({ symbol: '0', side: 'buy', quantity: 42 })
    await client.prices.send({ value: 42 }, 'AAPL')
    await client.total.send(42)
    await new Promise<void>((resolve) => total.subscribe((value) => value === 42 && resolve()))
    expect(orders.getSnapshot()).toEqual(await client.orders.query())
    expect(orders.getSnapshot()[0]).toMatchObject({ symbol: '0', quantity: 42 })
    expect(prices.getSnapshot()).toContainEqual({ key: 'AAPL', value: { value: 42 } })
    for (const store of [orders, prices, total]) store.close()
  })

  test('a batch ticks on several channels, all of it or nothing, and once', async () => {
    const batch = [
      { channel: 'total', data: 11 },
      { channel: 'prices', key: 'AAPL', data: { value: 11 } },
      { channel: 'fills', data: [{ symbol: 'B', side: 'buy', quantity: 1 }] },
    ] as const
    const receipt = await client.$batch(batch, { messageId: 'batch-1' })
    expect(receipt.records).toMatchObject([11, { value: 11 }, { symbol: 'B' }])
    expect(await client.$batch(batch, { messageId: 'batch-1' })).toEqual(receipt)
    const wrong = [batch[0], { channel: 'prices', key: 'AAPL', data: { value: 'x' } }] as never
    await expect(client.$batch(wrong)).rejects.toMatchObject({
      code: 'INVALID_RECORD',
      request: { action: 'batch', target: 'total,prices' },
    })
    expect(await client.prices.last('AAPL')).toEqual({ value: 11 })
  })

  test('last waits for a position that was sent', async () => {
    const { position } = await client.total.sendAll([12])
    expect(await client.total.last({ atLeast: position })).toBe(12)
    const later = { epoch: position?.epoch ?? '', offset: (position?.offset ?? 0) + 1 }
    const waiting = client.total.last({ atLeast: later })
    await client.total.send(13)
    expect(await waiting).toBe(13)
    const other = client.total.last({ atLeast: { epoch: 'another', offset: 1 } })
    await expect(other).rejects.toMatchObject({ code: 'POSITION_MISMATCH' })
  })

  test('a record is found by its id alone', async () => {
    const order = await client.orders.send({ symbol: 'L', side: 'buy', quantity: 3 })
    expect(await client.$lookup(order.id)).toEqual(order)
    await expect(client.$lookup('1')).rejects.toMatchObject({ code: 'UNKNOWN_ID' })
  })

  test('the gateway tells of itself', async () => {
    expect(await client.$control('heartbeat')).toMatchObject({ name: 'heartbeat', status: 'ok' })
    const { data, data_str } = await client.$control('stats')
    expect(data).toMatchObject({ pid: process.pid })
    expect(JSON.parse(data_str)).toEqual(data)
    const { paths, components } = await client.$describe()
    expect(Object.keys(paths)).toContain('/api/v1/state/bySide')
    expect(components?.schemas).toHaveProperty('OrderInput')
  })

  test('it can be stopped by a control', async () => {
    await using own = await serve()
    const its = createClient<Served>({ url: own.url, apiKey: 'secret' })
    await its.total.subscribe().ready
    const left = new Promise<void>((resolve) => {
      its.$connection.onState((state) => state === 'reconnecting' && resolve())
    })
    expect(await its.$control('shutdown')).toMatchObject({ name: 'shutdown', status: 'ok' })
    await left
    its.$close()
  })

  test('subscriptions start at a position or a time of the past, or say what is missing', async () => {
    const { position } = await client.total.sendAll([1, 2, 3])
    const { epoch, offset } = position ?? { epoch: '', offset: 0 }
    const second = { epoch, offset: offset - 2 }
    expect(await take(client.total.subscribe({ from: second }), 2)).toEqual([2, 3])
    const time = new Date(Date.now() - 60_000).toISOString()
    const all = await take(client.total.subscribe({ from: { time } }).events(), offset)
    expect(all.at(-1)).toMatchObject({ type: 'data', value: 3, position })
    const lost = client.total.subscribe({ from: { epoch: 'another', offset: 1 } })
    await lost.ready
    await client.total.send(4)
    expect(await take(lost.events(), 2)).toMatchObject([
      { type: 'gap', reason: 'history' },
      { type: 'data', value: 4 },
    ])
  })

  test('a slow reader of bursts gets what has gathered as one, in order', async () => {
    const bursts = client.total.subscribe({ mode: 'burst' })
    const witness = client.total.subscribe()
    await Promise.all([bursts.ready, witness.ready])
    for (const n of [1, 2, 3, 4]) await client.total.send(n)
    await take(witness, 4)
    expect(await take(bursts, 1)).toEqual([[1, 2, 3, 4]])
  })

  test('queries compare attributes with one another', async () => {
    await client.orders.send({ symbol: 'buy', side: 'buy', quantity: 3 })
    const same = await client.orders.query({ where: { symbol: { eq: { path: 'side' } } } })
    expect(same.map(({ symbol }) => symbol)).toEqual(['buy'])
  })

  test('a validating client reads the same', async () => {
    const validating = createValidatingClient({
      contract: channels,
      url: served.url,
      apiKey: 'secret',
    })
    const order = await validating.orders.send({ symbol: 'V', side: 'buy', quantity: 1 })
    expect(await validating.orders.last()).toEqual(order)
    expect(await validating.orders.query({ where: { symbol: 'V' } })).toEqual([order])
    validating.$close()
  })
})
