import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Authenticator } from '@gw/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { webServer } from '../src/index.js'
import { ask } from './support/http.js'
import { serve } from './support/serve.js'

/** Serves with proxies, and tells the address that an authenticator is told. */
async function served(proxies: readonly string[] | undefined) {
  const folder = await mkdtemp(join(tmpdir(), 'gw-proxies-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const unix = join(folder, 'gateway.sock')
  let seen = ''
  const auth: Authenticator = {
    name: 'nosy',
    authenticate: ({ address }) => {
      seen = address
      return { ok: true, identity: { name: 'somebody' } }
    },
  }
  const { url } = await serve({ auth, unix, ...(proxies === undefined ? {} : { proxies }) })
  return async (forwarded: string | undefined, to = url) => {
    const headers = forwarded === undefined ? {} : { 'X-Forwarded-For': forwarded }
    await ask(to === 'unix' ? unix : to, '/api/v1/last/orders', { headers })
    const byHotPath = seen
    await ask(to === 'unix' ? unix : to, '/api/v1/last/', { headers })
    expect(seen).toBe(byHotPath)
    return seen
  }
}

test('nobody is believed who says where a request comes from', async () => {
  const addressOf = await served(undefined)
  expect(await addressOf('203.0.113.7')).toBe('127.0.0.1')
  expect(await addressOf('203.0.113.7', 'unix')).toBe('unix')
})

test.each<[string, readonly string[], string | undefined, string]>([
  ['the proxy names nobody', ['127.0.0.1'], undefined, '127.0.0.1'],
  ['the proxy names one', ['127.0.0.1'], '203.0.113.7', '203.0.113.7'],
  ['its network is trusted', ['127.0.0.0/8'], '203.0.113.7', '203.0.113.7'],
  ['another is trusted', ['10.0.0.1', 'unix'], '203.0.113.7', '127.0.0.1'],
  ['the client has named others before', ['127.0.0.1'], '9.9.9.9, 203.0.113.7', '203.0.113.7'],
  ['two proxies', ['127.0.0.1', '10.0.0.0/8'], '9.9.9.9, 203.0.113.7,10.1.2.3', '203.0.113.7'],
  ['all are proxies', ['127.0.0.1', '10.0.0.0/8'], '10.0.0.2, 10.0.0.3', '10.0.0.2'],
  ['with a port', ['127.0.0.1'], '203.0.113.7:4711', '203.0.113.7'],
  ['IPv6', ['127.0.0.1', '2001:db8::/32'], '2001:db8:1::1', '2001:db8:1::1'],
  ['IPv6 with a port', ['127.0.0.1'], '[2001:db8::1]:4711', '2001:db8::1'],
  ['what is no address', ['127.0.0.1'], '203.0.113.7, unknown', '127.0.0.1'],
  ['nothing', ['127.0.0.1'], ' , ', '127.0.0.1'],
])('%s', async (_, proxies, forwarded, expected) => {
  expect(await (await served(proxies))(forwarded)).toBe(expected)
})

test('on a UNIX socket the proxy is named as such', async () => {
  const addressOf = await served(['unix'])
  expect(await addressOf('203.0.113.7', 'unix')).toBe('203.0.113.7')
  expect(await addressOf('203.0.113.7')).toBe('127.0.0.1')
})

test.each(['10.0.0', '10.0.0.0/33', '::/129', '10.0.0.0/8/8', 'localhost', ''])(
  'what is no address is refused at the start: %j',
  (proxy) => {
    expect(() => webServer({ proxies: [proxy] })).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        message: expect.stringContaining('proxies'),
      }),
    )
  },
)
