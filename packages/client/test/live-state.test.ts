import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import { type Client, createClient } from '../src/index.js'
import { type LiveStore, liveBasket, liveLast, liveState } from '../src/live-state.js'
import type { Order, Price, TestContract } from './support/contract.js'
import { FakeGateway } from './support/fake-gateway.js'

let gateway: FakeGateway
let client: Client<TestContract>

beforeEach(async () => {
  gateway = await FakeGateway.start()
  client = createClient<TestContract>({
    url: gateway.url,
    reconnect: { minDelayMs: 1, maxDelayMs: 5 },
  })
})

afterEach(async () => {
  client.$close()
  await gateway[Symbol.asyncDispose]()
})

const order = (symbol: string, quantity: number): Order => ({
  id: `${symbol}${quantity}`,
  timestamp: 't',
  symbol,
  side: 'buy',
  quantity,
})

/** Prescribes what the state holds, and at which offset. */
function state(offset: number, ...records: Order[]) {
  return {
    headers: {
      'x-gateway-kind': 'list',
      'x-gateway-position': `${gateway.epoch}:${offset}`,
      'x-gateway-state-by': 'symbol',
    },
    body: records,
  }
}

/** Waits until the snapshot is as expected. */
function until<S>(store: LiveStore<S>, condition: (snapshot: S) => boolean): Promise<S> {
  return new Promise((resolve) => {
    const end = store.subscribe((snapshot) => {
      if (!condition(snapshot)) return
      queueMicrotask(() => end())
      resolve(snapshot)
    })
  })
}

describe('a live state', () => {
  test('is loaded, then follows: newest by key, in the order of the keys', async () => {
    gateway.on('GET /api/v1/state/orders', state(0, order('B', 1), order('D', 1)))
    const orders = liveState(client.orders)
    expectTypeOf(orders.getSnapshot()).toEqualTypeOf<readonly Order[]>()
    expect(orders).toMatchObject({ status: 'loading' })
    expect(orders.getSnapshot()).toEqual([])
    await orders.ready
    expect(orders.getSnapshot()).toEqual([order('B', 1), order('D', 1)])
    gateway.tick('orders', order('D', 2))
    gateway.tick('orders', order('A', 1))
    expect(await until(orders, (records) => records.length === 3)).toEqual([
      order('A', 1),
      order('B', 1),
      order('D', 2),
    ])
  })

  test('neither misses nor repeats ticks that come while it is loaded', async () => {
    const orders = liveState(client.orders)
    await gateway.until(() => gateway.messages.length === 1)
    gateway.tick('orders', order('A', 1)) // held by the state below
    gateway.tick('orders', order('A', 2)) // held by it too
    gateway.tick('orders', order('A', 3)) // after it
    gateway.on('GET /api/v1/state/orders', state(2, order('A', 2)))
    const shown: (number | undefined)[] = []
    orders.subscribe(([first]) => shown.push(first?.quantity))
    await until(orders, ([first]) => first?.quantity === 3)
    expect(shown.filter((quantity) => quantity === 1)).toEqual([])
  })

  test('gives the same snapshot until something changes, and tells of changes once a turn', async () => {
    gateway.on('GET /api/v1/state/orders', state(0, order('A', 1)))
    const orders = liveState(client.orders)
    await orders.ready
    const before = orders.getSnapshot()
    expect(orders.getSnapshot()).toBe(before)
    let told = 0
    orders.subscribe(() => told++)
    expect(told).toBe(1)
    gateway.tick('orders', order('A', 2))
    const after = await until(orders, ([first]) => first?.quantity === 2)
    expect(after).not.toBe(before)
  })

  test('is loaded anew after a gap', async () => {
    gateway.on(
      'GET /api/v1/state/orders',
      state(0, order('A', 1)),
      { status: 503, headers: { 'retry-after': '0' }, body: { code: 'NOT_RUNNING' } },
      state(1, order('Z', 9)),
    )
    const orders = liveState(client.orders)
    await orders.ready
    gateway.restart()
    const records = await until(orders, ([first]) => first?.symbol === 'Z')
    expect(records).toEqual([order('Z', 9)])
    expect(orders.status).toBe('live')
  })

  test('takes the key from its options where the server does not say it', async () => {
    gateway.on('GET /api/v1/state/bySide', { body: [order('A', 1), order('B', 2)] })
    const bySide = liveState(client.orders, { state: 'bySide', by: ['side'] })
    await bySide.ready
    expect(bySide.getSnapshot()).toEqual([order('B', 2)])
    gateway.on('GET /api/v1/state/orders', { body: [] })
    await expect(liveState(client.orders).ready).rejects.toMatchObject({ code: 'INVALID_ANSWER' })
  })

  test('fails when there is no such state', async () => {
    const orders = liveState(client.orders)
    await expect(orders.ready).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(orders).toMatchObject({ status: 'failed', error: { code: 'NOT_FOUND' } })
  })

  test('unsubscribes when closed', async () => {
    gateway.on('GET /api/v1/state/orders', state(0, order('A', 1)))
    const orders = liveState(client.orders)
    await orders.ready
    orders.close()
    await gateway.until(() => gateway.messages.at(-1)?.action === 'unsubscribe')
    expect(orders.getSnapshot()).toEqual([order('A', 1)])
  })

  test('is refused by the compiler where there is none', () => {
    // @ts-expect-error no state
    const _ = () => liveState(client.total)
    // @ts-expect-error no such path
    const __ = () => liveState(client.orders, { by: ['colour'] })
  })
})

describe('a live last value', () => {
  test('begins with what ticked last, and follows', async () => {
    gateway.tick('total', 1)
    const total = liveLast(client.total)
    expectTypeOf(total.getSnapshot()).toEqualTypeOf<number | undefined>()
    expect(total.getSnapshot()).toBeUndefined()
    await total.ready
    expect(total.getSnapshot()).toBe(1)
    gateway.tick('total', 2)
    await until(total, (value) => value === 2)
  })

  test('is that of the new server after a restart', async () => {
    gateway.tick('total', 1)
    const total = liveLast(client.total)
    await total.ready
    gateway.restart()
    await until(total, (value) => value === undefined)
    gateway.tick('total', 5)
    await until(total, (value) => value === 5)
  })

  test('of a basket needs a key', () => {
    const price = liveLast(client.prices, 'AAPL')
    expectTypeOf(price.getSnapshot()).toEqualTypeOf<Price | undefined>()
    price.close()
    // @ts-expect-error no such key
    const _ = () => liveLast(client.prices, 'GOOG')
    // @ts-expect-error which key?
    const __ = () => liveLast(client.prices)
  })
})

test('a live basket holds the last of each key, until the key goes', async () => {
  const prices = liveBasket(client.prices)
  await prices.ready
  gateway.tick('prices', { value: 2 }, 'MSFT')
  gateway.tick('prices', { value: 1 }, 'AAPL')
  expect(await until(prices, (all) => all.length === 2)).toEqual([
    { key: 'AAPL', value: { value: 1 } },
    { key: 'MSFT', value: { value: 2 } },
  ])
  const { id } = gateway.messages[0] as { id: number }
  gateway.say({ sub: id, channel: 'prices', key: 'AAPL', removed: true })
  expect(await until(prices, (all) => all.length === 1)).toEqual([
    { key: 'MSFT', value: { value: 2 } },
  ])
})
