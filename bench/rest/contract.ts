import { channel, defineChannels, defineModule, struct } from '@gw/channels'
import { count } from '@gw/core'
import { z } from 'zod'

const Order = struct('Order', {
  symbol: z.string(),
  side: z.enum(['buy', 'sell']),
  quantity: z.int().positive(),
  price: z.number(),
})

export const channels = defineChannels({
  orders: channel(Order, { send: true, state: { by: 'symbol' } }),
  total: channel(z.number()),
})

/** What is sent goes through a node, a state and a count. */
export const totals = defineModule(channels, 'totals', (c) => {
  c.setChannel('total', count(c.getChannel('orders')))
})

export const ORDER = '{"symbol":"AAPL","side":"buy","quantity":100,"price":189.25}'
