import { randomUUID } from 'node:crypto'
import {
  auditChannel,
  channel,
  defineChannels,
  defineModule,
  Gateway,
  type Module,
  originOf,
  type StagingRequest,
  struct,
} from '@gw/channels'
import { node } from '@gw/core'
import { type ClusterModule, type ClusterOptions, cluster } from '@gw/kafka'
import { type WebServer, webServer } from '@gw/server-hono'
import { inject } from 'vitest'
import { z } from 'zod'
import { createTopic } from '../broker/topics.js'
import { auth, filter, log } from './settled-cluster.js'

export const brokers = inject('brokers')
export const broker = brokers ?? ''

export const Order = struct('Order', {
  symbol: z.string(),
  quantity: z.number().positive(),
  owner: z.string().default('nobody'),
})
/** Who staged, or released, what has ticked. */
export const Seen = struct('Seen', { of: z.string(), origin: z.string() })
export const Told = struct('Told', { action: z.string(), items: z.number() })
const Ask = struct('Ask', {
  channel: z.enum(['drafts', 'orders']).default('drafts'),
  action: z.string(),
  symbols: z.array(z.string()),
  ids: z.array(z.string()).optional(),
})
export const channels = defineChannels({
  orders: channel(Order, { send: true, stage: true }),
  lots: channel(z.array(Order), { stage: true }),
  notes: channel(z.object({ text: z.string() }), { stage: true }),
  drafts: channel(Order, { stage: true }),
  taken: channel(Order, { state: { by: 'id' } }),
  told: channel(Told),
  seen: channel(Seen),
  held: channel(Order, { send: true }),
  asks: channel(Ask, { send: true }),
  audit: auditChannel(),
})
export type Channels = (typeof channels)['channels']

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
  for (const name of ['drafts', 'orders'] as const) {
    c.setStageRequests(
      name,
      node('ask', { asks }, ({ asks }, context) => () => {
        const { channel, action, symbols, ids } = asks.value
        if (channel !== name) return undefined
        const items = symbols.map((symbol) => Order.make(context, { symbol, quantity: 1 }))
        return { action, stagingIds: ids, items } as StagingRequest<z.output<typeof Order>>
      }),
    )
    c.setChannel(
      'seen',
      node('see', { orders: c.getChannel(name) }, ({ orders }, context) => () => {
        const origin = originOf(orders.value) ?? ''
        return Seen.make(context, { of: orders.value.id, origin })
      }),
    )
  }
  // What is sent here waits until it is released.
  c.setStageRequests(
    'drafts',
    node('hold', { held: c.getChannel('held') }, ({ held }) => () => ({
      action: 'ADDED',
      items: [held.value],
    })),
  )
  c.addSendChannel('held')
  c.addSendChannel('asks')
  c.getChannel('lots')
  c.getChannel('notes')
})

export const symbols = Array.from({ length: 12 }, (_, i) => `s${String(i).padStart(2, '0')}`)
export const limits = { stagings: 30, stagedRecords: 200 }

export interface One {
  readonly gateway: Gateway<Channels>
  readonly url: string
}

export interface Member extends One {
  readonly module: ClusterModule<Channels>
}

export const open = new Set<Gateway<Channels>>()

export async function startOne(
  more: readonly Module<Channels>[] = [],
  server?: WebServer,
): Promise<One> {
  const web = server ?? webServer({ port: 0, auth, filter, log })
  const gateway = new Gateway({ channels, limits, modules: [web, desk, ...more] })
  await gateway.start()
  open.add(gateway)
  return { gateway, url: web.url as string }
}

export async function startMember(
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

export async function stop({ gateway }: One): Promise<void> {
  open.delete(gateway)
  await gateway.stop()
}

export async function newGroup(): Promise<readonly [topic: string, groupId: string]> {
  const topic = randomUUID()
  await createTopic(broker, topic, 6)
  return [topic, randomUUID()]
}

/** Who holds the stagings of a channel. */
export const holderOf = (members: readonly Member[], name: string): Member =>
  members.find(({ module }) => module.ownerOf(name)?.id === module.id) as Member

export type Stagings = Record<string, readonly z.output<typeof Order>[]>

export interface Answer<T> {
  readonly status: number
  readonly body: T
}

export async function stage<T = Stagings>(
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

export const list = (one: One, name = 'orders') => stage<string[]>(one, 'GET', name)
export const empty = (one: One, name = 'orders') => stage(one, 'DELETE', `${name}?id=`)
export const staged = async (one: One, name = 'orders'): Promise<string[]> =>
  Object.values((await stage(one, 'PUT', name)).body)
    .flat()
    .map(({ id }) => id)
export const order = (id: string, more: object = {}) => ({
  id,
  symbol: `s0${id.at(-1)}`,
  quantity: 1,
  ...more,
})
export const newIds = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${randomUUID()}-${i}`)
