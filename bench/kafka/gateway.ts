import { defineModule, Gateway, type Module } from '@gw/channels'
import { map, type PushSource, push } from '@gw/core'
import { type KafkaModule, type KafkaOptions, kafka } from '@gw/kafka'
import { type Channels, channels, type Order } from './contract.js'

export interface Running {
  readonly gateway: Gateway<Channels>
  readonly module: KafkaModule<Channels>
  readonly orders: PushSource<Order>
  /** Of the copies: how many, and when the first was. */
  readonly ticks: { count: number; firstAtMs: number }
}

/** A gateway whose orders come from here, or from a topic, and whose copies are the orders. */
export async function startGateway(options: KafkaOptions<Channels>): Promise<Running> {
  let orders: PushSource<Order> | undefined
  const ticks = { count: 0, firstAtMs: 0 }
  const copy: Module<Channels> = defineModule(channels, 'copy', (c) => {
    orders = push<Order>(c.graph, 'nonCollapsing', { maxPending: 1_000_000 })
    c.setChannel('orders', orders.edge)
    c.setChannel(
      'copies',
      map(c.getChannel('orders'), (order) => {
        if (ticks.count++ === 0) ticks.firstAtMs = performance.now()
        return order
      }),
    )
  })
  const module = kafka<Channels>(options)
  const gateway = new Gateway({ channels, modules: [copy, module] })
  await gateway.start()
  return { gateway, module, orders: orders as PushSource<Order>, ticks }
}
