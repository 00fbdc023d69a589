// One gateway of the chaos test, as a process of its own: a running sum by key, in a cluster.
import { channel, defineChannels, defineModule, Gateway, struct } from '@gw/channels'
import { node } from '@gw/core'
import { aggregate, cluster, store } from '@gw/kafka'
import { z } from 'zod'
import type { ChaosSettings } from './settings.js'

const settings = JSON.parse(process.argv[2] ?? '{}') as ChaosSettings

const Order = struct('Order', { number: z.int(), symbol: z.string(), quantity: z.int() })
const Total = struct('Total', { number: z.int(), symbol: z.string(), sum: z.int() })
const channels = defineChannels({
  orders: channel(Order),
  totals: channel(Total),
})
type Channels = (typeof channels)['channels']

const sums = store<number>('sums')

/** Keeps the engine busy: units that take long are what partitions move under. */
function work(): void {
  const until = performance.now() + settings.slowMs
  while (performance.now() < until);
}

const totals = defineModule(channels, 'totals', (c) => {
  const folded = aggregate(c.getChannel('orders'), sums, {
    by: ({ symbol }) => symbol,
    initial: 0,
    step: (sum, { quantity }) => {
      work()
      return sum + quantity
    },
  })
  c.setChannel(
    'totals',
    node('total', { folded }, ({ folded }, context) => () => {
      const { key, value, record } = folded.value
      return Total.make(context, { number: record.number, symbol: key, sum: value })
    }),
  )
})

const gateway = new Gateway({
  channels,
  modules: [
    totals,
    cluster<Channels>({
      brokers: [settings.broker],
      groupId: settings.groupId,
      clientId: 'chaos',
      by: { orders: 'symbol' },
      subscribe: { orders: { [settings.input]: '' } },
      publish: { totals: { [settings.output]: { attribute: 'symbol' } } },
      deadLetterTopic: `${settings.groupId}-dead`,
      stores: [sums],
      standbys: 1,
      checkpoints: { folder: settings.folder, everyMs: 2_000 },
      exactlyOnce: settings.exactlyOnce,
      sessionTimeoutMs: settings.sessionTimeoutMs,
    }),
  ],
})
await gateway.run()
