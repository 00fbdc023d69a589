import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { liveState } from '@gw/client/live-state'
import { afterEach, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { createTopic } from './broker/topics.js'
import { settled } from './support/settled-cluster.js'
import {
  ask,
  broker,
  brokers,
  clientOf,
  type Member,
  open,
  start,
  startThree,
  stop,
  symbols,
} from './support/web-cluster.js'

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
    const noted = (member: Member, text: string) =>
      ask(member, `send/notes?messageId=${text}`, { text })
    const ofThird: string[] = []
    third.gateway.channels.watch('notes', undefined, ({ value }) =>
      ofThird.push((value as { readonly text: string }).text),
    )
    // The first takes it, and who remembers that stays.
    const ofFirst = symbols.find((text) => first.module.ownerOf(text)?.id === second.module.id)
    await noted(first, ofFirst as string)
    expect((await noted(third, ofFirst as string)).status).toBe(200)
    expect(ofThird).toEqual([])
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
    // Whoever took it is gone.
    expect((await noted(third, ofFirst as string)).status).toBe(200)
    expect(ofThird).toEqual([ofFirst])
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
