import { manualClock } from '@gw/core'
import { z } from 'zod'
import {
  basket,
  channel,
  deadLetterChannel,
  defineChannels,
  Gateway,
  type GatewayOptions,
  type Module,
  struct,
} from '../src/index.js'
import { T0 } from './support.js'

export const Order = struct('Order', { quantity: z.int() })
export type Order = z.output<typeof Order>
export const channels = defineChannels({
  orders: channel(Order, { send: true }),
  results: channel(Order, { required: false }),
  keyed: basket(['A', 'B'], Order, { send: true }),
  deadLetters: deadLetterChannel(),
})
export type C = (typeof channels)['channels']
export const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

export function gatewayOf(
  modules: readonly unknown[],
  options: Partial<GatewayOptions<C>> = {},
): Gateway<C> {
  return new Gateway<C>({
    channels,
    logger: quiet,
    clock: manualClock(T0),
    // However slow the machine is, all that follows from a call has happened when it returns.
    budgetMs: Number.POSITIVE_INFINITY,
    ...options,
    modules: modules as Module<C>[],
  })
}

export function noting(
  name: string,
  notes: string[],
  rest: Partial<Module<never>> = {},
): Module<never> {
  return {
    name,
    start: () => {
      notes.push(`start ${name}`)
    },
    stop: async () => {
      notes.push(`stop ${name}`)
    },
    flush: () => {
      notes.push(`flush ${name}`)
    },
    ...rest,
  }
}
