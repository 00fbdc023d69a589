import { apiKey } from '@gw/auth-apikey'
import { auditChannel, channel, defineChannels, Gateway, type Module } from '@gw/channels'
import { type WebServerOptions, webServer } from '@gw/server-hono'
import { base64url, SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { type FailedToken, type OidcOptions, oidc } from '../src/index.js'
import { Browser } from './support/browser.js'
import { AUDIENCE, CLIENT, type SigningKey, signingKey, TestProvider } from './support/provider.js'

const channels = defineChannels({
  total: channel(z.number(), { send: true }),
  secret: channel(z.number(), { send: true }),
  audit: auditChannel(),
})

let first: SigningKey
let second: SigningKey
let provider: TestProvider

beforeAll(async () => {
  first = await signingKey('first')
  second = await signingKey('second')
  provider = await TestProvider.listen()
  provider.up([first])
})
afterEach(() => provider.back())
afterAll(() => provider.close())

const failures: FailedToken[] = []

function auth(options: Partial<OidcOptions> = {}) {
  failures.length = 0
  return oidc({
    issuer: provider.issuer,
    audience: AUDIENCE,
    everybody: ['read:total'],
    onFailure: (attempt) => failures.push(attempt),
    ...options,
  })
}

async function serve(options: Partial<OidcOptions> = {}, more: WebServerOptions = {}) {
  const log = { info() {}, warn() {}, error() {} }
  const server = webServer({ port: 0, auth: auth(options), log, ...more })
  const gateway = new Gateway({ channels, modules: [server as Module<typeof channels.channels>] })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const url = server.url as string
  const ask = async (token: string | undefined, path = 'last/total', init: RequestInit = {}) => {
    const headers = {
      'Content-Type': 'application/json',
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...init.headers,
    }
    const response = await fetch(`${url}/api/v1/${path}`, { ...init, headers })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') === true
    return { status: response.status, code: isJson ? JSON.parse(text).code : undefined, text }
  }
  return { url, gateway, ask }
}

const unauthorized = { status: 403, code: 'UNAUTHORIZED' }
const nowSeconds = (): number => Math.floor(Date.now() / 1_000)

describe('an access token', () => {
  test('of the provider lets in, with the scopes that it holds', async () => {
    const { ask } = await serve()
    const token = await provider.token()
    expect(await ask(token)).toMatchObject({ status: 200 })
    expect(await ask(token, 'last/secret')).toMatchObject({ status: 200 })
    const send = { method: 'POST', body: '1' }
    expect(await ask(token, 'send/total', send)).toMatchObject({ status: 200 })
    expect(await ask(token, 'send/secret', send)).toMatchObject({ status: 403, code: 'FORBIDDEN' })
  })

  test.each<[string, OidcOptions['groupsClaim'], object]>([
    ['groups', undefined, { groups: ['desk', 'unknown'] }],
    ['realm_access.roles', 'realm_access.roles', { realm_access: { roles: ['desk'] } }],
    [
      'a claim whose name is a URL',
      'https://example\\.com/groups',
      { 'https://example.com/groups': ['desk'] },
    ],
    ['roles with spaces between', 'roles', { roles: 'unknown desk' }],
  ])('has the scopes of its groups, in %s', async (_, groupsClaim, claims) => {
    const { ask } = await serve({
      everybody: [],
      groups: { desk: ['read', 'send:total'] },
      ...(groupsClaim === undefined ? {} : { groupsClaim }),
    })
    const token = await provider.sign({ ...claims })
    expect(await ask(token)).toMatchObject({ status: 200 })
    const send = { method: 'POST', body: '1' }
    expect(await ask(token, 'send/total', send)).toMatchObject({ status: 200 })
    expect(await ask(token, 'send/secret', send)).toMatchObject({ code: 'FORBIDDEN' })
    expect(await ask(await provider.sign({}))).toMatchObject({ status: 403, code: 'FORBIDDEN' })
  })

  test('is refused, and the log told why, when it is not good', async () => {
    const { ask, url } = await serve()
    const stranger = await signingKey('first')
    const payload = { iss: provider.issuer, aud: AUDIENCE, sub: 'ann', iat: 1, exp: 9_999_999_999 }
    const encoded = (part: object): string => base64url.encode(JSON.stringify(part))
    const none = `${encoded({ alg: 'none' })}.${encoded(payload)}.`
    const [head, body, signature] = (await provider.sign({})).split('.') as [string, string, string]
    const bad: readonly (readonly [string, string, RegExp])[] = [
      ['expired', await provider.sign({ exp: nowSeconds() - 61 }), /exp/],
      ['for another audience', await provider.sign({ aud: 'urn:other' }), /aud/],
      ['for nobody', await provider.sign({ aud: undefined as never }), /aud/],
      ['of another issuer', await provider.sign({ iss: 'https://evil.example' }), /iss/],
      ['alg none', none, /alg/],
      ['alg none with a signature', `${encoded({ alg: 'none' })}.${body}.${signature}`, /alg/],
      ['signed by another’s key', await provider.sign({}, stranger), /signature/],
      ['by a shared secret', await sharedSecret(payload), /alg/],
      ['changed', `${head}.${encoded({ ...payload, sub: 'root' })}.${signature}`, /signature/],
      ['without an end', await provider.sign({ exp: undefined as never }), /exp/],
      ['without a subject', await provider.sign({ sub: undefined as never }), /sub/],
      ['not yet valid', await provider.sign({ nbf: nowSeconds() + 300 }), /nbf/],
      ['of a clock five minutes ahead', await provider.sign({ iat: nowSeconds() + 300 }), /iat/],
      ['no JSON', 'eyJ.eyJ.eyJ', /JWS|JWT/],
    ]
    for (const [what, token, reason] of bad) {
      failures.length = 0
      expect({ what, ...(await ask(token)) }).toMatchObject({ what, ...unauthorized })
      expect(await handshake(url, token)).toMatchObject(unauthorized)
      expect(await ask(token, 'stream/total')).toMatchObject(unauthorized)
      expect(failures[0]?.reason, what).toMatch(reason)
      expect(JSON.stringify(failures)).not.toContain(token)
    }
    failures.length = 0
    expect(await ask(undefined)).toMatchObject(unauthorized)
    expect(await ask('no-jwt')).toMatchObject(unauthorized)
    expect(failures).toEqual([])
  })

  test('of a clock that is five minutes off is taken where so much is allowed', async () => {
    const { ask } = await serve({ clockToleranceSeconds: 301 })
    expect(await ask(await provider.sign({ iat: nowSeconds() + 300 }))).toMatchObject({
      status: 200,
    })
    expect(await ask(await provider.sign({ exp: nowSeconds() - 299 }))).toMatchObject({
      status: 200,
    })
  })

  test('of a new key lets in when the keys are rotated, and of a withdrawn one no more', async () => {
    const { ask } = await serve()
    const old = await provider.sign({}, first)
    expect(await ask(old)).toMatchObject({ status: 200 })
    // At once, although the keys were fetched only now.
    provider.up([second, first])
    const next = await provider.token()
    expect(await ask(next)).toMatchObject({ status: 200 })
    expect(await ask(await provider.sign({}, first))).toMatchObject({ status: 200 })
    provider.up([second])
    // Keys are fetched anew after ten minutes, or by whoever comes with one that is not known.
    const fresh = await serve()
    expect(await fresh.ask(await provider.sign({}, first))).toMatchObject(unauthorized)
    expect(await fresh.ask(await provider.sign({}, second))).toMatchObject({ status: 200 })
    provider.up([first])
  })
})

test('wrong tokens are limited by address; those that were good lately are looked at all the same', async () => {
  const { ask } = await serve({ failures: { perMinute: 1 } })
  const good = await provider.sign({})
  expect(await ask(good)).toMatchObject({ status: 200 })
  expect(await ask(await provider.sign({ aud: 'urn:other' }))).toMatchObject(unauthorized)
  const limited = { status: 429, code: 'TOO_MANY_REQUESTS' }
  expect(await ask(await provider.sign({ aud: 'urn:more' }))).toMatchObject(limited)
  // Not looked at, so a good one that nobody has seen waits, too.
  expect(await ask(await provider.sign({ jti: 'new' }))).toMatchObject(limited)
  expect(failures.map(({ reason }) => reason).at(-1)).toBe('too many attempts')
  expect(failures).toHaveLength(2)
  expect(await ask(good)).toMatchObject({ status: 200 })
  // Also when it is remembered no more, and is verified anew.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31_000 })
  onTestFinished(() => void vi.useRealTimers())
  expect(await ask(good)).toMatchObject({ status: 200 })
})

describe('a provider that is down', () => {
  test('does not keep the gateway from starting; who comes meanwhile is told to try again', async () => {
    provider.down()
    const { ask, url } = await serve()
    const token = await provider.sign({})
    expect(await ask(token)).toMatchObject({ status: 503, code: 'AUTH_UNAVAILABLE' })
    expect(await handshake(url, token)).toMatchObject({ status: 503, code: 'AUTH_UNAVAILABLE' })
    expect(await ask(token, 'stream/total')).toMatchObject({ code: 'AUTH_UNAVAILABLE' })
    provider.back()
    await vi.waitFor(async () => expect(await ask(token)).toMatchObject({ status: 200 }), {
      timeout: 5_000,
      interval: 100,
    })
    provider.down()
    // Its keys are known by now.
    expect(await ask(await provider.sign({}))).toMatchObject({ status: 200 })
  })

  test('keeps nobody out whom an alternative lets in', async () => {
    provider.down()
    const log = { info() {}, warn() {}, error() {} }
    const other = {
      name: 'other',
      authenticate: () => ({ ok: true, identity: { name: 'other' } }) as const,
    }
    const { ask } = await serve({}, { auth: [auth(), other], log })
    expect(await ask(await provider.sign({}))).toMatchObject({ status: 200 })
    expect(failures).toEqual([])
  })

  test('counts no token against an address, whoever else is asked', async () => {
    const perMinute = 2
    const keys = apiKey({ key: 'secret', failures: { perMinute }, onFailure: () => undefined })
    const { ask } = await serve({}, { auth: [keys, auth({ failures: { perMinute } })] })
    provider.down()
    const token = await provider.sign({})
    for (let n = 0; n < 4; n++) {
      expect(await ask(token)).toMatchObject({ status: 503, code: 'AUTH_UNAVAILABLE' })
    }
    provider.back()
    await vi.waitFor(async () => expect(await ask(token)).toMatchObject({ status: 200 }), 5_000)
  })

  test('that never answers is given up on in time', async () => {
    const { createServer } = await import('node:http')
    const silent = createServer(() => undefined)
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void silent.close().closeAllConnections())
    const { port } = silent.address() as { port: number }
    const { ask } = await serve({ issuer: `http://127.0.0.1:${port}`, timeoutMs: 50 })
    expect(await ask(await provider.sign({}))).toMatchObject({ code: 'AUTH_UNAVAILABLE' })
  })
})

describe('a socket', () => {
  test('is closed when its token ends', async () => {
    const { url } = await serve({ clockToleranceSeconds: 0 })
    const socket = await open(url, await provider.sign({ exp: nowSeconds() + 2 }))
    expect(await new Promise((resolve) => socket.once('close', resolve))).toBe(4401)
  })

  test.each(['sub', 'email'])(
    'is closed when the provider says that its owner, named by %s, has logged out, and no other',
    async (nameClaim) => {
      const { url, ask } = await serve({
        login: { clientId: CLIENT.id, clientSecret: CLIENT.secret },
        nameClaim,
      })
      const [ann, ben] = await Promise.all(
        ['ann', 'ben'].map(async (sub) =>
          open(url, await provider.sign({ sub, email: `${sub}@example.org` })),
        ),
      )
      const closed = new Promise((resolve) => ann?.once('close', resolve))
      const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
      const logout = (claims: object) =>
        provider.sign({ aud: CLIENT.id, events, jti: 'x', ...claims })
      const post = async (token: string) =>
        ask(undefined, 'auth/oidc/backchannel-logout', {
          method: 'POST',
          headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
          body: new URLSearchParams({ logout_token: token }).toString(),
        })
      for (const bad of [
        await provider.sign({ sub: 'ann' }),
        await logout({ nonce: 'an id token', sub: 'ann' }),
        await logout({ sub: undefined }),
        await logout({ iss: 'https://evil.example', sub: 'ann' }),
        '',
      ]) {
        expect(await post(bad)).toMatchObject({ status: 400 })
      }
      expect(await post(await logout({ sub: 'ann' }))).toMatchObject({ status: 200 })
      expect(await closed).toBe(4401)
      expect(ben?.readyState).toBe(WebSocket.OPEN)
      ben?.terminate()
    },
  )
})

describe('logging in with a browser', () => {
  const login = { clientId: CLIENT.id, clientSecret: CLIENT.secret, label: 'the provider' }
  const options = { everybody: [], groups: { 'ann-group': ['read', 'send:total'] }, login }

  async function loggedIn(browser: Browser, url: string, who: string) {
    provider.up([first], url)
    let page = await browser.get(`${url}/login?next=/openapi.json`)
    page = await browser.submit(page, { prompt: 'login', login: who, password: 'x' })
    return browser.submit(page, { prompt: 'consent' })
  }

  test('goes over the provider, with PKCE, and ends where it was meant to', async () => {
    const { url, ask } = await serve(options)
    const browser = new Browser()
    const page = await loggedIn(browser, url, 'ann')
    expect(page).toMatchObject({ url: `${url}/openapi.json`, status: 200 })
    const asked = new URL(browser.visited.find((it) => it.includes('code_challenge')) as string)
    expect(Object.fromEntries(asked.searchParams)).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      scope: 'openid profile',
    })
    const Cookie = `gw_session=${browser.cookie(url, 'gw_session')}`
    expect(await ask(undefined, 'last/total', { headers: { Cookie } })).toMatchObject({
      status: 200,
    })
    const send = (path: string, Origin?: string) =>
      ask(undefined, path, {
        method: 'POST',
        body: '1',
        headers: { Cookie, ...(Origin === undefined ? {} : { Origin }) },
      })
    expect(await send('send/total', url)).toMatchObject({ status: 200 })
    expect(await send('send/secret', url)).toMatchObject({ code: 'FORBIDDEN' })
    expect(await send('send/total')).toMatchObject({ status: 403, code: 'ORIGIN_REFUSED' })
    expect(await send('send/total', 'https://evil.example')).toMatchObject({
      status: 403,
      code: 'ORIGIN_REFUSED',
    })
  })

  test('gives members of other groups nothing', async () => {
    const { url } = await serve(options)
    const browser = new Browser()
    await loggedIn(browser, url, 'ben')
    const page = await browser.get(`${url}/api/v1/last/total`)
    expect(page.status).toBe(403)
    expect(JSON.parse(page.text)).toMatchObject({ code: 'FORBIDDEN' })
  })

  test('ends with the logout, and with it the sockets of the session', async () => {
    const { url, gateway } = await serve(options)
    const heard: unknown[] = []
    gateway.channels.watch('audit', undefined, ({ value }) => heard.push(value))
    const browser = new Browser()
    await loggedIn(browser, url, 'ann')
    const Cookie = `gw_session=${browser.cookie(url, 'gw_session')}`
    const socket = await open(url, undefined, { Cookie, Origin: url })
    const closed = new Promise((resolve) => socket.once('close', resolve))
    const page = await browser.get(`${url}/api/v1/auth/logout`)
    expect(page).toMatchObject({ url: `${url}/api/v1/auth/logout`, status: 200 })
    expect(await closed).toBe(4401)
    expect(browser.cookie(url, 'gw_session')).toBeUndefined()
    const again = await fetch(`${url}/api/v1/last/total`, { headers: { Cookie } })
    expect(again.status).toBe(403)
    const { credential } = heard[0] as { credential: string }
    const session = { identity: 'ann', credential }
    expect(heard).toMatchObject([
      { ...session, action: 'login' },
      { ...session, action: 'logout' },
      { action: 'refused' },
    ])
    expect(Cookie).not.toContain(credential)
  })

  test('anew ends the session that the browser had before', async () => {
    const { url } = await serve(options)
    const browser = new Browser()
    await loggedIn(browser, url, 'ann')
    const before = browser.cookie(url, 'gw_session')
    const socket = await open(url, undefined, { Cookie: `gw_session=${before}`, Origin: url })
    const closed = new Promise((resolve) => socket.once('close', resolve))
    await browser.get(`${url}/api/v1/auth/oidc/login`)
    expect(await closed).toBe(4401)
    expect(browser.cookie(url, 'gw_session')).not.toBe(before)
    const headers = { Cookie: `gw_session=${before}` }
    expect((await fetch(`${url}/api/v1/last/total`, { headers })).status).toBe(403)
    expect((await browser.get(`${url}/api/v1/last/total`)).status).toBe(200)
  })

  test('sets cookies for https alone where browsers come over it', async () => {
    const publicUrl = 'https://gateway.example'
    const { url } = await serve({ ...options, login: { ...login, publicUrl } })
    const response = await fetch(`${url}/api/v1/auth/oidc/login`, { redirect: 'manual' })
    expect(response.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^gw_login=.*; HttpOnly; .*SameSite=Lax; Secure$/),
    ])
    const asked = new URL(response.headers.get('location') as string).searchParams
    expect(asked.get('redirect_uri')).toBe(`${publicUrl}/api/v1/auth/oidc/callback`)
  })

  test('takes no answer that was not asked for, that comes twice, or with another state', async () => {
    const { url, gateway } = await serve(options)
    const browser = new Browser()
    await loggedIn(browser, url, 'ann')
    const heard: unknown[] = []
    gateway.channels.watch('audit', undefined, ({ value }) => heard.push(value))
    const callback = browser.visited.find((it) => it.includes('/callback?')) as string
    expect((await new Browser().get(callback)).status).toBe(400)
    expect((await browser.get(callback)).status).toBe(400)
    const mallory = new Browser()
    provider.up([first], url)
    await mallory.get(`${url}/api/v1/auth/oidc/login`)
    const page = await mallory.get(callback)
    expect(page.status).toBe(403)
    expect(mallory.cookie(url, 'gw_session')).toBeUndefined()
    const denied = new Browser()
    await denied.get(`${url}/api/v1/auth/oidc/login`)
    const state = new URL(denied.visited[1] as string).searchParams.get('state') ?? ''
    const query = new URLSearchParams({ error: 'access_denied', state, iss: provider.issuer })
    const answer = await denied.get(`${url}/api/v1/auth/oidc/callback?${query}`)
    expect(answer.status).toBe(403)
    const path = '/api/v1/auth/oidc/callback'
    const refused = { action: 'refused', code: 'UNAUTHORIZED', address: '127.0.0.1', path }
    expect(heard).toMatchObject([refused, refused])
  })

  test.each(['//evil.example', 'https://evil.example', '/\\evil.example', 'javascript:1'])(
    'leads to no page elsewhere (%s)',
    async (next) => {
      const { url } = await serve(options)
      const browser = new Browser()
      provider.up([first], url)
      let page = await browser.get(`${url}/api/v1/auth/oidc/login?next=${encodeURIComponent(next)}`)
      page = await browser.submit(page, { prompt: 'login', login: 'ann', password: 'x' })
      page = await browser.submit(page, { prompt: 'consent' })
      expect(new URL(page.url)).toMatchObject({ origin: url, pathname: '/docs' })
    },
  )

  test('that fails too often from one address has to wait there', async () => {
    const { url } = await serve({ ...options, failures: { perMinute: 2 } })
    provider.up([first], url)
    const callback = `${url}/api/v1/auth/oidc/callback?code=x&state=y`
    const statuses: number[] = []
    for (let n = 0; n < 3; n++) statuses.push((await fetch(callback)).status)
    expect(statuses).toEqual([400, 400, 429])
    const begun = await fetch(`${url}/api/v1/auth/oidc/login`, { redirect: 'manual' })
    expect(begun.status).toBe(429)
    expect(Number(begun.headers.get('retry-after'))).toBeGreaterThan(0)
    const backChannel = `${url}/api/v1/auth/oidc/backchannel-logout`
    const body = new URLSearchParams({ logout_token: 'x' })
    expect((await fetch(backChannel, { method: 'POST', body })).status).toBe(429)
    expect(failures.map(({ address }) => address)).toEqual(['127.0.0.1', '127.0.0.1'])
  })

  test('says so when the provider is down', async () => {
    provider.down()
    const { url } = await serve(options)
    expect(await new Browser().get(`${url}/login`)).toMatchObject({ status: 503 })
  })

  test('stands beside the form for keys where both are offered', async () => {
    const { apiKey } = await import('@gw/auth-apikey')
    const { url } = await serve(
      {},
      { auth: [apiKey({ key: 'k', onFailure: () => undefined }), auth(options)] },
    )
    const { text } = await new Browser().get(`${url}/login?next=/docs`)
    expect(text).toContain('type="password"')
    expect(text).toContain('href="/api/v1/auth/oidc/login?next=%2Fdocs"')
    expect(text).toContain('Log in with the provider')
  })
})

test.each<[string, Partial<OidcOptions>, string]>([
  ['an issuer that is no URL', { issuer: 'nonsense' }, 'INVALID_OPTION'],
  ['an issuer over plain http', { issuer: 'http://id.example' }, 'INVALID_OPTION'],
  ['an empty audience', { audience: '' }, 'INVALID_OPTION'],
  ['no audience', { audience: [] }, 'INVALID_OPTION'],
  ['an empty client id', { login: { clientId: '' } }, 'INVALID_OPTION'],
  ['an empty client secret', { login: { clientId: 'x', clientSecret: ' ' } }, 'INVALID_OPTION'],
  ['a scope that is none', { groups: { desk: ['fly'] } }, 'INVALID_SCOPE'],
])('%s is refused at the start', (_, options, code) => {
  expect(() => auth(options)).toThrow(expect.objectContaining({ code }))
})

function sharedSecret(payload: object): Promise<string> {
  return new SignJWT({ ...payload })
    .setProtectedHeader({ alg: 'HS256', kid: 'first' })
    .sign(new TextEncoder().encode('a secret that is long enough for it'))
}

async function open(
  url: string,
  token: string | undefined,
  headers: Readonly<Record<string, string>> = {},
): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/stream`, {
    headers: { ...headers, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
  })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  return socket
}

/** The refusal of a handshake. */
function handshake(url: string, token: string): Promise<{ status: number; code: string }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/stream`, {
      headers: { Authorization: `Bearer ${token}` },
    })
    socket.on('error', () => undefined)
    socket.once('open', () => reject(new Error('it was let in')))
    socket.once('unexpected-response', (_, response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, code: JSON.parse(text).code }),
      )
    })
  })
}
