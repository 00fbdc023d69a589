import { count, type Edge, map } from '@gw/core'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  basket,
  type Channels,
  type Contract,
  channel,
  defineChannels,
  defineModule,
  dynamicBasket,
  extendChannels,
  field,
  Gateway,
  type Module,
  struct,
} from '../src/index.js'
import { startHarness } from '../src/testing/index.js'

const Order = struct('Order', { symbol: z.string(), quantity: z.number() })

/** What a module knows. */
const part = defineChannels({
  orders: channel(Order),
  total: channel(z.number()),
  prices: basket(['A', 'B'], z.number()),
  living: dynamicBasket(z.number()),
  settings: field(z.object({ factor: z.number() }), { factor: 1 }),
  fills: channel(z.array(Order)),
})

/** What a gateway has: the same channels, which can more, and others. */
const full = defineChannels({
  orders: channel(Order, {
    state: [{ by: 'symbol' }, { by: 'id', alias: 'ordersById' }],
    send: true,
    stage: true,
    doc: 'Orders of the day',
  }),
  total: channel(z.number(), { required: false }),
  prices: basket(['A', 'B', 'C'], z.number(), { send: true }),
  living: dynamicBasket(z.number(), { send: true }),
  settings: field(z.object({ factor: z.number() }), { factor: 2 }),
  fills: channel(z.array(Order), { state: { by: 'id', alias: 'fillsById' }, required: false }),
  extra: channel(z.string(), { required: false }),
})

const counts = defineModule(part, 'counts', (c) => {
  const { factor } = c.getChannel('settings')
  c.setChannel(
    'total',
    map(count(c.getChannel('orders')), (n) => n * factor),
  )
  c.setState('orders', { by: 'symbol' })
})

describe('a module that knows a part of a contract', () => {
  test('runs in a gateway whose channels can more, with what the gateway declares', async () => {
    const gateway = new Gateway({ channels: full, modules: [counts] })
    await gateway.start()
    gateway.channels.send('orders', { symbol: 'A', quantity: 1 })
    expect(gateway.channels.last('total')).toBe(2)
    await gateway.stop()
  })

  test('sends, stages and reads states where its part says so', async () => {
    const asked = defineChannels({
      orders: channel(Order, { send: true, state: { by: 'id', alias: 'ordersById' } }),
    })
    const asks = defineModule(asked, 'asks', (c) => void c.getState('ordersById'), {
      start: ({ channels }) => void channels.send('orders', { symbol: 'A', quantity: 1 }),
    })
    const gateway = new Gateway({ channels: full, modules: [asks, counts] })
    await gateway.start()
    expect(gateway.channels.last('total')).toBe(2)
    await gateway.stop()

    // @ts-expect-error nobody may send there, and there is no such state
    new Gateway({ channels: part, modules: [asks] })
  })

  test('knows some keys of a basket, or none by name', async () => {
    const some = defineChannels({ prices: basket(['A'], z.number()), total: channel(z.number()) })
    const any = defineChannels({ prices: basket(z.number()) })
    const one = defineModule(some, 'one', (c) => c.setChannel('total', c.getChannel('prices').A))
    const every = defineModule(any, 'every', (c) => void c.getChannel('prices'))
    const gateway = new Gateway({ channels: full, modules: [one, every] })
    await gateway.start()
    gateway.channels.send('prices', 3, 'A')
    gateway.channels.send('prices', 4, 'B')
    expect(gateway.channels.last('total')).toBe(3)
    await gateway.stop()

    const others = defineChannels({ prices: basket(['A', 'D'], z.number()) })
    // @ts-expect-error the basket has no key D
    new Gateway({ channels: full, modules: [defineModule(others, 'others', () => {})] })
    // @ts-expect-error nobody promises the key A
    new Gateway({ channels: any, modules: [defineModule(some, 'some', () => {})] })
  })

  test('is refused by the compiler where a channel of its part is missing or another', () => {
    const wide = defineChannels({
      orders: channel(Order.extend('WideOrder', { venue: z.string() })),
      total: channel(z.number().nullable()),
    })
    const onlyOrders = defineChannels({ orders: channel(Order) })
    const copies = (
      from: Edge<{ id: string; timestamp: string; symbol: string; quantity: number }>,
    ) => map(from, (order) => ({ ...order }))
    const sets = defineModule(onlyOrders, 'sets', (c) => {
      c.setChannel('orders', copies(c.getChannel('orders')))
    })
    // @ts-expect-error it would set orders without a venue
    new Gateway({ channels: wide, modules: [sets] })
    // @ts-expect-error the total may be null
    new Gateway({ channels: wide, modules: [counts] })
    // @ts-expect-error it has no total
    new Gateway({ channels: onlyOrders, modules: [counts] })
    // @ts-expect-error the orders have no venue
    new Gateway({ channels: part, modules: [defineModule(wide, 'wide', () => {})] })

    const kinds = {
      single: defineChannels({ prices: channel(z.number()) }),
      fixed: defineChannels({ living: basket(['A'], z.number()) }),
      dynamic: defineChannels({ prices: dynamicBasket(z.number()) }),
      list: defineChannels({ orders: channel(z.array(Order)) }),
      ticking: defineChannels({ settings: channel(z.object({ factor: z.number() })) }),
    }
    // @ts-expect-error a basket is no channel
    new Gateway({ channels: part, modules: [defineModule(kinds.single, 'm', () => {})] })
    // @ts-expect-error keys that come and go are no fixed ones
    new Gateway({ channels: part, modules: [defineModule(kinds.fixed, 'm', () => {})] })
    // @ts-expect-error fixed keys are none that come and go
    new Gateway({ channels: part, modules: [defineModule(kinds.dynamic, 'm', () => {})] })
    // @ts-expect-error a channel of records is none of lists
    new Gateway({ channels: part, modules: [defineModule(kinds.list, 'm', () => {})] })
    // @ts-expect-error a field does not tick
    new Gateway({ channels: part, modules: [defineModule(kinds.ticking, 'm', () => {})] })
  })

  test('does not change what the gateway is: that is the contract, whatever its modules know', async () => {
    interface Served extends Module {
      readonly url: string
    }
    const knowsNone: Served = { name: 'knows none', url: '' }
    const gateways = [
      new Gateway({ channels: full, modules: [knowsNone] }),
      new Gateway({ channels: full, modules: [counts, knowsNone] }),
      new Gateway({ channels: full, modules: [], graph: () => undefined }),
    ]
    expectTypeOf(gateways).toEqualTypeOf<Gateway<(typeof full)['channels']>[]>()
    const harness = await startHarness({ channels: full, modules: [counts, knowsNone] })
    expectTypeOf(harness.gateway).toEqualTypeOf<Gateway<(typeof full)['channels']>>()
    // @ts-expect-error an order has a quantity
    expect(() => harness.channels.send('orders', { symbol: 'A' })).toThrow('quantity')
    await harness.stop()
  })

  test('may leave open which contract it is part of', async () => {
    type Counted = Pick<typeof part.channels, 'orders' | 'total'>
    const counted = <C extends Counted>(contract: Contract<C>): Module<C> =>
      defineModule<Counted>(contract, 'counted', (c: Channels<Counted>) => {
        c.setChannel('total', count(c.getChannel('orders')))
      })
    const gateway = new Gateway({ channels: full, modules: [counted(full)] })
    await gateway.start()
    gateway.channels.send('orders', { symbol: 'A', quantity: 1 })
    expect(gateway.channels.last('total')).toBe(1)
    await gateway.stop()
  })

  test('runs in what extends its contract, and in two contracts that share a declaration', () => {
    const more = extendChannels(part, { extra: channel(z.string()) })
    expect(() => new Gateway({ channels: more, modules: [counts] })).not.toThrow()
    const both = extendChannels(
      more,
      defineChannels({ orders: part.channels.orders, other: channel(z.number()) }),
    )
    expect(() => new Gateway({ channels: both, modules: [counts] })).not.toThrow()
  })
})
