import { randomUUID } from 'node:crypto'
import { basket, channel, defineChannels, defineModule, Gateway } from '@gw/channels'
import { filter, map, sink } from '@gw/core'
import { type ClusterModule, cluster } from '@gw/kafka'
import { type WebServer, webServer } from '@gw/server-hono'
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import WebSocket from 'ws'
import { z } from 'zod'
import { createTopic } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

const Price = z.object({ owner: z.string(), value: z.number() })
const channels = defineChannels({
  cause: channel(z.int(), { send: true }),
  orders: channel(Price),
  prices: basket(['A', 'B', 'C', 'D'], Price, { state: { by: 'owner' } }),
})

/** Ticks that wait on a key before what is sent: a cycle each, of which the budget lets one run at a time. */
const WAITING = 100
const BUDGET_MS = 1

const behind = defineModule(channels, 'behind', (c) => {
  const cause = c.getChannel('cause')
  for (const key of ['A', 'B', 'C', 'D'] as const) {
    for (let i = 0; i < WAITING; i++) {
      c.setChannel(
        'prices',
        map(cause, () => ({ owner: 'nobody', value: 0 })),
        key,
      )
    }
    // What is below 0 is dropped, and the rest is not what was sent.
    c.addSendChannel('prices', key, (sent) =>
      filter(
        map(sent, ({ value }) => value >= 0),
        map(sent, (price) => ({ ...price, value: price.value * 10 })),
      ),
    )
  }
  sink('slow', { ticks: c.getChannel('prices', 'A') }, () => () => {
    const until = performance.now() + BUDGET_MS
    while (performance.now() <= until);
  })
})

interface Member {
  readonly gateway: Gateway<(typeof channels)['channels']>
  readonly module: ClusterModule<(typeof channels)['channels']>
  readonly server: WebServer
}

async function start(topic: string, groupId: string): Promise<Member> {
  const server = webServer({ port: 0 })
  const module = cluster<(typeof channels)['channels']>({
    brokers: [broker],
    groupId,
    by: { prices: 'owner' },
    subscribe: { orders: { [topic]: '' } },
    exactlyOnce: true,
    sessionTimeoutMs: 6_000,
    secret: 'of the cluster',
  })
  const gateway = new Gateway({
    channels,
    modules: [server, behind, module],
    budgetMs: BUDGET_MS,
  })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  return { gateway, module, server }
}

describe.skipIf(brokers === undefined)('engines of a cluster that are behind', () => {
  test('have taken a basket, at each owner, when who sent it is answered', async () => {
    const [topic, groupId] = [randomUUID(), randomUUID()]
    await createTopic(broker, topic, 2)
    const members = [await start(topic, groupId), await start(topic, groupId)]
    const [first, second] = members as [Member, Member]
    await vi.waitUntil(
      () => members.every(({ module }) => module.members.length === 2 && module.ready.length === 1),
      { timeout: 30_000 },
    )
    const ownerOf = (owner: string): unknown => first.module.ownerOf(owner)?.id
    const owners = Array.from({ length: 20 }, (_, i) => `owner ${i}`)
    const [mine, mineToo] = owners.filter((owner) => ownerOf(owner) === first.module.id)
    const [other, otherToo] = owners.filter((owner) => ownerOf(owner) === second.module.id)
    const data = {
      A: { owner: mine, value: 1 },
      B: { owner: other, value: 2 },
      C: { owner: mineToo, value: -3 },
      D: { owner: otherToo, value: -4 },
    }
    const tick = (): void => {
      for (const { gateway } of members) gateway.channels.send('cause', 1)
    }
    const url = `${first.server.url}/api/v1`
    const kept = async (): Promise<unknown> =>
      (await fetch(`${url}/state/prices?where=value:gt:0&sort=value`)).json()

    tick()
    const answer = await fetch(`${url}/send/prices`, {
      method: 'POST',
      body: JSON.stringify(data),
      headers: { 'content-type': 'application/json' },
    })
    expect(await answer.json()).toEqual(Object.values(data))
    expect(await kept()).toEqual([
      { owner: mine, value: 10 },
      { owner: other, value: 20 },
    ])

    const socket = new WebSocket(`${url.replace('http', 'ws')}/stream`)
    onTestFinished(() => socket.terminate())
    await new Promise((resolve) => socket.once('open', resolve))
    const ask = (message: object): Promise<unknown> =>
      new Promise((resolve) => {
        socket.once('message', (text) => resolve(JSON.parse(String(text))))
        tick()
        socket.send(JSON.stringify({ id: 1, ...message }))
      })
    expect(
      await ask({ action: 'send', channel: 'prices', data: { A: { owner: other, value: 3 } } }),
    ).toMatchObject({ ok: true, data: [{ value: 3 }] })
    expect(await kept()).toContainEqual({ owner: other, value: 30 })
    expect(
      await ask({
        action: 'batch',
        sends: [
          { channel: 'prices', key: 'B', data: { owner: other, value: 4 } },
          { channel: 'prices', key: 'C', data: { owner: other, value: -5 } },
        ],
      }),
    ).toMatchObject({ ok: true, data: [{ value: 4 }, { value: -5 }] })
    expect(await kept()).toContainEqual({ owner: other, value: 40 })
  }, 60_000)
})
