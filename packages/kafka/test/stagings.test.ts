import { randomUUID } from 'node:crypto'
import {
  auditChannel,
  channel,
  defineChannels,
  defineModule,
  Gateway,
  type Module,
  type StagingRequest,
  struct,
} from '@gw/channels'
import { node } from '@gw/core'
import { type ClusterModule, type ClusterOptions, cluster } from '@gw/kafka'
import type { Authenticator, AuthFilter } from '@gw/protocol'
import { type WebServer, webServer } from '@gw/server-hono'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { z } from 'zod'
import { createTopic } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

const Order = struct('Order', {
  symbol: z.string(),
  quantity: z.number().positive(),
  owner: z.string().default('nobody'),
})
const Told = struct('Told', { action: z.string(), items: z.number() })
const Ask = struct('Ask', {
  action: z.string(),
  symbols: z.array(z.string()),
  ids: z.array(z.string()).optional(),
})
const channels = defineChannels({
  orders: channel(Order, { send: true, stage: true }),
  lots: channel(z.array(Order), { stage: true }),
  notes: channel(z.object({ text: z.string() }), { stage: true }),
  drafts: channel(Order, { stage: true }),
  taken: channel(Order, { state: { by: 'id' } }),
  told: channel(Told),
  asks: channel(Ask, { send: true }),
  audit: auditChannel(),
})
type Channels = (typeof channels)['channels']

const desk = defineModule(channels, 'desk', (c) => {
  c.setChannel(
    'taken',
    node(
      'take',
      { orders: c.getChannel('orders') },
      ({ orders }) =>
        () =>
          orders.value,
    ),
  )
  const events = c.getStageEvents('orders')
  c.setChannel(
    'told',
    node('tell', { events }, ({ events }, context) => () => {
      const { action, items } = events.value
      return Told.make(context, { action, items: items.length })
    }),
  )
  const asks = c.getChannel('asks')
  c.setStageRequests(
    'drafts',
    node('ask', { asks }, ({ asks }, context) => () => {
      const { action, symbols, ids } = asks.value
      const items = symbols.map((symbol) => Order.make(context, { symbol, quantity: 1 }))
      return { action, stagingIds: ids, items } as StagingRequest<z.output<typeof Order>>
    }),
  )
  c.addSendChannel('asks')
  c.getChannel('lots')
  c.getChannel('notes')
})

const auth: Authenticator = {
  name: 'trusting',
  authenticate: (credentials) => ({
    ok: true,
    identity: { name: credentials.header('x-api-key') ?? 'everybody' },
  }),
}
/** Everybody touches everything; who has a name its own orders. */
const filter: AuthFilter = ({ name }, row) =>
  name === 'everybody' || (row as { readonly owner?: string }).owner === name

const log = { info() {}, warn() {}, error() {} }
const symbols = Array.from({ length: 12 }, (_, i) => `s${String(i).padStart(2, '0')}`)
const limits = { stagings: 30, stagedRecords: 200 }

interface One {
  readonly gateway: Gateway<Channels>
  readonly url: string
}

interface Member extends One {
  readonly module: ClusterModule<Channels>
}

const open = new Set<Gateway<Channels>>()

async function startOne(more: readonly Module<Channels>[] = [], server?: WebServer): Promise<One> {
  const web = server ?? webServer({ port: 0, auth, filter, log })
  const gateway = new Gateway({ channels, limits, modules: [web, desk, ...more] })
  await gateway.start()
  open.add(gateway)
  return { gateway, url: web.url as string }
}

async function startMember(
  topic: string,
  groupId: string,
  more: Partial<ClusterOptions<Channels>> = {},
): Promise<Member> {
  const module = cluster<Channels>({
    brokers: [broker],
    groupId,
    by: { orders: 'symbol', lots: 'symbol' },
    subscribe: { orders: { [topic]: '' } },
    exactlyOnce: true,
    sessionTimeoutMs: 6_000,
    ...more,
  })
  return { ...(await startOne([module as Module<Channels>])), module }
}

async function stop({ gateway }: One): Promise<void> {
  open.delete(gateway)
  await gateway.stop()
}

async function newGroup(): Promise<readonly [topic: string, groupId: string]> {
  const topic = randomUUID()
  await createTopic(broker, topic, 6)
  return [topic, randomUUID()]
}

const settled = (members: readonly Member[]): Promise<unknown> =>
  vi.waitUntil(
    () =>
      members
        .flatMap(({ module }) => module.ready)
        .sort()
        .join() === '0,1,2,3,4,5' &&
      members.every(({ module }) => module.members.length === members.length),
    { timeout: 30_000 },
  )

/** Who holds the stagings of a channel. */
const holderOf = (members: readonly Member[], name: string): Member =>
  members.find(({ module }) => module.ownerOf(name)?.id === module.id) as Member

type Stagings = Record<string, readonly z.output<typeof Order>[]>

interface Answer<T> {
  readonly status: number
  readonly body: T
}

async function stage<T = Stagings>(
  { url }: One,
  method: 'POST' | 'DELETE' | 'PATCH' | 'GET' | 'PUT',
  path: string,
  body?: unknown,
  who?: string,
): Promise<Answer<T>> {
  const response = await fetch(`${url}/api/v1/stage/${path}`, {
    method,
    headers: {
      'Content-Type': 'application/json',
      ...(who === undefined ? {} : { 'x-api-key': who }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as T }
}

const list = (one: One, name = 'orders') => stage<string[]>(one, 'GET', name)
const empty = (one: One, name = 'orders') => stage(one, 'DELETE', `${name}?id=`)
const staged = async (one: One, name = 'orders'): Promise<string[]> =>
  Object.values((await stage(one, 'PUT', name)).body)
    .flat()
    .map(({ id }) => id)
const order = (id: string, more: object = {}) => ({
  id,
  symbol: `s0${id.at(-1)}`,
  quantity: 1,
  ...more,
})
const newIds = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${randomUUID()}-${i}`)

describe.skipIf(brokers === undefined)('stagings of a cluster', () => {
  let members: Member[] = []
  let [first, second, third] = members as [Member, Member, Member]
  const statuses: string[] = []

  beforeAll(async () => {
    const [topic, groupId] = await newGroup()
    const onStatus: ClusterOptions<Channels>['onStatus'] = (_, { message }) => {
      statuses.push(message)
    }
    members = await Promise.all([1, 2, 3].map(() => startMember(topic, groupId, { onStatus })))
    ;[first, second, third] = members as [Member, Member, Member]
    await settled(members)
  }, 60_000)

  afterAll(async () => {
    await Promise.all([...open].map((gateway) => gateway.stop()))
  }, 60_000)

  test('each call of each channel answers at any gateway as it does on one alone', async () => {
    const alone = await startOne()
    const place = fc.oneof(
      { weight: 4, arbitrary: fc.nat(5) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          'none',
          '__proto__',
          'constructor',
          '%00',
          '%F0%9F%92%A9',
          '*',
          '"',
          'x'.repeat(300),
        ),
      },
    )
    const call = fc.record({
      at: fc.nat(2),
      who: fc.constantFrom(undefined, undefined, 'ann', 'bob'),
      name: fc.constantFrom('orders', 'orders', 'lots', 'notes', 'unknown'),
      method: fc.constantFrom('POST', 'POST', 'POST', 'POST', 'DELETE', 'PATCH', 'GET', 'PUT'),
      ids: fc.oneof(
        fc.constant(undefined),
        fc.constant(''),
        fc.array(place, { minLength: 1, maxLength: 3 }),
      ),
      body: fc.oneof(
        fc.constant(undefined),
        fc.record({
          id: fc.constantFrom('r1', 'r2', 'r3', 'r4'),
          symbol: fc.constant('s01'),
          quantity: fc.integer({ min: 0, max: 9 }),
          owner: fc.constantFrom('ann', 'bob'),
          text: fc.constant('note'),
        }),
      ),
    } as const)
    type Call = typeof call extends fc.Arbitrary<infer T> ? T : never
    const run = async (calls: readonly Call[], worlds: readonly One[]) => {
      for (const name of ['orders', 'lots', 'notes']) await empty(worlds[0] as One, name)
      /** Ids of stagings as they were told, by channel. */
      const told: string[] = []
      const known = (id: string): string => (told.includes(id) ? `staging ${told.indexOf(id)}` : id)
      const answers: unknown[] = []
      for (const { at, who, name, method, ids, body } of calls) {
        const named =
          typeof ids === 'string'
            ? ids
            : ids?.map((id) => (typeof id === 'number' ? (told[id] ?? 'none') : id)).join()
        const path = named === undefined ? name : `${name}?id=${named}`
        const sent = method === 'POST' || method === 'DELETE' ? body : undefined
        const { status, body: answer } = await stage<unknown>(
          worlds[at % worlds.length] as One,
          method,
          path,
          sent,
          who,
        )
        const isAnswer = status === 200
        if (isAnswer && !Array.isArray(answer)) {
          for (const id of Object.keys(answer as object)) if (!told.includes(id)) told.push(id)
        }
        const text = JSON.stringify(answer)
          .replace(/\d{30}/g, known)
          .replace(/"timestamp":"[^"]+"/g, '"timestamp":""')
        answers.push([method, path.replace(/\d{30}/g, known), status, text])
      }
      return answers
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { minLength: 10, maxLength: 40, size: 'max' }),
        async (calls) => {
          const [of3, of1] = [await run(calls, members), await run(calls, [alone])]
          expect(of3).toEqual(of1)
        },
      ),
      { numRuns: 12 },
    )
    await stop(alone)
    for (const name of ['orders', 'lots', 'notes']) await empty(first, name)
  }, 60_000)

  test('several gateways that add at once open one staging, and no record is lost or twice', async () => {
    await empty(first)
    const ids = newIds(30)
    const answers = await Promise.all(
      ids.map((id, i) => stage(members[i % 3] as Member, 'POST', 'orders', order(id))),
    )
    expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 200))
    expect((await list(second)).body).toHaveLength(1)
    expect((await staged(third)).sort()).toEqual([...ids].sort())
    const releases = await Promise.all(members.map((one) => stage(one, 'PATCH', 'orders')))
    const released = releases.flatMap(({ body }) => Object.values(body).flat())
    expect(released.map(({ id }) => id).sort()).toEqual([...ids].sort())
    expect((await list(first)).body).toEqual([])
  })

  test('what is added while others release ticks once, or is staged still', async () => {
    await empty(first)
    const ids = newIds(40)
    const ticked: string[] = []
    const watches = members.map(({ gateway }) =>
      gateway.channels.watch('orders', undefined, ({ value }) =>
        ticked.push((value as { readonly id: string }).id),
      ),
    )
    await Promise.all(
      ids.map(async (id, i) => {
        await stage(members[i % 3] as Member, 'POST', 'orders', order(id))
        if (i % 7 === 0) await stage(members[(i + 1) % 3] as Member, 'PATCH', 'orders')
      }),
    )
    expect([...ticked, ...(await staged(second))].sort()).toEqual([...ids].sort())
    await stage(second, 'PATCH', 'orders')
    expect([...ticked].sort()).toEqual([...ids].sort())
    for (const watch of watches) watch.stop()
  })

  test('nobody drops or releases what others add at the same time at another gateway', async () => {
    const bobs: string[] = []
    for (let round = 0; round < 8; round++) {
      await empty(first)
      const ids = newIds(4)
      bobs.push(...ids)
      await stage(first, 'POST', 'orders', order('ann-1', { owner: 'ann' }), 'ann')
      const [drop, release, ...adds] = await Promise.all([
        stage(second, 'DELETE', 'orders', undefined, 'ann'),
        stage(third, 'PATCH', 'orders', undefined, 'ann'),
        ...ids.map((id, i) =>
          stage(members[i % 3] as Member, 'POST', 'orders', order(id, { owner: 'bob' }), 'bob'),
        ),
      ])
      expect([200, 403]).toContain(drop?.status)
      expect([200, 403]).toContain(release?.status)
      expect(adds.map(({ status }) => status)).toEqual([200, 200, 200, 200])
      expect(await staged(third)).toEqual(expect.arrayContaining(ids))
    }
    const taken = await first.module.query('taken')
    expect(taken.filter((record) => bobs.includes((record as z.output<typeof Order>).id))).toEqual(
      [],
    )
    await empty(first)
  })

  test('has the bounds of one gateway, whoever is asked', async () => {
    await empty(first)
    for (let i = 0; i < limits.stagings; i++) {
      expect((await stage(members[i % 3] as Member, 'POST', 'orders')).status).toBe(200)
    }
    for (const member of members) {
      const refused = await stage<unknown>(member, 'POST', 'orders')
      expect(refused).toMatchObject({ status: 503, body: { code: 'OVERLOADED' } })
    }
    await empty(second)
    expect((await stage(third, 'POST', 'orders')).status).toBe(200)
    await empty(second)
  })

  test('tells of each change once, and the audit channel of who was let in where', async () => {
    await empty(first)
    const told: string[] = []
    const audited: string[] = []
    const watches = members.flatMap(({ gateway }, i) => [
      gateway.channels.watch('told', undefined, ({ value }) => {
        const { action, items } = value as z.output<typeof Told>
        told.push(`${action} ${items}`)
      }),
      gateway.channels.watch('audit', undefined, ({ value }) => {
        const { identity, action } = value as { identity: string; action: string }
        audited.push(`${i} ${identity} ${action}`)
      }),
    ])
    await stage(first, 'POST', 'orders', order('e1', { owner: 'ann' }), 'ann')
    await stage(second, 'POST', 'orders', order('e2', { owner: 'bob' }), 'bob')
    await stage(second, 'DELETE', 'orders', { id: 'e2' }, 'bob')
    await stage(third, 'PATCH', 'orders', undefined, 'ann')
    await expect
      .poll(() => told)
      .toEqual(['CREATED 0', 'ADDED 1', 'ADDED 1', 'REMOVED 1', 'RELEASED 1'])
    await expect
      .poll(() => [...audited].sort())
      .toEqual(['0 ann stage', '1 bob stage', '1 bob unstage', '2 ann release'])
    for (const watch of watches) watch.stop()
  })

  test('nodes of any gateway change them; what cannot be met is no end of the gateway', async () => {
    for (const [i, member] of members.entries()) {
      member.gateway.channels.send('asks', { action: 'ADDED', symbols: [`n${i}`, `m${i}`] })
    }
    const drafts = async (): Promise<string[]> =>
      Object.values((await stage(second, 'PUT', 'drafts')).body)
        .flat()
        .map(({ symbol }) => symbol)
        .sort()
    await expect.poll(drafts).toEqual(['m0', 'm1', 'm2', 'n0', 'n1', 'n2'])
    for (const member of members) expect((await list(member, 'drafts')).body).toHaveLength(1)
    const ticked: string[] = []
    const watches = members.map(({ gateway }) =>
      gateway.channels.watch('drafts', undefined, ({ value }) =>
        ticked.push((value as { readonly symbol: string }).symbol),
      ),
    )
    third.gateway.channels.send('asks', { action: 'ADDED', symbols: ['x'], ids: ['none'] })
    third.gateway.channels.send('asks', { action: 'RELEASED', symbols: [] })
    await expect.poll(() => [...ticked].sort()).toEqual(['m0', 'm1', 'm2', 'n0', 'n1', 'n2'])
    expect(await drafts()).toEqual([])
    expect(statuses.join()).toContain(
      'a stage request of "drafts" cannot be met: Staging ID not found: none',
    )
    expect(third.gateway.health.live).toBe(true)
    for (const watch of watches) watch.stop()
  })
})

describe.skipIf(brokers === undefined)('stagings of a cluster whose gateways come and go', () => {
  afterAll(async () => {
    await Promise.all([...open].map((gateway) => gateway.stop()))
  }, 60_000)

  test('are handed over by who goes, come back to a cluster that was gone, and released once', async () => {
    const [topic, groupId] = await newGroup()
    let members = await Promise.all([1, 2].map(() => startMember(topic, groupId)))
    await settled(members)
    const [one] = members as [Member]
    const opened: string[] = []
    for (let i = 0; i < 4; i++)
      opened.push(...Object.keys((await stage(one, 'POST', 'orders')).body))
    const [a, b, c, d] = opened as [string, string, string, string]
    await stage(one, 'POST', `orders?id=${b},${c}`, order('r1'))
    await stage(one, 'POST', `orders?id=${b}`, order('r2'))
    await stage(one, 'POST', `orders?id=${b}`, order('r3'))
    await stage(one, 'POST', `orders?id=${b}`, order('r1', { quantity: 7 }))
    await stage(one, 'DELETE', `orders?id=${b}`, { id: 'r2' })
    await stage(one, 'DELETE', 'orders')
    const quantities = async (at: One): Promise<unknown> =>
      Object.entries((await stage(at, 'PUT', 'orders')).body).map(([id, records]) => [
        id,
        records.map(({ id, quantity }) => `${id} ${quantity}`),
      ])
    const expected = [
      [a, []],
      [b, ['r1 7', 'r3 1']],
      [c, ['r1 1']],
    ]
    expect(await quantities(one)).toEqual(expected)
    const holder = holderOf(members, 'orders')
    await stop(holder)
    members = members.filter((member) => member !== holder)
    await settled(members)
    expect(await quantities(members[0] as Member)).toEqual(expected)
    // Who comes may be given them.
    members.push(await startMember(topic, groupId))
    await settled(members)
    for (const member of members) {
      expect(await quantities(member)).toEqual(expected)
      expect((await stage(member, 'GET', `orders?id=${d}`)).body).toEqual([])
      expect((await stage(member, 'PATCH', `orders?id=${d}`)).body).toEqual({})
    }
    await Promise.all(members.map(stop))
    members = [await startMember(topic, groupId)]
    await settled(members)
    const [last] = members as [Member]
    expect(await quantities(last)).toEqual(expected)
    const [e] = Object.keys((await stage(last, 'POST', 'orders')).body)
    expect((await list(last)).body).toEqual([a, b, c, e])
    const released = await stage(last, 'PATCH', `orders?id=${b}`)
    expect(released).toMatchObject({ status: 200, body: { [b]: [{ id: 'r1' }, { id: 'r3' }] } })
    await stop(last)
    const again = await startMember(topic, groupId)
    await settled([again])
    expect((await list(again)).body).toEqual([a, c, e])
    expect(
      await again.module.query('taken', { sort: [{ path: 'id', order: 'asc' }] }),
    ).toMatchObject([{ id: 'r1' }, { id: 'r3' }])
  }, 90_000)

  test('nothing is lost or released twice while gateways come and go', async () => {
    const [topic, groupId] = await newGroup()
    const stays = await startMember(topic, groupId)
    await settled([stays])
    const ticked: string[] = []
    const watched = new Set<Member>()
    const watch = (member: Member): void => {
      watched.add(member)
      member.gateway.channels.watch('orders', undefined, ({ value }) =>
        ticked.push((value as { readonly id: string }).id),
      )
    }
    watch(stays)
    const added: string[] = []
    let isOver = false
    const working = (async () => {
      for (let i = 0; !isOver; i++) {
        const id = `${randomUUID()}-${i % symbols.length}`
        const answer = await stage<unknown>(stays, 'POST', 'orders', {
          id,
          symbol: symbols[i % 12],
          quantity: 1,
        })
        expect(answer).toMatchObject({ status: 200 })
        added.push(id)
        if (i % 5 === 4)
          expect(await stage<unknown>(stays, 'PATCH', 'orders')).toMatchObject({ status: 200 })
      }
    })()
    const come = await Promise.all([1, 2].map(() => startMember(topic, groupId)))
    come.forEach(watch)
    await settled([stays, ...come])
    const before = added.length
    await expect.poll(() => added.length, { timeout: 30_000 }).toBeGreaterThan(before + 20)
    for (const member of come) await stop(member)
    await settled([stays])
    isOver = true
    await working
    await stage(stays, 'PATCH', 'orders')
    expect(added.length).toBeGreaterThan(20)
    expect([...new Set(ticked)].sort()).toEqual([...added].sort())
    const taken = (await stays.module.query('taken')) as readonly { readonly id: string }[]
    expect(taken.map(({ id }) => id).sort()).toEqual([...added].sort())
  }, 90_000)
  test('what does not fit a changed contract is left out and told, and is there when that is taken back', async () => {
    const [topic, groupId] = await newGroup()
    const start = async (most: number) => {
      const Parcel = struct('Parcel', { weight: z.number().max(most) })
      const changed = defineChannels({
        orders: channel(Order),
        parcels: channel(Parcel, { stage: true }),
      })
      const module = cluster<(typeof changed)['channels']>({
        brokers: [broker],
        groupId,
        by: {},
        subscribe: { orders: { [topic]: '' } },
        sessionTimeoutMs: 6_000,
      })
      const reader = defineModule(changed, 'reader', (c) => {
        c.getChannel('parcels')
      })
      const gateway = new Gateway({ channels: changed, modules: [reader, module] })
      await gateway.start()
      open.add(gateway as never)
      await vi.waitUntil(() => module.ready.length === 6, { timeout: 30_000 })
      const weights = async (): Promise<unknown> =>
        Object.values((await module.shared?.stageLookup('parcels')) ?? {}).map((records) =>
          records.map((record) => (record as z.output<typeof Parcel>).weight),
        )
      const end = async (): Promise<void> => {
        open.delete(gateway as never)
        await gateway.stop()
      }
      return {
        module,
        weights,
        end,
        add: (weight: number) => module.shared?.stageAdd('parcels', { weight }),
      }
    }
    const before = await start(10)
    for (const weight of [1, 9, 2]) await before.add(weight)
    await before.end()
    const changed = await start(5)
    expect(await changed.weights()).toEqual([[1, 2]])
    expect(changed.module.unrestored).toBe(1)
    await changed.end()
    const back = await start(10)
    expect(await back.weights()).toEqual([[1, 9, 2]])
    await back.end()
    const again = await start(5)
    await again.add(3)
    expect(await again.weights()).toEqual([[1, 2, 3]])
    await again.end()
    const last = await start(5)
    expect(await last.weights()).toEqual([[1, 2, 3]])
    await last.end()
  }, 90_000)
})
