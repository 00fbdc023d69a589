import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createClient } from '@gw/client'
import { type LiveStore, liveState } from '@gw/client/live-state'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import {
  type Answer,
  ask,
  brokers,
  type channels,
  clientOf,
  type Member,
  open,
  startThree,
  stop,
  symbols,
} from './support/web-cluster.js'

describe.skipIf(brokers === undefined)('any gateway of a cluster streams', () => {
  let members: Member[] = []
  let [first, second, third] = members as [Member, Member, Member]

  beforeAll(async () => {
    members = await startThree()
    ;[first, second, third] = members as [Member, Member, Member]
  }, 60_000)

  afterAll(async () => {
    await Promise.all([...open].map(stop))
  }, 60_000)

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

  test('takes what one socket sends in the order in which it was sent, and answers in that order', async () => {
    const heard: string[] = []
    const watches = members.flatMap(({ gateway }) =>
      ['orders', 'notes'].map((channel) =>
        gateway.channels.watch(channel as never, undefined, ({ value }) =>
          heard.push((value as { readonly id: string }).id),
        ),
      ),
    )
    const ids = Array.from({ length: 60 }, (_, i) => `in order ${i}`)
    for (const [member, symbol] of [
      [first, 's00'],
      [second, 's00'],
      [third, 's00'],
      [first, undefined],
      [third, undefined],
    ] as const) {
      const socket = new WebSocket(`${member.url.replace('http', 'ws')}/api/v1/stream`)
      await once(socket, 'open')
      const answered: string[] = []
      socket.on('message', (text) => answered.push((JSON.parse(String(text)) as { id: string }).id))
      for (const [i, id] of ids.entries()) {
        // What is small could overtake what is large on its way.
        const owner = 'x'.repeat(i % 7 === 0 ? 100_000 : 1)
        const [channel, data] =
          symbol === undefined
            ? ['notes', { id, text: owner }]
            : ['orders', { id, symbol, owner, quantity: 1 }]
        const messageId = symbol === undefined ? `${id} ${member.url}` : undefined
        socket.send(JSON.stringify({ action: 'send', id, channel, data, messageId }))
      }
      await expect.poll(() => answered, { timeout: 20_000 }).toEqual(ids)
      expect(heard).toEqual(ids)
      heard.length = 0
      socket.close()
    }
    for (const watch of watches) watch.stop()
  })

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
})
