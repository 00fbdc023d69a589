import type { FieldError } from '@gw/protocol'
import { describe, expectTypeOf, test } from 'vitest'
import { createClient, GatewayClientError } from '../src/index.js'
import type { Order, Price, TestContract } from './support/contract.js'

// Types alone are looked at: nothing is opened before the first call, and no call is made.
const client = createClient<TestContract>({ url: 'http://127.0.0.1:1' })
const never = (_: (...args: unknown[]) => unknown): void => undefined

describe('reads', () => {
  test('answer what the contract says', () => {
    never(async () => {
      expectTypeOf(await client.orders.last()).toEqualTypeOf<Order | undefined>()
      expectTypeOf(await client.orders.next({ timeoutMs: 1 })).toEqualTypeOf<Order>()
      expectTypeOf(await client.total.last()).toEqualTypeOf<number | undefined>()
      expectTypeOf(await client.fills.last()).toEqualTypeOf<Order[] | undefined>()
      expectTypeOf(await client.fills.lookup('1')).toEqualTypeOf<Order | undefined>()
      expectTypeOf(await client.prices.last('AAPL')).toEqualTypeOf<Price | undefined>()
      expectTypeOf((await client.prices.last()).AAPL).toEqualTypeOf<Price | undefined>()
      expectTypeOf(await client.metadata.value()).toEqualTypeOf<{ readonly name: string }>()
    })
  })

  test('are refused on what is not there', () => {
    never(() => {
      // @ts-expect-error no such channel
      client.nothing
      // @ts-expect-error no such key
      client.prices.last('GOOG')
      // @ts-expect-error a field does not tick
      client.metadata.last()
      // @ts-expect-error a channel without keys
      client.orders.last('AAPL')
    })
  })
})

describe('queries', () => {
  test('know attributes, nested ones too, operators and values', () => {
    never(async () => {
      const records = await client.orders.query({
        where: {
          symbol: { in: ['AAPL'] },
          quantity: { gt: 10, le: 20 },
          'price.currency': 'USD',
          or: [{ side: 'buy' }, { not: { side: 'sell' } }],
        },
        sort: ['-quantity', 'price.amount'],
        limit: 10,
      })
      expectTypeOf(records).toEqualTypeOf<Order[]>()
      expectTypeOf(await client.orders.count({ where: { side: 'buy' } })).toEqualTypeOf<number>()
    })
    never(() => {
      // @ts-expect-error no such attribute
      client.orders.query({ where: { colour: 'red' } })
      // @ts-expect-error no such nested attribute
      client.orders.query({ where: { 'price.colour': 'red' } })
      // @ts-expect-error no such value
      client.orders.query({ where: { side: 'hold' } })
      // @ts-expect-error no such operator
      client.orders.query({ where: { quantity: { above: 10 } } })
      // @ts-expect-error not a number
      client.orders.query({ where: { quantity: { gt: '10' } } })
      // @ts-expect-error no such attribute to sort by
      client.orders.query({ sort: '-colour' })
      // @ts-expect-error no state
      client.total.query()
    })
  })

  test('answer what was selected', () => {
    never(async () => {
      const flat = await client.orders.query({ select: ['id', 'quantity'] })
      expectTypeOf(flat).toEqualTypeOf<{ readonly id: string; readonly quantity: number }[]>()
      const [nested] = await client.orders.query({ select: ['price.currency'] })
      expectTypeOf(nested?.price?.currency).toEqualTypeOf<string | undefined>()
      // @ts-expect-error not selected
      nested?.price?.amount
    })
  })

  test('reach further states by their names', () => {
    never(() => {
      client.orders.query({}, { state: 'bySide' })
      client.audited.query({ where: { side: 'buy' } }, { state: 'byDay' })
      // @ts-expect-error no such state
      client.orders.query({}, { state: 'byDay' })
      // @ts-expect-error the channel has no state of its own name
      client.audited.query()
    })
  })
})

describe('sends', () => {
  test('take inputs and answer completed records', () => {
    never(async () => {
      const order = await client.orders.send({ symbol: 'AAPL', side: 'buy', quantity: 1 })
      expectTypeOf(order).toEqualTypeOf<Order>()
      const { records } = await client.orders.sendAll([])
      expectTypeOf(records).toEqualTypeOf<readonly Order[]>()
      expectTypeOf(await client.prices.send({ value: 1 }, 'AAPL')).toEqualTypeOf<Price>()
      await client.prices.sendBasket({ AAPL: { value: 1 }, MSFT: { value: 2 } })
      expectTypeOf(await client.fills.send([])).toEqualTypeOf<Order[]>()
    })
  })

  test('are refused where the contract does not offer them', () => {
    never(() => {
      // @ts-expect-error not sendable
      client.total.send(1)
      // @ts-expect-error a field is missing
      client.orders.send({ symbol: 'AAPL', side: 'buy' })
      // @ts-expect-error no such side
      client.orders.send({ symbol: 'AAPL', side: 'hold', quantity: 1 })
      // @ts-expect-error no such key
      client.prices.send({ value: 1 }, 'GOOG')
      // @ts-expect-error no such key
      client.prices.sendBasket({ GOOG: { value: 1 } })
      // @ts-expect-error not staged
      client.total.stage
    })
  })
})

describe('subscriptions', () => {
  test('bring values, with their keys for a whole basket', () => {
    never(async () => {
      for await (const order of client.orders.subscribe({ where: { side: 'buy' } })) {
        expectTypeOf(order).toEqualTypeOf<Order>()
      }
      for await (const order of client.orders.subscribe({ select: ['quantity'] })) {
        expectTypeOf(order).toEqualTypeOf<{ readonly quantity: number }>()
      }
      for await (const orders of client.orders.subscribe({ mode: 'burst', select: ['id'] })) {
        expectTypeOf(orders).toEqualTypeOf<{ readonly id: string }[]>()
      }
      for await (const order of client.orders.subscribe({ mode: 'lastValue' })) {
        expectTypeOf(order).toEqualTypeOf<Order>()
      }
      for await (const price of client.prices.subscribe('AAPL')) {
        expectTypeOf(price).toEqualTypeOf<Price>()
      }
      for await (const { key, value } of client.prices.subscribe()) {
        expectTypeOf(key).toEqualTypeOf<'AAPL' | 'MSFT'>()
        expectTypeOf(value).toEqualTypeOf<Price>()
      }
      for await (const event of client.prices.subscribe().events()) {
        if (event.type === 'data') expectTypeOf(event.value).toEqualTypeOf<Price>()
        if (event.type === 'removed') expectTypeOf(event.key).toEqualTypeOf<'AAPL' | 'MSFT'>()
      }
      client.orders.watch((event) => {
        if (event.type === 'data') expectTypeOf(event.value).toEqualTypeOf<Order>()
      })
    })
    never(() => {
      // @ts-expect-error no such key
      client.prices.subscribe('GOOG')
      // @ts-expect-error no such attribute
      client.orders.subscribe({ where: { colour: 'red' } })
    })
  })
})

test('a batch takes what each of its channels takes', () => {
  never(() => {
    client.$batch([
      { channel: 'orders', data: { symbol: 'AAPL', side: 'buy', quantity: 1 } },
      { channel: 'orders', data: [{ symbol: 'AAPL', side: 'buy', quantity: 1 }] },
      { channel: 'prices', key: 'AAPL', data: { value: 1 } },
      { channel: 'fills', data: [] },
    ])
    // @ts-expect-error a basket needs a key
    client.$batch([{ channel: 'prices', data: { value: 1 } }])
    // @ts-expect-error no such key
    client.$batch([{ channel: 'prices', key: 'GOOG', data: { value: 1 } }])
    // @ts-expect-error not sendable
    client.$batch([{ channel: 'total', data: 1 }])
    // @ts-expect-error no price
    client.$batch([{ channel: 'prices', key: 'AAPL', data: { symbol: 'AAPL' } }])
  })
})

describe('an error narrows by its code', () => {
  test('with `is`', () => {
    never((): unknown => {
      const error = {} as GatewayClientError
      if (!error.is('INVALID_RECORD')) return undefined
      expectTypeOf(error.errors[0]?.path).toEqualTypeOf<readonly (string | number)[] | undefined>()
      // @ts-expect-error no such code
      return error.is('NO_SUCH_CODE')
    })
  })

  test('as caught, in a switch', () => {
    never((error: unknown): unknown => {
      if (!(error instanceof GatewayClientError)) return undefined
      expectTypeOf(error).toEqualTypeOf<GatewayClientError>()
      switch (error.code) {
        case 'INVALID_RECORD':
        case 'INVALID_ANSWER':
          expectTypeOf(error.errors).toEqualTypeOf<readonly FieldError[]>()
          return error.errors
        case 'OVERLOADED':
          expectTypeOf(error.retryAfterMs).toEqualTypeOf<number | undefined>()
          return error.retryAfterMs
        case 'UNKNOWN_KEY':
          expectTypeOf(error.errors).toEqualTypeOf<undefined>()
          return error.message
        // @ts-expect-error no such code
        case 'NO_SUCH_CODE':
          return undefined
        default:
          return error.request?.target
      }
    })
  })
})
