import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { channel, defineChannels, Gateway } from '@gw/channels'
import { webServer } from '@gw/server-hono'
import {
  base64url,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  type JWTPayload,
  SignJWT,
} from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { ask, type Carried, type Outcome, tell } from '../../auth-apikey/test/support/ways.js'
import { type OidcOptions, oidc } from '../src/index.js'
import { AUDIENCE, type SigningKey, signingKey, TestProvider } from './support/provider.js'

const channels = defineChannels({ total: channel(z.number(), { send: true }) })

let first: SigningKey
let second: SigningKey
let provider: TestProvider

beforeAll(async () => {
  first = await signingKey('first')
  second = await signingKey('second')
  provider = await TestProvider.listen()
  provider.up([first])
})
afterEach(() => provider.up([first]))
afterAll(() => provider.close())

const WAYS = ['REST', 'WebSocket', 'SSE'] as const
const DOORS = ['TCP', 'a UNIX socket'] as const

async function serve(options: Partial<OidcOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'gw-oidc-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const unix = join(folder, 'gateway.sock')
  const reasons: string[] = []
  const auth = oidc({
    issuer: provider.issuer,
    audience: AUDIENCE,
    everybody: ['read'],
    onFailure: ({ reason }) => reasons.push(reason),
    ...options,
  })
  const log = { info() {}, warn() {}, error() {} }
  const server = webServer({ port: 0, unix, auth, log })
  const gateway = new Gateway({ channels, modules: [server] })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  /** Reads in a way, with a token in the header or whatever else. */
  const read = (
    token: string | Carried,
    way: (typeof WAYS)[number] = 'REST',
    door: (typeof DOORS)[number] = 'TCP',
  ): Promise<Outcome> => {
    const carried =
      typeof token === 'string' ? { headers: { Authorization: `Bearer ${token}` } } : token
    const to = door === 'TCP' ? (server.url as string) : unix
    if (way === 'WebSocket') return tell(to, carried, { action: 'subscribe', channel: 'total' })
    return ask(to, 'GET', `/api/v1/${way === 'SSE' ? 'stream' : 'last'}/total`, carried)
  }
  return { url: server.url as string, read, reasons }
}

const nowSeconds = (): number => Math.floor(Date.now() / 1_000)
const encoded = (part: object): string => base64url.encode(JSON.stringify(part))
const good = (): JWTPayload => ({
  iss: provider.issuer,
  aud: AUDIENCE,
  sub: 'ann',
  iat: nowSeconds(),
  exp: nowSeconds() + 300,
})

/** Signed as a test wants it. */
function signed(
  head: object,
  claims: JWTPayload = good(),
  key: SigningKey = first,
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', kid: key.jwk.kid, ...head })
    .sign(key.privateKey)
}

/** Signed by HMAC with the text of the provider's public key as the secret. */
async function confused(): Promise<string> {
  const { n, e, kty } = first.jwk
  const publicKey = (await importJWK({ kty, n, e } as never, 'RS256', {
    extractable: true,
  })) as CryptoKey
  const secret = new TextEncoder().encode(await exportSPKI(publicKey))
  return new SignJWT(good()).setProtectedHeader({ alg: 'HS256', kid: 'first' }).sign(secret)
}

async function unsigned(): Promise<string> {
  return `${encoded({ alg: 'none', typ: 'JWT' })}.${encoded(good())}.`
}

/** Brings its own key along, and where to find it. */
async function withOwnKey(): Promise<string> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const head = {
    alg: 'RS256',
    kid: 'first',
    jwk: await exportJWK(publicKey),
    jku: 'https://evil.example',
  }
  return new SignJWT(good()).setProtectedHeader(head as never).sign(privateKey)
}

const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
const BAD: readonly (readonly [string, () => Promise<string>, RegExp])[] = [
  ['no signature', unsigned, /alg/],
  ['the public key as a secret', confused, /alg/],
  ['a key of its own', withOwnKey, /signature/],
  ['an unknown key', () => signed({ kid: 'third' }), /applicable key/],
  ['a critical header', () => signed({ crit: ['b64'], b64: true, kid: 'third' }), /./],
  ['the end long past', () => signed({}, { ...good(), exp: nowSeconds() - 300 }), /exp/],
  ['a beginning in five minutes', () => signed({}, { ...good(), nbf: nowSeconds() + 300 }), /nbf/],
  ['a clock five minutes ahead', () => signed({}, { ...good(), iat: nowSeconds() + 300 }), /iat/],
  ['an end that is no number', () => signed({}, { ...good(), exp: '9999999999' as never }), /exp/],
  ['another audience', () => signed({}, { ...good(), aud: ['a', 'b'] }), /aud/],
  ['another issuer', () => signed({}, { ...good(), iss: `${provider.issuer}/` }), /iss/],
  ['the type of a logout token', () => signed({ typ: 'logout+jwt' }), /no access token/],
  ['the content of a logout token', () => signed({}, { ...good(), events }), /no access token/],
  ['the content of an ID token', () => signed({}, { ...good(), at_hash: 'x' }), /no access token/],
]

describe.each(DOORS)('over %s', (door) => {
  test.each(WAYS)('over %s bad tokens are refused alike, and the log told why', async (way) => {
    const { read, reasons } = await serve()
    expect(await read(await signed({}), way, door)).toMatchObject({ status: 200 })
    const texts = new Set<string>()
    for (const [what, make, reason] of BAD) {
      const token = await make()
      const { status, code, text } = await read(token, way, door)
      expect({ what, status, code }).toEqual({ what, status: 403, code: 'UNAUTHORIZED' })
      texts.add(text)
      expect({ what, reason: reasons.at(-1) }).toEqual({
        what,
        reason: expect.stringMatching(reason),
      })
      for (const part of token.split('.').filter((each) => each.length > 20)) {
        expect(JSON.stringify([text, reasons])).not.toContain(part)
      }
    }
    expect(texts.size).toBe(1)
    // A token is for a header: in a URL, or as a key, it is none.
    const token = await signed({})
    for (const carried of [
      { query: `token=${token}` },
      { query: `access_token=${token}` },
      { headers: { 'X-API-Key': token } },
      { headers: { Cookie: `gw_session=${token}`, Host: 'gateway', Origin: 'http://gateway' } },
    ]) {
      expect(await read(carried, way, door)).toMatchObject({ status: 403, code: 'UNAUTHORIZED' })
    }
  })

  test.each(WAYS)('over %s a provider that is down is answered as such', async (way) => {
    provider.down()
    const { read } = await serve()
    const token = await signed({})
    expect(await read(token, way, door)).toMatchObject({
      status: 503,
      code: 'AUTH_UNAVAILABLE',
      headers: { 'retry-after': '1' },
    })
    expect(await read({}, way, door)).toMatchObject({ status: 403, code: 'UNAUTHORIZED' })
  })
})

test('bad tokens without end do not fill the log, which says how many more there were', async () => {
  const lines: string[] = []
  const log = vi.spyOn(console, 'error').mockImplementation((line) => void lines.push(line))
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 })
  onTestFinished(() => {
    vi.useRealTimers()
    log.mockRestore()
  })
  const auth = oidc({ issuer: provider.issuer, audience: AUDIENCE })
  const token = await unsigned()
  const attempt = async (n: number): Promise<void> => {
    const result = await auth.authenticate({
      header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined),
      query: () => undefined,
      cookie: () => undefined,
      address: `10.0.0.${n}`,
      method: 'GET',
      path: '/',
    })
    if (!result.ok) result.onRefused?.()
  }
  for (let n = 0; n < 70; n++) await attempt(n)
  expect(lines).toHaveLength(60)
  vi.setSystemTime(1_800_000_060_000)
  await attempt(1)
  expect(lines.slice(60)).toEqual([
    'oidc: refused 10 more in a minute',
    expect.stringContaining('refused a token from 10.0.0.1'),
  ])
})

test('a token beyond all bounds is refused before it is looked at', async () => {
  const { read, reasons } = await serve()
  const token = await signed(
    {},
    { ...good(), groups: Array.from({ length: 5_000 }, (_, n) => `g${n}`) },
  )
  expect((await read(token)).status).toBe(431)
  expect(reasons).toEqual([])
})

test('a token that names no key is checked with the only one, and with several refused', async () => {
  const { read } = await serve()
  expect(await read(await signed({ kid: undefined }))).toMatchObject({ status: 200 })
  provider.up([first, second])
  const several = await serve()
  expect(await several.read(await signed({ kid: undefined }))).toMatchObject({
    code: 'UNAUTHORIZED',
  })
  expect(await several.read(await signed({}, good(), second))).toMatchObject({ status: 200 })
})

test('groups and scopes are read from claims of many forms, and from nothing else', async () => {
  const { read } = await serve({
    everybody: [],
    groups: { desk: ['read'] },
    groupsClaim: 'resource_access.gateway.roles',
  })
  const codeOf = async (claims: object): Promise<string | undefined> =>
    (await read(await signed({}, { ...good(), ...claims }))).code
  const inside = (roles: unknown): object => ({ resource_access: { gateway: { roles } } })
  for (const claims of [
    inside(['desk']),
    inside('desk'),
    inside(['other', 7, null, 'desk']),
    { scope: 'openid gw:read' },
    { scp: ['gw:read:total'] },
  ]) {
    expect(await codeOf(claims)).toBeUndefined()
  }
  for (const claims of [
    inside({ desk: true }),
    inside(['desk ', 'Desk', '__proto__', 'constructor']),
    { 'resource_access.gateway.roles': ['desk'] },
    { groups: ['desk'] },
    { scope: 'read gw: gw:fly gw:read:other' },
    { resource_access: ['desk'] },
  ]) {
    expect({ claims, code: await codeOf(claims) }).toEqual({ claims, code: 'FORBIDDEN' })
  }
})

/** Something that answers as a provider does, and as a test wants it. */
async function pretender(
  answer: (issuer: string) => Readonly<Record<string, RequestListener>>,
): Promise<string> {
  const server = createServer((request, response) => {
    const listener = answer(issuer)[request.url as string]
    if (listener === undefined) response.writeHead(404).end()
    else listener(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  onTestFinished(() => void server.close().closeAllConnections())
  return issuer
}

const DISCOVERY = '/.well-known/openid-configuration'
const json =
  (body: () => unknown): RequestListener =>
  (_, response) =>
    void response.setHeader('Content-Type', 'application/json').end(JSON.stringify(body()))

test.each<[string, (issuer: string, real: string) => Readonly<Record<string, RequestListener>>]>([
  [
    'leads elsewhere',
    (_, real) => ({
      [DISCOVERY]: (__, response) =>
        response.writeHead(302, { Location: `${real}${DISCOVERY}` }).end(),
    }),
  ],
  [
    'is another issuer',
    (_, real) => ({ [DISCOVERY]: json(() => ({ issuer: real, jwks_uri: `${real}/jwks` })) }),
  ],
  [
    'has its keys over plain http elsewhere',
    (issuer) => ({ [DISCOVERY]: json(() => ({ issuer, jwks_uri: 'http://keys.example/jwks' })) }),
  ],
  [
    'has keys that lead elsewhere',
    (issuer, real) => ({
      [DISCOVERY]: json(() => ({ issuer, jwks_uri: `${issuer}/jwks` })),
      '/jwks': (_, response) => response.writeHead(302, { Location: `${real}/jwks` }).end(),
    }),
  ],
  ['names no keys', (issuer) => ({ [DISCOVERY]: json(() => ({ issuer })) })],
  ['says what is no JSON', () => ({ [DISCOVERY]: (_, response) => response.end('<html>') })],
  [
    'has keys that are none',
    (issuer) => ({
      [DISCOVERY]: json(() => ({ issuer, jwks_uri: `${issuer}/jwks` })),
      '/jwks': json(() => ({ keys: 'none' })),
    }),
  ],
])('nobody is let in by a provider that %s', async (_, answer) => {
  const issuer = await pretender((own) => answer(own, provider.issuer))
  const { read } = await serve({ issuer, timeoutMs: 2_000 })
  expect(await read(await signed({}, { ...good(), iss: issuer }))).toMatchObject({
    status: 503,
    code: 'AUTH_UNAVAILABLE',
  })
})

test('keys that cannot be had now are had when they are back', async () => {
  let isDown = true
  const issuer = await pretender((own) => ({
    [DISCOVERY]: json(() => ({ issuer: own, jwks_uri: `${own}/jwks` })),
    '/jwks': (request, response) => {
      if (isDown) response.writeHead(500).end()
      else json(() => ({ keys: [publicJwk(first)] }))(request, response)
    },
  }))
  const { read, reasons } = await serve({ issuer })
  const token = await signed({}, { ...good(), iss: issuer })
  expect(await read(token)).toMatchObject({ status: 503, code: 'AUTH_UNAVAILABLE' })
  expect(reasons[0]).toContain('cannot be had')
  isDown = false
  await vi.waitFor(async () => expect(await read(token)).toMatchObject({ status: 200 }), {
    timeout: 10_000,
    interval: 100,
  })
})

test.each<[string, (claims: JWTPayload) => JWTPayload, string | undefined, number]>([
  ['the nonce that was asked for', (claims) => claims, undefined, 302],
  ['another nonce', (claims) => ({ ...claims, nonce: 'x' }), undefined, 403],
  ['no nonce', ({ nonce, ...claims }) => claims, undefined, 403],
  ['another audience', (claims) => ({ ...claims, aud: 'another' }), undefined, 403],
  ['another issuer', (claims) => ({ ...claims, iss: 'https://evil.example' }), undefined, 403],
  ['an end that is past', (claims) => ({ ...claims, exp: nowSeconds() - 300 }), undefined, 403],
  ['another state', (claims) => claims, 'x', 403],
])('an answer to a login with %s is taken as it should be', async (_, change, state, status) => {
  let asked = new URLSearchParams()
  const verifiers: unknown[] = []
  const issuer = await pretender((own) => ({
    [DISCOVERY]: json(() => ({
      issuer: own,
      jwks_uri: `${own}/jwks`,
      authorization_endpoint: `${own}/authorize`,
      token_endpoint: `${own}/token`,
    })),
    '/jwks': json(() => ({ keys: [publicJwk(first)] })),
    '/token': async (request, response) => {
      const body = new URLSearchParams(await text(request))
      verifiers.push(body.get('code_verifier'))
      const claims = { ...good(), iss: own, aud: 'client', nonce: asked.get('nonce') as string }
      const idToken = await signed({}, change(claims))
      json(() => ({ access_token: 'x', token_type: 'bearer', id_token: idToken }))(
        request,
        response,
      )
    },
  }))
  const { url } = await serve({ issuer, login: { clientId: 'client', clientSecret: 'secret' } })
  const begun = await fetch(`${url}/api/v1/auth/oidc/login`, { redirect: 'manual' })
  asked = new URL(begun.headers.get('location') as string).searchParams
  const [cookie = ''] = begun.headers.getSetCookie()
  const back = new URLSearchParams({ code: 'x', state: state ?? (asked.get('state') as string) })
  const answer = await fetch(`${url}/api/v1/auth/oidc/callback?${back}`, {
    redirect: 'manual',
    headers: { Cookie: cookie.split(';', 1)[0] as string },
  })
  expect(answer.status).toBe(status)
  expect(answer.headers.getSetCookie().some((each) => each.startsWith('gw_session='))).toBe(
    status === 302,
  )
  for (const verifier of verifiers) {
    const challenge = createHash('sha256').update(String(verifier)).digest('base64url')
    expect(challenge).toBe(asked.get('code_challenge'))
  }
  expect(verifiers).toHaveLength(state === undefined ? 1 : 0)
})

/** What a provider shows of a key. */
function publicJwk({ jwk }: SigningKey): object {
  const { kty, n, e, kid, alg, use } = jwk
  return { kty, n, e, kid, alg, use }
}
