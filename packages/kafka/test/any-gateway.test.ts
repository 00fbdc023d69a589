import { Gateway } from '@gw/channels'
import { cluster } from '@gw/kafka'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ask,
  broker,
  brokers,
  type Channels,
  channels,
  clientOf,
  doubling,
  type Member,
  open,
  startThree,
  stop,
  symbols,
  symbolsOf,
} from './support/web-cluster.js'

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
    const quotes = { s00: { symbol: 's00', price: 1 }, s01: { symbol: 's01', price: 'high' } }
    expect(await ask(second, 'send/quotes', quotes)).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ['body', 's01', 'price'] }] },
    })
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
    for (const other of members) {
      expect(await ask(other, 'send/orders?messageId=m1', once)).toMatchObject({
        status: 200,
        body: one.body,
      })
    }
    const client = clientOf(first)
    const tooLong = client.orders.send(once, { messageId: 'm'.repeat(129) })
    await expect(tooLong).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    await client.$close()
  })

  test('takes a message once that has no owner, and comes again at any of them', async () => {
    const texts: string[] = []
    const watches = members.map(({ gateway }) =>
      gateway.channels.watch('notes', undefined, ({ value }) =>
        texts.push((value as { readonly text: string }).text),
      ),
    )
    const ids = Array.from({ length: 6 }, (_, i) => `note ${i}`)
    for (const [i, text] of ids.entries()) {
      const at = (number: number) => members[(i + number) % 3] as Member
      const send = (number: number, who?: string) =>
        ask(at(number), `send/notes?messageId=${text}`, { text }, who)
      const sent = await send(0)
      for (const again of await Promise.all([send(0), send(1), send(2)])) {
        expect(again).toEqual(sent)
      }
      expect(texts).toEqual([text])
      texts.length = 0
    }
    // Many tries at once.
    const tries = await Promise.all(
      members.flatMap((member) => [
        ask(member, 'send/notes?messageId=at%20once', { text: 'at once' }),
        ask(member, 'send/notes?messageId=at%20once', { text: 'at once' }),
      ]),
    )
    expect(new Set(tries.map(({ body }) => JSON.stringify(body))).size).toBe(1)
    // What is refused is no message yet; and ids are their sender's own.
    const wrong = await ask(first, 'send/notes?messageId=mended', { text: 5 })
    expect(wrong).toMatchObject({ status: 422 })
    expect((await ask(second, 'send/notes?messageId=mended', { text: 'mended' })).status).toBe(200)
    for (const member of members) {
      await ask(member, 'send/notes?messageId=mended', { text: 'hers' }, 'everybody else')
    }
    expect(texts).toEqual(['at once', 'mended'])
    for (const watch of watches) watch.stop()
  })

  test('tells messages of an id apart by the keys that they are to, and knows one that expects a position', async () => {
    const quotes = (symbol: string) => [{ symbol, price: 1 }]
    for (const symbol of symbols.slice(0, 9)) {
      const keyed = await ask(second, `send/quotes/${symbol}?messageId=of-keys`, quotes(symbol)[0])
      expect(keyed).toMatchObject({ status: 200, body: quotes(symbol) })
      const whole = { [symbol]: { symbol, price: 2 } }
      const sent = await ask(third, 'send/quotes?messageId=of-baskets', whole)
      expect(sent).toMatchObject({ status: 200, body: Object.values(whole) })
    }
    for (const [path, record] of [
      ['orders', { symbol: 's03', quantity: 1 }],
      ['orders', { symbol: 's04', quantity: 1 }],
      ['notes', { text: 'expected' }],
    ] as const) {
      const { position } = await ask(second, `last/${path}`)
      const send = (id: string) =>
        ask(second, `send/${path}?messageId=${id}&expect=${position}`, record)
      const id = JSON.stringify(record)
      const sent = await send(id)
      expect(sent.status).toBe(200)
      await ask(second, `last/${path}`)
      expect(await send(id)).toEqual(sent)
      expect(await send(`${id} anew`)).toMatchObject({ status: 409 })
    }
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

  test('answers for itself what nobody owns', async () => {
    await ask(first, 'send/notes', { text: 'here' })
    expect(await ask(first, 'last/notes')).toMatchObject({ body: [{ text: 'here' }] })
    expect(await ask(second, 'last/notes')).toMatchObject({ body: [{ text: 'here' }] })
    for (const at of [first, second, third, second, first]) {
      // The newest of a key is its record, wherever it was sent.
      const { body } = await ask(at, 'send/notes', { text: 'moving' })
      for (const member of members) {
        const kept = await ask(member, 'state/notes?where=text:eq:moving')
        expect(kept.body).toEqual(body)
        const where = { path: 'text', op: 'eq', value: 'moving' } as const
        expect(await member.module.shared?.count('notes', { where })).toBe(1)
      }
    }
  })

  test('has one record of a key of a state that is at several, the newest', async () => {
    for (const symbol of symbols.slice(0, 8)) {
      const { body } = await ask(second, 'send/orders', { symbol, quantity: 1, owner: 'zoe' })
      for (const member of members) {
        const kept = await ask(member, 'state/orders?where=owner:eq:zoe')
        expect(kept.body).toEqual(body)
        const where = { path: 'owner', op: 'eq', value: 'zoe' } as const
        expect(await member.module.shared?.count('orders', { where })).toBe(1)
      }
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
