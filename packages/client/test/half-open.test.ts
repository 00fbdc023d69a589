import { expect, test } from 'vitest'
import { type ConnectionState, createClient } from '../src/index.js'
import { CuttingProxy } from './support/cutting-proxy.js'
import { type Served, serve } from './support/served.js'

test('a connection that is half open is noticed and replaced: nothing is missed, nothing sent twice', async () => {
  await using served = await serve()
  await using proxy = await CuttingProxy.start(served.url)
  const options = { apiKey: 'secret', reconnect: { minDelayMs: 1, maxDelayMs: 5 } }
  await using client = createClient<Served>({ url: proxy.url, silenceMs: 30, ...options })
  await using other = createClient<Served>({ url: served.url, ...options })
  const subscription = client.total.subscribe()
  await subscription.ready
  await client.total.send(1)
  const states: ConnectionState[] = []
  client.$connection.onState((state) => states.push(state))

  proxy.hold()
  await other.total.send(2)
  const sent = client.total.send(3)
  const seen: number[] = []
  for await (const total of subscription) if (seen.push(total) === 3) break

  expect(seen).toEqual([1, 2, 3])
  expect(await sent).toBe(3)
  expect(subscription.gaps).toBe(0)
  expect(states).toEqual(['reconnecting', 'live'])
})
