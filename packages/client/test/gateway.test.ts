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
