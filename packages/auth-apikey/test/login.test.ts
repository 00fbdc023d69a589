import type { Authenticator } from '@gw/protocol'
import type { WebServerOptions } from '@gw/server-hono'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { apiKey, generateKey } from '../src/index.js'
import { serve } from './support/serve.js'
import { ask, closing, openEvents, openSocket, tell } from './support/ways.js'

const { key } = generateKey()
const page = { Accept: 'text/html', 'Content-Type': 'application/x-www-form-urlencoded' }

function auth(options: Parameters<typeof apiKey>[0] = {}): Authenticator {
  return apiKey({ key, onFailure: () => undefined, ...options })
}

async function served(options: Partial<WebServerOptions> = {}) {
  const { url, ...rest } = await serve({ auth: auth(), ...options })
  const login = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
    ask(
      url,
      'POST',
      '/login',
      { headers: { ...page, ...headers } },
      String(new URLSearchParams(fields)),
    )
  return { url, login, ...rest }
}

function cookieIn(headers: Readonly<Record<string, string | string[] | undefined>>): string {
  const [cookie = ''] = [headers['set-cookie'] ?? ''].flat()
  return cookie.split(';', 1)[0] ?? ''
}

describe('the login page', () => {
  test('gives for a key a cookie that is no key, and leads on', async () => {
    const { login, url, logged, heard } = await served()
    const { status, headers } = await login({ token: key, next: '/docs?x=1' })
    expect({ status, location: headers.location }).toEqual({ status: 303, location: '/docs?x=1' })
    const [cookie] = headers['set-cookie'] as string[]
    expect(cookie).toMatch(
      /^token=session\.[\w-]{43}; HttpOnly; Max-Age=43200; Path=\/; SameSite=lax$/,
    )
    expect(headers['cache-control']).toBe('no-store')
    const Cookie = cookieIn(headers)
    expect(await ask(url, 'GET', '/api/v1/last/rows', { headers: { Cookie } })).toMatchObject({
      status: 200,
    })
    expect(JSON.stringify([logged, heard])).not.toContain(key)
  })

  test.each([
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    '/\t/evil.example',
    '/ /evil.example',
    'javascript:alert(1)',
    'evil.example',
    '\\\\evil.example',
    '/\r\nSet-Cookie: a=b',
    '',
  ])('leads nobody elsewhere: %j', async (next) => {
    const { login, url } = await served()
    expect((await login({ token: key, next })).headers.location).toBe('/')
    const query = String(new URLSearchParams({ next }))
    expect((await ask(url, 'GET', '/login', { query })).text).toContain('name="next" value="/"')
  })

  test('shows a person who mistypes the key the form again, and programs an error', async () => {
    const { login, heard } = await served()
    const again = await login({ token: 'wrong', next: '/docs' })
    expect(again).toMatchObject({ status: 403, headers: { 'content-type': /^text\/html/ } })
    expect(again.text).toContain('role="alert"')
    expect(again.text).toContain('value="/docs"')
    expect(again.text).not.toContain('wrong')
    expect(again.headers['set-cookie']).toBeUndefined()
    expect(await login({ token: 'wrong' }, { Accept: '*/*' })).toMatchObject({
      status: 403,
      code: 'UNAUTHORIZED',
    })
    const refused = { action: 'refused', code: 'UNAUTHORIZED', path: '/login' }
    await expect.poll(() => heard).toMatchObject([refused, refused])
  })

  test('is for its own form: a page of another site logs nobody in, and nobody out', async () => {
    const { login, url } = await served()
    const refused = { status: 403, code: 'ORIGIN_REFUSED' }
    expect(await login({ token: key }, { Origin: 'https://evil.example' })).toMatchObject(refused)
    expect(await login({ token: key }, { Origin: 'null' })).toMatchObject(refused)
    expect(await login({ token: key }, { 'Sec-Fetch-Site': 'cross-site' })).toMatchObject(refused)
    const { headers, status } = await login({ token: key }, { Origin: 'http://gateway' })
    expect(status).toBe(303)
    const Cookie = cookieIn(headers)
    const logout = (more: Record<string, string>) =>
      ask(url, 'GET', '/api/v1/auth/logout', { headers: { Cookie, ...more } })
    expect(await logout({ 'Sec-Fetch-Site': 'cross-site' })).toMatchObject(refused)
    expect(await logout({ 'Sec-Fetch-Site': 'same-origin' })).toMatchObject({ status: 307 })
  })

  test('may be in no frame, and says where it is from', async () => {
    const { url } = await served()
    const { headers } = await ask(url, 'GET', '/login')
    expect(headers).toMatchObject({
      'x-frame-options': 'DENY',
      'referrer-policy': 'same-origin',
      'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
    })
  })

  test('sets a cookie for https alone where the page was', async () => {
    const { login } = await served()
    const { headers } = await login({ token: key }, { 'X-Forwarded-Proto': 'https' })
    expect(String(headers['set-cookie'])).toMatch(/; Secure$/)
  })

  test('begins a new session each time, and ends the one before', async () => {
    const { login, url } = await served()
    const first = cookieIn((await login({ token: key })).headers)
    const fixed = 'token=session.chosen-by-somebody-else'
    const second = cookieIn((await login({ token: key }, { Cookie: fixed })).headers)
    expect(second).not.toBe(fixed)
    const third = cookieIn((await login({ token: key }, { Cookie: first })).headers)
    const statusOf = async (Cookie: string): Promise<number> =>
      (await ask(url, 'GET', '/api/v1/last/rows', { headers: { Cookie } })).status
    expect([await statusOf(fixed), await statusOf(first)]).toEqual([403, 403])
    expect([await statusOf(second), await statusOf(third)]).toEqual([200, 200])
  })

  test('tells the audit channel who has logged in and out, by the name of the session', async () => {
    const { login, url, heard } = await served()
    const logout = (Cookie: string) =>
      ask(url, 'GET', '/api/v1/auth/logout', { headers: { Cookie } })
    const first = cookieIn((await login({ token: key })).headers)
    const second = cookieIn((await login({ token: key }, { Cookie: first })).headers)
    await login({ token: 'wrong' })
    await logout(second)
    await logout(second)
    const [a, b] = (heard as { credential: string }[]).map(({ credential }) => credential)
    expect(a).not.toBe(b)
    const identity = 'api-key'
    expect(heard).toMatchObject([
      { action: 'login', identity, credential: a },
      { action: 'login', identity, credential: b },
      { action: 'logout', identity, credential: a },
      { action: 'refused', code: 'UNAUTHORIZED' },
      { action: 'logout', identity, credential: b },
      { action: 'refused', code: 'UNAUTHORIZED' },
    ])
    expect(JSON.stringify(heard)).not.toContain(second.slice('token='.length))
  })

  test('takes keys from a URL only where they may stand there', async () => {
    const open = await served()
    const query = `token=${key}`
    expect(await ask(open.url, 'GET', '/login', { query })).toMatchObject({
      status: 307,
      headers: { location: `/api/v1/auth/login?${query}` },
    })
    expect(await ask(open.url, 'GET', '/api/v1/auth/login', { query })).toMatchObject({
      status: 307,
      headers: { location: '/', 'set-cookie': [expect.stringMatching(/^token=session\./)] },
    })
    const { url } = await served({ auth: auth({ allowQuery: false }) })
    const form = await ask(url, 'GET', '/login', { query })
    expect(form.status).toBe(200)
    expect(form.text).not.toContain(key)
    const begun = await ask(url, 'GET', '/api/v1/auth/login', { query })
    expect(begun.status).toBe(404)
    expect(begun.headers['set-cookie']).toBeUndefined()
  })

  test('takes no key along from the URL that led to it', async () => {
    const { url } = await served({ auth: auth({ allowQuery: false }) })
    const { headers } = await ask(url, 'GET', '/docs', { headers: page, query: `a=b&token=${key}` })
    expect(headers.location).toBe(`/login?${new URLSearchParams({ next: '/docs?a=b' })}`)
  })

  test('refuses a body beyond its bound', async () => {
    const { login } = await served()
    expect(await login({ token: 'x'.repeat(5_000) })).toMatchObject({
      status: 413,
      code: 'BODY_TOO_LARGE',
    })
  })
})

describe('the end of a session', () => {
  /** A session and all that can be open with it. */
  async function opened(options: Partial<WebServerOptions> = {}) {
    const { url, login, ...rest } = await served(options)
    const Cookie = cookieIn((await login({ token: key })).headers)
    const headers = { Cookie, Origin: 'http://gateway', Host: 'gateway' }
    const socket = (await openSocket(url, { headers })) as WebSocket
    const { ticket } = JSON.parse(
      (await ask(url, 'POST', '/api/v1/auth/ticket', { headers })).text,
    ) as { ticket: string }
    const byTicket = (await openSocket(url, { query: `ticket=${ticket}` })) as WebSocket
    const spare = JSON.parse((await ask(url, 'POST', '/api/v1/auth/ticket', { headers })).text)
    const events = await openEvents(url, '/api/v1/stream/rows', { headers })
    const next = ask(url, 'GET', '/api/v1/next/rows', { headers })
    return { url, headers, socket, byTicket, spare: spare.ticket as string, events, next, ...rest }
  }

  test('by logging out closes its sockets and event streams, ends its waits and tickets', async () => {
    const { url, headers, socket, byTicket, spare, events, next } = await opened()
    const other = (await openSocket(url, { headers: { 'X-API-Key': key } })) as WebSocket
    const closed = Promise.all([closing(socket), closing(byTicket), events.ended])
    expect(await ask(url, 'GET', '/api/v1/auth/logout', { headers })).toMatchObject({
      status: 307,
      headers: { location: '/login', 'set-cookie': [expect.stringContaining('token=; ')] },
    })
    expect((await closed).slice(0, 2)).toEqual([4401, 4401])
    expect(await next).toMatchObject({ status: 403, code: 'UNAUTHORIZED' })
    expect(await openSocket(url, { query: `ticket=${spare}` })).toMatchObject({ status: 403 })
    expect(await ask(url, 'GET', '/api/v1/last/rows', { headers })).toMatchObject({ status: 403 })
    // Who came with the key itself is another.
    expect(other.readyState).toBe(WebSocket.OPEN)
    other.terminate()
  })

  test('by its time closes them too', async () => {
    const { socket, byTicket, events, next } = await opened({ auth: auth({ sessionSeconds: 2 }) })
    expect(await Promise.all([closing(socket), closing(byTicket)])).toEqual([4401, 4401])
    await events.ended
    expect(await next).toMatchObject({ status: 403, code: 'UNAUTHORIZED' })
  })
})

describe('a ticket', () => {
  const headers = { 'X-API-Key': key }
  const message = { action: 'subscribe', channel: 'rows' }

  test('opens the stream once, and nothing else', async () => {
    const { url } = await served()
    const answer = await ask(url, 'POST', '/api/v1/auth/ticket', { headers })
    const { ticket } = JSON.parse(answer.text) as { ticket: string }
    expect(answer.headers['cache-control']).toBe('no-store')
    const query = `ticket=${ticket}`
    for (const path of ['last/rows', 'stream/rows', 'auth/logout']) {
      expect(await ask(url, 'GET', `/api/v1/${path}`, { query })).toMatchObject({ status: 403 })
    }
    expect(
      await tell(url, { query, headers: { Origin: 'https://evil.example' } }, message),
    ).toMatchObject({ status: 403, code: 'ORIGIN_REFUSED' })
    expect(await tell(url, { query }, message)).toMatchObject({ status: 200 })
    expect(await tell(url, { query }, message)).toMatchObject({ status: 403, code: 'UNAUTHORIZED' })
    expect(await tell(url, { query: 'ticket=' }, message)).toMatchObject({ status: 403 })
    expect(await tell(url, { query: 'ticket=a&ticket=b' }, message)).toMatchObject({ status: 403 })
  })

  test('may do what its owner may, and no more', async () => {
    const scopes = [{ operations: ['read'] as const, channels: ['others'] }]
    const limited = auth({ keys: [{ name: 'guest', key: 'guest', scopes }] })
    const { url } = await served({ auth: limited })
    const guest = { headers: { 'X-API-Key': 'guest' } }
    const { ticket } = JSON.parse((await ask(url, 'POST', '/api/v1/auth/ticket', guest)).text)
    expect(await tell(url, { query: `ticket=${ticket}` }, message)).toMatchObject({
      code: 'FORBIDDEN',
    })
  })
})
