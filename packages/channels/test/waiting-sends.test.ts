import { basketNode, type Edge, filter, map, sink } from '@gw/core'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { basket, channel, defineChannels, dynamicBasket, Gateway, struct } from '../src/index.js'
import { type Any, loose } from './support.js'

const Price = struct('Price', { value: z.number() })
const contract = defineChannels({
  cause: channel(z.int(), { send: true }),
  orders: channel(Price, { send: true, state: { by: 'id' } }),
  prices: basket(['A', 'B'], Price, { send: true, state: { by: 'id' } }),
  living: dynamicBasket(Price, { send: true }),
  lists: basket(['A', 'B'], z.array(z.number()), { send: true }),
  checked: basket(['A', 'B'], z.number()),
})
type C = (typeof contract)['channels']

/** Ticks that wait on each channel before what is sent: a cycle each, of which the budget lets one run at a time. */
const WAITING = 10
const BUDGET_MS = 1
const filler = loose('filler', (c) => {
  const cause: Edge<number> = c.getChannel('cause')
  const old = { id: '0', timestamp: '', value: 0 }
  for (let i = 0; i < WAITING; i++) {
    const ticks = (value: unknown): unknown => map(cause, () => value)
    c.setChannel('orders', ticks(old))
    c.setChannel('prices', ticks(old), 'A')
    c.setChannel(
      'living',
      basketNode<string, unknown>()('x', { cause }, (_, out) => () => out.emit('x', old)),
    )
    c.setChannel('lists', ticks([0]), 'A')
    c.setChannel('checked', ticks(0), 'A')
  }
  const fixed = ['prices', 'lists', 'checked'].map((name) => c.getChannel(name, 'A'))
  for (const ticks of [c.getChannel('orders'), c.getChannel('living'), ...fixed]) {
    sink('slow', { ticks }, () => () => {
      const until = performance.now() + BUDGET_MS
      while (performance.now() <= until);
    })
  }
  const changed = (sent: Edge<number>): Edge<number> =>
    filter(
      map(sent, (value) => value >= 0),
      map(sent, (value) => value * 10),
    )
  c.addSendChannel('checked', 'A', changed)
  c.addSendChannel('checked', 'B', changed)
})

const open: Gateway<C>[] = []
afterEach(() => Promise.all(open.splice(0).map((gateway) => gateway.stop())))

/** The channels of an engine that is behind. */
async function behind(): Promise<Any> {
  const gateway = new Gateway({
    channels: contract,
    modules: [filler as never],
    budgetMs: BUDGET_MS,
  })
  open.push(gateway)
  await gateway.start()
  gateway.channels.send('cause', 1)
  return gateway.channels
}

describe('while the engine is behind', () => {
  test('a basket whose sender waits has ticked when it is told, at the position it is told', async () => {
    const live = await behind()
    const { records, position } = await live.sendBasketAndWait('prices', {
      B: { value: 2 },
      A: { value: 1 },
    })
    const [b, a] = records
    expect(live.last('prices')).toEqual({ A: a, B: b })
    expect(live.query('prices', { where: { value: { gt: 0 } }, sort: 'value' })).toEqual([a, b])
    expect(position).toEqual(live.positionOf('prices'))
    expect(position.offset).toBe(WAITING + 2)
  })

  test('one whose sender does not wait is answered at once', async () => {
    const live = await behind()
    live.sendBasket('prices', { A: { value: 1 } })
    expect(live.last('prices', 'A')).not.toMatchObject({ value: 1 })
  })

  test('so it is with lists, and with several sends on their way', async () => {
    const live = await behind()
    const [first, second] = await Promise.all([
      live.sendBasketAndWait('lists', { A: [1, 2], B: [] }),
      live.sendBasketAndWait('lists', { A: [3] }),
    ])
    expect(first.records).toEqual([1, 2])
    expect(second.position.offset).toBe(first.position.offset + 1)
    expect(live.last('lists')).toEqual({ A: [3], B: [] })
  })

  test('so it is with keys that come and go', async () => {
    const live = await behind()
    const { records } = await live.sendBasketAndWait('living', {
      new: { value: 1 },
      x: { value: 2 },
    })
    expect(live.last('living')).toEqual({ new: records[0], x: records[1] })
  })

  test('a batch whose sender waits has ticked on all of its channels', async () => {
    const live = await behind()
    const receipts = await live.sendBatchAndWait([
      { channel: 'orders', data: { value: 1 } },
      { channel: 'living', key: 'x', data: { value: 2 } },
      { channel: 'prices', key: 'A', data: { value: 3 } },
    ])
    expect(live.last('orders')).toBe(receipts[0].records[0])
    expect(live.query('orders', { where: { value: 1 } })).toHaveLength(1)
    expect(live.last('living', 'x')).toBe(receipts[1].records[0])
    expect(receipts.map(({ position }: Any) => position)).toEqual([
      live.positionOf('orders'),
      live.positionOf('living', 'x'),
      live.positionOf('prices', 'A'),
    ])
  })

  test('nothing of a basket or batch with one bad record ticks', async () => {
    const live = await behind()
    const bad = { code: 'INVALID_RECORD' }
    await expect(
      live.sendBasketAndWait('prices', { B: { value: 1 }, A: { value: 'x' } }),
    ).rejects.toMatchObject(bad)
    await expect(
      live.sendBatchAndWait([
        { channel: 'prices', key: 'B', data: { value: 1 } },
        { channel: 'orders', data: {} },
      ]),
    ).rejects.toMatchObject(bad)
    await expect(
      live.sendBasketAndWait('prices', { B: { value: 1 }, C: { value: 1 } }),
    ).rejects.toMatchObject({ code: 'UNKNOWN_KEY' })
    await live.sendBasketAndWait('prices', { A: { value: 1 } })
    expect(live.last('prices', 'B')).toBeUndefined()
  })

  test('what nodes change is there as they changed it, and what they drop keeps nobody waiting', async () => {
    const live = await behind()
    const { records, position } = await live.sendBasketAndWait('checked', { A: 7, B: -1 })
    expect(records).toEqual([7, -1])
    expect(live.last('checked')).toEqual({ A: 70 })
    expect(position).toEqual(live.positionOf('checked'))
    await live.sendBasketAndWait('checked', { A: -1, B: -1 })
    await live.sendBatchAndWait([{ channel: 'checked', key: 'B', data: -1 }])
    expect(live.last('checked')).toEqual({ A: 70 })
  })

  test('whether the expected position holds is known when the engine has come so far', async () => {
    const live = await behind()
    const now = live.positionOf('prices')
    await expect(
      live.sendBasketAndWait('prices', { B: { value: 1 } }, { expect: { ...now, offset: 99 } }),
    ).rejects.toMatchObject({ code: 'POSITION_MISMATCH' })
    const { position } = await live.sendBasketAndWait('prices', { A: { value: 1 } })
    await live.sendBasketAndWait('prices', { B: { value: 2 } }, { expect: position })
    expect(live.last('prices', 'B')).toMatchObject({ value: 2 })
  })

  test('a send that comes again waits as the first does', async () => {
    const live = await behind()
    const send = (): Promise<unknown> =>
      live.sendBasketAndWait('prices', { A: { value: 1 } }, { messageId: 'a' })
    const batch = (): Promise<unknown> =>
      live.sendBatchAndWait([{ channel: 'orders', data: { value: 1 } }], { messageId: 'a' })
    expect(await Promise.all([send(), send(), batch(), batch()])).toEqual(
      await Promise.all([send(), send(), batch(), batch()]),
    )
    expect(live.positionOf('prices').offset).toBe(WAITING + 1)
    expect(live.positionOf('orders').offset).toBe(WAITING + 1)
  })

  test('a wait ends with its time, its signal and the gateway', async () => {
    const live = await behind()
    await expect(
      live.sendBasketAndWait('prices', { A: { value: 1 } }, { timeoutMs: 0 }),
    ).rejects.toMatchObject({ code: 'POSITION_TIMEOUT', channel: 'prices' })
    live.send('cause', 1)
    await expect(
      live.sendBatchAndWait([{ channel: 'orders', data: { value: 1 } }], {
        signal: AbortSignal.abort(new Error('gone')),
      }),
    ).rejects.toThrow('gone')
    live.send('cause', 1)
    const waits = live.sendBasketAndWait('prices', { A: { value: 1 } })
    const ends = expect(waits).rejects.toMatchObject({ code: 'NOT_RUNNING' })
    await open.splice(0)[0]?.stop()
    await ends
  })
})
