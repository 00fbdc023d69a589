import type { Authenticator } from '@gw/protocol'
import { expect, test } from 'vitest'
import { type ConnectionState, createClient } from '../src/index.js'
import { sse } from '../src/sse.js'
import { type Served, serve } from './support/served.js'

/** Lets in whoever has a token that has not ended; a token is the time of its end. */
const byToken: Authenticator = {
  name: 'token',
  authenticate(credentials) {
    const endsAtMs = Number(/^Bearer (\d+)$/.exec(credentials.header('authorization') ?? '')?.[1])
    if (!(endsAtMs > Date.now())) return { ok: false, code: 'UNAUTHORIZED', detail: 'unauthorized' }
    return { ok: true, identity: { name: 'ann', expiresAtMs: endsAtMs } }
  },
}

test.each([
  ['a WebSocket', {}],
  ['server-sent events', sse()],
])(
  'over %s a client outlives its tokens: nothing is missed, nothing sent twice',
  async (_, way) => {
    await using served = await serve({ auth: byToken })
    let given = 0
    await using client = createClient<Served>({
      url: served.url,
      token: async () => {
        given++
        return String(Date.now() + 400)
      },
      reconnect: { minDelayMs: 1, maxDelayMs: 5 },
      ...way,
    })
    const states: ConnectionState[] = []
    client.$connection.onState((state) => states.push(state))
    const subscription = client.total.subscribe()
    await subscription.ready
    const losses = () => states.filter((state) => state === 'reconnecting').length
    const ticks = subscription[Symbol.asyncIterator]()
    for (let n = 0; losses() < 3; n++) {
      expect(await client.total.send(n)).toBe(n)
      expect((await ticks.next()).value).toBe(n)
    }
    expect(subscription.gaps).toBe(0)
    expect(given).toBeGreaterThan(3)
  },
)

test('a client whose source gives no better token is told so', async () => {
  await using served = await serve({ auth: byToken })
  const token = String(Date.now() + 400)
  await using client = createClient<Served>({ url: served.url, token: () => token })
  const subscription = client.total.subscribe()
  await subscription.ready
  await expect(subscription[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: 'UNAUTHORIZED',
  })
  expect(client.$connection.state).toBe('closed')
})
