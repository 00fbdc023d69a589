import { randomUUID } from 'node:crypto'
import { channel, defineChannels, defineModule, Gateway, struct } from '@gw/channels'
import { map } from '@gw/core'
import { KafkaError, type KafkaModule, type KafkaOptions, kafka } from '@gw/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { committedRecords, createTopic, produce } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

const Order = struct('Order', { symbol: z.string(), quantity: z.number() })
const channels = defineChannels({
  orders: channel(Order),
  fills: channel(Order),
})
type Channels = (typeof channels)['channels']

const market = defineModule(channels, 'market', (c) => {
  c.setChannel(
    'fills',
    map(c.getChannel('orders'), (order) => order),
  )
})

describe.skipIf(brokers === undefined)('exactly once', () => {
  const open: Gateway<Channels>[] = []

  afterEach(async () => {
    for (const gateway of open.splice(0)) await gateway.stop()
  })

  async function start(
    from: string,
    to: string,
    groupId: string,
    more: Partial<KafkaOptions<Channels>> = {},
  ): Promise<{ gateway: Gateway<Channels>; module: KafkaModule<Channels> }> {
    const module = kafka<Channels>({
      brokers: [broker],
      exactlyOnce: true,
      subscribe: { orders: { [from]: '' } },
      publish: { fills: { [to]: { attribute: 'symbol' } } },
      deadLetterTopic: `${to}-dead`,
      groupId,
      sessionTimeoutMs: 6_000,
      ...more,
    })
    const gateway = new Gateway({ channels, modules: [market, module] })
    await gateway.start()
    open.push(gateway)
    return { gateway, module }
  }

  const orders = (first: number, count: number): { key: string; value: string }[] =>
    Array.from({ length: count }, (_, i) => ({
      key: `k${i % 7}`,
      value: JSON.stringify({ symbol: `k${i % 7}`, quantity: first + i }),
    }))

  const quantities = (values: readonly string[]): number[] =>
    values
      .map((value) => (JSON.parse(value) as { quantity: number }).quantity)
      .sort((a, b) => a - b)

  const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

  test('what is consumed and what is made of it are one transaction; a restart goes on, nothing comes twice', async () => {
    const [from, to, groupId] = [randomUUID(), randomUUID(), randomUUID()]
    await createTopic(broker, from, 3)
    await produce(broker, from, orders(0, 1_000))
    const { gateway } = await start(from, to, groupId)
    await expect
      .poll(async () => (await committedRecords(broker, to)).length, { timeout: 20_000 })
      .toBe(1_000)
    await gateway.stop()
    await produce(broker, from, orders(1_000, 500))
    await start(from, to, groupId)
    await expect
      .poll(async () => (await committedRecords(broker, to)).length, { timeout: 20_000 })
      .toBe(1_500)
    expect(quantities((await committedRecords(broker, to)).map(({ value }) => value))).toEqual(
      upTo(1_500),
    )
  })

  test('members that come and go while records flow double and lose nothing', async () => {
    const [from, to, groupId] = [randomUUID(), randomUUID(), randomUUID()]
    await createTopic(broker, from, 4)
    await start(from, to, groupId)
    for (let round = 0; round < 4; round++) {
      await produce(broker, from, orders(round * 500, 500))
      if (round % 2 === 0) await start(from, to, groupId)
      else await open.shift()?.stop()
    }
    await expect
      .poll(async () => (await committedRecords(broker, to)).length, { timeout: 30_000 })
      .toBeGreaterThanOrEqual(2_000)
    expect(quantities((await committedRecords(broker, to)).map(({ value }) => value))).toEqual(
      upTo(2_000),
    )
  })

  test('partitions that a topic gets later are read, too', async () => {
    const [from, to, groupId] = [randomUUID(), randomUUID(), randomUUID()]
    await createTopic(broker, from, 2)
    const { module } = await start(from, to, groupId)
    await expect.poll(() => module.status.consumer.state, { timeout: 20_000 }).toBe('running')
    const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    await admin.createPartitions({ topicPartitions: [{ topic: from, count: 4 }] })
    await expect
      .poll(async () => (await admin.fetchTopicOffsets(from).catch(() => [])).length, {
        timeout: 20_000,
      })
      .toBe(4)
    await admin.disconnect()
    await produce(
      broker,
      from,
      orders(0, 8).map((order, i) => ({ ...order, partition: i % 4 })),
    )
    await expect
      .poll(
        async () => quantities((await committedRecords(broker, to)).map(({ value }) => value)),
        { timeout: 20_000 },
      )
      .toEqual(upTo(8))
  })

  test('a member that is stopped while it connects keeps no partition from the others', async () => {
    const [from, to, groupId] = [randomUUID(), randomUUID(), randomUUID()]
    await createTopic(broker, from, 4)
    await start(from, to, groupId)
    await open.pop()?.stop()
    await start(from, to, groupId)
    await produce(broker, from, orders(0, 100))
    await expect
      .poll(async () => (await committedRecords(broker, to)).length, { timeout: 20_000 })
      .toBe(100)
  })

  test('a record that cannot be read is a dead letter of the same transaction', async () => {
    const [from, to, groupId] = [randomUUID(), randomUUID(), randomUUID()]
    await createTopic(broker, from, 1)
    await produce(broker, from, [{ key: 'a', value: 'not json' }, ...orders(0, 2)])
    await start(from, to, groupId)
    await expect
      .poll(async () => (await committedRecords(broker, to)).length, { timeout: 20_000 })
      .toBe(2)
    expect(await committedRecords(broker, `${to}-dead`)).toMatchObject([
      { value: 'not json', headers: { 'gw-topic': from, 'gw-offset': '0' } },
    ])
  })

  test('a record that the broker refuses is a dead letter; those around it are committed', async () => {
    const [from, to, groupId] = [randomUUID(), randomUUID(), randomUUID()]
    await createTopic(broker, from, 1)
    await produce(broker, from, orders(0, 3))
    await start(from, to, groupId, {
      publishProcessors: {
        fills: (fill) => (fill.quantity === 1 ? { ...fill, pad: 'x'.repeat(2_000_000) } : fill),
      },
    })
    await expect
      .poll(async () => (await committedRecords(broker, to)).length, { timeout: 20_000 })
      .toBe(2)
    expect(await committedRecords(broker, `${to}-dead`)).toMatchObject([
      { headers: { 'gw-topic': to, 'gw-error': expect.stringContaining('larger') } },
    ])
  })

  test('somebody else under the same id ends what is under way, and it is done once all the same', async () => {
    const [from, to, groupId] = [randomUUID(), randomUUID(), randomUUID()]
    await createTopic(broker, from, 1)
    await start(from, to, groupId)
    const rival = new Kafka({
      brokers: [broker],
      logLevel: logLevel.NOTHING,
    }).producer({ transactionalId: `${groupId}-0`, idempotent: true, maxInFlightRequests: 1 })
    await rival.connect()
    for (let round = 0; round < 3; round++) {
      await produce(broker, from, orders(round * 100, 100))
      const transaction = await rival.transaction().catch(() => undefined)
      await transaction?.abort()
    }
    await expect
      .poll(async () => (await committedRecords(broker, to)).length, { timeout: 20_000 })
      .toBe(300)
    expect(quantities((await committedRecords(broker, to)).map(({ value }) => value))).toEqual(
      upTo(300),
    )
    await rival.disconnect()
  })

  test('sends are refused while the broker does not take what they make', async () => {
    const open = defineChannels({ orders: channel(Order, { send: true }) })
    const module = kafka<(typeof open)['channels']>({
      brokers: ['127.0.0.1:1'],
      publish: { orders: { somewhere: '' } },
      maxPendingRecords: 10,
      drainTimeoutMs: 100,
    })
    const gateway = new Gateway({ channels: open, modules: [module] })
    await gateway.start()
    const send = (): unknown => gateway.channels.send('orders', { symbol: 'A', quantity: 1 })
    for (let i = 0; i < 9; i++) send()
    expect(send).toThrow(expect.objectContaining({ code: 'OVERLOADED', module: 'kafka' }))
    expect(module.unpublished).toBe(0)
    await expect(gateway.stop()).rejects.toMatchObject({ cause: expect.any(KafkaError) })
  })

  test('a paused partition is not read; resumed, it goes on where it was', async () => {
    const [from, to, groupId] = [randomUUID(), randomUUID(), randomUUID()]
    await createTopic(broker, from, 2)
    const { gateway, module } = await start(from, to, groupId)
    await expect.poll(() => module.status.consumer.state, { timeout: 20_000 }).toBe('running')
    module.pause(from, [0])
    const seen: number[] = []
    gateway.channels.watch('orders', undefined, ({ value }) =>
      seen.push((value as { quantity: number }).quantity),
    )
    const send = (partition: number, quantity: number) =>
      produce(broker, from, [
        { key: 'a', partition, value: JSON.stringify({ symbol: 'a', quantity }) },
      ])
    await send(0, 1)
    await send(1, 2)
    await send(0, 3)
    await send(1, 4)
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual([2, 4])
    module.resume(from, [0])
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual([2, 4, 1, 3])
  })
})
