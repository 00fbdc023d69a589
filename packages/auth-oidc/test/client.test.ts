import { channel, defineChannels, Gateway, type Module } from '@gw/channels'
import { type ClientOptions, type ConnectionState, createClient } from '@gw/client'
import { sse } from '@gw/client/sse'
import { webServer } from '@gw/server-hono'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { oidc } from '../src/index.js'
import { AUDIENCE, type SigningKey, signingKey, TestProvider } from './support/provider.js'

const TOKEN_SECONDS = 2

const channels = defineChannels({ total: channel(z.number(), { send: true }) })

let first: SigningKey
let second: SigningKey
let provider: TestProvider

beforeAll(async () => {
  first = await signingKey('first')
  second = await signingKey('second')
  provider = await TestProvider.listen()
})
afterEach(() => provider.back())
afterAll(() => provider.close())

/** Gives the token that it has while that is good, as programs do, and fetches the next one from the provider then. */
function tokenSource() {
  const keysUsed: (string | undefined)[] = []
  let token: string | undefined
  return {
    keysUsed,
    async get(): Promise<string> {
      const { exp = 0 } = token === undefined ? {} : decodeJwt(token)
      if (token === undefined || exp * 1_000 <= Date.now()) {
        token = await provider.token()
        keysUsed.push(decodeProtectedHeader(token).kid)
      }
      return token
    },
  }
}

async function connected(way: Partial<ClientOptions>) {
  provider.up([first], undefined, TOKEN_SECONDS)
  const auth = oidc({
    issuer: provider.issuer,
    audience: AUDIENCE,
    everybody: ['read', 'send'],
    clockToleranceSeconds: 0,
    onFailure: () => undefined,
  })
  const log = { info() {}, warn() {}, error() {} }
  const server = webServer({ port: 0, auth, log })
  const gateway = new Gateway({ channels, modules: [server as Module<typeof channels.channels>] })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const source = tokenSource()
  const client = createClient<typeof channels>({
    url: server.url as string,
    token: source.get,
    WebSocket: WebSocket as never,
    reconnect: { minDelayMs: 10, maxDelayMs: 100 },
    ...way,
  })
  onTestFinished(() => client.$close())
  const states: ConnectionState[] = []
  client.$connection.onState((state) => states.push(state))
  const losses = (): number => states.filter((state) => state === 'reconnecting').length
  return { gateway, client, source, states, losses }
}

describe.each<[string, Partial<ClientOptions>]>([
  ['a WebSocket', {}],
  ['server-sent events', sse()],
])('a client over %s whose tokens are a provider’s', (_, way) => {
  test('outlives them, and the key that they are signed with: nothing is missed, nothing comes twice', async () => {
    const { gateway, client, source, states, losses } = await connected(way)
    const subscription = client.total.subscribe()
    await subscription.ready
    const ticks = subscription[Symbol.asyncIterator]()
    let n = 0
    const tick = async (): Promise<void> => {
      gateway.channels.send('total', ++n)
      expect((await ticks.next()).value).toBe(n)
    }
    await tick()
    // The live socket came in with a token of the key that is withdrawn here.
    provider.up([second], undefined, TOKEN_SECONDS)
    await tick()
    expect(losses()).toBe(0)
    await vi.waitFor(() => expect(losses()).toBe(1), 10_000)
    await tick()
    await vi.waitFor(() => expect(client.$connection.state).toBe('live'), 10_000)
    await tick()
    expect(await client.total.send(++n)).toBe(n)
    expect((await ticks.next()).value).toBe(n)
    expect(source.keysUsed).toEqual(['first', 'second'])
    expect(subscription.gaps).toBe(0)
    expect(states).not.toContain('closed')
  })

  test('waits for a provider that is down when one ends, and goes on where it was', async () => {
    const { gateway, client, states, losses } = await connected(way)
    const subscription = client.total.subscribe()
    await subscription.ready
    provider.down()
    await vi.waitFor(() => expect(losses()).toBeGreaterThan(0), 10_000)
    for (const n of [1, 2, 3]) gateway.channels.send('total', n)
    await vi.waitFor(() => expect(client.$connection.error).toBeDefined())
    provider.back()
    const seen: number[] = []
    for await (const n of subscription) if (seen.push(n) === 3) break
    expect(seen).toEqual([1, 2, 3])
    expect(subscription.gaps).toBe(0)
    expect(states).not.toContain('closed')
  })
})
