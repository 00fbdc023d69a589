import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { createClient } from '../src/validation.js'
import type { Order, TestContract } from './support/contract.js'
import { FakeGateway } from './support/fake-gateway.js'

const order = z.strictObject({
  id: z.string(),
  timestamp: z.string(),
  symbol: z.string(),
  side: z.enum(['buy', 'sell']),
  quantity: z.number(),
})
// What a contract is at run time, as far as validation looks at it.
const contract = {
  channels: {
    orders: { kind: 'single', schema: order },
    fills: { kind: 'list', schema: z.array(order) },
    prices: { kind: 'basket', schema: z.strictObject({ value: z.number() }) },
    total: { kind: 'single', schema: z.number() },
  },
} as unknown as TestContract

let gateway: FakeGateway

beforeEach(async () => {
  gateway = await FakeGateway.start()
})

afterEach(async () => {
  await gateway[Symbol.asyncDispose]()
})

const right: Order = { id: '1', timestamp: 't', symbol: 'A', side: 'buy', quantity: 1 }
const wrong = { ...right, quantity: 'many' }

describe('what arrives is checked against the contract', () => {
  test('in the answers of calls', async () => {
    const client = createClient({ contract, url: gateway.url })
    const kind = (name: string) => ({ 'x-gateway-kind': name, 'x-gateway-position': 'e1:1' })
    gateway.on('GET /api/v1/last/orders', { headers: kind('single'), body: [wrong] })
    gateway.on('GET /api/v1/next/fills', { headers: kind('list'), body: [right, wrong] })
    gateway.on(
      'GET /api/v1/last/prices',
      { headers: kind('basket'), body: { AAPL: { value: 1 } } },
      { headers: kind('basket'), body: { AAPL: { value: '1' } } },
    )
    gateway.on('GET /api/v1/state/orders', { body: [right] }, { body: [wrong] }, { body: [{}] })
    gateway.on('GET /api/v1/lookup/fills/1', { body: [right] }, { body: [wrong] })

    await expect(client.orders.last()).rejects.toMatchObject({
      code: 'INVALID_ANSWER',
      errors: [{ path: ['quantity'] }],
    })
    await expect(client.fills.next()).rejects.toMatchObject({ errors: [{ path: [1, 'quantity'] }] })
    expect(await client.prices.last()).toEqual({ AAPL: { value: 1 } })
    await expect(client.prices.last()).rejects.toMatchObject({ errors: [{ path: ['value'] }] })
    const records = await client.orders.query()
    expectTypeOf(records).toEqualTypeOf<Order[]>()
    expect(records).toEqual([right])
    await expect(client.orders.query()).rejects.toMatchObject({ code: 'INVALID_ANSWER' })
    expect(await client.orders.query({ select: ['id'] })).toEqual([{}])
    expect(await client.fills.lookup('1')).toEqual(right)
    await expect(client.fills.lookup('1')).rejects.toMatchObject({ code: 'INVALID_ANSWER' })
  })

  test('in subscriptions, which end with what was wrong', async () => {
    const client = createClient({ contract, url: gateway.url })
    const totals = client.total.subscribe()
    const bursts = client.orders.subscribe({ mode: 'burst' })
    await Promise.all([totals.ready, bursts.ready])
    gateway.tick('total', 1)
    gateway.tick('total', 'two')
    gateway.tick('orders', right)
    const seen: number[] = []
    const read = (async () => {
      for await (const total of totals) seen.push(total)
    })()
    await expect(read).rejects.toMatchObject({ code: 'INVALID_ANSWER' })
    expect(seen).toEqual([1])
    for await (const orders of bursts) {
      expect(orders).toEqual([right])
      break
    }
    client.$close()
  })
})
