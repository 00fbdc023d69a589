import { randomUUID } from 'node:crypto'
import { channel, defineChannels, defineModule, dynamicBasket, Gateway, struct } from '@gw/channels'
import { createClient } from '@gw/client'
import { map, node } from '@gw/core'
import { type ClusterModule, type ClusterOptions, cluster } from '@gw/kafka'
import { type WebServer, webServer } from '@gw/server-hono'
import { inject } from 'vitest'
import WebSocket from 'ws'
import { z } from 'zod'
import { createTopic } from '../broker/topics.js'
import { auth, filter, log, settled } from './settled-cluster.js'

export const brokers = inject('brokers')
export const broker = brokers ?? ''

const Order = struct('Order', {
  symbol: z.string(),
  quantity: z.number().positive(),
  owner: z.string().default('nobody'),
})
const Quote = struct('Quote', { symbol: z.string(), price: z.number() })
export const channels = defineChannels({
  orders: channel(Order, { send: true, stage: true, state: { by: 'owner' } }),
  lots: channel(z.array(Order), { stage: true }),
  doubled: channel(Order, { state: { by: 'symbol' } }),
  recent: channel(Order, { state: { by: 'symbol', keep: 3 } }),
  quotes: dynamicBasket(Quote, { send: true }),
  notes: channel(struct('Note', { text: z.string() }), { send: true, state: { by: 'text' } }),
})
export type Channels = (typeof channels)['channels']

export const doubling = defineModule(channels, 'doubling', (c) => {
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

export const symbols = Array.from({ length: 24 }, (_, i) => `s${String(i).padStart(2, '0')}`)

export interface Member {
  readonly gateway: Gateway<Channels>
  readonly module: ClusterModule<Channels>
  readonly server: WebServer
  readonly url: string
}

export const open = new Set<Member>()

export async function start(
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

export async function stop(member: Member): Promise<void> {
  open.delete(member)
  await member.gateway.stop()
}

export async function startThree(more: Partial<ClusterOptions<Channels>> = {}): Promise<Member[]> {
  const [topic, groupId] = [randomUUID(), randomUUID()]
  await createTopic(broker, topic, 6)
  const members = await Promise.all([1, 2, 3].map(() => start(topic, groupId, more)))
  await settled(members)
  return members
}

export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly position: string
}

export async function ask(
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

export const symbolsOf = ({ body }: Answer): string[] =>
  (body as readonly { readonly symbol: string }[]).map(({ symbol }) => symbol)

export const clientOf = ({ url }: Member) =>
  createClient<typeof channels>({ url, WebSocket: WebSocket as never })
