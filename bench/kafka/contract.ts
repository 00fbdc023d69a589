import { channel, defineChannels, struct } from '@gw/channels'
import { z } from 'zod'

/** Some 200 bytes as JSON. */
export const Order = struct('Order', {
  symbol: z.string(),
  quantity: z.int(),
  price: z.number(),
  note: z.string(),
})
export type Order = z.output<typeof Order>

export const channels = defineChannels({
  orders: channel(Order),
  copies: channel(Order),
})
export type Channels = (typeof channels)['channels']

const NOTE = 'n'.repeat(60)

export function orderOf(i: number): Order {
  return {
    id: String(10 ** 15 + i),
    timestamp: '2026-01-01T00:00:00.000000Z',
    symbol: `s${i % 1_000}`,
    quantity: i % 100,
    price: (i % 10_000) / 100,
    note: NOTE,
  }
}

/** Which one an order is. */
export function numberOf({ id }: { readonly id: string }): number {
  return Number(id) - 10 ** 15
}
