import { basket, channel, defineChannels, defineModule, dynamicBasket, Gateway } from '@gw/channels'
import { basketNode, filter, map, sink } from '@gw/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { webServer } from '../src/index.js'
import { type Heard, openSocket } from './support/serve.js'

const contract = defineChannels({
  cause: channel(z.int(), { send: true }),
  prices: basket(['A', 'B'], z.object({ by: z.string(), value: z.number() }), {
    send: true,
    state: { by: 'by' },
  }),
  living: dynamicBasket(z.number(), { send: true }),
  lists: basket(['A', 'B'], z.array(z.number()), { send: true }),
  checked: basket(['A', 'B'], z.number()),
})

/** Ticks that wait on each channel before what is sent: a cycle each, of which the budget lets one run at a time. */
const WAITING = 20
const BUDGET_MS = 1

const filler = defineModule(contract, 'filler', (c) => {
  const cause = c.getChannel('cause')
  const fill = (): void => {
    c.setChannel(
      'prices',
      map(cause, () => ({ by: 'filler', value: 0 })),
      'A',
    )
    c.setChannel(
      'lists',
      map(cause, () => [0]),
      'A',
    )
    c.setChannel(
      'living',
      basketNode<string, number>()('x', { cause }, (_, out) => () => out.emit('x', 0)),
    )
    c.setChannel(
      'checked',
      map(cause, () => 0),
      'A',
    )
  }
  for (let i = 0; i < WAITING; i++) fill()
  const ticks = {
    prices: c.getChannel('prices', 'A'),
    living: c.getChannel('living'),
    lists: c.getChannel('lists', 'A'),
    checked: c.getChannel('checked', 'A'),
  }
  sink('slow', ticks, () => () => {
    const until = performance.now() + BUDGET_MS
    while (performance.now() <= until);
  })
  for (const key of ['A', 'B'] as const) {
    c.addSendChannel('checked', key, (sent) =>
      filter(
        map(sent, (value) => value >= 0),
        map(sent, (value) => value * 10),
      ),
    )
  }
})

interface Behind {
  /** Sends to a whole basket, and is told. */
  send(channel: string, records: object): Promise<Heard>
  get(path: string): Promise<Heard>
}

/** The channels of an engine that is behind each time that somebody sends. */
async function behind(over: 'REST' | 'WebSocket'): Promise<Behind> {
  const server = webServer({ port: 0 })
  const gateway = new Gateway({
    channels: contract,
    modules: [filler, server],
    budgetMs: BUDGET_MS,
  })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const url = `${server.url}/api/v1`
  const socket = await openSocket(`${url.replace('http', 'ws')}/stream`)
  let id = 0
  return {
    get: async (path) => (await fetch(`${url}/${path}`)).json(),
    send: async (channel, data) => {
      gateway.channels.send('cause', 1)
      if (over === 'WebSocket') return socket.ask({ id: ++id, action: 'send', channel, data })
      const answer = await fetch(`${url}/send/${channel}`, {
        method: 'POST',
        body: JSON.stringify(data),
        headers: { 'content-type': 'application/json' },
      })
      const position = answer.headers.get('x-gateway-position') ?? ''
      const body: Heard = await answer.json()
      return answer.ok
        ? { ok: true, data: body, offset: Number(position.split(':')[1]) }
        : { ok: false, ...body }
    },
  }
}

describe.each(['REST', 'WebSocket'] as const)('over %s, a basket is answered', (over) => {
  test('when last and query see it', async () => {
    const { send, get } = await behind(over)
    const [a, b] = [
      { by: 'me', value: 1 },
      { by: 'you', value: 2 },
    ]
    expect(await send('prices', { B: b, A: a })).toMatchObject({
      ok: true,
      data: [b, a],
      offset: WAITING + 2,
    })
    expect(await get('last/prices?keys=1')).toEqual({ A: a, B: b })
    expect(await get('state/prices?where=value:gt:0')).toEqual([a, b])
  })

  test('of keys that come with it', async () => {
    const { send, get } = await behind(over)
    expect(await send('living', { x: 1, y: 2 })).toMatchObject({ ok: true, data: [1, 2] })
    expect(await get('last/living')).toEqual([1, 2])
  })

  test('of lists', async () => {
    const { send, get } = await behind(over)
    expect(await send('lists', { A: [1, 2], B: [] })).toMatchObject({ ok: true, data: [1, 2] })
    expect(await get('last/lists/A')).toEqual([1, 2])
    expect(await get('last/lists/B')).toEqual([])
  })

  test('as nodes changed it, and when they have dropped it', async () => {
    const { send, get } = await behind(over)
    expect(await send('checked', { A: 7, B: -1 })).toMatchObject({ ok: true, data: [7, -1] })
    expect(await get('last/checked?keys=1')).toEqual({ A: 70 })
    expect(await send('checked', { B: -1 })).toMatchObject({ ok: true, data: [-1] })
  })

  test('with what is wrong with one key, and then no key has ticked', async () => {
    const { send, get } = await behind(over)
    const good = { by: 'me', value: 1 }
    for (const bad of [{ A: { by: 'me' } }, { C: good }]) {
      expect(await send('prices', { B: good, ...bad })).toMatchObject({
        ok: false,
        code: 'INVALID_RECORD',
      })
    }
    await send('prices', { A: good })
    expect(await get('last/prices?keys=1')).toEqual({ A: good })
  })
})

test('a batch is answered when all of its channels have ticked', async () => {
  const server = webServer({ port: 0 })
  const gateway = new Gateway({
    channels: contract,
    modules: [filler, server],
    budgetMs: BUDGET_MS,
  })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const socket = await openSocket(`${server.url?.replace('http', 'ws')}/api/v1/stream`)
  gateway.channels.send('cause', 1)
  const mine = { by: 'me', value: 1 }
  const answer = await socket.ask({
    id: 1,
    action: 'batch',
    sends: [
      { channel: 'living', key: 'x', data: 1 },
      { channel: 'prices', key: 'A', data: mine },
    ],
  })
  expect(answer).toMatchObject({ ok: true, offset: WAITING + 1 })
  expect(gateway.channels.last('prices', 'A')).toEqual(mine)
})
