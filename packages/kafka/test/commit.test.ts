import { channel, defineChannels, Gateway, struct } from '@gw/channels'
import {
  type ConsumerOptions,
  type KafkaClient,
  KafkaError,
  type KafkaRecord,
  kafka,
  type ReceivedRecord,
} from '@gw/kafka'
import { expect, test } from 'vitest'
import { z } from 'zod'

const Order = struct('Order', { symbol: z.string(), quantity: z.number() })
const channels = defineChannels({ orders: channel(Order, { send: true }) })
type Channels = (typeof channels)['channels']

const record = (value: string, offset = '0'): ReceivedRecord => ({
  topic: 'orders',
  partition: 0,
  offset,
  key: null,
  value,
  headers: {},
  timestampMs: 0,
})

/** A client without a broker: the test hands records in, and says what the producer takes. */
function manual(taken = new Set<string>()) {
  const sent: KafkaRecord[] = []
  let room = Number.POSITIVE_INFINITY
  let options: ConsumerOptions | undefined
  let delivered: Promise<void> = Promise.resolve()
  const client: KafkaClient = {
    producer: () => ({
      send(one) {
        if (sent.length >= room) throw new KafkaError('QUEUE_FULL', 'full', { topic: one.topic })
        sent.push(one)
      },
      pending: 0,
      flush: () =>
        sent.every(({ topic }) => taken.has(topic))
          ? Promise.resolve()
          : Promise.reject(new KafkaError('TIMED_OUT', 'not acknowledged')),
      close: () => Promise.resolve(),
    }),
    consumer: (given) => {
      options = given
      return { close: () => delivered.catch(() => undefined) }
    },
  }
  return {
    client,
    sent,
    setRoom: (records: number) => {
      room = records
    },
    deliver: (...records: readonly ReceivedRecord[]): Promise<void> => {
      delivered = (options as ConsumerOptions).onRecords(records, () => Promise.resolve())
      return delivered
    },
  }
}

async function started(client: KafkaClient, way: 'publish' | 'subscribe') {
  const module = kafka<Channels>({
    brokers: ['127.0.0.1:1'],
    client,
    deadLetterTopic: 'dead',
    [way]: { orders: { orders: '' } },
  })
  const gateway = new Gateway({ channels, modules: [module] })
  await gateway.start()
  return { gateway, module }
}

const GOOD = '{"symbol":"A","quantity":1}'

test('what was read is committed only when the engine has taken it, also while the gateway stops', async () => {
  const { client, deliver } = manual()
  const { gateway } = await started(client, 'subscribe')
  const delivered = deliver(record(GOOD)).then(() => gateway.channels.positionOf('orders').offset)
  const stopped = gateway.stop()
  expect(await delivered).toBe(1)
  await stopped
})

test('a record whose dead letter the broker does not take is not committed', async () => {
  const { client, deliver, sent } = manual()
  const { gateway } = await started(client, 'subscribe')
  await expect(deliver(record('not json', '7'))).rejects.toMatchObject({ code: 'TIMED_OUT' })
  expect(sent[0]).toMatchObject({
    topic: 'dead',
    headers: { 'gw-topic': 'orders', 'gw-partition': '0', 'gw-offset': '7' },
  })
  await gateway.stop()
})

test('a dead letter waits for room in a full queue', async () => {
  const { client, deliver, sent, setRoom } = manual(new Set(['dead']))
  const { gateway } = await started(client, 'subscribe')
  setRoom(0)
  const delivered = deliver(record('not json'), record(GOOD, '1'))
  await expect.poll(() => gateway.channels.positionOf('orders').offset, { timeout: 200 }).toBe(0)
  setRoom(1)
  await delivered
  expect(sent).toHaveLength(1)
  expect(gateway.channels.last('orders')?.quantity).toBe(1)
  await gateway.stop()
})

test('ticks that find no room are counted and told', async () => {
  const { client, setRoom } = manual()
  const { gateway, module } = await started(client, 'publish')
  setRoom(0)
  gateway.channels.send('orders', { symbol: 'A', quantity: 1 })
  await expect.poll(() => module.unpublished).toBe(1)
  expect(module.status.producer).toMatchObject({
    state: 'recovering',
    message: expect.stringContaining('orders'),
  })
  await gateway.stop()
})
