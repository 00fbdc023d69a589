import { randomUUID } from 'node:crypto'
import { channel, defineChannels, defineModule, Gateway, struct } from '@gw/channels'
import { sink } from '@gw/core'
import { aggregate, type ClusterModule, cluster, KafkajsClient, store } from '@gw/kafka'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { createTopic, produce } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

const Order = struct('Order', { symbol: z.string(), quantity: z.number() })
const channels = defineChannels({ orders: channel(Order) })
type Channels = (typeof channels)['channels']

describe.skipIf(brokers === undefined)('a group that stands before its state', () => {
  const open: Gateway<Channels>[] = []

  afterEach(async () => {
    for (const gateway of open.splice(0)) await gateway.stop()
  })

  async function start(
    topic: string,
    groupId: string,
  ): Promise<{ gateway: Gateway<Channels>; module: ClusterModule<Channels> }> {
    const sums = store<number>('sums')
    const totals = defineModule(channels, 'totals', (c) => {
      const folded = aggregate(c.getChannel('orders'), sums, {
        by: ({ symbol }) => symbol,
        initial: 0,
        step: (sum, { quantity }) => sum + quantity,
      })
      sink('totals', { folded }, () => () => undefined)
    })
    const module = cluster<Channels>({
      brokers: [broker],
      groupId,
      by: { orders: 'symbol' },
      subscribe: { orders: { [topic]: '' } },
      stores: [sums],
      exactlyOnce: true,
    })
    const gateway = new Gateway({ channels, modules: [totals, module] })
    await gateway.start()
    open.push(gateway)
    return { gateway, module }
  }

  const order = (quantity: number): { key: string; value: string } => ({
    key: 'a',
    value: JSON.stringify({ symbol: 'a', quantity }),
  })

  async function setBack(topic: string, groupId: string, mark: string): Promise<void> {
    const transactor = new KafkajsClient({ brokers: [broker] }).transactor({
      transactionalId: randomUUID(),
      groupId,
      topics: [topic],
      partition: 0,
      onRefused: () => undefined,
    })
    await transactor.open()
    await transactor.commit([], { offsets: new Map([[topic, 1n]]), mark })
    await transactor.close()
  }

  async function ranTwice(mark: string): Promise<number> {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 1)
    await produce(broker, topic, [order(1), order(2)])
    const first = await start(topic, groupId)
    await expect.poll(() => first.module.get('sums', 'a'), { timeout: 20_000 }).toBe(3)
    await open.pop()?.stop()
    await setBack(topic, groupId, mark)
    await produce(broker, topic, [order(4)])
    const second = await start(topic, groupId)
    await expect
      .poll(() => second.module.get('sums', 'a'), { timeout: 20_000 })
      .toBeGreaterThanOrEqual(7)
    return (await second.module.get('sums', 'a')) as number
  }

  test('as when a broker has lost the end of a transaction, has no record counted twice', async () => {
    expect(await ranTwice('of an earlier unit')).toBe(7)
  })

  test('as when it was set back by hand, which leaves no mark, takes the records again', async () => {
    expect(await ranTwice('')).toBe(9)
  })
})
