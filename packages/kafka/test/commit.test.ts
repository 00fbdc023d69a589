import {
  basket,
  channel,
  defineChannels,
  defineModule,
  dynamicBasket,
  Gateway,
  type Module,
  struct,
} from '@gw/channels'
import { sink } from '@gw/core'
import {
  type ConsumerOptions,
  json,
  type KafkaClient,
  KafkaError,
  type KafkaOptions,
  type KafkaRecord,
  kafka,
  type ReceivedRecord,
} from '@gw/kafka'
import { expect, test } from 'vitest'
import { z } from 'zod'

const Order = struct('Order', { symbol: z.string(), quantity: z.number() })
const channels = defineChannels({
  orders: channel(Order, { send: true }),
  trades: channel(struct('Trade', { price: z.number() })),
  sides: basket(['buy', 'sell'], Order),
  books: dynamicBasket(Order),
})
type Channels = (typeof channels)['channels']

const record = (value: string, offset = '0'): ReceivedRecord => ({
  topic: 'orders',
  partition: 0,
  offset,
  key: null,
  value: Buffer.from(value),
  headers: {},
  timestampMs: 0,
})

const unused = (): never => {
  throw new Error('not used here')
}

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
      fill: 0,
      flush: () =>
        sent.every(({ topic }) => taken.has(topic))
          ? Promise.resolve()
          : Promise.reject(new KafkaError('TIMED_OUT', 'not acknowledged')),
      close: () => Promise.resolve(),
    }),
    consumer: (given) => {
      options = given
      return {
        pause: () => undefined,
        resume: () => undefined,
        members: () => Promise.resolve([]),
        close: () => delivered.catch(() => undefined),
      }
    },
    transactor: unused,
    reader: unused,
    ensureTopics: unused,
    bounds: unused,
    offsetsAt: unused,
    topicSettings: unused,
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

interface Options extends Partial<KafkaOptions<Channels>> {
  readonly modules?: readonly Module<Channels>[]
}

async function started(
  client: KafkaClient,
  way: 'publish' | 'subscribe',
  names: readonly (keyof Channels)[] = ['orders'],
  { modules = [], ...options }: Options = {},
) {
  const module = kafka<Channels>({
    ...options,
    brokers: ['127.0.0.1:1'],
    client,
    deadLetterTopic: 'dead',
    [way]: Object.fromEntries(names.map((name) => [name, { orders: '' }])),
  })
  const gateway = new Gateway({ channels, modules: [module, ...modules] })
  await gateway.start()
  return { gateway, module }
}

const GOOD = '{"symbol":"A","quantity":1}'

test.each<[string, Partial<KafkaOptions<Channels>>, string]>([
  [
    'a processor',
    { publishProcessors: { orders: async () => ({}) } },
    'processor returned a promise',
  ],
  ['a processor', { publishProcessors: { orders: () => () => 1 } }, 'function, which has no JSON'],
  ['a serde', { serde: { ...json, write: (async () => '') as never } }, 'serde returned a promise'],
  ['a serde', { serde: { ...json, write: () => 5 as never } }, 'neither a text nor bytes: number'],
  [
    'headers',
    { publishHeaders: { orders: () => ({ a: 5 as never }) } },
    '"a" of publishHeaders is no text',
  ],
  [
    'headers',
    { publishHeaders: { orders: (async () => 5) as never } },
    'publishHeaders returned a promise',
  ],
])('a tick of which %s makes no record is a dead letter at once: %o', async (_, options, why) => {
  const { client, sent } = manual()
  const { gateway, module } = await started(client, 'publish', ['orders'], options)
  gateway.channels.send('orders', { symbol: 'A', quantity: 1 })
  expect(sent).toMatchObject([
    { topic: 'dead', headers: { 'gw-error': expect.stringContaining(why), 'gw-topic': 'orders' } },
  ])
  expect(module.deadLetters).toBe(1)
  await gateway.stop()
})

test('a promise of a record, also one that is broken, is a dead letter and nothing else', async () => {
  const { client, deliver, sent } = manual(new Set(['dead']))
  const { gateway } = await started(client, 'subscribe', ['orders'], {
    subscribeProcessors: { orders: () => Promise.reject(new Error('nobody waits for this')) },
  })
  await deliver(record(GOOD))
  expect(sent).toMatchObject([
    { headers: { 'gw-error': expect.stringContaining('processor returned a promise') } },
  ])
  await gateway.stop()
})

test('what was read is committed only when the engine has taken it, also while the gateway stops', async () => {
  const { client, deliver } = manual()
  const { gateway } = await started(client, 'subscribe')
  const delivered = deliver(record(GOOD)).then(() => gateway.channels.positionOf('orders').offset)
  const stopped = gateway.stop()
  expect(await delivered).toBe(1)
  await stopped
})

test('an engine that is behind has no more than maxInFlight records waiting, and some that are taken together', async () => {
  const { client, deliver } = manual()
  let read = 0
  let ticked = 0
  let mostWaiting = 0
  const slow = defineModule(channels, 'slow', (c) => {
    sink('slow', { orders: c.getChannel('orders') }, ({ orders }) => () => {
      expect(orders.value.quantity).toBe(ticked++)
      mostWaiting = Math.max(mostWaiting, read - ticked)
      const until = performance.now() + 0.1
      while (performance.now() < until);
    })
  })
  const options = { modules: [slow], maxInFlight: 100 }
  const { gateway } = await started(client, 'subscribe', ['orders'], options)
  const records = Array.from({ length: 2_000 }, (_, i) => ({
    ...record('', String(i)),
    get value() {
      read = Math.max(read, i + 1)
      return Buffer.from(`{"symbol":"A","quantity":${i}}`)
    },
  }))
  await deliver(...records)
  expect(ticked).toBe(2_000)
  expect(mostWaiting).toBeLessThanOrEqual(100 + 256)
  await gateway.stop()
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

test.each([
  ['text that is not JSON', 'orders', null, '{"symbol"', 'JSON'],
  ['JSON that fails the schema', 'orders', null, '{"symbol":"A"}', 'quantity'],
  ['a basket record without a key', 'sides', null, GOOD, 'has a key'],
  ['a key that the basket does not have', 'sides', 'hold', GOOD, 'no key "hold"'],
  ['a dynamic basket record without a key', 'books', null, GOOD, 'has a key'],
] as const)(
  '%s is a dead letter with topic, partition, offset and reason; the next is taken',
  async (_, name, key, value, reason) => {
    const { client, deliver, sent } = manual(new Set(['dead']))
    const { gateway } = await started(client, 'subscribe', [name])
    const next = { ...record(GOOD, '43'), key: 'buy' }
    await deliver({ ...record(value, '42'), partition: 3, key }, next)
    expect(sent).toMatchObject([
      {
        topic: 'dead',
        key,
        value: Buffer.from(value),
        headers: {
          'gw-topic': 'orders',
          'gw-partition': '3',
          'gw-offset': '42',
          'gw-error': expect.stringMatching(new RegExp(`orders/3@42.*${name}.*${reason}`, 'i')),
        },
      },
    ])
    expect(gateway.channels.lastTicks(name)).toHaveLength(1)
    await gateway.stop()
  },
)

test('a record that does not fit one channel of a topic ticks on those that it fits', async () => {
  const { client, deliver, sent } = manual(new Set(['dead']))
  const { gateway } = await started(client, 'subscribe', ['trades', 'orders'])
  await deliver(record(GOOD))
  expect(gateway.channels.last('orders')?.symbol).toBe('A')
  expect(sent).toMatchObject([{ headers: { 'gw-error': expect.stringContaining('trades') } }])
  await gateway.stop()
})

test('a tombstone removes the key of a dynamic basket; one for an unknown key does nothing', async () => {
  const { client, deliver, sent } = manual()
  const { gateway } = await started(client, 'subscribe', ['books'])
  const removed: string[] = []
  gateway.channels.watch('books', undefined, (tick) => {
    if (tick.removed) removed.push(tick.key as string)
  })
  await deliver({ ...record(GOOD), key: 'a' }, { ...record(GOOD, '1'), key: 'b' })
  const tombstone = (key: string): ReceivedRecord => ({ ...record(''), key, value: null })
  await deliver(tombstone('a'), tombstone('c'))
  expect(gateway.channels.last('books')).toEqual({ b: expect.objectContaining({ symbol: 'A' }) })
  expect(removed).toEqual(['a'])
  expect(sent).toEqual([])
  await gateway.stop()
})

test('a gateway that is started again takes records again', async () => {
  const { client, deliver } = manual()
  const { gateway } = await started(client, 'subscribe')
  await gateway.stop()
  await gateway.start()
  // Within a cycle: the engine takes the record after it, and the delivery has to wait.
  let delivered: Promise<void> | undefined
  gateway.channels.watch('orders', undefined, () => {
    delivered ??= deliver(record(GOOD))
  })
  await deliver(record(GOOD))
  await delivered
  expect(delivered).toBeDefined()
  expect(gateway.channels.positionOf('orders').offset).toBe(2)
  await gateway.stop()
})
