import { mkdtemp, rm } from 'node:fs/promises'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { apiKey, generateKey, hashKey, type StoredKey } from '@gw/auth-apikey'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { serve } from './support/served.js'

const HOUR_MS = 3_600_000
const keys = {
  good: generateKey(),
  scoped: generateKey(),
  expired: generateKey(),
  early: generateKey(),
  revoked: generateKey(),
  old: generateKey(),
  new: generateKey(),
}
const stored = (name: keyof typeof keys, more: Partial<StoredKey> = {}): StoredKey => ({
  id: keys[name].id,
  name,
  hash: hashKey(keys[name].key),
  createdAt: '2020-01-01T00:00:00Z',
  ...more,
})
const inTime = (ms: number): string => new Date(Date.now() + ms).toISOString()

/** Keys behind the interface that a database would be behind, and the way to change them. */
let present: readonly StoredKey[] = [
  stored('good'),
  stored('scoped', {
    scopes: [
      { operations: ['read'], channels: ['total'] },
      { operations: ['read', 'send'], channels: ['prices'], keys: ['AAPL'] },
    ],
  }),
  stored('expired', { expiresAt: inTime(-1) }),
  stored('early', { notBefore: inTime(HOUR_MS) }),
  stored('revoked', { revokedAt: inTime(-HOUR_MS) }),
  stored('old', { name: 'robot' }),
  stored('new', { name: 'robot' }),
]
const listeners = new Set<() => void>()
const changed = (): void => {
  for (const listener of listeners) listener()
}
const store = {
  keys: () => present,
  onChange(listener: () => void) {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
}

let folder: string
let socketPath: string
let open: Awaited<ReturnType<typeof serve>>
let noQuery: Awaited<ReturnType<typeof serve>>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gw-keys-'))
  socketPath = join(folder, 'gateway.sock')
  const failures = { perMinute: 10_000 }
  const onFailure = (): void => undefined
  const login = { name: 'person', key: 'the-login-key' }
  open = await serve({
    unix: socketPath,
    auth: apiKey({ store, keys: [login], failures, onFailure }),
  })
  const unix = join(folder, 'strict.sock')
  noQuery = await serve({ unix, auth: apiKey({ store, allowQuery: false, failures, onFailure }) })
})

afterAll(async () => {
  await open[Symbol.asyncDispose]()
  await noQuery[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

interface Ask {
  readonly headers?: Readonly<Record<string, string>>
  readonly method?: string
  readonly body?: string
  readonly to?: { readonly url: string; readonly unix?: string }
}

interface Answer {
  readonly status: number
  readonly code: string | undefined
  readonly headers: IncomingMessage['headers']
}

const UPGRADE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
}

/** One request; an upgrade that is let in answers 101. */
function ask(path: string, { headers = {}, method = 'GET', body, to }: Ask = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { method, headers: { Host: 'gateway', ...headers } }
    const call: ClientRequest =
      to?.unix === undefined
        ? request(new URL(path, to?.url ?? open.url), options)
        : request({ ...options, socketPath: to.unix, path })
    call.on('error', reject)
    call.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve({ status: 101, code: undefined, headers: response.headers })
    })
    call.on('response', (response) => {
      if (response.headers['content-type'] === 'text/event-stream') {
        response.destroy()
        resolve({ status: response.statusCode ?? 0, code: undefined, headers: response.headers })
        return
      }
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => {
        const isJson = response.headers['content-type']?.includes('json')
        const { code } = (isJson ? JSON.parse(text) : {}) as { code?: string }
        resolve({ status: response.statusCode ?? 0, code, headers: response.headers })
      })
    })
    call.end(body)
  })
}

const ways = [
  { way: 'REST', path: '/api/v1/last/total', headers: {}, isUnix: false, ok: 200 },
  {
    way: 'REST on the UNIX socket',
    path: '/api/v1/last/total',
    headers: {},
    isUnix: true,
    ok: 200,
  },
  { way: 'WebSocket', path: '/api/v1/stream', headers: UPGRADE, isUnix: false, ok: 101 },
  {
    way: 'WebSocket on the UNIX socket',
    path: '/api/v1/stream',
    headers: UPGRADE,
    isUnix: true,
    ok: 101,
  },
  { way: 'SSE', path: '/api/v1/stream/total', headers: {}, isUnix: false, ok: 200 },
  {
    way: 'SSE on the UNIX socket',
    path: '/api/v1/stream/total',
    headers: {},
    isUnix: true,
    ok: 200,
  },
  { way: 'the docs', path: '/docs', headers: {}, isUnix: false, ok: 200 },
  { way: 'AsyncAPI', path: '/asyncapi.json', headers: {}, isUnix: false, ok: 200 },
  { way: 'the description', path: '/openapi.json', headers: {}, isUnix: false, ok: 200 },
] as const

describe.each(ways)('over $way', ({ path, headers, isUnix, ok }) => {
  const via = (more: Readonly<Record<string, string>>, query = ''): Promise<Answer> =>
    ask(path + query, {
      headers: { ...headers, ...more },
      to: { url: open.url, ...(isUnix ? { unix: socketPath } : {}) },
    })

  test('a good key is let in by each of its carriers', async () => {
    const { key } = keys.good
    const outcomes = await Promise.all([
      via({ 'X-API-Key': key }),
      via({ Authorization: `Bearer ${key}` }),
      via({ token: key }),
      via({ Cookie: `token=${key}`, Origin: 'http://gateway' }),
      via({}, `?token=${key}`),
      via({ 'X-API-Key': key, token: 'wrong' }),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(outcomes.map(() => ok))
  })

  test('no key, a malformed, unknown, expired, early or revoked one are answered alike', async () => {
    const { key } = keys.good
    const mistyped = `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`
    const wrong = [mistyped, 'x', `${key} `.repeat(2), generateKey().key, keys.expired.key]
    const outcomes = await Promise.all([
      via({}),
      via({ 'X-API-Key': '' }),
      via({ Authorization: 'Basic dTpw' }),
      via({ Authorization: 'Bearer' }),
      via({ Cookie: 'token=session.never-begun' }),
      ...[...wrong, keys.early.key, keys.revoked.key].map((it) => via({ 'X-API-Key': it })),
    ])
    for (const { status, code } of outcomes) {
      expect({ status, code }).toEqual({ status: 403, code: 'UNAUTHORIZED' })
    }
  })
})

test.each([false, true])(
  'a key in a URL is refused where that is forbidden (UNIX: %s)',
  async (isUnix) => {
    const to = { url: noQuery.url, ...(isUnix ? { unix: join(folder, 'strict.sock') } : {}) }
    for (const [path, headers] of [
      ['/api/v1/last/total', {}],
      ['/api/v1/stream/total', {}],
      ['/api/v1/stream', UPGRADE],
    ] as const) {
      expect(await ask(`${path}?token=${keys.good.key}`, { headers, to })).toMatchObject({
        status: 403,
        code: 'UNAUTHORIZED',
      })
      const inHeader = await ask(path, { headers: { ...headers, token: keys.good.key }, to })
      expect(inHeader.status).toBe(headers === UPGRADE ? 101 : 200)
    }
  },
)

describe('a scope', () => {
  test.each([false, true])('binds REST calls (UNIX: %s)', async (isUnix) => {
    const to = { url: open.url, ...(isUnix ? { unix: socketPath } : {}) }
    const headers = { 'X-API-Key': keys.scoped.key, 'Content-Type': 'application/json' }
    const forbidden = { status: 403, code: 'FORBIDDEN' }
    for (const path of [
      'last/orders',
      'next/orders',
      'state/orders',
      'lookup/orders/1',
      'stream/orders',
      'stream/prices/MSFT',
    ]) {
      expect(await ask(`/api/v1/${path}`, { headers, to })).toMatchObject(forbidden)
    }
    expect(await ask('/api/v1/last/prices/MSFT', { headers, to })).toMatchObject(forbidden)
    const post = { headers, to, method: 'POST' }
    expect(await ask('/api/v1/send/total', { ...post, body: '1' })).toMatchObject(forbidden)
    const body = '{"value":1}'
    expect(await ask('/api/v1/send/prices/MSFT', { ...post, body })).toMatchObject(forbidden)
    expect(await ask('/api/v1/send/prices/AAPL', { ...post, body })).toMatchObject({ status: 200 })
  })

  test.each([false, true])('binds each message of a WebSocket (UNIX: %s)', async (isUnix) => {
    const socket = await openSocket(keys.scoped.key, isUnix)
    const says = [
      { action: 'subscribe', channel: 'orders' },
      { action: 'subscribe', channel: 'prices', key: 'MSFT' },
      { action: 'send', channel: 'total', data: 1 },
      { action: 'send', channel: 'prices', key: 'MSFT', data: { value: 1 } },
    ]
    for (const [id, message] of says.entries()) {
      const heard = once(socket)
      socket.send(JSON.stringify({ id, ...message }))
      expect(await heard).toMatchObject({ id, code: 'FORBIDDEN' })
    }
    socket.terminate()
  })
})

describe('a session', () => {
  test('is no way in for pages of other sites, nor for what names no page', async () => {
    const page = await ask('/login', { method: 'POST', body: 'token=the-login-key' })
    expect(page.status).toBe(303)
    const [setCookie = ''] = page.headers['set-cookie'] ?? []
    expect(setCookie).not.toContain('the-login-key')
    expect(setCookie).toMatch(/HttpOnly.*SameSite=lax/)
    const cookie = setCookie.split(';')[0] as string
    const upgrade = (more: Readonly<Record<string, string>>): Promise<Answer> =>
      ask('/api/v1/stream', { headers: { ...UPGRADE, Cookie: cookie, ...more } })
    const refused = { status: 403, code: 'ORIGIN_REFUSED' }
    expect(await upgrade({})).toMatchObject(refused)
    expect(await upgrade({ Origin: 'https://evil.example' })).toMatchObject(refused)
    expect(await upgrade({ Origin: 'http://gateway.evil.example' })).toMatchObject(refused)
    expect(await upgrade({ Origin: 'null' })).toMatchObject(refused)
    expect(await upgrade({ Origin: 'http://gateway' })).toMatchObject({ status: 101 })
    const send = { method: 'POST', body: '1' }
    const headers = { Cookie: cookie, 'Content-Type': 'application/json' }
    expect(await ask('/api/v1/send/total', { ...send, headers })).toMatchObject(refused)
    for (const [origin, answer] of [
      ['https://evil.example', refused],
      ['null', refused],
      ['http://gateway', { status: 200 }],
    ] as const) {
      const more = { headers: { ...headers, Origin: origin } }
      expect(await ask('/api/v1/send/total', { ...send, ...more })).toMatchObject(answer)
    }
    expect(await ask('/api/v1/last/total', { headers })).toMatchObject({ status: 200 })
  })
})

test('guesses at the login page are limited by the address that they come from', async () => {
  const attempts: string[] = []
  await using limited = await serve({
    auth: apiKey({
      key: 'k',
      failures: { perMinute: 1 },
      onFailure: ({ address }) => attempts.push(address),
    }),
  })
  const login = (key: string): Promise<Answer> =>
    ask('/login', { method: 'POST', body: `token=${key}`, to: limited })
  expect(await login('guess')).toMatchObject({ status: 403, code: 'UNAUTHORIZED' })
  expect(await login('k')).toMatchObject({ status: 403, code: 'UNAUTHORIZED' })
  expect(new Set(attempts)).toEqual(new Set(['127.0.0.1']))
  const headers = { 'X-API-Key': 'k' }
  const refused = await ask('/api/v1/last/total', { headers, to: limited })
  expect(refused).toMatchObject({ status: 429, code: 'TOO_MANY_REQUESTS' })
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
})

describe('several authenticators', () => {
  test('are alternatives; what the first says is told when all refuse', async () => {
    const onFailure = (): void => undefined
    await using both = await serve({
      auth: [apiKey({ key: 'first', onFailure }), apiKey({ key: 'second', onFailure })],
    })
    for (const [path, headers, ok] of [
      ['/api/v1/last/total', {}, 200],
      ['/api/v1/stream', UPGRADE, 101],
    ] as const) {
      const via = (key: string): Promise<Answer> =>
        ask(path, { headers: { ...headers, 'X-API-Key': key }, to: both })
      expect(await via('first')).toMatchObject({ status: ok })
      expect(await via('second')).toMatchObject({ status: ok })
      expect(await via('third')).toMatchObject({ status: 403, code: 'UNAUTHORIZED' })
    }
  })

  test.each([false, true])('let nobody in when one is down (as a promise: %s)', async (isLater) => {
    const fail = (): never => {
      throw new Error('the provider of identities is down: secret-of-ours')
    }
    await using down = await serve({
      auth: { name: 'external', authenticate: isLater ? async () => fail() : fail },
    })
    for (const [path, headers] of [
      ['/api/v1/last/total', {}],
      ['/openapi.json', {}],
      ['/api/v1/stream/total', {}],
      ['/api/v1/stream', UPGRADE],
    ] as const) {
      const answer = await ask(path, { headers, to: down })
      expect(answer).toMatchObject({ status: 503, code: 'AUTH_UNAVAILABLE' })
      expect(answer.headers['retry-after']).toBe('1')
    }
  })

  test('count no failed attempt that another lets in, nor what one that is down may have known', async () => {
    const seen: string[] = []
    const onFailure = ({ reason }: { reason: string }) => seen.push(reason)
    const failures = { perMinute: 2 }
    await using both = await serve({
      auth: [
        apiKey({ key: 'first', onFailure, failures }),
        {
          name: 'down',
          authenticate: async () => {
            throw new Error('down')
          },
        },
        apiKey({ key: 'second', onFailure, failures }),
      ],
    })
    for (const key of ['second', 'second', 'second', 'first']) {
      const headers = { 'X-API-Key': key }
      expect(await ask('/api/v1/last/total', { headers, to: both })).toMatchObject({ status: 200 })
    }
    expect(seen).toEqual([])
    const unknown = async (key: string): Promise<void> => {
      const headers = { 'X-API-Key': key }
      const answer = await ask('/api/v1/last/total', { headers, to: both })
      expect(answer).toMatchObject({ code: 'AUTH_UNAVAILABLE' })
    }
    // It may be good for the one that is down; a key of our form cannot be.
    await unknown('third')
    expect(seen).toEqual([])
    await unknown(generateKey().key)
    expect(seen).toEqual(['unknown', 'unknown'])
  })
})

test('an authenticator that takes its time is asked once for each request', async () => {
  let asked = 0
  const authenticate = async () => {
    asked++
    return { ok: true, identity: { name: 'external' } } as const
  }
  await using external = await serve({ auth: { name: 'external', authenticate } })
  const headers = { 'Content-Type': 'application/json' }
  const send = { method: 'POST', body: '7', headers, to: external }
  expect(await ask('/api/v1/send/total', send)).toMatchObject({ status: 200 })
  expect(await ask('/api/v1/last/total', { to: external })).toMatchObject({ status: 200 })
  expect(asked).toBe(2)
})

describe('a socket that outlives its key', () => {
  test.each([false, true])(
    'is closed when the key is revoked, and no other (UNIX: %s)',
    async (isUnix) => {
      const before = present
      const replaced = await openSocket(keys.old.key, isUnix)
      const kept = await openSocket(keys.new.key, isUnix)
      const closed = new Promise((resolve) => replaced.once('close', resolve))
      present = present.map((key) =>
        key.id === keys.old.id ? { ...key, revokedAt: inTime(0) } : key,
      )
      changed()
      expect(await closed).toBe(4401)
      const answer = once(kept)
      kept.send(JSON.stringify({ id: 1, action: 'subscribe', channel: 'nobody' }))
      expect(await answer).toMatchObject({ id: 1 })
      kept.terminate()
      present = before
      changed()
    },
  )

  test.each([false, true])('is closed when the key expires (UNIX: %s)', async (isUnix) => {
    const before = present
    present = present.map((key) =>
      key.id === keys.new.id ? { ...key, expiresAt: inTime(500) } : key,
    )
    changed()
    const socket = await openSocket(keys.new.key, isUnix)
    expect(await new Promise((resolve) => socket.once('close', resolve))).toBe(4401)
    present = before
    changed()
  })
})

describe('an event stream that outlives its key', () => {
  test.each([
    ['revoked', false],
    ['revoked', true],
    ['expired', false],
    ['expired', true],
  ] as const)('is ended when the key is %s (UNIX: %s)', async (end, isUnix) => {
    const before = present
    present = present.map((key) =>
      key.id === keys.old.id && end === 'expired' ? { ...key, expiresAt: inTime(500) } : key,
    )
    changed()
    const options = { headers: { Host: 'gateway', 'X-API-Key': keys.old.key } }
    const path = '/api/v1/stream/total'
    const call = isUnix
      ? request({ ...options, socketPath, path })
      : request(new URL(path, open.url), options)
    const response = await new Promise<IncomingMessage>((resolve) => {
      call.on('response', resolve).end()
    })
    expect(response.statusCode).toBe(200)
    const ended = new Promise((resolve) => response.once('close', resolve))
    response.on('error', () => undefined).resume()
    if (end === 'revoked') {
      present = before.filter(({ id }) => id !== keys.old.id)
      changed()
    }
    await ended
    present = before
    changed()
  })
})

describe('a clock that is five minutes off', () => {
  test.each([false, true])('neither opens early nor keeps open late (UNIX: %s)', async (isUnix) => {
    const before = present
    const minutes = 60_000
    const to = { url: open.url, ...(isUnix ? { unix: socketPath } : {}) }
    for (const times of [{ notBefore: inTime(5 * minutes) }, { expiresAt: inTime(-5 * minutes) }]) {
      present = [stored('new', times)]
      changed()
      for (const [path, headers] of [
        ['/api/v1/last/total', {}],
        ['/api/v1/stream/total', {}],
        ['/api/v1/stream', UPGRADE],
      ] as const) {
        const asked = { headers: { ...headers, 'X-API-Key': keys.new.key }, to }
        expect(await ask(path, asked)).toMatchObject({ status: 403, code: 'UNAUTHORIZED' })
      }
    }
    present = before
    changed()
  })
})

describe('a request that waits', () => {
  test.each([
    ['next/total?timeout=1.5', 'revoked'],
    ['next/total?timeout=1.5', 'expired'],
    ['last/total?atLeast=POSITION&timeout=1.5', 'revoked'],
  ])('for %s ends when its key is %s; one with another key goes on', async (path, end) => {
    const before = present
    present = before.map((key) =>
      key.id === keys.old.id && end === 'expired' ? { ...key, expiresAt: inTime(700) } : key,
    )
    const auth = apiKey({ store, onFailure: () => undefined })
    let waiting = 0
    const bothWait = new Promise<void>((resolve) => {
      const { onRevoked } = auth
      auth.onRevoked = (listener) => {
        // The server's sockets listen too.
        if (++waiting === 3) resolve()
        return onRevoked?.call(auth, listener) ?? (() => undefined)
      }
    })
    await using to = await serve({ auth })
    const last = await ask('/api/v1/last/total', { headers: { 'X-API-Key': keys.new.key }, to })
    const ahead = `${String(last.headers['x-gateway-position']).split(':')[0]}:9`
    const wait = (key: string): Promise<Answer> =>
      ask(`/api/v1/${path.replace('POSITION', ahead)}`, { headers: { 'X-API-Key': key }, to })
    const kept = wait(keys.new.key)
    const ended = wait(keys.old.key)
    await bothWait
    if (end === 'revoked') {
      present = before.filter(({ id }) => id !== keys.old.id)
      changed()
    }
    expect(await ended).toMatchObject({ status: 403, code: 'UNAUTHORIZED' })
    expect(await kept).toMatchObject({ status: 504 })
    present = before
    changed()
  })
})

test.each([null, '', '  ', 'two words'])('a configured key %j is refused at the start', (key) => {
  expect(() => apiKey({ key })).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }))
})

async function openSocket(key: string, isUnix: boolean): Promise<WebSocket> {
  const url = isUnix
    ? `ws+unix://${socketPath}:/api/v1/stream`
    : `${open.url.replace('http', 'ws')}/api/v1/stream`
  const socket = new WebSocket(url, { headers: { 'X-API-Key': key } })
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  return socket
}

function once(socket: WebSocket): Promise<unknown> {
  return new Promise((resolve) => {
    socket.once('message', (data) => resolve(JSON.parse(String(data))))
  })
}
