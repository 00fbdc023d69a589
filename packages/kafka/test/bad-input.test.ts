import { randomUUID } from 'node:crypto'
import { channel, defineChannels, defineModule, Gateway, struct } from '@gw/channels'
import { map } from '@gw/core'
import { type KafkaModule, type KafkaOptions, kafka } from '@gw/kafka'
import kafkajs, { type Admin, Kafka, logLevel } from 'kafkajs'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { committedRecords, createTopic, produce, progressOf } from './broker/topics.js'

// Node finds no such name in kafkajs, which is CommonJS.
const { AssignerProtocol } = kafkajs
const brokers = inject('brokers')
const broker = brokers ?? ''

const Order = struct('Order', {
  symbol: z.string(),
  quantity: z.number(),
  desk: z.string().optional(),
})
const channels = defineChannels({
  orders: channel(Order, { send: true }),
  fills: channel(Order),
})
type Channels = (typeof channels)['channels']

const market = defineModule(channels, 'market', (c) => {
  c.setChannel(
    'fills',
    map(c.getChannel('orders'), (order) => order),
  )
})

const order = (quantity: number) => ({
  key: 'A',
  value: JSON.stringify({ symbol: 'A', quantity }),
})

async function withAdmin<T>(use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect()
  }
}

/** Deletes the records of partition 0 before an offset. */
const deleteBefore = (topic: string, offset: number): Promise<void> =>
  withAdmin(async (admin) => {
    // kafkajs has to have asked for the topic before.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({
      topic,
      partitions: [{ partition: 0, offset: String(offset) }],
    })
  })

describe.skipIf(brokers === undefined)('bad input', () => {
  const open: Gateway<Channels>[] = []

  afterEach(async () => {
    for (const gateway of open.splice(0)) await gateway.stop()
  })

  async function start(
    options: Partial<KafkaOptions<Channels>>,
  ): Promise<{ gateway: Gateway<Channels>; module: KafkaModule<Channels> }> {
    const module = kafka<Channels>({ brokers: [broker], groupId: randomUUID(), ...options })
    const gateway = new Gateway<Channels>({ channels, modules: [market, module] })
    await gateway.start()
    open.push(gateway)
    return { gateway, module }
  }

  const quantitiesIn = async (topic: string): Promise<number[]> =>
    (await committedRecords(broker, topic)).map(
      ({ value }) => (JSON.parse(value) as { quantity: number }).quantity,
    )

  describe.each([
    ['at least once', false],
    ['exactly once', true],
  ])('%s', (_, exactlyOnce) => {
    test('a topic to write to that is not there, with creation off, is named, not made, and written to once it is', async () => {
      const [from, to] = [randomUUID(), randomUUID()]
      await createTopic(broker, from, 1)
      const { module } = await start({
        subscribe: { orders: { [from]: '' } },
        publish: { fills: { [to]: 'k' } },
        createTopics: false,
        exactlyOnce,
      })
      await produce(broker, from, [order(1), order(2)])
      await expect
        .poll(() => module.status.producer, { timeout: 20_000 })
        .toMatchObject({
          state: 'recovering',
          message: expect.stringMatching(new RegExp(`topic "${to}".*create it`)),
        })
      expect(await withAdmin((admin) => admin.listTopics())).not.toContain(to)
      await createTopic(broker, to, 1)
      await expect.poll(() => quantitiesIn(to), { timeout: 20_000 }).toEqual([1, 2])
      await expect
        .poll(() => module.status.producer, { timeout: 20_000 })
        .toEqual({ state: 'running', message: '' })
    })

    test('a dead-letter topic that is not there, with creation off, is named; nothing is committed past the record until it is', async () => {
      const [from, deadLetterTopic, groupId] = [randomUUID(), randomUUID(), randomUUID()]
      await createTopic(broker, from, 1)
      const { module } = await start({
        subscribe: { orders: { [from]: '' } },
        createTopics: false,
        deadLetterTopic,
        groupId,
        exactlyOnce,
      })
      await produce(broker, from, [{ value: 'not json' }, order(2)])
      await expect
        .poll(() => module.status.producer, { timeout: 20_000 })
        .toMatchObject({
          state: 'recovering',
          message: expect.stringMatching(new RegExp(`topic "${deadLetterTopic}".*create it`)),
        })
      expect(await progressOf(broker, groupId, from)).toBe(2n)
      await createTopic(broker, deadLetterTopic, 1)
      await expect.poll(() => progressOf(broker, groupId, from), { timeout: 20_000 }).toBe(0n)
      expect(await committedRecords(broker, deadLetterTopic)).toMatchObject([
        { value: 'not json', headers: { 'gw-offset': '0' } },
      ])
    })

    test('a tick of which no record can be made is a dead letter, and those behind it are published', async () => {
      const [from, to, deadLetterTopic] = [randomUUID(), randomUUID(), randomUUID()]
      await createTopic(broker, from, 1)
      const { module } = await start({
        subscribe: { orders: { [from]: '' } },
        publish: { fills: { [to]: { attribute: 'desk' } } },
        publishProcessors: {
          fills: (fill) => {
            if (fill.quantity === 2) throw new Error('not this one')
            return fill
          },
        },
        deadLetterTopic,
        exactlyOnce,
      })
      const of = (quantity: number, desk?: string) => ({
        value: JSON.stringify({ symbol: 'A', quantity, desk }),
      })
      await produce(broker, from, [of(1), of(2, 'x'), of(3, 'x')])
      await expect.poll(() => quantitiesIn(to), { timeout: 20_000 }).toEqual([3])
      await expect
        .poll(() => committedRecords(broker, deadLetterTopic), { timeout: 20_000 })
        .toMatchObject([
          {
            value: expect.stringContaining('"quantity":1'),
            headers: {
              'gw-channel': 'fills',
              'gw-topic': to,
              'gw-error': expect.stringContaining('"desk"'),
            },
          },
          {
            value: expect.stringContaining('"quantity":2'),
            headers: { 'gw-channel': 'fills', 'gw-topic': to, 'gw-error': 'not this one' },
          },
        ])
      expect(module).toMatchObject({ deadLetters: 2, unpublished: 0 })
    })

    test('records larger than what is fetched at once are read; one that is no record is a dead letter, cut to fit', async () => {
      const [from, deadLetterTopic] = [randomUUID(), randomUUID()]
      await createTopic(broker, from, 1, { 'max.message.bytes': '8000000' })
      const large = 'x'.repeat(3_000_000)
      const value = JSON.stringify({ symbol: 'A', quantity: 1, desk: large })
      for (const each of [value, `not json ${large}`, order(3).value]) {
        await produce(broker, from, [{ value: each }])
      }
      const { gateway } = await start({
        subscribe: { orders: { [from]: '' } },
        deadLetterTopic,
        exactlyOnce,
      })
      const seen: number[] = []
      gateway.channels.watch('orders', undefined, ({ value }) =>
        seen.push((value as { quantity: number }).quantity),
      )
      await expect.poll(() => seen, { timeout: 20_000 }).toEqual([1, 3])
      await expect
        .poll(() => committedRecords(broker, deadLetterTopic), { timeout: 20_000 })
        .toMatchObject([
          {
            value: expect.stringMatching(/^not json x/),
            headers: {
              'gw-topic': from,
              'gw-partition': '0',
              'gw-offset': '1',
              'gw-truncated': '3000009',
              'gw-error': expect.stringMatching(/JSON.*larger/s),
            },
          },
        ])
    })

    test('a record that the broker refuses for its size is a dead letter; those of other partitions in its request are written once', async () => {
      const [from, to, deadLetterTopic] = [randomUUID(), randomUUID(), randomUUID()]
      await createTopic(broker, from, 1)
      await createTopic(broker, to, 4, { 'max.message.bytes': '10000' })
      await start({
        subscribe: { orders: { [from]: '' } },
        publish: { fills: { [to]: { attribute: 'symbol' } } },
        deadLetterTopic,
        exactlyOnce,
      })
      const quantities = Array.from({ length: 20 }, (_, quantity) => quantity)
      const messages = quantities.map((quantity) => ({
        value: JSON.stringify({
          symbol: `s${quantity}`,
          quantity,
          desk: quantity === 7 ? 'x'.repeat(20_000) : '',
        }),
      }))
      await produce(broker, from, messages)
      await expect
        .poll(() => committedRecords(broker, deadLetterTopic), { timeout: 20_000 })
        .toMatchObject([
          { value: expect.stringContaining('"quantity":7'), headers: { 'gw-topic': to } },
        ])
      await expect
        .poll(async () => (await quantitiesIn(to)).sort((a, b) => a - b), { timeout: 20_000 })
        .toEqual(quantities.filter((quantity) => quantity !== 7))
    })

    test('records that were deleted before they were read are told, with topic, partition and offsets; the rest is read', async () => {
      const [from, to, groupId] = [randomUUID(), randomUUID(), randomUUID()]
      await createTopic(broker, from, 1)
      const options = {
        subscribe: { orders: { [from]: '' } },
        publish: { fills: { [to]: 'k' } },
        groupId,
        exactlyOnce,
      }
      await produce(broker, from, [order(0), order(1)])
      await start(options)
      await expect.poll(() => quantitiesIn(to), { timeout: 20_000 }).toEqual([0, 1])
      await open.pop()?.stop()
      const before = await withAdmin((admin) => admin.fetchOffsets({ groupId, topics: [from] }))
      const next = Number(before[0]?.partitions[0]?.offset)
      await produce(broker, from, [order(2), order(3), order(4)])
      await deleteBefore(from, next + 2)
      const { module } = await start(options)
      await expect.poll(() => quantitiesIn(to), { timeout: 20_000 }).toEqual([0, 1, 4])
      expect(module.status.consumer).toMatchObject({
        state: 'running',
        message: expect.stringContaining(`${from}/0@${next} to ${next + 1}`),
      })
    })

    test('records that are deleted while it is far behind are told when it comes to them; marks of transactions and what they aborted are no loss', async () => {
      const [from, to, groupId] = [randomUUID(), randomUUID(), randomUUID()]
      await createTopic(broker, from, 2)
      const statuses: string[] = []
      const { module } = await start({
        subscribe: { orders: { [from]: '' } },
        publish: { fills: { [to]: 'k' } },
        groupId,
        exactlyOnce,
        onStatus: (connection, { message }) => {
          if (connection === 'consumer') statuses.push(message)
        },
      })
      const of = (partition: number, ...quantities: number[]) =>
        quantities.map((quantity) => ({ ...order(quantity), partition }))
      await produce(broker, from, [...of(0, 0, 1), ...of(1, 10)])
      const sorted = async () => (await quantitiesIn(to)).sort((a, b) => a - b)
      await expect.poll(sorted, { timeout: 20_000 }).toEqual([0, 1, 10])
      // The mark of a transaction, and records that were aborted: offsets without records.
      const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING })
      const transactional = kafka.producer({
        transactionalId: randomUUID(),
        idempotent: true,
        maxInFlightRequests: 1,
      })
      await transactional.connect()
      for (const [end, quantity] of [
        ['abort', 2],
        ['commit', 3],
      ] as const) {
        const transaction = await transactional.transaction()
        await transaction.send({ topic: from, messages: of(0, quantity) })
        await transaction[end]()
      }
      await transactional.disconnect()
      await expect.poll(sorted, { timeout: 20_000 }).toEqual([0, 1, 3, 10])
      expect(statuses.join('')).toBe('')

      const next = await withAdmin(async (admin) => {
        const ends = await admin.fetchTopicOffsets(from)
        return Number(ends.find(({ partition }) => partition === 0)?.high)
      })
      module.pause(from, [0])
      await produce(broker, from, [...of(0, 4, 5, 6), ...of(1, 11)])
      await expect.poll(sorted, { timeout: 20_000 }).toEqual([0, 1, 3, 10, 11])
      expect(statuses.join('')).toBe('')
      await deleteBefore(from, next + 2)
      module.resume(from, [0])
      await expect.poll(sorted, { timeout: 20_000 }).toEqual([0, 1, 3, 6, 10, 11])
      expect(module.status.consumer).toMatchObject({
        state: 'running',
        message: expect.stringContaining(`behind them: ${from}/0@${next} to ${next + 1};`),
      })
      await produce(broker, from, of(0, 7))
      await expect.poll(sorted, { timeout: 20_000 }).toEqual([0, 1, 3, 6, 7, 10, 11])
      expect(module.status.consumer.message.match(/ to /g)).toHaveLength(1)
    })

    test('records that are deleted while another member has their partition are told by whoever takes it over', async () => {
      const [from, to, groupId] = [randomUUID(), randomUUID(), randomUUID()]
      await createTopic(broker, from, 2)
      const options = {
        subscribe: { orders: { [from]: '' } },
        publish: { fills: { [to]: 'k' } },
        groupId,
        exactlyOnce,
      }
      const members = [
        await start({ ...options, clientId: 'one' }),
        await start({ ...options, clientId: 'two' }),
      ] as const
      const partitionsOf = (): Promise<Map<string, readonly number[]>> =>
        withAdmin(async (admin) => {
          const { groups } = await admin.describeGroups([groupId])
          const known = groups[0]?.members ?? []
          return new Map(
            known.map(({ clientId, memberAssignment: bytes }) => [
              clientId,
              AssignerProtocol.MemberAssignment.decode(bytes)?.assignment[from] ?? [],
            ]),
          )
        })
      await expect
        .poll(async () => [...(await partitionsOf()).values()].sort(), { timeout: 20_000 })
        .toEqual([[0], [1]])
      const hasOne = (await partitionsOf()).get('one')?.[0] === 0
      const [owner, other] = hasOne ? members : [members[1], members[0]]
      await produce(broker, from, [{ ...order(0), partition: 0 }])
      await expect.poll(() => quantitiesIn(to), { timeout: 20_000 }).toEqual([0])
      const next = await withAdmin(async (admin) => {
        const ends = await admin.fetchTopicOffsets(from)
        return Number(ends.find(({ partition }) => partition === 0)?.high)
      })
      owner.module.pause(from, [0])
      await produce(
        broker,
        from,
        [1, 2, 3].map((quantity) => ({ ...order(quantity), partition: 0 })),
      )
      await deleteBefore(from, next + 2)
      open.splice(open.indexOf(owner.gateway), 1)
      await owner.gateway.stop()
      await expect.poll(() => quantitiesIn(to), { timeout: 20_000 }).toEqual([0, 3])
      expect(other.module.status.consumer).toMatchObject({
        state: 'running',
        message: expect.stringContaining(`behind them: ${from}/0@${next} to ${next + 1};`),
      })
    })

    test('a topic that is gone for a while is read from its beginning when it is there again', async () => {
      const [from, to] = [randomUUID(), randomUUID()]
      await createTopic(broker, from, 1)
      const { module } = await start({
        subscribe: { orders: { [from]: '' } },
        publish: { fills: { [to]: 'k' } },
        createTopics: false,
        exactlyOnce,
      })
      await createTopic(broker, to, 1)
      await produce(broker, from, [order(0), order(1), order(2)])
      await expect.poll(() => quantitiesIn(to), { timeout: 20_000 }).toEqual([0, 1, 2])
      await withAdmin((admin) => admin.deleteTopics({ topics: [from] }))
      await expect
        .poll(() => module.status.consumer.message, { timeout: 20_000 })
        .toContain(`topic ${from} does not exist`)
      await createTopic(broker, from, 1)
      await produce(broker, from, [order(3), order(4)])
      await expect.poll(() => quantitiesIn(to), { timeout: 20_000 }).toEqual([0, 1, 2, 3, 4])
    })

    test('a topic that is made anew is read from its beginning, which is told, whether anybody reads it then or later', async () => {
      const [from, to, groupId] = [randomUUID(), randomUUID(), randomUUID()]
      const options = {
        subscribe: { orders: { [from]: '' } },
        publish: { fills: { [to]: 'k' } },
        groupId,
        exactlyOnce,
      }
      const renew = async (): Promise<void> => {
        await withAdmin((admin) => admin.deleteTopics({ topics: [from] }))
        // The broker forgets it a moment later.
        await expect
          .poll(
            () =>
              createTopic(broker, from, 1)
                .then(() => true)
                .catch(() => false),
            {
              timeout: 20_000,
            },
          )
          .toBe(true)
      }
      await createTopic(broker, from, 1)
      await produce(broker, from, [order(0), order(1), order(2), order(3)])
      const { module } = await start(options)
      await expect.poll(() => quantitiesIn(to), { timeout: 20_000 }).toEqual([0, 1, 2, 3])
      module.pause(from)
      await renew()
      await produce(broker, from, [order(4), order(5)])
      module.resume(from)
      await expect.poll(() => quantitiesIn(to), { timeout: 20_000 }).toEqual([0, 1, 2, 3, 4, 5])
      expect(module.status.consumer).toMatchObject({
        state: 'running',
        message: expect.stringContaining(
          `begin anew, as when their topic is made anew: ${from}/0@0`,
        ),
      })
      await open.pop()?.stop()
      await renew()
      await produce(broker, from, [order(6)])
      await start(options)
      await expect.poll(() => quantitiesIn(to), { timeout: 20_000 }).toEqual([0, 1, 2, 3, 4, 5, 6])
    })

    test('what JSON cannot carry, nests too deep, or has a check of the contract throw, is a dead letter, and stops nothing', async () => {
      const [from, deadLetterTopic] = [randomUUID(), randomUUID()]
      await createTopic(broker, from, 1)
      const Odd = struct('Odd', {
        quantity: z.number().refine((quantity) => {
          if (quantity === 13) throw new Error('not on my watch')
          return true
        }),
        anything: z.unknown().optional(),
        asked: z
          .string()
          .refine(async () => true)
          .optional(),
      })
      const odd = defineChannels({ orders: channel(Odd) })
      const of = (text: string) => ({ value: text })
      const deep = 100_000
      await produce(broker, from, [
        of('{"quantity":1}'),
        of('{"quantity":13}'),
        of('{"quantity":2,"asked":"x"}'),
        of(''),
        of('null'),
        of('{"quantity":1e999}'),
        of('['.repeat(deep)),
        of(`{"quantity":3,"anything":${'['.repeat(deep)}${']'.repeat(deep)}}`),
        of('\ufeff{"quantity":4}'),
        of('{"quantity":5,"__proto__":{"quantity":6}}'),
        { value: Buffer.from([0xff, 0xfe, 0x7b]) },
        of('{"quantity":14}'),
        of('{"quantity":7,"anything":{"text":"x","list":[1,null]}}'),
      ])
      const module = kafka<(typeof odd)['channels']>({
        brokers: [broker],
        groupId: randomUUID(),
        subscribe: { orders: { [from]: '' } },
        subscribeProcessors: {
          orders: (value) =>
            (value as { quantity?: unknown } | null)?.quantity === 14
              ? { quantity: 14, anything: new Date(0) }
              : value,
        },
        deadLetterTopic,
        exactlyOnce,
      })
      const gateway = new Gateway({ channels: odd, modules: [module] })
      const seen: number[] = []
      await gateway.start()
      open.push(gateway as never)
      gateway.channels.watch('orders', undefined, ({ value }) =>
        seen.push((value as { quantity: number }).quantity),
      )
      await expect.poll(() => seen, { timeout: 20_000 }).toEqual([1, 7])
      await expect
        .poll(() => committedRecords(broker, deadLetterTopic), { timeout: 20_000 })
        .toHaveLength(11)
      const letters = await committedRecords(broker, deadLetterTopic)
      expect(letters.map(({ headers }) => headers['gw-offset'])).toEqual(
        Array.from({ length: 11 }, (_, i) => String(i + 1)),
      )
      expect(letters[0]?.headers['gw-error']).toContain('not on my watch')
      expect(letters[6]?.headers['gw-error']).toMatch(/anything.*too deep/)
      expect(letters[10]?.headers['gw-error']).toMatch(/anything.*Date/)
      expect(gateway.health.live).toBe(true)
    })
  })

  test('what is larger than all that may wait is a dead letter, cut to fit; what comes behind it goes on', async () => {
    const [from, to, deadLetterTopic] = [randomUUID(), randomUUID(), randomUUID()]
    await createTopic(broker, from, 1)
    const large = 'x'.repeat(50_000)
    await produce(broker, from, [
      { value: JSON.stringify({ symbol: 'A', quantity: 1, desk: large }) },
      { value: `not json ${large}` },
      order(3),
    ])
    const { module } = await start({
      subscribe: { orders: { [from]: '' } },
      publish: { fills: { [to]: 'k' } },
      deadLetterTopic,
      maxPendingBytes: 30_000,
    })
    await expect.poll(() => quantitiesIn(to), { timeout: 20_000 }).toEqual([3])
    await expect
      .poll(async () => (await committedRecords(broker, deadLetterTopic)).length, {
        timeout: 20_000,
      })
      .toBe(2)
    const letters = await committedRecords(broker, deadLetterTopic)
    expect(
      letters.find(({ headers }) => headers['gw-offset'] === undefined)?.headers,
    ).toMatchObject({
      'gw-channel': 'fills',
      'gw-topic': to,
      'gw-truncated': expect.stringMatching(/^50\d{3}$/),
    })
    expect(
      letters.find(({ headers }) => headers['gw-offset'] !== undefined)?.headers,
    ).toMatchObject({
      'gw-topic': from,
      'gw-partition': '0',
      'gw-offset': '1',
      'gw-truncated': '50009',
    })
    for (const { headers, value } of letters) {
      expect(headers['gw-error']).toContain('maxPendingBytes')
      expect(value).toHaveLength(10_000)
    }
    expect(module.unpublished).toBe(0)
  })

  test('a topic that cannot be made is told, by name', async () => {
    const name = randomUUID()
    await createTopic(broker, `${name}_orders`, 1)
    // To the broker it is the same name.
    const { module } = await start({ subscribe: { orders: { [`${name}.orders`]: '' } } })
    await expect
      .poll(() => module.status.consumer.message, { timeout: 20_000 })
      .toContain(`topic "${name}.orders": `)
  })

  test.each([
    ['at least once', false],
    ['exactly once', true],
  ])('the mark behind the last record of a transaction is no lag, %s', async (_, exactlyOnce) => {
    const [from, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, from, 1)
    const producer = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).producer({
      transactionalId: randomUUID(),
      idempotent: true,
      maxInFlightRequests: 1,
    })
    await producer.connect()
    const { module } = await start({ subscribe: { orders: { [from]: '' } }, groupId, exactlyOnce })
    for (const quantity of [1, 2]) {
      const transaction = await producer.transaction()
      await transaction.send({ topic: from, messages: [order(quantity)] })
      await transaction.commit()
      await expect.poll(() => module.received, { timeout: 20_000 }).toBe(quantity)
      await expect.poll(() => progressOf(broker, groupId, from), { timeout: 20_000 }).toBe(0n)
    }
    await producer.disconnect()
  })
})
