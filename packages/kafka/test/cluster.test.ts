import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { channel, defineChannels, defineModule, Gateway, struct } from '@gw/channels'
import { node } from '@gw/core'
import {
  aggregate,
  type ClusterModule,
  type ClusterOptions,
  cluster,
  javaPartitioner,
  KafkajsClient,
  store,
} from '@gw/kafka'
import { afterAll, afterEach, describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { createTopic, deleteTopic, produce } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

const Order = struct('Order', { symbol: z.string(), quantity: z.number().positive() })
const Total = struct('Total', { symbol: z.string(), sum: z.number() })
const channels = defineChannels({
  orders: channel(Order, { send: true }),
  totals: channel(Total, { state: { by: 'symbol' } }),
  allTotals: channel(Total),
})
type Channels = (typeof channels)['channels']

interface Member {
  readonly gateway: Gateway<Channels>
  readonly module: ClusterModule<Channels>
}

const folder = mkdtempSync(join(tmpdir(), 'gw-cluster-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Sees the group without who is hidden, as after a session that timed out. */
function blindClient() {
  let hidden: string | undefined
  const client = new KafkajsClient({ brokers: [broker] })
  const consumer = client.consumer.bind(client)
  client.consumer = (options) => {
    const made = consumer(options)
    const members = made.members.bind(made)
    made.members = async () =>
      (await members()).filter(
        ({ tells }) => hidden === undefined || (tells as { id?: string } | null)?.id !== hidden,
      )
    return made
  }
  const hide = (member: Member | undefined): void => {
    hidden = member?.module.id
  }
  return { client, hide }
}

describe.skipIf(brokers === undefined)('a cluster', () => {
  const open = new Set<Gateway<Channels>>()

  afterEach(async () => {
    await Promise.all([...open].map((gateway) => gateway.stop()))
    open.clear()
  })

  async function start(
    topic: string,
    groupId: string,
    more: Partial<ClusterOptions<Channels>> = {},
    historyTicks = 1_000,
  ): Promise<Member> {
    const sums = store<number>('sums')
    const totals = defineModule(channels, 'totals', (c) => {
      const folded = aggregate(c.getChannel('orders'), sums, {
        by: ({ symbol }) => symbol,
        initial: 0,
        step: (sum, { quantity }) => sum + quantity,
      })
      c.setChannel(
        'totals',
        node('total', { folded }, ({ folded }, context) => () => {
          const { key, value } = folded.value
          return Total.make(context, { symbol: key, sum: value })
        }),
      )
    })
    const module = cluster<Channels>({
      brokers: [broker],
      groupId,
      by: { orders: 'symbol' },
      subscribe: { orders: { [topic]: '' } },
      stores: [sums],
      exactlyOnce: true,
      sessionTimeoutMs: 6_000,
      relay: { totals: 'allTotals' },
      ...more,
    })
    const gateway = new Gateway({ channels, modules: [totals, module], limits: { historyTicks } })
    await gateway.start()
    open.add(gateway)
    return { gateway, module }
  }

  async function stop({ gateway }: Member): Promise<void> {
    open.delete(gateway)
    await gateway.stop()
  }

  const symbols = Array.from({ length: 20 }, (_, i) => `s${i}`)
  const round = (topic: string) =>
    produce(
      broker,
      topic,
      symbols.map((symbol, i) => ({
        key: symbol,
        value: JSON.stringify({ symbol, quantity: i + 1 }),
      })),
    )
  const expected = (rounds: number): unknown =>
    symbols
      .map((symbol, i) => [symbol, (i + 1) * rounds])
      .sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1))
  const totalsOf = async ({ module }: Member): Promise<unknown> =>
    ((await module.query('totals')) as readonly z.output<typeof Total>[]).map(({ symbol, sum }) => [
      symbol,
      sum,
    ])
  const settled = (members: readonly Member[], partitions: number) =>
    expect
      .poll(
        () =>
          members
            .flatMap(({ module }) => module.ready)
            .sort()
            .join() === Array.from({ length: partitions }, (_, i) => i).join() &&
          members.every(({ module }) => module.members.length === members.length),
        { timeout: 10_000 },
      )
      .toBe(true)

  test('shares the partitions; each answers for all; who comes and who goes hands over the state', async () => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 4)
    const first = await start(topic, groupId)
    await round(topic)
    await expect.poll(() => totalsOf(first), { timeout: 20_000 }).toEqual(expected(1))
    const second = await start(topic, groupId)
    await settled([first, second], 4)
    expect(first.module.ready).toHaveLength(2)
    await round(topic)
    for (const member of [first, second]) {
      await expect.poll(() => totalsOf(member), { timeout: 20_000 }).toEqual(expected(2))
    }
    const some = await second.module.query('totals', {
      where: { sum: { gt: 10 } },
      sort: '-sum',
      offset: 1,
      limit: 2,
      select: ['symbol'],
    } as never)
    expect(some).toEqual([{ symbol: 's18' }, { symbol: 's17' }])
    await stop(first)
    await settled([second], 4)
    await round(topic)
    await expect.poll(() => totalsOf(second), { timeout: 20_000 }).toEqual(expected(3))
  })

  test('a record is sent to whoever owns its key, and what it changes is committed when that answers', async () => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 4)
    const members = [await start(topic, groupId), await start(topic, groupId)]
    const [first, second] = members as [Member, Member]
    await settled(members, 4)
    const heard: string[] = []
    first.gateway.channels.watch('allTotals', undefined, ({ value }) =>
      heard.push((value as { symbol: string }).symbol),
    )
    for (const symbol of symbols) {
      const sent = await first.module.send('orders', { symbol, quantity: 5 })
      expect(sent).toMatchObject({ id: expect.any(String), symbol, quantity: 5 })
      expect(await second.module.get('sums', symbol)).toBe(5)
    }
    expect(first.module.received + second.module.received).toBe(0)
    expect(await totalsOf(second)).toHaveLength(20)
    expect(second.gateway.channels.count('totals')).toBeGreaterThan(0)
    expect(second.gateway.channels.count('totals')).toBeLessThan(20)
    await expect.poll(() => [...heard].sort(), { timeout: 20_000 }).toEqual([...symbols].sort())
    await expect(first.module.send('orders', { symbol: 's1', quantity: -1 })).rejects.toMatchObject(
      {
        code: 'INVALID_RECORD',
      },
    )
    await expect(second.module.send('orders', { quantity: 1 })).rejects.toMatchObject({
      code: 'INVALID_RECORD',
      channel: 'orders',
    })
    await stop(second)
    await settled([first], 4)
    for (const symbol of symbols) expect(await first.module.get('sums', symbol)).toBe(5)
  })

  test('of a gateway that is gone for a while and comes back, each tick comes once, in order', async () => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 4)
    const { client, hide } = blindClient()
    const first = await start(topic, groupId, { client })
    const second = await start(topic, groupId)
    await settled([first, second], 4)
    const relayed: string[] = []
    const heard: string[] = []
    const into = (list: string[]) => (tick: { readonly value: unknown }) => {
      const { symbol, sum } = tick.value as z.output<typeof Total>
      list.push(`${symbol} ${sum}`)
    }
    first.gateway.channels.watch('allTotals', undefined, into(relayed))
    first.module.shared?.watch('totals', undefined, into(heard))
    const rounds = async (count: number, lists: readonly string[][]) => {
      const all = symbols.flatMap((symbol, i) =>
        Array.from({ length: count }, (_, round) => `${symbol} ${(i + 1) * (round + 1)}`),
      )
      for (const list of lists) {
        await expect.poll(() => list.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(all.length)
        // Those of a symbol are in order.
        expect(symbols.flatMap((s) => list.filter((each) => each.startsWith(`${s} `)))).toEqual(all)
      }
    }
    await round(topic)
    await rounds(1, [relayed, heard])
    hide(second)
    const third = await start(topic, groupId)
    await expect
      .poll(() => first.module.members.map(({ id }) => id).sort(), { timeout: 20_000 })
      .toEqual([first.module.id, third.module.id].sort())
    await round(topic)
    await expect.poll(() => totalsOf(third), { timeout: 20_000 }).toEqual(expected(2))
    hide(undefined)
    await stop(third)
    await settled([first, second], 4)
    await round(topic)
    await rounds(3, [relayed, heard])
  })

  test('what a relay has not got of another, as that remembers it no more, is told', async () => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 4)
    const { client, hide } = blindClient()
    const first = await start(topic, groupId, { client })
    const second = await start(topic, groupId, {}, 1)
    await settled([first, second], 4)
    let relayed = 0
    first.gateway.channels.watch('allTotals', undefined, () => relayed++)
    await round(topic)
    await expect.poll(() => relayed, { timeout: 20_000 }).toBe(20)
    expect(first.module.status.consumer.message).toBe('')
    hide(second)
    const third = await start(topic, groupId)
    await expect
      .poll(() => first.module.members.some(({ id }) => id === third.module.id), {
        timeout: 20_000,
      })
      .toBe(true)
    await round(topic)
    await expect.poll(() => totalsOf(third), { timeout: 20_000 }).toEqual(expected(2))
    hide(undefined)
    await stop(third)
    const lost = () =>
      /^relay of "totals": (\d+) ticks/.exec(first.module.status.consumer.message)?.[1]
    await expect.poll(() => Number(lost()) + relayed, { timeout: 20_000 }).toBe(40)
    expect(Number(lost())).toBeGreaterThan(0)
  })

  test('a checkpoint leaves only the tail to be read; a damaged one does no harm', async () => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 2)
    const checkpoints = { folder: join(folder, groupId) }
    const first = await start(topic, groupId, { checkpoints })
    await round(topic)
    await expect.poll(() => totalsOf(first), { timeout: 20_000 }).toEqual(expected(1))
    await stop(first)
    const second = await start(topic, groupId, { checkpoints })
    await settled([second], 2)
    expect(second.module.restored).toBe(0)
    expect(await totalsOf(second)).toEqual(expected(1))
    await stop(second)
    rmSync(checkpoints.folder, { recursive: true })
    const third = await start(topic, groupId, { checkpoints })
    await settled([third], 2)
    // A sum and a total of each symbol.
    expect(third.module.restored).toBe(40)
    expect(await totalsOf(third)).toEqual(expected(1))
  })

  test('a copy that stands by is up to date: whoever takes over reads nothing again', async () => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 2)
    const members = [
      await start(topic, groupId, { standbys: 1 }),
      await start(topic, groupId, { standbys: 1 }),
    ]
    const [first, second] = members as [Member, Member]
    await settled(members, 2)
    expect(first.module.members.map(({ standsBy }) => standsBy.length)).toEqual([1, 1])
    await round(topic)
    await expect.poll(() => totalsOf(first), { timeout: 20_000 }).toEqual(expected(1))
    const before = second.module.restored
    // A sum and a total of each symbol.
    const changes = 2 * first.gateway.channels.count('totals')
    await expect.poll(() => second.module.copied, { timeout: 20_000 }).toBe(changes)
    await stop(first)
    await settled([second], 2)
    expect(second.module.restored - before).toBe(0)
    expect(await totalsOf(second)).toEqual(expected(1))
  })

  test('a copy is kept until the partition that it is of has come, however long that takes', async () => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 2)
    const client = new KafkajsClient({ brokers: [broker] })
    const { transactor, consumer } = client
    let gate = Promise.resolve()
    client.transactor = (options) => {
      const made = transactor.call(client, options)
      const open = made.open.bind(made)
      made.open = () => gate.then(open)
      return made
    }
    let looks = 0
    client.consumer = (options) => {
      const made = consumer.call(client, options)
      const members = made.members.bind(made)
      made.members = () => members().finally(() => looks++)
      return made
    }
    const first = await start(topic, groupId, { standbys: 1 })
    const second = await start(topic, groupId, { standbys: 1, client })
    await settled([first, second], 2)
    await round(topic)
    await expect.poll(() => totalsOf(first), { timeout: 20_000 }).toEqual(expected(1))
    const before = second.module.restored
    const changes = 2 * first.gateway.channels.count('totals')
    await expect.poll(() => second.module.copied, { timeout: 20_000 }).toBe(changes)
    let open: () => void = () => undefined
    gate = new Promise((resolve) => {
      open = resolve
    })
    await stop(first)
    await expect.poll(() => second.module.members.length, { timeout: 20_000 }).toBe(1)
    // Who asks has it look again and again.
    const asked = totalsOf(second)
    const seen = looks
    await expect.poll(() => looks, { timeout: 20_000 }).toBeGreaterThan(seen + 5)
    open()
    expect(await asked).toEqual(expected(1))
    expect(second.module.restored - before).toBe(0)
  })

  test('with creation off the changelog is named, not made; once it is there, the work begins', async () => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 2)
    const member = await start(topic, groupId, { createTopics: false })
    const changelog = `${groupId}-changelog`
    await expect
      .poll(() => member.module.status.consumer.message, { timeout: 20_000 })
      .toContain(`the changelog "${changelog}" does not exist: create it with 2 partitions`)
    await createTopic(broker, changelog, 2, { 'cleanup.policy': 'compact' })
    await settled([member], 2)
    await round(topic)
    await expect.poll(() => totalsOf(member), { timeout: 20_000 }).toEqual(expected(1))
    await expect
      .poll(() => member.module.status.consumer, { timeout: 20_000 })
      .toEqual({ state: 'running', message: '' })
  })

  test('a changelog that somebody deletes, and the broker makes anew with fewer partitions, is told; the gateway goes on answering', async () => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 4)
    const member = await start(topic, groupId, { ownerTimeoutMs: 2_000 })
    await round(topic)
    await expect.poll(() => totalsOf(member), { timeout: 20_000 }).toEqual(expected(1))
    await deleteTopic(broker, `${groupId}-changelog`)
    await createTopic(broker, `${groupId}-changelog`, 1)
    await round(topic)
    await expect
      .poll(() => member.module.status.producer.message, { timeout: 20_000 })
      .toMatch(/^partition [123]: topic ".+-changelog" has no partition [123]/)
    await expect.poll(() => totalsOf(member), { timeout: 20_000 }).toEqual(expected(2))
  })

  test.each<[what: string, key: string | null, says: string]>([
    ['that is not where its key belongs', 's0', 'has a key that belongs to partition'],
    ['without a key', null, 'has no key'],
  ])('a record %s is taken, and told with its place', async (_, key, says) => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 2)
    const member = await start(topic, groupId)
    await round(topic)
    await expect.poll(() => totalsOf(member), { timeout: 20_000 }).toEqual(expected(1))
    expect(member.module.status.consumer).toEqual({ state: 'running', message: '' })
    const partition = 1 - javaPartitioner('s0', 2)
    const value = JSON.stringify({ symbol: 's0', quantity: 5 })
    await produce(broker, topic, [{ key, value, partition }])
    await expect
      .poll(() => member.module.status.consumer.message, { timeout: 20_000 })
      .toMatch(new RegExp(`^record ${topic}/${partition}@\\d+ ${says}`))
    expect(member.module.status.consumer.state).toBe('running')
    expect(member.module.received).toBe(symbols.length + 1)
  })

  test('a state of several megabytes survives', async () => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 2, { 'max.message.bytes': '8000000' })
    const symbol = 's'.repeat(3_000_000)
    const first = await start(topic, groupId)
    // kafkajs itself takes minutes for the hash of such a key.
    const partition = javaPartitioner(symbol, 2)
    const value = JSON.stringify({ symbol, quantity: 7 })
    await produce(broker, topic, [{ key: symbol, value, partition }])
    // As it is, it would fill the screen.
    const lengthsOf = async (member: Member) =>
      ((await totalsOf(member)) as [string, number][]).map(([{ length }, sum]) => [length, sum])
    await expect.poll(() => lengthsOf(first), { timeout: 20_000 }).toEqual([[3_000_000, 7]])
    await expect.poll(() => first.module.uncommitted, { timeout: 20_000 }).toBe(0)
    expect(first.module.deadLetters).toBe(0)
    await stop(first)
    const second = await start(topic, groupId)
    await settled([second], 2)
    expect(await lengthsOf(second)).toEqual([[3_000_000, 7]])
  })

  test('topics with unequal partitions are named, and nothing is taken', async () => {
    const [topic, other, groupId] = [randomUUID(), randomUUID(), randomUUID()]
    await createTopic(broker, topic, 2)
    await createTopic(broker, other, 3)
    const { module } = await start(topic, groupId, {
      subscribe: { orders: { [topic]: '', [other]: '' } },
    })
    await round(topic)
    await expect
      .poll(() => module.status.consumer.message, { timeout: 20_000 })
      .toContain('equally many partitions')
    expect(module.received).toBe(0)
  })
})
