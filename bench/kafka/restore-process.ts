// A gateway of a cluster that restores its state: says how long that took and what it holds, and ends in order.
import { setTimeout as sleep } from 'node:timers/promises'
import { channel, defineChannels, defineModule, Gateway, struct } from '@gw/channels'
import { filter } from '@gw/core'
import { cluster, store } from '@gw/kafka'
import { z } from 'zod'

const [broker = '', topic = '', groupId = '', kind = '', records = '', folder = ''] =
  process.argv.slice(2)

const Position = struct('Position', { symbol: z.string(), sum: z.number(), count: z.number() })
const channels = defineChannels({
  orders: channel(Position),
  positions: channel(Position, { state: { by: 'symbol' } }),
})
type Channels = (typeof channels)['channels']

const sums = store<{ sum: number; count: number }>('sums')
const positions = defineModule(channels, 'positions', (c) => {
  c.setChannel(
    'positions',
    filter(c.getChannel('orders'), () => true),
  )
})
const module = cluster<Channels>({
  brokers: [broker],
  groupId,
  by: { orders: 'symbol' },
  subscribe: { orders: { [topic]: '' } },
  stores: [sums],
  exactlyOnce: true,
  checkpoints: { folder },
})
const gateway = new Gateway({ channels, modules: [positions, module], stopTimeoutMs: 60_000 })
const bareMb = rssMb()
const started = performance.now()
await gateway.start()
while (module.ready.length < 1) await sleep(2)
const ms = Math.round(performance.now() - started)
const size = kind === 'store' ? sums.size : gateway.channels.count('positions')
if (size !== Number(records)) throw new Error(`${size} records were restored, not ${records}`)
process.send?.({ ms, rssMb: rssMb(), bareMb })
process.once('message', () => {
  void gateway.stop().then(() => process.disconnect())
})

function rssMb(): number {
  globalThis.gc?.()
  return Math.round(process.memoryUsage.rss() / 2 ** 20)
}
