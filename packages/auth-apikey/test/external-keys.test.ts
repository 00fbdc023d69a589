import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Authenticator, AuthResult, Credentials, Identity } from '@gw/protocol'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import {
  apiKey,
  externalKeys,
  generateKey,
  httpValidator,
  type KeyValidator,
} from '../src/index.js'
import { serve as serveGateway } from './support/serve.js'
import { closing, openSocket } from './support/ways.js'

const onFailure = vi.fn()
beforeEach(() => onFailure.mockClear())
afterEach(() => {
  vi.useRealTimers()
})

function request(key?: string, headers: Readonly<Record<string, string>> = {}): Credentials {
  const all: Readonly<Record<string, string>> =
    key === undefined ? headers : { ...headers, 'x-api-key': key }
  return {
    header: (name) => all[name],
    query: () => undefined,
    cookie: () => undefined,
    address: '10.0.0.1',
    method: 'GET',
    path: '/api/v1/last/orders',
  }
}

async function decide(auth: Authenticator, credentials: Credentials): Promise<AuthResult> {
  const result = await auth.authenticate(credentials)
  if (!result.ok) result.onRefused?.()
  return result
}

describe('a function', () => {
  test('is asked who a key stands for, once for as long as its answer holds', async () => {
    vi.useFakeTimers()
    const validate = vi.fn<KeyValidator>((key) => (key === 'good' ? { name: 'ann' } : null))
    const auth = externalKeys({ validate, onFailure })
    for (let n = 0; n < 3; n++) {
      expect(await decide(auth, request('good'))).toEqual({ ok: true, identity: { name: 'ann' } })
      expect(await decide(auth, request('bad'))).toMatchObject({ code: 'UNAUTHORIZED' })
    }
    expect(validate).toHaveBeenCalledTimes(2)
    expect(onFailure).toHaveBeenCalledTimes(3)
    expect(auth.authenticate(request('good'))).not.toBeInstanceOf(Promise)
    vi.advanceTimersByTime(30_000)
    await decide(auth, request('good'))
    expect(validate).toHaveBeenCalledTimes(3)
  })

  test('is not asked by who has no key, and one right key is enough beside a wrong one', async () => {
    const validate = vi.fn<KeyValidator>(async (key) => (key === 'good' ? { name: 'ann' } : null))
    const auth = externalKeys({ validate, onFailure })
    expect(await decide(auth, request())).toMatchObject({ code: 'UNAUTHORIZED' })
    expect(validate).not.toHaveBeenCalled()
    const both = request('bad', { authorization: 'Bearer good' })
    expect(await decide(auth, both)).toMatchObject({ ok: true })
    expect(onFailure).not.toHaveBeenCalled()
  })

  test('is asked once for all who come with the same key meanwhile', async () => {
    let answer: (identity: { name: string }) => void = () => undefined
    const validate = vi.fn<KeyValidator>(() => new Promise((resolve) => (answer = resolve)))
    const auth = externalKeys({ validate, onFailure })
    const asked = [1, 2, 3].map(() => auth.authenticate(request('good')))
    answer({ name: 'ann' })
    expect(await Promise.all(asked)).toMatchObject([{ ok: true }, { ok: true }, { ok: true }])
    expect(validate).toHaveBeenCalledTimes(1)
  })

  test('that fails, or takes too long, lets nobody in, and is asked again', async () => {
    let isDown = true
    const validate: KeyValidator = async () => {
      if (isDown) throw new Error('down')
      return { name: 'ann' }
    }
    const auth = externalKeys({ validate, onFailure })
    await expect(auth.authenticate(request('good'))).rejects.toThrow('down')
    isDown = false
    expect(await auth.authenticate(request('good'))).toMatchObject({ ok: true })
    const slow = externalKeys({ validate: () => new Promise(() => undefined), timeoutMs: 10 })
    await expect(slow.authenticate(request('good'))).rejects.toThrow('longer than 10 ms')
  })

  test.each<[string, unknown]>([
    ['a plain yes', true],
    ['a plain no, which is undefined or null', false],
    ['a name alone', 'ann'],
    ['nobody’s name', {}],
    ['a misspelt member', { name: 'ann', scope: [] }],
    ['a scope that is none', { name: 'ann', scopes: ['read'] }],
  ])('that answers %s lets nobody in', async (_, answer) => {
    const auth = externalKeys({ validate: (() => answer) as never, onFailure })
    await expect(auth.authenticate(request('good'))).rejects.toThrow('no identity')
  })

  test('is asked again whether who came in may stay', async () => {
    vi.useFakeTimers()
    const answers = new Map([
      ['a', { name: 'ann' }],
      ['b', { name: 'ann' }],
    ])
    const validate = vi.fn<KeyValidator>((key) => answers.get(key))
    const auth = externalKeys({ validate, onFailure })
    const identityOf = async (key: string): Promise<Identity> => {
      const result = await decide(auth, request(key))
      if (!result.ok) throw new Error('refused')
      return result.identity
    }
    const [a, b] = [await identityOf('a'), await identityOf('b')]
    answers.delete('b')
    expect(await auth.isStillGood?.(b)).toBe(true)
    expect(validate).toHaveBeenCalledTimes(2)
    vi.advanceTimersByTime(30_000)
    expect(await auth.isStillGood?.(b)).toBe(false)
    expect(await auth.isStillGood?.(a)).toBe(true)
    expect(await auth.isStillGood?.({ name: 'of another authenticator' })).toBe(true)
    answers.set('a', { name: 'ann', scopes: [] } as never)
    vi.advanceTimersByTime(30_000)
    expect(await auth.isStillGood?.(a)).toBe(false)
  })

  test('an identity that has expired is asked for again', async () => {
    vi.useFakeTimers()
    const validate = vi.fn<KeyValidator>(() => ({ name: 'ann', expiresAtMs: Date.now() + 1_000 }))
    const auth = externalKeys({ validate, onFailure })
    await decide(auth, request('good'))
    vi.advanceTimersByTime(1_000)
    await decide(auth, request('good'))
    expect(validate).toHaveBeenCalledTimes(2)
  })

  test('guesses are limited by address', async () => {
    const validate = vi.fn<KeyValidator>(() => null)
    const auth = externalKeys({ validate, onFailure, failures: { perMinute: 2 } })
    for (const key of ['a', 'b']) await decide(auth, request(key))
    const limited = await decide(auth, request('c'))
    expect(limited).toMatchObject({ code: 'TOO_MANY_REQUESTS' })
    expect(validate).toHaveBeenCalledTimes(2)
  })
})

test('a socket is closed when its key is good no more, and one of another key is not', async () => {
  const known = new Set(['a', 'b'])
  const validate: KeyValidator = (key) => (known.has(key) ? { name: 'ann' } : null)
  const auth = externalKeys({ validate, cacheSeconds: 0, onFailure })
  const { url } = await serveGateway({ auth, limits: { pingIntervalMs: 100 } })
  const open = (key: string) => openSocket(url, { headers: { 'X-API-Key': key } })
  const [a, b] = (await Promise.all([open('a'), open('b')])) as [WebSocket, WebSocket]
  known.delete('b')
  expect(await closing(b)).toBe(4401)
  expect(a.readyState).toBe(WebSocket.OPEN)
  a.terminate()
})

test('a wait ends when its key is good no more, and one of another key does not', async () => {
  const known = new Set(['a', 'b'])
  const validate: KeyValidator = (key) => (known.has(key) ? { name: 'ann' } : null)
  const auth = externalKeys({ validate, cacheSeconds: 0, onFailure })
  const { url, gateway } = await serveGateway({ auth, limits: { pingIntervalMs: 50 } })
  const wait = async (key: string, path: string) => {
    const response = await fetch(`${url}/api/v1/${path}`, { headers: { 'X-API-Key': key } })
    return { status: response.status, ...((await response.json()) as object) }
  }
  const next = 'next/rows'
  const { epoch } = gateway.channels.positionOf('rows')
  const reached = `last/rows?atLeast=${epoch}:1`
  const of = [wait('a', next), wait('b', next), wait('b', reached)] as const
  known.delete('b')
  expect(await of[1]).toMatchObject({ status: 403, code: 'UNAUTHORIZED' })
  expect(await of[2]).toMatchObject({ status: 403, code: 'UNAUTHORIZED' })
  gateway.channels.send('rows', { owner: 'ann' })
  expect(await of[0]).toMatchObject({ status: 200 })
})

test('while another authenticator is down, its keys are not counted as wrong ones', async () => {
  let isDown = true
  const external = externalKeys({
    validate: (key) => {
      if (isDown) throw new Error('down')
      return key === 'theirs' ? { name: 'ann' } : null
    },
    onFailure,
  })
  const failures = { perMinute: 2 }
  const auth = [apiKey({ key: 'ours', failures, onFailure }), external]
  const { url } = await serveGateway({ auth })
  const code = async (key: string): Promise<string | number> => {
    const response = await fetch(`${url}/api/v1/last/rows`, { headers: { 'X-API-Key': key } })
    return response.ok ? 200 : ((await response.json()) as { code: string }).code
  }
  for (let n = 0; n < 4; n++) expect(await code('theirs')).toBe('AUTH_UNAVAILABLE')
  expect(onFailure).not.toHaveBeenCalled()
  expect(await code('ours')).toBe(200)
  // Of a key that can only be ours nobody else is asked.
  const { key } = generateKey()
  await code(key)
  await code(key)
  isDown = false
  expect(await code('theirs')).toBe(200)
  expect(await code('nobodys')).toBe('TOO_MANY_REQUESTS')
})

describe('a service', () => {
  test('is told the key in the body, and says who it stands for', async () => {
    const seen: { url: string | undefined; body: string; token: unknown }[] = []
    const url = await serve((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => {
        seen.push({ url: request.url, body, token: request.headers['x-service'] })
        const { key } = JSON.parse(body) as { key: string }
        if (key !== 'good') return response.writeHead(404).end()
        const scopes = [{ operations: ['read'], channels: ['orders'] }]
        return response.end(JSON.stringify({ name: 'ann', scopes, claims: { tenant: 'acme' } }))
      })
    })
    const validate = httpValidator(`${url}/keys`, { headers: { 'X-Service': 'gateway' } })
    const auth = externalKeys({ validate, onFailure })
    expect(await decide(auth, request('good'))).toMatchObject({
      identity: { name: 'ann', scopes: [{ channels: ['orders'] }], claims: { tenant: 'acme' } },
    })
    expect(await decide(auth, request('bad'))).toMatchObject({ code: 'UNAUTHORIZED' })
    expect(seen[0]).toEqual({ url: '/keys', body: '{"key":"good"}', token: 'gateway' })
  })

  test.each<[string, RequestListener]>([
    ['answers an error', (_, response) => response.writeHead(500).end()],
    ['leads elsewhere', (_, response) => response.writeHead(302, { Location: '/other' }).end()],
    ['cuts the connection', (request) => request.socket.destroy()],
    ['answers no JSON', (_, response) => response.end('yes')],
    ['answers no identity', (_, response) => response.end('{"name":""}')],
    ['misspells a member', (_, response) => response.end('{"name":"x","scope":[]}')],
    ['answers a scope that is none', (_, response) => response.end('{"name":"x","scopes":[{}]}')],
    ['answers without end', (_, response) => response.end(`"${'x'.repeat(100_000)}"`)],
    ['never answers', () => undefined],
  ])('that %s lets nobody in', async (_, listener) => {
    const validate = httpValidator(await serve(listener), { timeoutMs: 100 })
    const auth = externalKeys({ validate, onFailure })
    await expect(auth.authenticate(request('good'))).rejects.toThrow()
    expect(onFailure).not.toHaveBeenCalled()
  })
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
