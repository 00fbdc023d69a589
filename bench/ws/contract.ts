import { basket, channel, defineChannels, defineModule, struct } from '@gw/channels'
import { z } from 'zod'

const Price = struct('Price', {
  symbol: z.string(),
  value: z.number(),
  /** When it was sent: Unix time in milliseconds, with a fraction. */
  sentAt: z.number(),
})

export const KEYS: readonly string[] = Array.from({ length: 10_000 }, (_, n) => `key-${n}`)

export const channels = defineChannels({
  prices: channel(Price, { send: true }),
  keyed: basket(KEYS, Price, { send: true }),
})

/** Nothing but what is sent. */
export const nothing = defineModule(channels, 'nothing', () => undefined)

export function price(n: number): { symbol: string; value: number; sentAt: number } {
  return { symbol: 'AAPL', value: n, sentAt: performance.timeOrigin + performance.now() }
}
