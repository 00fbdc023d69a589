import {
  auditChannel,
  basket,
  channel,
  deadLetterChannel,
  defineChannels,
  defineModule,
  dynamicBasket,
  field,
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

  test('announces the length of what is shown', async () => {
    const { get, gateway } = await serve()
    gateway.channels.send('lists', [{ owner: 'alice' }, { owner: 'bob' }])
    for (const who of ['alice', 'carol']) {
      const { headers, text } = await get(who, 'last/lists')
      expect(headers['content-length']).toBe(String(Buffer.byteLength(text)))
    }
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
  await expect.poll(async () => (await get('bob', 'next/rows?timeout=0.001')).status).toBe(504)
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

test('a rule is asked once a tick for all sockets of one identity, whatever they came in with', async () => {
  let n = 0
  let asked = 0
  const auth: Authenticator = {
    name: 'numbering',
    authenticate: (credentials) => {
      const name = credentials.header('x-who') ?? 'nobody'
      const identity = { name, credential: `key-${n++}`, expiresAtMs: Date.now() + 100_000 + n }
      return { ok: true, identity }
    },
  }
  const filter: AuthFilter = (identity) => {
    asked++
    return identity.name !== 'nobody'
  }
  const { url, gateway } = await serve({ auth, filter })
  const names = ['alice', 'alice', 'alice', 'bob', 'bob']
  const sockets = await Promise.all(names.map((who) => RecordingSocket.open(url, { 'x-who': who })))
  for (const socket of sockets) await socket.ask({ action: 'subscribe', id: 1, channel: 'rows' })
  asked = 0
  gateway.channels.send('rows', { owner: 'x' })
  expect(asked).toBe(2)
  for (const socket of sockets) {
    await socket.ask({ action: 'unsubscribe', id: 1, channel: 'rows' })
    expect(socket.messages.filter(({ data }) => data !== undefined)).toHaveLength(1)
    socket.terminate()
  }
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

describe('what is made of rows', () => {
  const Line = struct('Line', { owner: z.string(), n: z.int().default(0) })
  const contract = defineChannels({
    lines: channel(Line, { send: true }),
    shelves: dynamicBasket(Line, { send: true }),
    results: channel(Line),
    deadLetters: deadLetterChannel(),
    audit: auditChannel(),
    settings: field(z.string(), 'a value'),
  })
  const failing = defineModule(
    contract,
    'failing',
    (c) => {
      c.setChannel(
        'results',
        map(c.getChannel('lines'), (line) => {
          if (line.n < 0) throw new Error('negative')
          return line
        }),
      )
    },
    { onError: 'deadLetter' },
  )

  async function served(filter: AuthFilter | undefined, scopes?: readonly Scope[]) {
    const auth: Authenticator = {
      name: 'trusting',
      authenticate: (credentials) => ({
        ok: true,
        identity: {
          name: credentials.header('x-who') ?? 'nobody',
          ...(scopes === undefined ? {} : { scopes }),
        },
      }),
    }
    const log = { info() {}, warn() {}, error() {} }
    const server = webServer({ port: 0, auth, log, ...(filter === undefined ? {} : { filter }) })
    const gateway = new Gateway({ channels: contract, modules: [failing, server], logger: log })
    await gateway.start()
    onTestFinished(() => gateway.stop())
    const get = (who: string, path: string) =>
      ask(server.url as string, `/api/v1/${path}`, { headers: { 'x-who': who } })
    const open = (who: string) => RecordingSocket.open(server.url as string, { 'x-who': who })
    return { get, open, live: gateway.channels }
  }

  test('a dead letter shows no row that its reader may not see where it ticked', async () => {
    const { get, open, live } = await served((identity, row: { readonly owner?: string }) =>
      row.owner === undefined ? true : row.owner === identity.name,
    )
    const socket = await open('alice')
    await socket.ask({ action: 'subscribe', id: 1, channel: 'deadLetters' })
    live.send('lines', { owner: 'bob', n: -1 })
    live.send('lines', { owner: 'alice', n: -2 })
    await expect.poll(async () => (await get('bob', 'last/deadLetters')).text).toContain('"n":-1')
    for (const path of ['last/deadLetters', 'state/deadLetters']) {
      expect((await get('alice', path)).text).toContain('"n":-2')
      expect((await get('alice', path)).text).not.toContain('"n":-1')
      expect((await get('carol', path)).text).toBe('[]')
    }
    await socket.ask({ action: 'unsubscribe', id: 1, channel: 'deadLetters' })
    expect(socket.messages.flatMap(({ data }) => data ?? [])).toMatchObject([
      { inputs: [{ value: { n: -2 } }] },
    ])
    socket.terminate()
  })

  test('a dead letter shows nothing of channels that its reader’s scopes do not hold', async () => {
    const letters: Scope = { operations: ['read'], channels: ['deadLetters'] }
    const { get, open, live } = await served(undefined, [letters])
    const socket = await open('alice')
    await socket.ask({ action: 'subscribe', id: 1, channel: 'deadLetters' })
    live.send('lines', { owner: 'bob', n: -1 })
    const lines: Scope = { operations: ['read'], channels: ['deadLetters', 'lines'] }
    expect((await get('alice', 'last/deadLetters')).body).toEqual([])
    expect((await get('alice', 'state/deadLetters')).body).toEqual([])
    await socket.ask({ action: 'unsubscribe', id: 1, channel: 'deadLetters' })
    expect(socket.messages.filter(({ data }) => data !== undefined)).toEqual([])
    socket.terminate()
    const other = await served(undefined, [lines])
    other.live.send('lines', { owner: 'bob', n: -1 })
    expect((await other.get('alice', 'last/deadLetters')).body).toHaveLength(1)
  })

  test('the audit channel is asked for as any other', async () => {
    const { get, open } = await served((identity, row: { readonly identity?: string }) =>
      'identity' in row ? row.identity === identity.name : true,
    )
    const sockets = { alice: await open('alice'), bob: await open('bob') }
    for (const [id, socket] of Object.entries(sockets)) {
      await socket.ask({ action: 'subscribe', id, channel: 'audit' })
    }
    for (const [owner, socket] of Object.entries(sockets)) {
      const data = { owner, id: owner }
      await socket.ask({ action: 'send', id: 1, channel: 'lines', data })
    }
    for (const [identity, socket] of Object.entries(sockets)) {
      const heard = () => socket.messages.flatMap(({ sub, data }) => (sub ? data : []))
      await expect.poll(heard).toMatchObject([{ identity, action: 'send', records: [identity] }])
      expect((await get(identity, 'last/audit')).body).toMatchObject([{ identity }])
      socket.terminate()
    }
    expect((await get('carol', 'last/audit')).body).toEqual([])
  })

  test('keys that came with hidden rows are as if they had not come', async () => {
    const { get, live } = await served(
      (identity, row: { owner: string }) => row.owner === identity.name,
    )
    live.send('shelves', { owner: 'bob' }, 'of-bob')
    live.send('shelves', { owner: 'alice' }, 'of-alice')
    for (const list of ['stream', 'send/']) {
      const names = (await get('alice', list)).body as string[]
      expect(names.filter((name) => name.startsWith('shelves/'))).toEqual(['shelves/of-alice'])
    }
    const told = async (key: string) => {
      const { status, text } = await get('alice', `last/shelves/${key}`)
      return { status, text: text.replace(key, 'KEY') }
    }
    expect(await told('of-bob')).toEqual(await told('of-nobody'))
    expect(await told('of-bob')).toMatchObject({ status: 404 })
  })

  test('figures of all channels are for who may read all of them, values of the contract for readers', async () => {
    const all = await served(undefined, [{ operations: ['read'] }])
    expect((await all.get('alice', '../../metrics')).status).toBe(200)
    expect((await all.get('alice', 'field/settings')).body).toBe('a value')
    const some = await served(undefined, [{ operations: ['read'], channels: ['lines'] }])
    expect(await some.get('alice', '../../metrics')).toMatchObject(forbidden)
    expect(await some.get('alice', 'field/settings')).toMatchObject(forbidden)
  })

  test('what stays of a list has a tag of its own, which changes with the rule', async () => {
    let isStrict = true
    const { get, gateway } = await serve({
      filter: (identity, row: Row) => row.owner === identity.name || !isStrict,
    })
    gateway.channels.send('lists', [{ owner: 'alice' }, { owner: 'bob' }, { owner: 'carol' }])
    const { headers } = await get('alice', 'last/lists')
    expect((await get('bob', 'last/lists')).headers.etag).not.toBe(headers.etag)
    isStrict = false
    expect((await get('alice', 'last/lists')).headers.etag).not.toBe(headers.etag)
  })
})
