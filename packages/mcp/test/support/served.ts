import { apiKey } from '@gw/auth-apikey'
import { basket, channel, defineChannels, field, Gateway, type Module, struct } from '@gw/channels'
import { webServer } from '@gw/server-hono'
import { z } from 'zod'

const Order = struct('Order', {
  symbol: z.string().describe('Ticker symbol'),
  side: z.enum(['buy', 'sell']),
  quantity: z.number().positive(),
})
const Controls = struct('Controls', {
  name: z.string().default('none'),
  status: z.string().default('none'),
  data: z.record(z.string(), z.unknown()).default({}),
  data_str: z.string().default(''),
})

const channels = defineChannels({
  orders: channel(Order, {
    state: { by: 'symbol' },
    stage: true,
    send: true,
    doc: 'Orders as they come in.',
  }),
  prices: basket(['AAPL', 'MSFT'], z.object({ value: z.number() }), { send: true }),
  total: channel(z.number(), { send: true }),
  silent: channel(z.number()),
  controls: channel(Controls, { required: false }),
  about: field(z.object({ name: z.string() }), { name: 'Demo' }),
})

/** A real gateway behind a real server on a free port, for the keys `all` and `reader`. */
export async function serve(
  options: { readonly unix?: string } = {},
): Promise<
  { readonly url: string; readonly gateway: Gateway<typeof channels.channels> } & AsyncDisposable
> {
  const server = webServer({
    port: 0,
    title: 'Orders',
    auth: apiKey({
      keys: [
        { name: 'all', key: 'all' },
        { name: 'reader', key: 'reader', scopes: [{ operations: ['read'] }] },
      ],
    }),
    controls: { heartbeat: true, stats: true },
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    ...options,
  })
  const gateway = new Gateway({
    channels,
    modules: [server as unknown as Module<typeof channels.channels>],
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
