import { type Edge, manualClock, map, timestampOf } from '@gw/core'
import { afterEach } from 'vitest'
import { z } from 'zod'
import {
  basket,
  channel,
  defineChannels,
  dynamicBasket,
  Gateway,
  type GatewayOptions,
  type Module,
  struct,
} from '../../src/index.js'
import { loose } from '../support.js'

export const Order = struct('Order', { symbol: z.string(), quantity: z.int().positive() })
export type Order = z.output<typeof Order>
export const Price = struct('Price', { value: z.number() })

const channels = defineChannels({
  orders: channel(Order, { send: true, state: { by: 'symbol' } }),
  lists: channel(z.array(Order), { send: true }),
  prices: basket(['A', 'B'], Price, { send: true }),
  living: dynamicBasket(Price, { send: true, required: false }),
  total: channel(z.number()),
  never: channel(Order),
})
export type C = (typeof channels)['channels']

const total = loose('total', (c) => {
  c.setChannel(
    'total',
    map(c.getChannel('orders') as Edge<Order>, (order) => order.quantity),
  )
})

export const START = timestampOf('2024-01-01T00:00:00Z')
export const open: Gateway<C>[] = []
export const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

export async function started(options: Partial<GatewayOptions<C>> = {}): Promise<Gateway<C>> {
  const gateway = new Gateway<C>({
    channels,
    clock: manualClock(START),
    logger: quiet,
    budgetMs: Number.POSITIVE_INFINITY,
    ...options,
    modules: [total, ...(options.modules ?? [])] as Module<C>[],
  })
  open.push(gateway)
  await gateway.start()
  return gateway
}

afterEach(async () => {
  for (const gateway of open.splice(0)) await gateway.stop()
})

export const order = (quantity: number, symbol = 'AAPL'): { symbol: string; quantity: number } => ({
  symbol,
  quantity,
})
