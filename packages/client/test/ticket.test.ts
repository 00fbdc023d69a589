import { apiKey, hashKey, type StoredKey } from '@gw/auth-apikey'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { createClient, type WebSocketConstructor } from '../src/index.js'
import { type Served, serve } from './support/served.js'

const KEY = 'a-key-of-ours'
const stored: StoredKey = {
  id: 'page',
  name: 'page',
  hash: hashKey(KEY),
  createdAt: '2020-01-01T00:00:00Z',
  scopes: [{ operations: ['read'], channels: ['total'] }],
}
let present: readonly StoredKey[] = [stored]
let changed = (): void => undefined
const store = {
  keys: () => present,
  onChange(listener: () => void) {
    changed = listener
    return () => undefined
  },
}

let served: Awaited<ReturnType<typeof serve>>

beforeAll(async () => {
  served = await serve({
    auth: apiKey({ store, keys: [{ name: 'other', key: 'other' }], allowQuery: false }),
  })
})

afterAll(async () => {
  await served[Symbol.asyncDispose]()
})

afterEach(() => {
  vi.useRealTimers()
})

async function newTicket(key = KEY): Promise<string> {
  const answer = await fetch(`${served.url}/api/v1/auth/ticket`, {
    method: 'POST',
    headers: { 'X-API-Key': key },
  })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('cache-control')).toBe('no-store')
  const body = (await answer.json()) as { readonly ticket: string }
  expect(body).toEqual({ ticket: expect.stringMatching(/^[\w-]{43}$/), expiresInSeconds: 30 })
  return body.ticket
}

/** The status of a handshake: 101 when it is let in. */
function open(query: string, headers = {}): Promise<number> {
  return new Promise((resolve) => {
    const url = `${served.url.replace('http', 'ws')}/api/v1/stream${query}`
    const socket = new WebSocket(url, { headers })
    socket.on('error', () => undefined)
    socket.on('unexpected-response', (_, { statusCode = 0 }) => resolve(statusCode))
    socket.on('open', () => {
      socket.terminate()
      resolve(101)
    })
  })
}

test('a ticket opens the stream once', async () => {
  const ticket = await newTicket()
  expect(await open(`?ticket=${ticket}`)).toBe(101)
  expect(await open(`?ticket=${ticket}`)).toBe(403)
})

test('a ticket ends after its time', async () => {
  const [first, second] = [await newTicket(), await newTicket()]
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 29_000 })
  expect(await open(`?ticket=${first}`)).toBe(101)
  vi.setSystemTime(Date.now() + 1_001)
  expect(await open(`?ticket=${second}`)).toBe(403)
})

test('a ticket ends with its key, and no other does', async () => {
  const ticket = await newTicket()
  const other = await newTicket('other')
  present = [{ ...stored, revokedAt: '2020-01-01T00:00:00Z' }]
  changed()
  present = [stored]
  changed()
  expect(await open(`?ticket=${ticket}`)).toBe(403)
  expect(await open(`?ticket=${other}`)).toBe(101)
})

test('whoever asks for many loses the oldest of them, and takes none from others', async () => {
  const other = await newTicket('other')
  const [oldest, next] = [await newTicket(), await newTicket()]
  for (let n = 0; n < 99; n++) await newTicket()
  expect(await open(`?ticket=${oldest}`)).toBe(403)
  expect(await open(`?ticket=${next}`)).toBe(101)
  expect(await open(`?ticket=${other}`)).toBe(101)
})

test('a ticket is given for a good key only, and opens nothing but the stream', async () => {
  const path = `${served.url}/api/v1/auth/ticket`
  expect((await fetch(path, { method: 'POST' })).status).toBe(403)
  expect((await fetch(path, { headers: { 'X-API-Key': KEY } })).status).toBe(405)
  const ticket = await newTicket()
  expect((await fetch(`${served.url}/api/v1/last/total?ticket=${ticket}`)).status).toBe(403)
  for (const wrong of ['', 'x', KEY]) expect(await open(`?ticket=${wrong}`)).toBe(403)
  expect(await open('?ticket=x', { 'X-API-Key': KEY })).toBe(101)
  expect(await open(`?ticket=${ticket}`, { Origin: 'https://evil.example' })).toBe(403)
})

test('a client whose WebSocket takes no headers comes in with a ticket, its key in no URL', async () => {
  const urls: string[] = []
  class PageWebSocket extends WebSocket {
    constructor(url: string, protocols?: unknown) {
      if (protocols !== undefined) throw new DOMException('no subprotocol', 'SyntaxError')
      super(url)
      urls.push(url)
    }
  }
  await using client = createClient<Served>({
    url: served.url,
    apiKey: KEY,
    WebSocket: PageWebSocket as unknown as WebSocketConstructor,
  })
  await client.total.subscribe().ready
  expect(urls).toEqual([expect.stringMatching(/\/api\/v1\/stream\?ticket=[\w-]{43}$/)])
  // What the key may not do, its ticket may not either.
  await expect(client.total.send(1)).rejects.toMatchObject({ code: 'FORBIDDEN' })
  await using wrong = createClient<Served>({
    url: served.url,
    apiKey: 'wrong',
    WebSocket: PageWebSocket as unknown as WebSocketConstructor,
  })
  await expect(wrong.total.subscribe().ready).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
})
