import { count } from '@gw/core'
import { expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  basket,
  channel,
  defineChannels,
  defineModule,
  dynamicBasket,
  Gateway,
  struct,
} from '../src/index.js'

const Order = struct('Order', {
  symbol: z.string(),
  side: z.enum(['buy', 'sell']),
  quantity: z.number().positive(),
})
type Order = z.output<typeof Order>
const Price = struct('Price', { value: z.number() })

const channels = defineChannels({
  orders: channel(Order, { state: { by: 'symbol' }, stage: true, send: true }),
  prices: basket(['AAPL', 'MSFT'], Price),
  quotes: dynamicBasket(Price),
  total: channel(z.number()),
  fills: channel(z.array(Order)),
})

const totals = defineModule(channels, 'totals', (c) => {
  c.setChannel('total', count(c.getChannel('orders')))
})

test('the example of the architecture runs as it is written', async () => {
  const gateway = new Gateway({ channels, modules: [totals] })
  await gateway.start()
  const sent = gateway.channels.send('orders', { symbol: 'AAPL', side: 'buy', quantity: 1 })
  expect(sent).toMatchObject({ symbol: 'AAPL', side: 'buy', quantity: 1 })
  expect(gateway.channels.last('orders')).toBe(sent)
  expect(gateway.channels.last('total')).toBe(1)
  expect(gateway.channels.query('orders', { where: { symbol: 'AAPL' } })).toEqual([sent])
  expect(gateway.channels.query('orders', { where: { symbol: 'MSFT' } })).toEqual([])
  await gateway.stop()
})

test('the compiler refuses what the contract does not have', () => {
  defineModule(channels, 'wrong', (c) => {
    // @ts-expect-error no such key
    expect(() => c.getChannel('prices', 'GOOG')).toThrow()
    // @ts-expect-error Order is not number
    c.setChannel('total', c.getChannel('orders'))
    // @ts-expect-error no such channel
    c.getChannel('order')
    // @ts-expect-error no state is declared
    c.getState('total')
    // @ts-expect-error no such attribute
    c.setState('orders', { by: 'symbl' })
    expectTypeOf(c.getChannel('fills')['~value']).toEqualTypeOf<Order[]>()
  })
  const wrong = (gateway: Gateway<(typeof channels)['channels']>): void => {
    // @ts-expect-error send is not declared
    gateway.channels.send('total', 1)
    // @ts-expect-error state is not declared
    gateway.channels.query('total')
    // @ts-expect-error staging is not declared
    gateway.channels.stageList('total')
    // @ts-expect-error side is one of two
    gateway.channels.send('orders', { symbol: 'AAPL', side: 'hold', quantity: 1 })
    // @ts-expect-error no such attribute
    gateway.channels.query('orders', { where: { colour: 'red' } })
    expectTypeOf(gateway.channels.last('orders')).toEqualTypeOf<Order | undefined>()
  }
  expect(wrong).toBeTypeOf('function')
  // @ts-expect-error no such attribute
  expect(() => defineChannels({ orders: channel(Order, { state: { by: 'colour' } }) })).toThrow(
    /"colour", which its records do not have/,
  )
})
