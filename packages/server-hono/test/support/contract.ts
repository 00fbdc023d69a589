import {
  basket,
  channel,
  defineChannels,
  defineModule,
  dynamicBasket,
  field,
  struct,
} from '@gw/channels'
import { count, map } from '@gw/core'
import { z } from 'zod'

const Order = struct('Order', {
  symbol: z.string(),
  side: z.enum(['buy', 'sell']).default('buy'),
  quantity: z
    .int()
    .refine((quantity) => quantity >= 0, 'value must be non-negative.')
    .nullish(),
  price: z.object({ value: z.number(), currency: z.string() }).optional(),
  tags: z.array(z.string()).default([]),
  flags: z.record(z.string(), z.boolean()).default({}),
})

const Control = struct('Control', {
  name: z.string().default('none'),
  status: z.string().default('none'),
  data: z.record(z.string(), z.unknown()).default({}),
  data_str: z.string().default(''),
})

const Price = struct('Price', { value: z.number() })

export const channels = defineChannels({
  orders: channel(Order, {
    send: true,
    stage: true,
    state: [{ by: 'symbol' }, { by: 'id', alias: 'all_orders' }],
    doc: 'Orders as they come in.',
  }),
  order_list: channel(z.array(Order), { send: true }),
  total: channel(z.number()),
  nothing: channel(Order, { required: false }),
  prices: basket(['AAPL', 'MSFT'], Price, { send: true }),
  quotes: dynamicBasket(Price, { send: true }),
  read_only: basket(['a', 'b'], Price),
  controls: channel(Control, { required: false }),
  settings: field(z.object({ currency: z.string() }), { currency: 'USD' }),
})

export type TestChannels = (typeof channels)['channels']

/** Counts the orders, and copies the prices to a basket that takes nothing from outside. */
export const module = defineModule(channels, 'test', (c) => {
  c.setChannel('total', count(c.getChannel('orders')))
  c.setChannel(
    'read_only',
    map(c.getChannel('prices', 'AAPL'), (price) => price),
    'a',
  )
})
