import { apiKey } from '@gw/auth-apikey'
import {
  basket,
  channel,
  defineChannels,
  dynamicBasket,
  field,
  Gateway,
  type Module,
  struct,
} from '@gw/channels'
import { type WebServerOptions, webServer } from '@gw/server-hono'
import { z } from 'zod'

const Order = struct('Order', {
  symbol: z.string(),
  side: z.enum(['buy', 'sell']),
  quantity: z.number().positive(),
  price: z.object({ amount: z.number(), currency: z.string() }).optional(),
})

const Controls = struct('Controls', {
  name: z.string().default('none'),
  status: z.string().default('none'),
  data: z.record(z.string(), z.unknown()).default({}),
  data_str: z.string().default(''),
})

export const channels = defineChannels({
  orders: channel(Order, {
    state: [{ by: 'symbol' }, { by: ['side', 'symbol'], alias: 'bySide' }],
    stage: true,
    send: true,
  }),
  total: channel(z.number(), { send: true }),
  fills: channel(z.array(Order), { send: true }),
  prices: basket(['AAPL', 'MSFT'], z.object({ value: z.number() }), { send: true }),
  quotes: dynamicBasket(z.object({ value: z.number() }), { send: true }),
  silent: channel(z.number()),
  controls: channel(Controls, { required: false }),
  metadata: field(z.object({ name: z.string() }), { name: 'Demo' }),
})

export type Served = typeof channels

/** A real gateway behind a real server on a free port. */
export async function serve(
  options: WebServerOptions = {},
): Promise<
  { readonly url: string; readonly gateway: Gateway<Served['channels']> } & AsyncDisposable
> {
  const server = webServer({
    port: 0,
    auth: apiKey({ key: 'secret' }),
    controls: true,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    ...options,
  })
  const gateway = new Gateway({
    channels,
    modules: [server as unknown as Module<Served['channels']>],
  })
  await gateway.start()
  return {
    url: server.url as string,
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway.stop()
    },
  }
}
