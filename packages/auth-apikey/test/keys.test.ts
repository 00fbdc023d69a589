import type { Authenticator, AuthResult, Credentials } from '@gw/protocol'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  apiKey,
  type FailedAttempt,
  generateKey,
  hashKey,
  type KeyStore,
  type StoredKey,
} from '../src/index.js'

interface Request {
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly cookie?: string
  readonly address?: string
  readonly method?: string
}

/** As a server asks that has no other authenticator. */
function decide(auth: Authenticator, credentials: Credentials): AuthResult {
  const result = auth.authenticate(credentials) as AuthResult
  if (!result.ok) result.onRefused?.()
  return result
}

function request({
  key,
  headers = {},
  cookie,
  address = '10.0.0.1',
  method = 'GET',
}: Request): Credentials {
  return {
    header: (name) => (name === 'x-api-key' ? key : headers[name]),
    query: () => undefined,
    cookie: (name) => (name === 'token' ? cookie : undefined),
    address,
    method,
    path: '/api/v1/stream',
  }
}

let attempts: FailedAttempt[]
const onFailure = (attempt: FailedAttempt): void => {
  attempts.push(attempt)
}

beforeEach(() => {
  attempts = []
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('several keys', () => {
  test('have names, scopes and an end', () => {
    const { key } = generateKey()
    const auth = apiKey({
      onFailure,
      keys: [
        { name: 'reader', key: 'chosen', scopes: [{ operations: ['read'], channels: ['o*'] }] },
        { name: 'guest', key, expiresAt: new Date(Date.now() + 60_000) },
      ],
    })
    expect(decide(auth, request({ key: 'chosen' }))).toMatchObject({
      identity: { name: 'reader', scopes: [{ operations: ['read'], channels: ['o*'] }] },
    })
    expect(decide(auth, request({ key }))).toMatchObject({ identity: { name: 'guest' } })
    vi.advanceTimersByTime(60_000)
    expect(decide(auth, request({ key }))).toMatchObject({ ok: false })
    expect(attempts).toMatchObject([{ reason: 'expired', keyId: key.slice(3, 11) }])
  })

  test('are each refused at the start when they are none', () => {
    const wrong = (key: unknown) => () => apiKey({ keys: [{ name: 'x', key: key as string }] })
    for (const key of [null, undefined, '', ' ', 'a b']) {
      expect(wrong(key)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }))
    }
    const scopes = [{ operations: ['fly'] }] as never
    expect(() => apiKey({ keys: [{ name: 'x', key: 'k', scopes }] })).toThrow(
      expect.objectContaining({ code: 'INVALID_SCOPE' }),
    )
  })
})

describe('whoever is refused', () => {
  test('is told the same, and what happened is told to the log without the key', () => {
    const { key, id } = generateKey()
    const mistyped = `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`
    const revoked = generateKey().key
    const auth = apiKey({
      onFailure,
      store: {
        keys: () => [
          {
            id: revoked.slice(3, 11),
            name: 'x',
            hash: '0'.repeat(64),
            createdAt: '2026-01-01T00:00:00Z',
            revokedAt: '2026-01-02T00:00:00Z',
          },
        ],
      },
    })
    const answers = [key, mistyped, revoked, 'x'].map((each) =>
      JSON.stringify(decide(auth, request({ key: each }))),
    )
    expect(new Set(answers).size).toBe(1)
    expect(attempts.map(({ reason }) => reason)).toEqual([
      'unknown',
      'mistyped',
      'unknown',
      'unknown',
    ])
    expect(attempts[0]).toEqual({
      address: '10.0.0.1',
      path: '/api/v1/stream',
      keyId: id,
      reason: 'unknown',
    })
    for (const each of [key, mistyped, revoked])
      expect(JSON.stringify(attempts)).not.toContain(each)
  })

  test('with a key that was good until now waits as with one that is unknown', () => {
    const { key } = generateKey()
    const other = generateKey().key
    let tell: () => void = () => undefined
    const stored = { id: key.slice(3, 11), name: 'x', hash: hashKey(key), createdAt: '2026-01-01' }
    let keys: StoredKey[] = [stored]
    const store: KeyStore = {
      keys: () => keys,
      onChange: (listener) => {
        tell = listener
        return () => undefined
      },
    }
    const auth = apiKey({ store, onFailure, failures: { perMinute: 2 } })
    expect(decide(auth, request({ key }))).toMatchObject({ ok: true })
    keys = [{ ...stored, revokedAt: '2026-01-02' }]
    tell()
    const answersTo = (each: string, address: string) =>
      [1, 2, 3, 4].map(() => JSON.stringify(decide(auth, request({ key: each, address }))))
    expect(answersTo(key, '10.0.0.1')).toEqual(answersTo(other, '10.0.0.2'))
    // From where somebody guesses, too.
    decide(auth, request({ key: 'a', address: '10.0.0.3' }))
    decide(auth, request({ key: 'b', address: '10.0.0.3' }))
    keys = [stored]
    tell()
    vi.advanceTimersByTime(60_000)
    decide(auth, request({ key, address: '10.0.0.4' }))
    decide(auth, request({ key: 'a', address: '10.0.0.3' }))
    decide(auth, request({ key: 'b', address: '10.0.0.3' }))
    keys = [{ ...stored, revokedAt: '2026-01-02' }]
    tell()
    expect(decide(auth, request({ key, address: '10.0.0.3' }))).toMatchObject({
      code: 'TOO_MANY_REQUESTS',
    })
  })

  test.each([
    ['an IPv4 address', '10.0.0.1', '10.0.0.2', false],
    ['the same in IPv6', '10.0.0.1', '::ffff:10.0.0.1', true],
    ['an IPv6 network', '2001:db8:1:2::1', '2001:DB8:1:2:aaaa:bbbb:cccc:dddd', true],
    ['an IPv6 network, abridged', '2001:db8::1', '2001:db8:0:0:1::', true],
    ['another IPv6 network', '2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['a link', 'fe80::1%eth0', 'fe80::2%eth0', true],
    ['dots at the end', '64:ff9b::1.2.3.4', '64:ff9b::5.6.7.8', true],
    ['loopback', '::1', '127.0.0.1', false],
    ['a UNIX socket', 'unix', '10.0.0.1', false],
  ])('is counted for %s: %s and %s alike is %s', (_, first, second, isAlike) => {
    const auth = apiKey({ key: 'k', onFailure, failures: { perMinute: 1 } })
    expect(decide(auth, request({ key: 'x', address: first }))).toMatchObject({
      code: 'UNAUTHORIZED',
    })
    expect(decide(auth, request({ key: 'x', address: second }))).toMatchObject({
      code: isAlike ? 'TOO_MANY_REQUESTS' : 'UNAUTHORIZED',
    })
    expect(attempts[0]).toMatchObject({ address: first })
  })

  test('too often from one address waits, whatever the key, and others do not', () => {
    const { key } = generateKey()
    const auth = apiKey({ key, onFailure, failures: { perMinute: 3 } })
    for (let n = 0; n < 3; n++) {
      expect(decide(auth, request({ key: `guess ${n}` }))).toMatchObject({
        code: 'UNAUTHORIZED',
      })
    }
    expect(decide(auth, request({ key }))).toMatchObject({
      ok: false,
      code: 'TOO_MANY_REQUESTS',
      detail: expect.any(String),
      retryAfterMs: 20_000,
    })
    expect(decide(auth, request({ key, address: '10.0.0.2' }))).toMatchObject({ ok: true })
    expect(attempts.at(-1)).toMatchObject({ reason: 'too many attempts' })
    vi.advanceTimersByTime(20_000)
    expect(decide(auth, request({ key: 'guess 4' }))).toMatchObject({ code: 'UNAUTHORIZED' })
    expect(decide(auth, request({ key: 'guess 5' }))).toMatchObject({
      code: 'TOO_MANY_REQUESTS',
    })
  })

  test('does not keep out keys that were in use from the same address', () => {
    const { key } = generateKey()
    const auth = apiKey({ key, onFailure, failures: { perMinute: 1 } })
    expect(decide(auth, request({ key }))).toMatchObject({ ok: true })
    decide(auth, request({ key: 'guess' }))
    expect(decide(auth, request({ key }))).toMatchObject({ ok: true })
    expect(decide(auth, request({ key: 'guess' }))).toMatchObject({ retryAfterMs: 60_000 })
  })

  test('for one key id waits, from wherever it is', () => {
    const { key } = generateKey()
    const auth = apiKey({ key: 'another', onFailure, failures: { perMinute: 1 } })
    const guess = (address: string) => decide(auth, request({ key, address }))
    expect(guess('10.0.0.1')).toMatchObject({ code: 'UNAUTHORIZED' })
    expect(guess('10.0.0.2')).toMatchObject({ code: 'TOO_MANY_REQUESTS' })
  })

  test('without a key at all is no failure', () => {
    const auth = apiKey({ key: 'k', onFailure, failures: { perMinute: 1 } })
    for (let n = 0; n < 5; n++) {
      expect(decide(auth, request({}))).toMatchObject({ code: 'UNAUTHORIZED' })
    }
    expect(attempts).toEqual([])
  })

  test('wrong carriers beside a right one are no failures', () => {
    const auth = apiKey({ key: 'k', onFailure, failures: { perMinute: 1 } })
    for (let n = 0; n < 5; n++) {
      const both = request({ key: 'k', headers: { authorization: 'Bearer wrong' } })
      expect(decide(auth, both)).toMatchObject({ ok: true })
    }
    expect(attempts).toEqual([])
  })
})

describe('a session', () => {
  const cookieOf = (auth: Authenticator, key: string): string => auth.login?.(key)?.cookie as string

  test('ends with its key', () => {
    const { key } = generateKey()
    const keys = [{ name: 'x', key, expiresAt: new Date(Date.now() + 1_000) }]
    const auth = apiKey({ keys, onFailure })
    const cookie = cookieOf(auth, key)
    expect(decide(auth, request({ cookie }))).toMatchObject({
      identity: { name: 'x', expiresAtMs: Date.now() + 1_000 },
    })
    vi.advanceTimersByTime(1_000)
    expect(decide(auth, request({ cookie }))).toMatchObject({ ok: false })
    expect(attempts).toEqual([])
  })

  test('says that it came by a cookie, as a key in a cookie does; a key beside it is no cookie', () => {
    const auth = apiKey({ key: 'k', onFailure })
    const cookie = cookieOf(auth, 'k')
    expect(decide(auth, request({ cookie: 'k' }))).toMatchObject({ ok: true, isByCookie: true })
    expect(decide(auth, request({ key: 'k', cookie: 'k' }))).not.toHaveProperty('isByCookie')
    expect(decide(auth, request({ cookie }))).toMatchObject({ ok: true, isByCookie: true })
    expect(decide(auth, request({ key: 'k', cookie }))).not.toHaveProperty('isByCookie')
  })

  test('is refused to wrong keys, and guessing at the login page is limited too', () => {
    const auth = apiKey({ key: 'k', onFailure, failures: { perMinute: 2 } })
    expect(auth.login?.('a')).toBeUndefined()
    expect(auth.login?.('b')).toBeUndefined()
    expect(auth.login?.('k')).toBeUndefined()
    vi.advanceTimersByTime(30_000)
    expect(auth.login?.('k')).toBeDefined()
  })

  test('is not kept from one address by guesses from another', () => {
    const auth = apiKey({ key: 'k', onFailure, failures: { perMinute: 2 } })
    expect(auth.login?.('a', '10.0.0.1')).toBeUndefined()
    expect(auth.login?.('b', '10.0.0.1')).toBeUndefined()
    expect(auth.login?.('k', '10.0.0.1')).toBeUndefined()
    expect(auth.login?.('k', '10.0.0.2')).toBeDefined()
    expect(attempts.map(({ address }) => address)).toEqual(['10.0.0.1', '10.0.0.1', '10.0.0.1'])
  })

  test('the oldest ends when there are too many', () => {
    const auth = apiKey({ key: 'k', onFailure })
    const first = cookieOf(auth, 'k')
    for (let n = 0; n < 10_000; n++) auth.login?.('k')
    expect(decide(auth, request({ cookie: first }))).toMatchObject({ ok: false })
  })
})

test('addresses and ids are remembered up to a bound', () => {
  const auth = apiKey({ key: 'k', onFailure, failures: { perMinute: 1, maxRemembered: 2 } })
  const guess = (address: string) => decide(auth, request({ key: 'x', address }))
  expect(guess('a')).toMatchObject({ code: 'UNAUTHORIZED' })
  expect(guess('a')).toMatchObject({ code: 'TOO_MANY_REQUESTS' })
  guess('b')
  guess('c')
  expect(guess('a')).toMatchObject({ code: 'UNAUTHORIZED' })
})
