import type { Credentials } from '@gw/protocol'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { apiKey } from '../src/index.js'

interface Carriers {
  readonly headers?: Record<string, string>
  readonly query?: Record<string, string>
  readonly cookies?: Record<string, string>
}

function request({ headers = {}, query = {}, cookies = {} }: Carriers = {}): Credentials {
  return {
    header: (name) => headers[name],
    query: (name) => query[name],
    cookie: (name) => cookies[name],
    address: '127.0.0.1',
    method: 'GET',
    path: '/api/v1/last/orders',
  }
}

const onFailure = (): void => undefined

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('which key', () => {
  test('the option wins over the environment', async () => {
    vi.stubEnv('API_KEY', 'from-environment')
    const auth = apiKey({ key: 'from-option', onFailure })
    expect(await auth.authenticate(request({ headers: { token: 'from-option' } }))).toMatchObject({
      ok: true,
    })
    expect(
      await auth.authenticate(request({ headers: { token: 'from-environment' } })),
    ).toMatchObject({ ok: false })
  })

  test('the environment is read without an option, and nothing is announced', async () => {
    vi.stubEnv('API_KEY', 'from-environment')
    const auth = apiKey()
    expect(
      await auth.authenticate(request({ headers: { token: 'from-environment' } })),
    ).toMatchObject({ ok: true })
    expect(auth.announce?.()).toEqual([])
  })

  test('without either, one is made, announced, and right', async () => {
    vi.stubEnv('API_KEY', undefined)
    const auth = apiKey()
    const [line] = auth.announce?.() ?? []
    const key = /gw_\w+$/.exec(line as string)?.[0] as string
    expect(await auth.authenticate(request({ headers: { 'x-api-key': key } }))).toMatchObject({
      ok: true,
    })
    expect(apiKey().announce?.()[0]).not.toBe(line)
  })

  test('a key that was made is announced once, whoever asks', () => {
    vi.stubEnv('API_KEY', undefined)
    const auth = apiKey()
    expect(auth.announce?.()).toHaveLength(1)
    expect(auth.announce?.()).toEqual([])
  })

  test.each([[null], [''], ['  '], ['two words'], ['ключ'], ['line\nbreak']])(
    'refuses %j at construction',
    (key) => {
      expect(() => apiKey({ key })).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }))
    },
  )

  test('refuses an API_KEY that is set but empty', () => {
    vi.stubEnv('API_KEY', '')
    expect(() => apiKey()).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }))
  })
})

describe('carriers', () => {
  const auth = apiKey({ key: 'right', onFailure })

  test.each<[string, Carriers]>([
    ['X-API-Key', { headers: { 'x-api-key': 'right' } }],
    ['Authorization: Bearer', { headers: { authorization: 'Bearer right' } }],
    ['a lower-case bearer', { headers: { authorization: 'bearer right' } }],
    ['header token', { headers: { token: 'right' } }],
    ['query token', { query: { token: 'right' } }],
    ['cookie token', { cookies: { token: 'right' } }],
  ])('%s is enough, even beside wrong ones', async (_, right) => {
    expect(await auth.authenticate(request(right))).toMatchObject({ ok: true })
    const beside = request({
      headers: { 'x-api-key': 'wrong', authorization: 'Bearer wrong', ...right.headers },
      query: { token: 'wrong', ...right.query },
      cookies: { token: 'wrong', ...right.cookies },
    })
    expect(await auth.authenticate(beside)).toMatchObject({ ok: true })
  })

  test.each<[string, Carriers]>([
    ['nothing', {}],
    ['an empty key', { headers: { 'x-api-key': '' }, query: { token: '' } }],
    ['a wrong key', { headers: { 'x-api-key': 'wrong' } }],
    ['a prefix of the key', { headers: { 'x-api-key': 'righ' } }],
    ['the key with something behind it', { headers: { 'x-api-key': 'right!' } }],
    ['the key under the basic scheme', { headers: { authorization: 'Basic right' } }],
    ['the key in the wrong case', { headers: { token: 'RIGHT' } }],
  ])('%s is refused', async (_, carriers) => {
    expect(await auth.authenticate(request(carriers))).toMatchObject({
      ok: false,
      code: 'UNAUTHORIZED',
      detail: 'unauthorized',
    })
  })

  test('the query can be switched off, and is named as a secret either way', async () => {
    const strict = apiKey({ key: 'right', allowQuery: false, onFailure })
    expect(await strict.authenticate(request({ query: { token: 'right' } }))).toMatchObject({
      ok: false,
    })
    expect(strict.secretQueryParameters).toEqual(['token'])
    expect(auth.secretQueryParameters).toEqual(['token'])
  })
})

describe('sessions', () => {
  test('a login gives a cookie that is not the key, until the logout', async () => {
    const auth = apiKey({ key: 'right', onFailure })
    const session = auth.login?.('right')
    if (session === undefined) throw new Error('the login was refused')
    expect(session.cookie).not.toContain('right')
    expect(session.maxAgeSeconds).toBe(43_200)
    const cookies = { token: session.cookie }
    expect(await auth.authenticate(request({ cookies }))).toMatchObject({ ok: true })
    expect(await auth.authenticate(request({ headers: cookies }))).toMatchObject({ ok: false })
    auth.logout?.(session.cookie)
    expect(await auth.authenticate(request({ cookies }))).toMatchObject({ ok: false })
  })

  test('a wrong key gets no session', () => {
    expect(apiKey({ key: 'right', onFailure }).login?.('wrong')).toBeUndefined()
  })

  test('a session ends by itself', async () => {
    vi.useFakeTimers()
    try {
      const auth = apiKey({ key: 'right', sessionSeconds: 60, onFailure })
      const cookies = { token: auth.login?.('right')?.cookie as string }
      vi.advanceTimersByTime(59_999)
      expect(await auth.authenticate(request({ cookies }))).toMatchObject({ ok: true })
      vi.advanceTimersByTime(1)
      expect(await auth.authenticate(request({ cookies }))).toMatchObject({ ok: false })
    } finally {
      vi.useRealTimers()
    }
  })
})
