import { channel, defineChannels, struct } from '@gw/channels'
import { z } from 'zod'

/** Somebody's order. */
const Order = struct('Order', {
  owner: z.string(),
  desk: z.string(),
  symbol: z.string(),
  quantity: z.int(),
  price: z.number(),
})

export const channels = defineChannels({ orders: channel(Order, { send: true }) })

export const OWNERS = 100

/** The `n`th order: each owner has every hundredth. */
export function order(n: number): object {
  return {
    owner: `owner-${n % OWNERS}`,
    desk: 'desk',
    symbol: 'AAPL',
    quantity: n,
    price: 100 + (n % 7),
  }
}
