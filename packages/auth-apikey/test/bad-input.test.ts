import type { AuthFilter } from '@gw/protocol'
import { webServer } from '@gw/server-hono'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import {
  apiKey,
  externalKeys,
  generateKey,
  hashKey,
  type KeyStore,
  type StoredKey,
} from '../src/index.js'
import { serve } from './support/serve.js'
import {
  ask,
  type Carried,
  closing,
  type Outcome,
  openEvents,
  openSocket,
  tell,
} from './support/ways.js'

const WAYS = [
  'REST',
  'WebSocket',
  'SSE',
  'REST over a UNIX socket',
  'WebSocket over a UNIX socket',
  'SSE over a UNIX socket',
] as const
type Way = (typeof WAYS)[number]

type Served = Awaited<ReturnType<typeof started>>

/** Reads a channel in one of the ways. */
function read(served: Served, way: Way, carried: Carried, channel = 'rows'): Promise<Outcome> {
  const door = way.includes('UNIX') ? served.unix : served.url
  if (way.startsWith('WebSocket')) return tell(door, carried, { action: 'subscribe', channel })
  const path = way.startsWith('SSE') ? `stream/${channel}?from=snapshot` : `last/${channel}`
  const [plain = '', query] = path.split('?')
  const all = [query, carried.query].filter((each) => each !== undefined).join('&')
  return ask(door, 'GET', `/api/v1/${plain}`, { ...carried, ...(all === '' ? {} : { query: all }) })
}

/** Sends a row in one of the ways that can. */
function send(
  served: Served,
  way: Way,
  carried: Carried,
  data: object,
  channel = 'rows',
): Promise<Outcome> {
  const door = way.includes('UNIX') ? served.unix : served.url
  return way.startsWith('WebSocket')
    ? tell(door, carried, { action: 'send', channel, data })
    : ask(door, 'POST', `/api/v1/send/${channel}`, carried, JSON.stringify(data))
}

const MINUTES = 60_000
const at = (ms: number): string => new Date(Date.now() + ms).toISOString()

const keys = Object.fromEntries(
  ['good', 'expired', 'early', 'revoked', 'reader', 'sender', 'elsewhere', 'unknown'].map(
    (name) => [name, generateKey()] as const,
  ),
)
const secretOf = (name: string): string => keys[name]?.key as string
const carry = (name: string): Carried => ({ headers: { 'X-API-Key': secretOf(name) } })
const mistyped = `${secretOf('good').slice(0, -1)}${secretOf('good').endsWith('A') ? 'B' : 'A'}`

function stored(name: string, more: Partial<StoredKey> = {}): StoredKey {
  const { key, id } = keys[name] as { key: string; id: string }
  return { id, name, hash: hashKey(key), createdAt: '2026-01-01T00:00:00Z', ...more }
}

/** A store of which a test can change the keys. */
class TestStore implements KeyStore {
  #keys: readonly StoredKey[] = [
    stored('good'),
    stored('expired', { expiresAt: at(-5 * MINUTES) }),
    stored('early', { notBefore: at(5 * MINUTES) }),
    stored('revoked', { revokedAt: at(-1) }),
    stored('reader', { scopes: [{ operations: ['read'], channels: ['rows'] }] }),
    stored('sender', { scopes: [{ operations: ['send'] }] }),
    stored('elsewhere', { scopes: [{ operations: ['read', 'send'], channels: ['others'] }] }),
  ]
  #listener: () => void = () => undefined

  keys(): readonly StoredKey[] {
    return this.#keys
  }

  onChange(listener: () => void): () => void {
    this.#listener = listener
    return () => undefined
  }

  change(name: string, more: Partial<StoredKey>): void {
    this.#keys = this.#keys.map((key) => (key.name === name ? { ...key, ...more } : key))
    this.#listener()
  }
}

/** Rows of others are hidden, and not to be sent. */
const own: AuthFilter = (identity, row: { readonly owner: string }) => row.owner === identity.name

async function started(options: { allowQuery?: boolean; filter?: AuthFilter } = {}) {
  const { allowQuery = true, filter } = options
  const store = new TestStore()
  const failures: unknown[] = []
  const auth = apiKey({ store, allowQuery, onFailure: (attempt) => failures.push(attempt) })
  const served = await serve({ auth, ...(filter === undefined ? {} : { filter }) })
  return { ...served, store, auth, failures }
}

const unauthorized = { status: 403, code: 'UNAUTHORIZED' }

const BAD_KEYS: readonly (readonly [string, Carried])[] = [
  ['no key', {}],
  ['an empty key', { headers: { 'X-API-Key': '' } }],
  ['an empty cookie', { headers: { Cookie: 'token=' } }],
  ['Bearer of nothing', { headers: { Authorization: 'Bearer ' } }],
  ['another scheme', { headers: { Authorization: `Basic ${secretOf('good')}` } }],
  ['a mistyped key', { headers: { 'X-API-Key': mistyped } }],
  ['a key with more at its end', { headers: { 'X-API-Key': `${secretOf('good')}x` } }],
  ['a key of another letter case', { headers: { token: secretOf('good').toUpperCase() } }],
  ['a key twice', { headers: { token: `${secretOf('good')}, ${secretOf('good')}` } }],
  ['a hash for a key', { headers: { 'X-API-Key': hashKey(secretOf('good')) } }],
  ['an unknown key', carry('unknown')],
  ['an unknown key in the URL', { query: `token=${secretOf('unknown')}` }],
  ['an unknown session', { headers: { Cookie: `token=session.${'x'.repeat(43)}` } }],
  ['an unknown ticket', { query: `ticket=${'x'.repeat(43)}` }],
  ['a key that expired five minutes ago', carry('expired')],
  ['a key that begins in five minutes, as of a clock that is ahead', carry('early')],
  ['a revoked key', carry('revoked')],
]

describe.each(WAYS)('over %s', (way) => {
  test('whoever has no good key is answered UNAUTHORIZED, and nothing else', async () => {
    const served = await started()
    for (const [what, carried] of BAD_KEYS) {
      const { text, headers, status, code } = await read(served, way, carried)
      expect({ what, status, code }).toEqual({ what, ...unauthorized })
      expect(JSON.parse(text)).toEqual({
        type: 'urn:gw:error:UNAUTHORIZED',
        title: 'Forbidden',
        status: 403,
        code: 'UNAUTHORIZED',
        detail: 'unauthorized',
        status_code: 403,
      })
      expect(headers).toMatchObject({ 'content-type': 'application/json' })
    }
    const said = JSON.stringify([served.logged, served.heard, served.failures])
    for (const name of Object.keys(keys)) expect(said).not.toContain(secretOf(name).slice(12))
  })

  test('a good key is let in, in each of its carriers', async () => {
    const served = await started()
    const key = secretOf('good')
    for (const carried of [
      { headers: { 'X-API-Key': key } },
      { headers: { Authorization: `Bearer ${key}` } },
      { headers: { authorization: `bearer  ${key}` } },
      { headers: { token: key } },
      { query: `token=${key}` },
      { headers: { Cookie: `a=b; token=${key}`, Origin: 'http://gateway', Host: 'gateway' } },
      { headers: { 'X-API-Key': 'wrong', token: key } },
    ]) {
      expect(await read(served, way, carried)).toMatchObject({ status: 200 })
    }
    expect(served.failures).toEqual([])
  })

  test('a wrong scope, and a wrong channel, are answered FORBIDDEN', async () => {
    const served = await started()
    expect(await read(served, way, carry('reader'))).toMatchObject({ status: 200 })
    expect(await read(served, way, carry('sender'))).toMatchObject({ code: 'FORBIDDEN' })
    expect(await read(served, way, carry('reader'), 'others')).toMatchObject({ code: 'FORBIDDEN' })
    expect(await read(served, way, carry('elsewhere'))).toMatchObject({ code: 'FORBIDDEN' })
    if (way.startsWith('SSE')) return
    const row = { owner: 'reader' }
    expect(await send(served, way, carry('reader'), row)).toMatchObject({ code: 'FORBIDDEN' })
    expect(await send(served, way, carry('elsewhere'), row)).toMatchObject({ code: 'FORBIDDEN' })
    expect(await send(served, way, carry('sender'), row)).toMatchObject({ status: 200 })
  })

  test('a forbidden row is not shown, and not taken', async () => {
    const served = await started({ filter: own })
    served.gateway.channels.send('rows', { owner: 'somebody else' })
    const { text } = await read(served, way, carry('good'))
    expect(text).not.toContain('somebody else')
    if (way.startsWith('SSE')) return
    expect(await send(served, way, carry('good'), { owner: 'reader' })).toMatchObject({
      code: 'FORBIDDEN',
    })
    expect(await send(served, way, carry('good'), { owner: 'good' })).toMatchObject({ status: 200 })
  })

  test('a key in the URL is none where that is forbidden', async () => {
    const served = await started({ allowQuery: false })
    const inUrl = { query: `token=${secretOf('good')}` }
    expect(await read(served, way, inUrl)).toMatchObject(unauthorized)
    expect(await read(served, way, { ...inUrl, ...carry('good') })).toMatchObject({ status: 200 })
    expect(JSON.stringify([served.logged, served.heard])).not.toContain(secretOf('good').slice(12))
  })

  test.each([
    ['of another site', { Origin: 'https://evil.example' }],
    ['of another port', { Origin: 'http://gateway:8080' }],
    ['without a name', { Origin: 'null' }],
  ])('a page %s opens no WebSocket, and changes nothing with a cookie', async (_, headers) => {
    const served = await started()
    const session = served.auth.login?.(secretOf('good'))
    const cookie = { ...headers, Cookie: `token=${session?.cookie}` }
    if (way.startsWith('WebSocket')) {
      const refused = { status: 403, code: 'ORIGIN_REFUSED' }
      expect(await read(served, way, { headers: cookie })).toMatchObject(refused)
      const withKey = { headers: { ...headers, ...carry('good').headers } }
      expect(await read(served, way, withKey)).toMatchObject(refused)
      return
    }
    // What it reads with a cookie, which its browser does not send, stays unread without a word of CORS.
    const answer = await read(served, way, { headers: cookie })
    expect(answer.status).toBe(200)
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
    if (way.startsWith('SSE')) return
    expect(await send(served, way, { headers: cookie }, { owner: 'x' })).toMatchObject({
      status: 403,
      code: 'ORIGIN_REFUSED',
    })
  })

  test('a cookie without an origin opens no WebSocket, and changes nothing', async () => {
    const served = await started()
    for (const cookie of [served.auth.login?.(secretOf('good'))?.cookie, secretOf('good')]) {
      const headers = { Cookie: `token=${cookie}` }
      const outcome = way.startsWith('WebSocket')
        ? await read(served, way, { headers })
        : way.startsWith('SSE')
          ? undefined
          : await send(served, way, { headers }, { owner: 'x' })
      // An event stream is only read, and by nobody else.
      if (outcome === undefined)
        expect(await read(served, way, { headers })).toMatchObject({ status: 200 })
      else expect(outcome).toMatchObject({ status: 403, code: 'ORIGIN_REFUSED' })
    }
  })

  test('who knows the keys is down: AUTH_UNAVAILABLE, and whom an alternative knows is let in', async () => {
    const down = externalKeys({ validate: () => Promise.reject(new Error('down')) })
    const served = {
      ...(await serve({ auth: down })),
      store: new TestStore(),
      auth: down,
      failures: [],
    }
    const answer = await read(served, way, carry('good'))
    expect(answer).toMatchObject({
      status: 503,
      code: 'AUTH_UNAVAILABLE',
      headers: { 'retry-after': '1' },
    })
    expect(await read(served, way, {})).toMatchObject(unauthorized)
    const other = apiKey({ key: secretOf('good') })
    const both = { ...served, ...(await serve({ auth: [down, other] })) }
    expect(await read(both, way, carry('good'))).toMatchObject({ status: 200 })
  })

  test('what is open ends when its key is revoked, loses a scope, or expires', async () => {
    const changes: readonly Partial<StoredKey>[] = [
      { revokedAt: at(0) },
      { scopes: [{ operations: ['read'], channels: ['others'] }] },
      { expiresAt: at(1_500) },
    ]
    for (const change of changes) {
      const served = await started()
      const door = way.includes('UNIX') ? served.unix : served.url
      if (change.expiresAt !== undefined) served.store.change('good', change)
      const { ended } = await opened(door, way, carry('good'))
      const other = (await openSocket(door, carry('reader'))) as WebSocket
      if (change.expiresAt === undefined) served.store.change('good', change)
      expect(await ended).toBe(
        way.startsWith('WebSocket') ? 4401 : way.startsWith('SSE') ? 'end' : 403,
      )
      expect(other.readyState).toBe(WebSocket.OPEN)
      other.terminate()
    }
  })
})

/** Opens what stays open; `ended` tells how it ended: a close code, the end of the events, or the status of a wait. */
async function opened(
  door: string,
  way: Way,
  carried: Carried,
): Promise<{ readonly ended: Promise<number | 'end'> }> {
  if (way.startsWith('WebSocket')) {
    return { ended: closing((await openSocket(door, carried)) as WebSocket) }
  }
  if (way.startsWith('SSE')) {
    const { ended } = await openEvents(door, '/api/v1/stream/rows', carried)
    return { ended: ended.then(() => 'end' as const) }
  }
  const ended = ask(door, 'GET', '/api/v1/next/rows', carried).then(({ status }) => status)
  const figures = async (): Promise<string> => (await ask(door, 'GET', '/metrics', carried)).text
  await expect.poll(figures).toContain('\ngateway_waiting_requests 1\n')
  return { ended }
}

describe('a key that is none is refused at the start, so that nobody is let in by it', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  test.each([null, '', ' ', '\t', 'two words', 'schlüssel'])('%j', (key) => {
    const refused = expect.objectContaining({ code: 'INVALID_KEY' })
    expect(() => apiKey({ key })).toThrow(refused)
    expect(() => apiKey({ keys: [{ name: 'x', key: key as string }] })).toThrow(refused)
    if (key === null) return
    vi.stubEnv('API_KEY', key)
    expect(() => apiKey()).toThrow(refused)
  })

  test.each<[unknown]>([[null], [[null]], [['secret']], ['secret']])('keys: %j', (keys) => {
    expect(() => apiKey({ keys: keys as never })).toThrow(
      expect.objectContaining({ code: 'INVALID_KEY', message: expect.stringContaining('keys') }),
    )
  })

  test.each<[string, unknown]>([
    ['no authenticator in the list', []],
    ['null', null],
    ['null in the list', [null]],
    ['what is no authenticator', { name: 'x' }],
    ['a key itself', 'secret'],
  ])('and so is a server with %s', (_, auth) => {
    expect(() => webServer({ auth: auth as never })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining('auth') }),
    )
  })
})
