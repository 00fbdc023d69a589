import {
  basket,
  channel,
  defineChannels,
  defineModule,
  dynamicBasket,
  Gateway,
  originOf,
  struct,
} from '@gw/channels'
import { map } from '@gw/core'
import type { Authenticator, AuthFilter, Identity, Scope } from '@gw/protocol'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { type WebServerOptions, webServer } from '../src/index.js'
import { type Answered, ask } from './support/http.js'
import { RecordingSocket } from './support/recording-socket.js'

const Row = struct('Row', { owner: z.string(), n: z.int().default(0) })
type Row = { readonly owner: string }

const channels = defineChannels({
  rows: channel(Row, { send: true, stage: true, state: { by: 'n', keep: 10 } }),
  others: channel(Row, { send: true }),
  lists: channel(z.array(Row), { send: true }),
  fixed: basket(['a', 'b'], Row, { send: true, state: { by: 'n', alias: 'ofFixed' } }),
  dynamic: dynamicBasket(Row, { send: true }),
  origins: channel(z.object({ from: z.string() })),
})
const origins = defineModule(channels, 'origins', (c) => {
  c.setChannel(
    'origins',
    map(c.getChannel('rows'), (row) => ({ from: originOf(row) ?? 'nobody' })),
  )
})

const own: AuthFilter = (identity, row: Row) => row.owner === identity.name

async function serve(
  options: WebServerOptions = {},
  scopes: readonly Scope[] | undefined = undefined,
) {
  const auth: Authenticator = {
    name: 'trusting',
    authenticate: (credentials) => {
      const identity: Identity = {
        name: credentials.header('x-who') ?? 'nobody',
        ...(scopes === undefined ? {} : { scopes }),
      }
      return { ok: true, identity }
    },
  }
  const log = { info() {}, warn() {}, error() {} }
  const server = webServer({ port: 0, auth, filter: own, log, ...options })
  const gateway = new Gateway({ channels, modules: [origins, server] })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const url = server.url as string
  const call =
    (method: string) =>
    (who: string, path: string, body?: unknown): Promise<Answered> =>
      ask(url, `/api/v1/${path}`, { method, headers: { 'x-who': who }, body })
  return {
    url,
    gateway,
    get: call('GET'),
    post: call('POST'),
    patch: call('PATCH'),
    remove: call('DELETE'),
    put: call('PUT'),
  }
}

const forbidden = { status: 403, body: { code: 'FORBIDDEN' } }

describe('last', () => {
  test('is each identity’s own, however much of others has come since it first asked', async () => {
    const { get, post, gateway } = await serve()
    await post('alice', 'send/rows', { owner: 'alice', n: 1 })
    expect((await get('alice', 'last/rows')).body).toMatchObject([{ n: 1 }])
    for (let n = 0; n < 5_000; n++) gateway.channels.send('rows', { owner: 'bob', n })
    expect((await get('alice', 'last/rows')).body).toMatchObject([{ owner: 'alice', n: 1 }])
    expect((await get('bob', 'last/rows')).body).toMatchObject([{ owner: 'bob', n: 4_999 }])
    expect((await get('carol', 'last/rows')).body).toEqual([])
  })

  test('of who asks for the first time is looked for in the history', async () => {
    const { get, gateway } = await serve()
    gateway.channels.send('rows', { owner: 'alice', n: 1 })
    for (let n = 0; n < 500; n++) gateway.channels.send('rows', { owner: 'bob', n })
    const { body, headers } = await get('alice', 'last/rows')
    expect(body).toMatchObject([{ owner: 'alice', n: 1 }])
    expect(headers['x-gateway-position']).toMatch(/:1$/)
  })

  test('of a list shows the elements that may be seen', async () => {
    const { get, gateway } = await serve()
    gateway.channels.send('lists', [{ owner: 'alice' }, { owner: 'bob' }, { owner: 'alice', n: 3 }])
    expect((await get('alice', 'last/lists')).body).toMatchObject([{ n: 0 }, { n: 3 }])
    expect((await get('bob', 'last/lists')).body).toMatchObject([{ owner: 'bob' }])
    expect((await get('carol', 'last/lists')).body).toEqual([])
  })

  test('of a basket is each key’s, and shows no key whose rows are all hidden', async () => {
    const { get, gateway } = await serve()
    const { channels: live } = gateway
    live.send('fixed', { owner: 'alice', n: 1 }, 'a')
    live.send('fixed', { owner: 'bob', n: 2 }, 'a')
    live.send('dynamic', { owner: 'bob', n: 3 }, 'x')
    expect((await get('alice', 'last/fixed?keys=1')).body).toMatchObject({ a: { n: 1 } })
    expect((await get('alice', 'last/dynamic?keys=1')).body).toEqual({})
    expect(await get('alice', 'last/dynamic/x')).toMatchObject({
      status: 404,
      body: { code: 'UNKNOWN_KEY' },
    })
  })
})

test('next waits past the rows of others, and misses none of one’s own', async () => {
  const { get, gateway } = await serve()
  const { channels: live } = gateway
  const waits = ['next/rows', 'next/fixed', 'next/fixed/a'].map((path) => get('alice', path))
  await expect.poll(async () => (await get('bob', 'next/rows?timeout=0')).status).toBe(504)
  for (const n of [1, 2]) {
    live.send('rows', { owner: 'bob', n })
    live.send('fixed', { owner: 'bob', n }, 'a')
  }
  live.send('fixed', { owner: 'alice', n: 3 }, 'a')
  live.send('rows', { owner: 'alice', n: 3 })
  live.send('rows', { owner: 'bob', n: 4 })
  for (const { body } of await Promise.all(waits)) expect(body).toMatchObject([{ n: 3 }])
})

describe('what may be sent', () => {
  test('is refused as a whole when one row of it is forbidden', async () => {
    const { post, gateway } = await serve()
    const mixed = [{ owner: 'alice' }, { owner: 'bob' }]
    expect(await post('alice', 'send/rows', mixed)).toMatchObject(forbidden)
    expect(await post('alice', 'send/lists', mixed)).toMatchObject(forbidden)
    const byKey = { a: { owner: 'alice' }, b: { owner: 'bob' } }
    expect(await post('alice', 'send/fixed', byKey)).toMatchObject(forbidden)
    expect(gateway.channels.last('rows')).toBeUndefined()
    expect(gateway.channels.last('lists')).toBeUndefined()
    expect(gateway.channels.last('fixed')).toEqual({})
  })

  test('is judged when it is complete, and wrong records are told as such', async () => {
    const filter: AuthFilter = (_, row: { n: number }) => row.n === 0
    const { post } = await serve({ filter })
    expect((await post('alice', 'send/rows', { owner: 'x' })).status).toBe(200)
    expect(await post('alice', 'send/rows', { owner: 1 })).toMatchObject({
      status: 422,
      body: { code: 'INVALID_RECORD' },
    })
  })

  test('a message id is its sender’s own', async () => {
    const { post, gateway } = await serve()
    const path = 'send/rows?messageId=1'
    await post('alice', path, { owner: 'alice', n: 1 })
    const { body } = await post('bob', path, { owner: 'bob', n: 2 })
    expect(body).toMatchObject([{ owner: 'bob', n: 2 }])
    expect((await post('alice', path, { owner: 'alice', n: 1 })).body).toMatchObject([{ n: 1 }])
    expect(gateway.channels.recentTicks('rows')).toHaveLength(2)
  })
})

describe('only a plain yes is one', () => {
  test.each<[string, AuthFilter]>([
    ['throws', () => JSON.parse('no JSON')],
    ['promises', (async () => true) as unknown as AuthFilter],
    ['answers with something true', (() => 1) as unknown as AuthFilter],
  ])('a rule that %s hides all', async (_, filter) => {
    const { get, post, gateway } = await serve({ filter })
    gateway.channels.send('rows', { owner: 'alice' })
    expect((await get('alice', 'last/rows')).body).toEqual([])
    expect((await get('alice', 'state/rows')).body).toEqual([])
    expect(await post('alice', 'send/rows', { owner: 'alice' })).toMatchObject(forbidden)
  })
})

describe('staging', () => {
  test('shows one’s own, and takes, replaces, removes and releases no row of others', async () => {
    const { get, post, put, patch, remove, gateway } = await serve()
    expect(await post('alice', 'stage/rows', { owner: 'bob' })).toMatchObject(forbidden)
    await post('bob', 'stage/rows', { owner: 'bob', id: '7' })
    const [staging] = (await get('alice', 'stage/rows')).body
    await post('alice', `stage/rows?id=${staging}`, { owner: 'alice', id: '8' })
    expect((await put('alice', 'stage/rows')).body).toMatchObject({ [staging]: [{ id: '8' }] })
    const taken = { owner: 'alice', id: '7' }
    expect(await post('alice', `stage/rows?id=${staging}`, taken)).toMatchObject(forbidden)
    expect((await remove('alice', 'stage/rows?id=', taken)).body).toEqual({})
    expect(await remove('alice', 'stage/rows')).toMatchObject(forbidden)
    expect(await remove('alice', `stage/rows?id=${staging}`)).toMatchObject(forbidden)
    expect(await patch('alice', 'stage/rows')).toMatchObject(forbidden)
    expect(gateway.channels.last('rows')).toBeUndefined()
    expect((await put('bob', 'stage/rows')).body).toMatchObject({ [staging]: [{ id: '7' }] })
    await remove('alice', 'stage/rows', { owner: 'alice', id: '8' })
    expect((await patch('bob', 'stage/rows')).body).toMatchObject({ [staging]: [{ id: '7' }] })
    expect(gateway.channels.last('rows')).toMatchObject({ owner: 'bob' })
  })

  test('who releases is the origin of what ticks', async () => {
    const { get, post, patch } = await serve({ filter: () => true })
    await post('alice', 'stage/rows', { owner: 'alice' })
    await patch('bob', 'stage/rows')
    expect((await get('bob', 'last/origins')).body).toEqual([{ from: 'bob' }])
    await post('carol', 'send/rows', { owner: 'x' })
    expect((await get('bob', 'last/origins')).body).toEqual([{ from: 'carol' }])
  })
})

test('lookup finds a record where it may be seen, not in a channel of the same type', async () => {
  const { get, gateway } = await serve({
    filter: (_, __, { channel }) => channel !== 'others',
  })
  const { id } = gateway.channels.send('others', { owner: 'x' })
  for (const path of [`lookup/rows/${id}`, `lookup/others/${id}`]) {
    expect((await get('alice', path)).body).toEqual([])
  }
  expect((await get('alice', `lookup/id/${id}`)).status).toBe(404)
})

test('a scope of some keys binds states and lookups of a basket, too', async () => {
  const scope: Scope = { operations: ['read'], channels: ['fixed'], keys: ['a'] }
  const { get, gateway } = await serve({ filter: () => true }, [scope])
  const inA = gateway.channels.send('fixed', { owner: 'x', n: 1 }, 'a')
  const inB = gateway.channels.send('fixed', { owner: 'x', n: 2 }, 'b')
  expect((await get('alice', 'state/ofFixed')).body).toMatchObject([{ n: 1 }])
  expect((await get('alice', `lookup/fixed/${inA.id}`)).body).toMatchObject([{ n: 1 }])
  expect((await get('alice', `lookup/fixed/${inB.id}`)).body).toEqual([])
})

test('equal subscriptions of two identities hear each their own', async () => {
  const { url, gateway } = await serve()
  const sockets = await Promise.all(
    ['alice', 'bob'].map((who) => RecordingSocket.open(url, { 'x-who': who })),
  )
  for (const socket of sockets) {
    await socket.ask({ action: 'subscribe', id: 1, channel: 'rows', select: ['n'] })
  }
  gateway.channels.send('rows', { owner: 'alice', n: 1 })
  gateway.channels.send('rows', { owner: 'bob', n: 2 })
  for (const [i, socket] of sockets.entries()) {
    await socket.ask({ action: 'unsubscribe', id: 1, channel: 'rows' })
    const heard = socket.messages.filter(({ data }) => data !== undefined)
    expect(heard.map(({ data }) => data)).toEqual([[{ n: i + 1 }]])
    socket.terminate()
  }
})
