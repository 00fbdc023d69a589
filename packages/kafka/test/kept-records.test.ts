import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { channel, defineChannels, defineModule, dynamicBasket, Gateway, struct } from '@gw/channels'
import { basketNode, filter } from '@gw/core'
import { type ClusterModule, type ClusterOptions, cluster } from '@gw/kafka'
import { afterAll, afterEach, describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { createTopic, produce } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

const Order = struct('Order', { symbol: z.string(), quantity: z.number() })
const channels = defineChannels({
  orders: channel(Order, { send: true, state: { by: 'symbol', alias: 'newest' } }),
  copies: channel(Order, {
    state: [
      { by: 'symbol', keep: 3, alias: 'three' },
      { by: 'symbol', keep: 'all', alias: 'all' },
      { by: 'symbol', keep: 'all', maxRecords: 20, alias: 'twenty' },
    ],
  }),
  sides: dynamicBasket(Order, {
    state: [
      { by: 'symbol', alias: 'both' },
      { by: 'symbol', key: 'small', alias: 'small' },
    ],
  }),
})
type Channels = (typeof channels)['channels']

const copying = defineModule(channels, 'copying', (c) => {
  const orders = c.getChannel('orders')
  c.setChannel(
    'copies',
    filter(orders, ({ quantity }) => quantity >= 0),
  )
  c.setChannel(
    'sides',
    basketNode<string, z.output<typeof Order>>()('side', { orders }, ({ orders }, out) => () => {
      out.emit(orders.value.quantity % 2 === 0 ? 'small' : 'large', orders.value)
    }),
  )
})

interface Member {
  readonly gateway: Gateway<Channels>
  readonly module: ClusterModule<Channels>
}

const folder = mkdtempSync(join(tmpdir(), 'gw-kept-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(brokers === undefined)('the state of a gateway that takes over', () => {
  const open = new Set<Gateway<Channels>>()

  afterEach(async () => {
    await Promise.all([...open].map((gateway) => gateway.stop()))
    open.clear()
  })

  async function start(more: Partial<ClusterOptions<Channels>>, topic: string): Promise<Member> {
    const module = cluster<Channels>({
      brokers: [broker],
      groupId: `of-${topic}`,
      by: { orders: 'symbol' },
      subscribe: { orders: { [topic]: '' } },
      exactlyOnce: true,
      sessionTimeoutMs: 6_000,
      ...more,
    })
    const gateway = new Gateway({ channels, modules: [copying, module] })
    await gateway.start()
    open.add(gateway)
    return { gateway, module }
  }

  async function stop({ gateway }: Member): Promise<void> {
    open.delete(gateway)
    await gateway.stop()
  }

  const ready = (...members: Member[]) =>
    expect
      .poll(() => members.flatMap(({ module }) => module.ready).sort(), { timeout: 20_000 })
      .toEqual([0, 1])

  const symbols = ['a', 'b', 'c', 'd', 'e']
  let quantity = 0
  /** Five of each symbol, in turn. */
  const round = async (topic: string): Promise<void> => {
    const messages = Array.from({ length: 25 }, (_, i) => {
      const symbol = symbols[i % symbols.length] as string
      return { key: symbol, value: JSON.stringify({ symbol, quantity: quantity++ }) }
    })
    await produce(broker, topic, messages)
  }

  const quantitiesOf = ({ gateway }: Member, state: string, query: object = {}): unknown =>
    gateway.channels
      .query(state as never, query)
      .map((order) => (order as { readonly quantity: number }).quantity)

  /** As one gateway has it that took the last `count` records of each symbol, in the order of keys. */
  const newest = (count: number): number[] =>
    symbols.flatMap((_, i) =>
      Array.from({ length: count }, (_, n) => quantity - symbols.length * (count - n) + i),
    )

  const expectAll = (member: Member, rounds: number): void => {
    expect(quantitiesOf(member, 'newest')).toEqual(newest(1))
    expect(quantitiesOf(member, 'three')).toEqual(newest(3))
    expect(quantitiesOf(member, 'all')).toEqual(newest(5 * rounds))
    // Which came last is the partitions' business.
    const twenty = quantitiesOf(member, 'twenty') as number[]
    expect(twenty).toHaveLength(20)
    expect(twenty).toEqual(newest(5 * rounds).filter((each) => twenty.includes(each)))
    const { channels } = member.gateway
    for (const side of ['small', 'large']) {
      const seen = channels.query('both' as never, {}, (_record, _channel, key) => key === side)
      expect(seen.map((order) => (order as { quantity: number }).quantity)).toEqual(
        newest(1).filter((each) => each % 2 === (side === 'small' ? 0 : 1)),
      )
    }
    expect(quantitiesOf(member, 'small')).toEqual(
      newest(2)
        .filter((each) => each % 2 === 0)
        .sort((a, b) => (a % 5) - (b % 5)),
    )
  }

  test('has all records that a key keeps, from the changelog, a checkpoint and a copy', async () => {
    const topic = randomUUID()
    quantity = 0
    await createTopic(broker, topic, 2)
    const checkpoints = { folder: join(folder, topic) }
    const first = await start({ checkpoints }, topic)
    await ready(first)
    await round(topic)
    await expect.poll(() => first.module.received, { timeout: 20_000 }).toBe(25)
    expectAll(first, 1)
    await stop(first)

    // From the checkpoint, which it carries on.
    const second = await start({ checkpoints }, topic)
    await ready(second)
    expect(second.module.restored).toBe(0)
    expectAll(second, 1)
    await round(topic)
    await expect.poll(() => second.module.received, { timeout: 20_000 }).toBe(25)
    expectAll(second, 2)
    await stop(second)

    // From the changelog alone.
    const third = await start({ standbys: 1 }, topic)
    await ready(third)
    expect(third.module.restored).toBeGreaterThan(0)
    expectAll(third, 2)

    // From a copy, and what comes later goes on behind it.
    const fourth = await start({ standbys: 1 }, topic)
    await ready(third, fourth)
    await round(topic)
    await expect
      .poll(() => third.module.received + fourth.module.received, { timeout: 20_000 })
      .toBe(25)
    await stop(third)
    await ready(fourth)
    expectAll(fourth, 3)
  })
})
