import {
  type Channels,
  type Contract,
  channel,
  defineChannels,
  defineModule,
  Gateway,
  type LiveChannels,
  type Module,
  struct,
} from '@gw/channels'
import { micros, node, sink, timer } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import { z } from 'zod'
import type { Trade, Workload } from './workload.js'

const TradeStruct = struct('Trade', {
  account: z.string(),
  symbol: z.string(),
  side: z.enum(['buy', 'sell']),
  price: z.number(),
  quantity: z.int(),
})
/** What feeds a channel of trades and what keeps them need to know no more. */
const plain = defineChannels({ trades: channel(TradeStruct) })
const kept = defineChannels({
  trades: channel(TradeStruct, { state: { by: 'id', index: 'account' } }),
})

/** What one run of the workload through a gateway took. */
interface Loaded<C extends AnyChannels> {
  /** Of one update, on average, with all records there. */
  readonly updateNs: number
  readonly channels: LiveChannels<C>
}

/** Runs the workload through a gateway whose channel has a state. */
export function runWithState(workload: Workload): Promise<Loaded<typeof kept.channels>> {
  return run(kept, workload, [])
}

/** The same without a state. */
export function runWithoutState(workload: Workload): Promise<Loaded<typeof plain.channels>> {
  return run(plain, workload, [])
}

/** The same with a node that puts the records into a plain map: returns the map too. */
export async function runWithMap(
  workload: Workload,
): Promise<Loaded<typeof plain.channels> & { readonly map: ReadonlyMap<string, Trade> }> {
  const map = new Map<string, Trade>()
  const keep = defineModule(plain, 'keep', (c) => {
    sink('keep', { trade: c.getChannel('trades') }, ({ trade }) => () => {
      map.set(trade.value.id, trade.value)
    })
  })
  return { ...(await run(plain, workload, [keep])), map }
}

async function run<C extends AnyChannels>(
  channels: Contract<C>,
  workload: Workload,
  modules: readonly Module<C>[],
): Promise<Loaded<C>> {
  const { size, ticks } = workload
  let i = 0
  let startedAt = 0
  let updateNs = 0
  const feed: Module<never> = {
    name: 'feed',
    connect(c: Channels<typeof plain.channels>) {
      const trade = node('trade', { t: timer(c.graph, micros(1)) }, () => () => {
        if (i === size) startedAt = performance.now()
        if (i === 2 * size) updateNs = ((performance.now() - startedAt) * 1e6) / size
        return ticks[i++]
      })
      c.setChannel('trades', trade)
    },
  }
  const gateway = new Gateway({ channels, modules: [feed as Module<C>, ...modules] })
  const result = await gateway.simulate({ duration: micros(2 * size + 1) })
  return { updateNs, channels: result.channels }
}
