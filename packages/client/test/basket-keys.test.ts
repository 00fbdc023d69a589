import { basket, defineChannels, dynamicBasket, Gateway, type Module } from '@gw/channels'
import { pathOf } from '@gw/protocol'
import { webServer } from '@gw/server-hono'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Client, createClient } from '../src/index.js'
import { sse } from '../src/sse.js'

/** Keys that mean something in URLs, in JSON or to computers. */
const KEYS = [
  ...['a/b', '/a', 'a/', 'a//b', '/', '//', '.../x', '.a', 'a.'],
  ...['%', '%2F', 'a%2Fb', '%2e%2e', 'a/%2E%2E/b', '%zz', '?', 'a?b=c', '#', '&', '=', '+', '*'],
  ...[' ', ' a ', '\n', '\r\n', '\0', '\u007f', '\\', '"', "'", ',', ';', ':', '~', '{key}'],
  ...['ü', 'e\u0301', '名', '🙂', 'constructor', 'toString', 'id', 'null', '0', '-1', '1e3'],
  ...['x'.repeat(1_024), '名'.repeat(1_024)],
]
/** What no URL, no object or no UTF-8 can carry. */
const REFUSED = [
  ...['', '.', '..', './a', 'a/.', 'a/../b', '../../a', '__proto__'],
  ...['half \ud83d', '\udc00', 'x'.repeat(1_025)],
]

const channels = defineChannels({
  fixed: basket(KEYS, z.number(), { send: true }),
  living: dynamicBasket(z.number(), { send: true }),
})
type Channels = typeof channels

let gateway: Gateway<Channels['channels']>
let url: string

beforeAll(async () => {
  const server = webServer({ port: 0 })
  gateway = new Gateway({
    channels,
    modules: [server as unknown as Module<Channels['channels']>],
  })
  await gateway.start()
  url = server.url as string
})

afterAll(() => gateway.stop())

const NAMES = ['fixed', 'living'] as const
const JSON_BODY = { 'content-type': 'application/json' }

describe('a basket', () => {
  test.each(NAMES)('%s has each key at its own URL', async (name) => {
    for (const [i, key] of KEYS.entries()) {
      const body = String(i)
      const sent = await fetch(url + pathOf('send', name, key), {
        method: 'POST',
        body,
        headers: JSON_BODY,
      })
      expect([key, sent.status, await sent.text()]).toEqual([key, 200, `[${i}]`])
    }
    for (const [i, key] of KEYS.entries()) {
      const last = await fetch(url + pathOf('last', name, key))
      expect([key, await last.text()]).toEqual([key, `[${i}]`])
      expect(gateway.channels.last(name, key)).toBe(i)
    }
    const whole = await fetch(`${url}${pathOf('last', name)}?keys=1`)
    expect(await whole.json()).toEqual(Object.fromEntries(KEYS.map((key, i) => [key, i])))
  })

  describe.each([
    ['a WebSocket', {}],
    ['server-sent events and REST', sse()],
  ])('over %s', (_, way) => {
    test.each(NAMES)('%s is sent, read and watched by each key', async (name) => {
      const client: Client<Channels> = createClient<Channels>({ url, ...way })
      const basketOf = client[name]
      for (const [i, key] of KEYS.entries()) {
        expect([key, await basketOf.send(100 + i, key)]).toEqual([key, 100 + i])
        expect([key, await basketOf.last(key)]).toEqual([key, 100 + i])
        for await (const value of basketOf.subscribe(key, { from: 'snapshot' })) {
          expect([key, value]).toEqual([key, 100 + i])
          break
        }
      }
      client.$close()
    })

    test.each(REFUSED)('refuses the key %j', async (key) => {
      const client: Client<Channels> = createClient<Channels>({ url, ...way, timeoutMs: 5_000 })
      for (const basketOf of [client.fixed, client.living]) {
        const refused = {
          code: expect.stringMatching(/^(BAD_REQUEST|UNKNOWN_KEY|INVALID_RECORD)$/),
        }
        await expect(basketOf.send(1, key)).rejects.toMatchObject(refused)
      }
      client.$close()
      expect(Object.keys(gateway.channels.last('living') ?? {})).not.toContain(key)
    })
  })

  test('does not get past the end of a subscription by a key that no URL has', async () => {
    const client = createClient<Channels>({ url, ...sse() })
    for (const key of ['', '.', '..', 'half \ud83d']) {
      await expect(client.living.subscribe(key).ready).rejects.toMatchObject({
        code: 'BAD_REQUEST',
      })
    }
    client.$close()
  })

  test.each(REFUSED)('is not declared with the key %j', (key) => {
    expect(() => defineChannels({ fixed: basket(['good', key], z.number()) })).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONTRACT',
        message: expect.stringContaining('the basket "fixed" has '),
      }),
    )
  })
})
