import { defineModule, Gateway, type Module } from '@gw/channels'
import { type Input, map, type PushSource, push, sink } from '@gw/core'
import { type KafkaModule, type KafkaOptions, kafka } from '@gw/kafka'
import { type Channels, channels, type Order } from './contract.js'

export interface Running {
  readonly gateway: Gateway<Channels>
  readonly module: KafkaModule<Channels>
  readonly orders: PushSource<Order>
  /** Of the orders: how many, and when the first was. */
  readonly ticks: { count: number; firstAtMs: number }
}

/** A gateway whose orders come from here, or from a topic; a node takes each, and copies it to a second channel where that is published. */
export async function startGateway(options: KafkaOptions<Channels>): Promise<Running> {
  let orders: PushSource<Order> | undefined
  const ticks = { count: 0, firstAtMs: 0 }
  const take = (order: Order): Order => {
    if (ticks.count++ === 0) ticks.firstAtMs = performance.now()
    return order
  }
  const takeEach =
    ({ got }: { readonly got: Input<Order> }) =>
    (): void => {
      take(got.value)
    }
  const takes: Module<Channels> = defineModule(channels, 'takes', (c) => {
    if (options.subscribe === undefined) {
      orders = push<Order>(c.graph, 'nonCollapsing', { maxPending: 1_000_000 })
      c.setChannel('orders', orders.edge)
    }
    const got = c.getChannel('orders')
    if (options.publish?.copies !== undefined) c.setChannel('copies', map(got, take))
    else sink('take', { got }, takeEach)
  })
  const module = kafka<Channels>(options)
  const gateway = new Gateway({ channels, modules: [takes, module] })
  await gateway.start()
  return { gateway, module, orders: orders as PushSource<Order>, ticks }
}
