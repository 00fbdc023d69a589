import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { channel, defineChannels, defineModule, dynamicBasket, Gateway, struct } from '@gw/channels'
import { createClient } from '@gw/client'
import { type LiveStore, liveState } from '@gw/client/live-state'
import { map, node } from '@gw/core'
import { type ClusterModule, type ClusterOptions, cluster } from '@gw/kafka'
import type { Authenticator, AuthFilter } from '@gw/protocol'
import { type WebServer, webServer } from '@gw/server-hono'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import WebSocket from 'ws'
import { z } from 'zod'
import { createTopic } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

const Order = struct('Order', {
  symbol: z.string(),
  quantity: z.number().positive(),
  owner: z.string().default('nobody'),
})
const Quote = struct('Quote', { symbol: z.string(), price: z.number() })
const channels = defineChannels({
  orders: channel(Order, { send: true, stage: true }),
  lots: channel(z.array(Order), { stage: true }),
  doubled: channel(Order, { state: { by: 'symbol' } }),
  recent: channel(Order, { state: { by: 'symbol', keep: 3 } }),
  quotes: dynamicBasket(Quote, { send: true }),
  notes: channel(z.object({ text: z.string() }), { send: true }),
})
type Channels = (typeof channels)['channels']

const doubling = defineModule(channels, 'doubling', (c) => {
  c.setChannel(
    'doubled',
    node('double', { orders: c.getChannel('orders') }, ({ orders }, context) => () => {
      const { symbol, quantity, owner } = orders.value
      return Order.make(context, { symbol, quantity: quantity * 2, owner })
    }),
  )
  c.setChannel(
    'recent',
    map(c.getChannel('orders'), (order) => order),
  )
  c.addSendChannel('notes')
  c.getChannel('lots')
})

const auth: Authenticator = {
  name: 'trusting',
  authenticate: (credentials) => ({
    ok: true,
    identity: { name: credentials.header('x-api-key') ?? 'everybody' },
  }),
}
/** Everybody sees everything; who has a name sees its own orders. */
const filter: AuthFilter = ({ name }, row) =>
  name === 'everybody' || (row as { readonly owner?: string }).owner === name

const log = { info() {}, warn() {}, error() {} }
const symbols = Array.from({ length: 24 }, (_, i) => `s${String(i).padStart(2, '0')}`)

interface Member {
  readonly gateway: Gateway<Channels>
  readonly module: ClusterModule<Channels>
  readonly server: WebServer
  readonly url: string
}

const open = new Set<Member>()

async function start(
  topic: string,
  groupId: string,
  more: Partial<ClusterOptions<Channels>> = {},
): Promise<Member> {
  const server = webServer({ port: 0, auth, filter, log })
  const module = cluster<Channels>({
    brokers: [broker],
    groupId,
    by: { orders: 'symbol', lots: 'symbol', quotes: 'symbol' },
    subscribe: { orders: { [topic]: '' } },
    exactlyOnce: true,
    sessionTimeoutMs: 6_000,
    secret: 'of the cluster',
    web: () => server.url,
    ...more,
  })
  const gateway = new Gateway({ channels, modules: [server, doubling, module] })
  await gateway.start()
  const member = { gateway, module, server, url: server.url as string }
  open.add(member)
  return member
}

async function stop(member: Member): Promise<void> {
  open.delete(member)
  await member.gateway.stop()
}

async function startThree(more: Partial<ClusterOptions<Channels>> = {}): Promise<Member[]> {
  const [topic, groupId] = [randomUUID(), randomUUID()]
  await createTopic(broker, topic, 6)
  const members = await Promise.all([1, 2, 3].map(() => start(topic, groupId, more)))
  await settled(members)
  return members
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

interface Answer {
  readonly status: number
  readonly body: unknown
  readonly position: string
}

async function ask(
  { url }: Member,
  path: string,
  body?: unknown,
  who?: string,
  method: string = body === undefined ? 'GET' : 'POST',
): Promise<Answer> {
  const response = await fetch(`${url}/api/v1/${path}`, {
    method,
    headers: {
      'Content-Type': 'application/json',
      ...(who === undefined ? {} : { 'x-api-key': who }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    body: text === '' ? undefined : (JSON.parse(text) as unknown),
    position: response.headers.get('x-gateway-position') ?? '',
  }
}

const symbolsOf = ({ body }: Answer): string[] =>
  (body as readonly { readonly symbol: string }[]).map(({ symbol }) => symbol)

const clientOf = ({ url }: Member) =>
  createClient<typeof channels>({ url, WebSocket: WebSocket as never })

describe.skipIf(brokers === undefined)('any gateway of a cluster', () => {
  let members: Member[] = []
  let [first, second, third] = members as [Member, Member, Member]

  beforeAll(async () => {
    members = await startThree()
    ;[first, second, third] = members as [Member, Member, Member]
  }, 60_000)

  afterAll(async () => {
    await Promise.all([...open].map(stop))
  }, 60_000)

  test('takes a send for whoever owns the key, and any other answers what ticked last', async () => {
    for (const [i, symbol] of symbols.entries()) {
      const sent = await ask(members[i % 3] as Member, 'send/orders', { symbol, quantity: i + 1 })
      expect(sent).toMatchObject({ status: 200, body: [{ symbol, quantity: i + 1 }] })
      const last = await ask(members[(i + 1) % 3] as Member, 'last/doubled')
      expect(last).toMatchObject({ status: 200, body: [{ symbol, quantity: 2 * (i + 1) }] })
    }
    const counts = members.map(({ gateway }) => gateway.channels.count('doubled'))
    expect(Math.min(...counts)).toBeGreaterThan(0)
    expect(counts.reduce((a, b) => a + b)).toBe(symbols.length)
  })

  test('sends several records, each to its owner, and answers in their order', async () => {
    const several = [...symbols].reverse().map((symbol) => ({ symbol, quantity: 7 }))
    const sent = await ask(second, 'send/orders', several)
    expect(sent.status).toBe(200)
    expect(symbolsOf(sent)).toEqual([...symbols].reverse())
    for (const member of members) {
      const all = await ask(member, 'state/doubled?sort=symbol')
      expect(symbolsOf(all)).toEqual(symbols)
    }
  })

  test('waits for the position that a send at another has answered', async () => {
    const { position } = await ask(first, 'send/orders', { symbol: 's05', quantity: 55 })
    for (const member of members) {
      const read = await ask(member, `last/orders?atLeast=${position}&timeout=5`)
      expect(read).toMatchObject({ status: 200, body: [{ quantity: 55 }] })
      const again = await ask(member, `last/orders?atLeast=${read.position}&timeout=5`)
      expect(again.status).toBe(200)
    }
    const gone = await ask(first, 'last/orders?atLeast=deadbeef:1&timeout=5')
    expect(gone).toMatchObject({ status: 409, body: { code: 'POSITION_MISMATCH' } })
    const future = position.replace(/\d+$/, '999999')
    const late = await Promise.all(
      members.map((member) => ask(member, `last/orders?atLeast=${future}&timeout=0.2`)),
    )
    for (const { status, body } of late) {
      expect({ status, body }).toMatchObject({ status: 504, body: { code: 'POSITION_TIMEOUT' } })
    }
  })

  test('tells the next tick, wherever it happens', async () => {
    for (const symbol of symbols.slice(0, 6)) {
      const waiting = ask(third, 'next/doubled?timeout=20')
      let isOver = false
      void waiting.finally(() => {
        isOver = true
      })
      // Sent until it is heard: when the wait begins is the other's business.
      while (!isOver) await ask(first, 'send/orders', { symbol, quantity: 3 })
      expect(await waiting).toMatchObject({ status: 200, body: [{ symbol, quantity: 6 }] })
    }
  })

  test('queries as one gateway would that had all records', async () => {
    const alone = new Gateway({ channels, modules: [doubling] })
    await alone.start()
    for (const [i, symbol] of symbols.entries()) {
      const order = { symbol, quantity: 1 + (i % 5), owner: i % 3 === 0 ? 'ann' : 'bob' }
      alone.channels.send('orders', order)
      await first.module.send('orders', order)
    }
    const path = fc.constantFrom('symbol', 'quantity', 'owner')
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...members),
        fc.record(
          {
            sort: fc.array(fc.tuple(path, fc.boolean()), { minLength: 1, maxLength: 3 }),
            offset: fc.nat(30),
            limit: fc.nat(30),
            select: fc.uniqueArray(path, { minLength: 1 }),
            where: fc.integer({ min: 0, max: 12 }),
          },
          { requiredKeys: ['sort'] },
        ),
        async (member, { sort, offset, limit, select, where }) => {
          const keys = sort.map(([name, isDown]) => (isDown ? `-${name}` : name))
          const query = {
            // Equal records come in the order of their keys.
            sort: [...keys, 'symbol'],
            ...(offset === undefined ? {} : { offset }),
            ...(limit === undefined ? {} : { limit }),
            ...(select === undefined ? {} : { select }),
            ...(where === undefined ? {} : { where: { quantity: { gt: where } } }),
          }
          const expected = alone.channels.query('doubled', query as never)
          const plain = (records: unknown): unknown =>
            (records as Record<string, unknown>[]).map(({ symbol, quantity, owner }) => ({
              symbol,
              quantity,
              owner,
            }))
          const client = clientOf(member)
          const answered = await client.doubled.query({ ...query, sort: keys } as never)
          expect(plain(answered)).toEqual(plain(expected))
          const matching = where === undefined ? {} : { where: { quantity: { gt: where } } }
          expect(await client.doubled.count(matching as never)).toBe(
            alone.channels.count('doubled', matching as never),
          )
          client.$close()
        },
      ),
      { numRuns: 40 },
    )
    await alone.stop()
  })

  test('refuses a wrong query, and what nobody serves, as one gateway does', async () => {
    expect(await ask(second, 'state/doubled?sort=color')).toMatchObject({ status: 400 })
    expect((await ask(second, 'state/nothing')).status).toBe(404)
    expect((await ask(second, 'last/nothing')).status).toBe(404)
  })

  test('finds a record by its id, wherever it is', async () => {
    for (const symbol of symbols.slice(0, 6)) {
      const sent = await ask(first, 'send/orders', { symbol, quantity: 8 })
      const [{ id }] = sent.body as [{ id: string }]
      for (const member of members) {
        expect(await ask(member, `lookup/orders/${id}`)).toMatchObject({ body: [{ id, symbol }] })
      }
    }
    expect(await ask(first, 'lookup/orders/none')).toMatchObject({ status: 200, body: [] })
  })

  test('validates what it is sent itself, names what is wrong, and sends none of it', async () => {
    const before = await ask(first, 'state/doubled?count=1')
    const wrong = await ask(second, 'send/orders', [
      { symbol: 'new', quantity: 1 },
      { symbol: 'new', quantity: -1 },
    ])
    expect(wrong).toMatchObject({ status: 422, body: { code: 'INVALID_RECORD' } })
    expect(await ask(first, 'state/doubled?count=1')).toEqual(before)
    const expecting = await ask(second, 'send/orders?expect=aaaa:1', [
      { symbol: 's00', quantity: 1 },
      { symbol: 's01', quantity: 1 },
      { symbol: 's02', quantity: 1 },
      { symbol: 's03', quantity: 1 },
    ])
    expect(expecting.status).toBe(400)
  })

  test('sends where a position still holds that was read, heard or answered, and nowhere else', async () => {
    const read = async (member: Member, path: string): Promise<string> =>
      (await ask(member, path)).position
    const send = (member: Member, path: string, expected: string, record: object) =>
      ask(member, `send/${path}?expect=${expected}`, record)
    const mismatch = { status: 409, body: { code: 'POSITION_MISMATCH' } }
    for (const symbol of symbols.slice(0, 8)) {
      const order = { symbol, quantity: 1 }
      const position = await read(second, 'last/orders')
      const sent = await send(second, 'orders', position, order)
      expect(sent.status).toBe(200)
      expect(await send(second, 'orders', position, order)).toMatchObject(mismatch)
      // Anybody takes what a send has answered, until its owner has moved on.
      expect((await send(third, 'orders', sent.position, order)).status).toBe(200)
      expect(await send(first, 'orders', sent.position, order)).toMatchObject(mismatch)
      // Something that happened to the same key elsewhere.
      const before = await read(second, 'last/orders')
      await ask(third, 'send/orders', order)
      expect(await send(second, 'orders', before, order)).toMatchObject(mismatch)
    }
    for (const symbol of symbols.slice(0, 6)) {
      const quote = { symbol, price: 1 }
      await ask(first, `send/quotes/${symbol}`, quote)
      await ask(third, `send/quotes/${symbol}`, quote)
      const position = await read(second, `last/quotes/${symbol}`)
      // Other keys are none of its business.
      await ask(third, 'send/quotes/s07', { symbol: 's07', price: 7 })
      await read(second, 'last/quotes')
      expect((await send(second, `quotes/${symbol}`, position, quote)).status).toBe(200)
      expect(await send(second, `quotes/${symbol}`, position, quote)).toMatchObject(mismatch)
    }
    const whole = await read(second, 'last/quotes')
    const quotes = { s05: { symbol: 's05', price: 1 } }
    expect((await send(second, 'quotes', whole, quotes)).status).toBe(200)
    expect(await send(second, 'quotes', whole, quotes)).toMatchObject(mismatch)
    const note = await read(third, 'last/notes')
    expect((await send(third, 'notes', note, { text: 'new' })).status).toBe(200)
    expect(await send(third, 'notes', note, { text: 'newer' })).toMatchObject(mismatch)
    expect(await send(third, 'notes', 'none:0', { text: 'none' })).toMatchObject({
      status: 400,
      body: { code: 'BAD_REQUEST' },
    })
  })

  test('sends a message that comes twice once', async () => {
    const once = { symbol: 's07', quantity: 70 }
    const one = await ask(first, 'send/orders?messageId=m1', once)
    const two = await ask(first, 'send/orders?messageId=m1', once)
    expect(two.body).toEqual(one.body)
    expect(two.position).toBe(one.position)
    const client = clientOf(first)
    const tooLong = client.orders.send(once, { messageId: 'm'.repeat(129) })
    await expect(tooLong).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    await client.$close()
  })

  test('releases what is staged at any of them where its key is owned', async () => {
    const staged = async (channel: string, records: readonly object[]): Promise<string> => {
      const opened = await ask(third, `stage/${channel}`, undefined, undefined, 'POST')
      const [id] = Object.keys(opened.body as object)
      for (const record of records) await ask(third, `stage/${channel}?id=${id}`, record)
      return id as string
    }
    const release = (channel: string, id: string) =>
      ask(third, `stage/${channel}?id=${id}`, undefined, undefined, 'PATCH')
    const held = symbols.map((symbol, i) => ({ id: `staged-${i}`, symbol, quantity: 300 + i }))
    const id = await staged('orders', held)
    const { status, body } = await release('orders', id)
    expect({ status, body }).toMatchObject({ status: 200, body: { [id]: held } })
    expect((await ask(third, `stage/orders?id=${id}`)).body).toEqual([])
    expect((await release('orders', id)).body).toEqual({})
    for (const member of members) {
      const all = await ask(member, 'state/doubled?sort=symbol')
      expect(all.body).toMatchObject(
        symbols.map((symbol, i) => ({ symbol, quantity: 2 * (300 + i) })),
      )
      // Each is worked on by one gateway, its owner.
      for (const { symbol } of member.gateway.channels.query('doubled')) {
        expect(member.module.ownerOf(symbol)?.id).toBe(member.module.id)
      }
    }
    const one = { symbol: 's03', quantity: 1 }
    const lot = await staged('lots', [one, { ...one, quantity: 2 }])
    expect((await release('lots', lot)).status).toBe(200)
    expect(await ask(first, 'last/lots')).toMatchObject({ body: [one, { ...one, quantity: 2 }] })
    const several = await staged(
      'lots',
      symbols.map((symbol) => ({ symbol, quantity: 1 })),
    )
    expect(await release('lots', several)).toMatchObject({
      status: 400,
      body: { code: 'BAD_REQUEST' },
    })
    expect((await ask(third, `stage/lots?id=${several}`)).body).toEqual([several])
  })

  test('has the keys of a basket from wherever they are', async () => {
    for (const [i, symbol] of symbols.slice(0, 9).entries()) {
      const sent = await ask(members[i % 3] as Member, `send/quotes/${symbol}`, {
        symbol,
        price: i,
      })
      expect(sent.status).toBe(200)
    }
    const whole = await ask(first, 'send/quotes', {
      s00: { symbol: 's00', price: 100 },
      s01: { symbol: 's01', price: 101 },
      s02: { symbol: 's02', price: 102 },
    })
    expect(symbolsOf(whole)).toEqual(['s00', 's01', 's02'])
    for (const member of members) {
      const keys = symbols.slice(0, 9).map((symbol) => `quotes/${symbol}`)
      expect((await ask(member, 'send/')).body).toEqual(expect.arrayContaining(['quotes', ...keys]))
      expect((await ask(member, 'stream')).body).toEqual(expect.arrayContaining(keys))
      expect(symbolsOf(await ask(member, 'last/quotes')).sort()).toEqual(symbols.slice(0, 9))
      expect(await ask(member, 'last/quotes/s01')).toMatchObject({ body: [{ price: 101 }] })
      expect(await ask(member, 'last/quotes/s08')).toMatchObject({ body: [{ price: 8 }] })
      expect((await ask(member, 'last/quotes/none')).status).toBe(404)
    }
  })

  test('takes one key out of a subscription to a basket, wherever its keys are', async () => {
    const keys = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5']
    const quote = (symbol: string, price: number) =>
      ask(first, `send/quotes/${symbol}`, { symbol, price })
    for (const key of keys) await quote(key, 0)
    for (const member of members) {
      const socket = new WebSocket(`${member.url.replace('http', 'ws')}/api/v1/stream`)
      await once(socket, 'open')
      const heard: string[] = []
      socket.on('message', (text) => {
        const { channel, data } = JSON.parse(String(text)) as { channel?: string; data: unknown }
        if (channel !== 'quotes') return
        for (const { symbol } of [data].flat() as { symbol: string }[]) heard.push(symbol)
      })
      const say = (action: string, key?: string) =>
        socket.send(JSON.stringify({ action, channel: 'quotes', key }))
      say('subscribe')
      for (let price = 1; !heard.includes('k5'); price++) await quote('k5', price)
      for (const key of keys.slice(1)) say('unsubscribe', key)
      // Messages are taken in order: this one's answer says that the others are.
      const answered = once(socket, 'message')
      socket.send(JSON.stringify({ action: 'unsubscribe', id: 9, channel: 'orders' }))
      await answered
      heard.length = 0
      for (const key of [...keys].reverse()) await quote(key, 99)
      await expect.poll(() => heard).toEqual(['k0'])
      socket.close()
    }
  })

  test('keeps the rows of others from an identity: read, sent and streamed', async () => {
    await ask(first, 'send/orders', { symbol: 's10', quantity: 1, owner: 'ann' })
    await ask(first, 'send/orders', { symbol: 's11', quantity: 2, owner: 'bob' })
    for (const member of members) {
      const seen = await ask(member, 'state/doubled?sort=symbol', undefined, 'ann')
      const owners = new Set((seen.body as { owner: string }[]).map(({ owner }) => owner))
      expect([...owners]).toEqual(['ann'])
      const all = await ask(member, 'state/doubled?where=owner:eq:ann&count=1')
      expect(await ask(member, 'state/doubled?count=1', undefined, 'ann')).toMatchObject({
        body: all.body,
      })
      expect(await ask(member, 'last/orders', undefined, 'ann')).toMatchObject({
        body: [{ symbol: 's10' }],
      })
      const refused = await ask(
        member,
        'send/orders',
        { symbol: 's12', quantity: 1, owner: 'bob' },
        'ann',
      )
      expect(refused.status).toBe(403)
    }
  })

  test('has copies of a state lose what an identity may see no more, wherever it ticks', async () => {
    const client = createClient<typeof channels>({
      url: third.url,
      apiKey: 'copier',
      WebSocket: WebSocket as never,
    })
    const send = (member: Member, symbol: string, owner: string): Promise<Answer> =>
      ask(member, 'send/orders', { symbol, quantity: 1, owner })
    const own = symbols.slice(0, 6)
    for (const symbol of own) await send(first, symbol, 'copier')
    const copy = liveState(client.doubled)
    await copy.ready
    const shown = (): string[] => copy.getSnapshot().map(({ symbol }) => symbol)
    await expect.poll(shown, { timeout: 10_000 }).toEqual(own)
    for (const symbol of own.slice(2)) await send(second, symbol, 'another')
    await expect.poll(shown, { timeout: 20_000 }).toEqual(own.slice(0, 2))
    copy.close()
    client.$close()
  }, 60_000)

  test('has copies of a state that keeps several records of a key hold each once, whatever ticks while they are loaded', async () => {
    const client = clientOf(third)
    const copies: LiveStore<readonly { readonly id: string }[]>[] = []
    const keys = symbols.slice(0, 4)
    let isOver = false
    const sending = members.map(async (member) => {
      for (let i = 0; !isOver; i++) {
        await ask(member, 'send/orders', { symbol: keys[i % keys.length], quantity: 1 })
      }
    })
    for (let round = 0; round < 40; round++) {
      const copy = liveState(client.recent)
      copies.push(copy)
      await copy.ready
    }
    isOver = true
    await Promise.all(sending)
    const ids = (records: unknown): unknown => (records as { id: string }[]).map(({ id }) => id)
    const kept = ids((await ask(first, 'state/recent')).body)
    for (const copy of copies) {
      await expect.poll(() => ids(copy.getSnapshot()), { timeout: 10_000 }).toEqual(kept)
      copy.close()
    }
    client.$close()
  }, 60_000)

  test('streams the snapshot and the ticks of all over a socket', async () => {
    const client = clientOf(third)
    const heard: number[] = []
    const subscription = client.doubled.subscribe({ from: 'snapshot' })
    void (async () => {
      for await (const { quantity } of subscription) heard.push(quantity)
    })()
    await subscription.ready
    for (let i = 0; i < 60; i++) {
      await ask(members[i % 3] as Member, 'send/orders', {
        symbol: symbols[i % symbols.length],
        quantity: 1_000 + i,
      })
    }
    const expected = Array.from({ length: 60 }, (_, i) => 2 * (1_000 + i))
    await expect
      .poll(() => heard.filter((quantity) => quantity >= 2_000).sort(), { timeout: 20_000 })
      .toEqual(expected)
    // The snapshot, which is one tick of a channel.
    expect(heard.length).toBe(61)
    client.$close()
  })

  test('streams events, and a page comes back where it was', async () => {
    const controller = new AbortController()
    const stream = async (
      query: string,
      enough: (events: readonly { id: string; quantity: number }[]) => boolean,
      lastEventId?: string,
    ) => {
      const response = await fetch(`${second.url}/api/v1/stream/orders${query}`, {
        headers: lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId },
        signal: controller.signal,
      })
      const events: { id: string; quantity: number }[] = []
      let text = ''
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        text += Buffer.from(chunk).toString()
        const blocks = text.split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) {
          const id = /^id: ?(.*)$/m.exec(block)?.[1] ?? ''
          const data = /^data: ?(.*)$/m.exec(block)?.[1]
          const quantity = data === undefined ? undefined : /"quantity":(\d+)/.exec(data)?.[1]
          if (quantity !== undefined) events.push({ id, quantity: Number(quantity) })
        }
        if (enough(events)) break
      }
      return events
    }
    await ask(first, 'send/orders', { symbol: 's00', quantity: 5_000 })
    const early = await stream('?from=snapshot', (events) => events.length >= 1)
    expect(early.at(-1)?.quantity).toBe(5_000)
    for (const [i, symbol] of symbols.entries()) {
      await ask(members[i % 3] as Member, 'send/orders', { symbol, quantity: 5_001 + i })
    }
    const later = await stream('', (events) => events.length >= 24, early.at(-1)?.id)
    expect(later.map(({ quantity }) => quantity).sort()).toEqual(symbols.map((_, i) => 5_001 + i))
    controller.abort()
  })

  test('a socket that comes back after a cut: where it was it misses nothing, elsewhere it is told', async () => {
    interface Heard {
      readonly quantity: number
      readonly isSnapshot: boolean
    }
    /** Hears until `isEnough`, then the connection is cut. */
    const hear = async (
      { url }: Member,
      from: unknown,
      isEnough: (heard: readonly Heard[]) => boolean,
    ) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/stream`)
      const heard: Heard[] = []
      let place: unknown
      let recovered: boolean | undefined
      await new Promise<void>((resolve, reject) => {
        socket.on('error', reject)
        socket.on('close', () => resolve())
        socket.on('open', () =>
          socket.send(
            JSON.stringify({
              action: 'subscribe',
              id: 1,
              channel: 'orders',
              positions: true,
              from,
            }),
          ),
        )
        socket.on('message', (text) => {
          const { ok, data, snapshot, snapshotEnd, epoch, offset, ...rest } = JSON.parse(
            String(text),
          )
          if (ok === false) reject(new Error(String(text)))
          if (ok === true) recovered = rest.recovered
          if (data !== undefined) {
            heard.push({ quantity: data[0].quantity, isSnapshot: snapshot === true })
          }
          if ((ok === true && recovered !== false) || data !== undefined || snapshotEnd === true) {
            if (snapshot !== true) place = { epoch, offset }
          }
          if (place !== undefined && isEnough(heard)) socket.terminate()
        })
      })
      return { heard, place, recovered }
    }
    let last = 9_000
    let isOver = false
    const sending = (async () => {
      for (let i = 0; !isOver; i++) {
        const order = { symbol: symbols[i % symbols.length], quantity: last + 1 }
        await ask(members[i % 3] as Member, 'send/orders', order)
        last++
      }
    })()
    const atLeast = (count: number) => (heard: readonly Heard[]) => heard.length >= count
    let { heard, place } = await hear(second, 'now', atLeast(5))
    for (let cut = 0; cut < 4; cut++) {
      const before = last
      await expect.poll(() => last).toBeGreaterThan(before + 5)
      const again = await hear(second, place, atLeast(10))
      expect(again.recovered).toBe(true)
      heard = [...heard, ...again.heard]
      place = again.place
    }
    // Those of different owners may come in another order.
    const sorted = (some: readonly Heard[]) =>
      some.map(({ quantity }) => quantity).sort((a, b) => a - b)
    const expectWhole = (some: readonly Heard[]) => {
      const [began = 0] = sorted(some)
      expect(sorted(some)).toEqual(some.map((_, i) => began + i))
    }
    expectWhole(heard)
    const elsewhere = await hear(third, place, atLeast(6))
    expect(elsewhere.recovered).toBe(false)
    expect(elsewhere.heard.map(({ isSnapshot }) => isSnapshot)).toEqual([
      true,
      ...Array.from({ length: elsewhere.heard.length - 1 }, () => false),
    ])
    expectWhole(elsewhere.heard)
    // From now on it is at home there.
    const back = await hear(third, elsewhere.place, atLeast(3))
    expect(back.recovered).toBe(true)
    expectWhole([...elsewhere.heard, ...back.heard])
    isOver = true
    await sending
  })

  test('answers for itself what nobody owns', async () => {
    await ask(first, 'send/notes', { text: 'here' })
    expect(await ask(first, 'last/notes')).toMatchObject({ body: [{ text: 'here' }] })
    expect(await ask(second, 'last/notes')).toMatchObject({ body: [{ text: 'here' }] })
  })

  test('lets in at any gateway, once, who has a ticket of another', async () => {
    /** Who it is that comes in: only bob may not send an order of ann. */
    const isBob = ({ url }: Member, ticket: string): Promise<boolean> =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/stream?ticket=${ticket}`)
        const data = { symbol: 's01', quantity: 1, owner: 'ann' }
        socket.on('error', reject)
        socket.on('open', () =>
          socket.send(JSON.stringify({ action: 'send', id: 1, channel: 'orders', data })),
        )
        socket.on('message', (text) => {
          const { id, code } = JSON.parse(String(text)) as { id?: number; code?: string }
          if (id !== 1) return
          resolve(code === 'FORBIDDEN')
          socket.close()
        })
      })
    for (const member of members) {
      const { body } = await ask(first, 'auth/ticket', undefined, 'bob', 'POST')
      const { ticket } = body as { readonly ticket: string }
      const [random, id] = ticket.split('.') as [string, string]
      for (const wrong of [
        random,
        `${random}.`,
        `${random}.${randomUUID()}`,
        `x.${id}`,
        `.${id}`,
      ]) {
        expect(await isBob(member, wrong)).toBe(false)
      }
      expect(await isBob(member, ticket)).toBe(true)
      for (const again of members) expect(await isBob(again, ticket)).toBe(false)
    }
  })

  test('shows on /cluster who has what', async () => {
    const response = await fetch(`${second.url}/cluster`)
    const shown = (await response.json()) as {
      id: string
      members: { id: string; web: string; owns: number[] }[]
    }
    expect(shown.id).toBe(second.module.id)
    expect(shown.members.map(({ web }) => web).sort()).toEqual(members.map(({ url }) => url).sort())
    expect(shown.members.flatMap(({ owns }) => owns).sort()).toEqual([0, 1, 2, 3, 4, 5])
  })

  test('tells how its connections do on /metrics', async () => {
    const text = await (await fetch(`${third.url}/metrics`)).text()
    expect(text).toMatch(/^gateway_kafka_running\{.*connection="consumer".*\} 1$/m)
    expect(text).toMatch(/^gateway_kafka_ready_partitions\{module="cluster"\} 2$/m)
    expect(text).toMatch(/^gateway_kafka_waiting_seconds\{module="cluster"\} /m)
  })

  test('does not answer outsiders who reach the port of the cluster', async () => {
    const [{ address }] = first.module.members as unknown as [{ address: string }]
    for (const [secret, body] of [
      [undefined, '{}'],
      ['guess', '{}'],
    ] as const) {
      for (const name of ['send', 'query', 'ticks', 'cluster']) {
        const response = await fetch(`${address}/${name}`, {
          method: 'POST',
          headers: secret === undefined ? {} : { 'x-gateway-cluster': secret },
          body,
        })
        expect(response.status).toBe(403)
      }
    }
    expect(() =>
      cluster<Channels>({
        brokers: [broker],
        groupId: 'open',
        by: {},
        subscribe: { orders: { orders: '' } },
        listen: { host: '0.0.0.0' },
      }),
    ).toThrow(/secret/)
  })
})

describe.skipIf(brokers === undefined)('a cluster whose gateways come and go', () => {
  afterEach(async () => {
    await Promise.all([...open].map(stop))
  }, 60_000)

  test('loses no tick of a subscription while partitions are handed over', async () => {
    const members = await startThree()
    const [first, second, third] = members as [Member, Member, Member]
    const client = clientOf(third)
    const heard = new Set<number>()
    const copy = liveState(client.doubled)
    await copy.ready
    const before = await third.module.shared?.stateRevision('doubled')
    const subscription = client.doubled.subscribe()
    void (async () => {
      for await (const { quantity } of subscription) heard.add(quantity)
    })()
    await subscription.ready
    const sent: number[] = []
    let isOver = false
    const sending = (async () => {
      for (let i = 1; !isOver; i++) {
        const symbol = symbols[i % symbols.length]
        const answer = await ask(third, 'send/orders', { symbol, quantity: i })
        expect(answer.status).toBe(200)
        sent.push(2 * i)
      }
    })()
    await expect.poll(() => sent.length, { timeout: 30_000 }).toBeGreaterThan(50)
    await stop(first)
    await settled([second, third])
    const after = sent.length
    await expect.poll(() => sent.length, { timeout: 30_000 }).toBeGreaterThan(after + 50)
    isOver = true
    await sending
    await expect
      .poll(() => sent.filter((quantity) => !heard.has(quantity)), { timeout: 20_000 })
      .toEqual([])
    // What moved was put in without a tick, so copies are made anew.
    expect(await third.module.shared?.stateRevision('doubled')).not.toBe(before)
    const kept = await client.doubled.query()
    await expect.poll(() => copy.getSnapshot(), { timeout: 20_000 }).toEqual(kept)
    copy.close()
    client.$close()
  })

  test('says within a bound that an owner is away', async () => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 6)
    const here = await start(topic, groupId, { ownerTimeoutMs: 400 })
    await settled([here])
    // Nobody listens where it says that it is. It is given what `here` can spare: `orders` are held here, `lots` there.
    const away = await start(topic, groupId, { advertise: 'http://127.0.0.1:1' })
    await settled([here, away])
    for (const path of [
      'last/orders',
      'state/doubled',
      'lookup/orders/x',
      'next/orders?timeout=9',
    ]) {
      const { status, body } = await ask(here, path)
      expect({ path, status, body }).toMatchObject({ status: 503, body: { code: 'OWNER_AWAY' } })
    }
    const { body } = await ask(away, 'auth/ticket', undefined, undefined, 'POST')
    const { ticket } = body as { readonly ticket: string }
    const entry = new WebSocket(`${here.url.replace('http', 'ws')}/api/v1/stream?ticket=${ticket}`)
    entry.on('error', () => undefined)
    const [, { statusCode }] = await once(entry, 'unexpected-response')
    expect(statusCode).toBe(503)
    const client = clientOf(here)
    await expect(client.doubled.subscribe().ready).rejects.toMatchObject({ code: 'OWNER_AWAY' })
    client.$close()
    const sends = await Promise.all(
      symbols.map((symbol) => ask(here, 'send/orders', { symbol, quantity: 1 })),
    )
    expect([...new Set(sends.map(({ status }) => status))].sort()).toEqual([200, 503])
    expect(['orders', 'lots'].map((name) => here.module.ownerOf(name)?.id)).toEqual([
      here.module.id,
      away.module.id,
    ])
    const stageCalls = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH'].flatMap((method) =>
      ['stage/lots', 'stage/lots?id=x'].map(async (path) => {
        const record = method === 'POST' ? { symbol: 's00', quantity: 1 } : undefined
        return { method, path, ...(await ask(here, path, record, undefined, method)) }
      }),
    )
    for (const refused of await Promise.all(stageCalls)) {
      expect(refused).toMatchObject({ status: 503, body: { code: 'OWNER_AWAY' } })
    }
    for (const symbol of symbols) await ask(here, 'stage/orders', { symbol, quantity: 9 })
    const release = () => ask(here, 'stage/orders', undefined, undefined, 'PATCH')
    const refused = await release()
    expect(refused).toMatchObject({ status: 503, body: { code: 'OWNER_AWAY' } })
    expect(JSON.stringify(refused.body)).toContain('http://127.0.0.1:1')
    const left = await ask(here, 'stage/orders', undefined, undefined, 'PUT')
    const leftSymbols = Object.values(left.body as Record<string, { symbol: string }[]>)
      .flat()
      .map(({ symbol }) => symbol)
    expect(leftSymbols).toEqual(
      symbols.filter((symbol) => here.module.ownerOf(symbol)?.id === away.module.id),
    )
    await stop(away)
    await settled([here])
    expect(await ask(here, 'state/doubled')).toMatchObject({ status: 200 })
    expect((await release()).status).toBe(200)
    const all = await ask(here, 'state/doubled?sort=symbol')
    expect(all.body).toMatchObject(symbols.map((symbol) => ({ symbol, quantity: 18 })))
  })
})
