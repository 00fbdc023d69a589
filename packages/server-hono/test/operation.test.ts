import { describe, expect, test } from 'vitest'
import { openRaw } from './support/raw.js'
import { serve } from './support/serve.js'

describe('health', () => {
  test('is told without a key', async () => {
    const served = await serve({ auth: NOBODY })
    for (const path of ['/healthz', '/readyz']) {
      const response = await served.get(path)
      expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }])
    }
    expect((await served.get('/metrics')).status).toBe(403)
  })

  test('is bad once the engine does not run', async () => {
    const served = await serve()
    const { app } = served.server
    await served.gateway.stop()
    const response = await app.request('/healthz')
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
  })
})

describe('metrics', () => {
  test('count requests, ticks and streams', async () => {
    const served = await serve()
    await served.post('send/orders', { symbol: 'a' })
    await served.get('last/orders')
    await served.get('last/nope')
    await served.get('/somewhere/else')
    const socket = await served.open()
    await socket.ask({ action: 'subscribe', id: 1, channel: 'orders' })
    const text = await (await served.get('/metrics')).text()
    const lines = text.split('\n')
    for (const line of [
      'gateway_http_requests_total{method="POST",group="send",status="200"} 1',
      'gateway_http_requests_total{method="GET",group="last",status="200"} 1',
      'gateway_http_requests_total{method="GET",group="last",status="404"} 1',
      'gateway_http_requests_total{method="GET",group="other",status="404"} 1',
      'gateway_channel_ticks_total{channel="orders"} 1',
      'gateway_channel_ticks_total{channel="total"} 1',
      'gateway_stream_connections 1',
      'gateway_stream_subscriptions 1',
      'gateway_stream_dropped_ticks_total 0',
      'gateway_ready 1',
    ]) {
      expect(lines).toContain(line)
    }
    expect(text).toMatch(/^gateway_engine_lag_seconds \d/m)
    expect(text).toMatch(/^process_resident_memory_bytes \d/m)
  })
})

describe('a rate limit', () => {
  test('refuses the request that is one too many, and says when to come back', async () => {
    const served = await serve({ rateLimit: { perSecond: 0.01, burst: 2 } })
    expect((await served.get('last/orders')).status).toBe(200)
    expect((await served.get('state/orders')).status).toBe(200)
    for (const response of [
      await served.get('last/orders'),
      await served.post('send/orders', { symbol: 'a' }),
      await served.get('state/orders'),
    ]) {
      expect(response.status).toBe(429)
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(90)
      expect(await response.json()).toMatchObject({ code: 'TOO_MANY_REQUESTS' })
    }
    // What orchestrators ask is not counted.
    expect((await served.get('/healthz')).status).toBe(200)
  })

  test('answers a message that has an id, and closes the connection for one that has none', async () => {
    const served = await serve({ rateLimit: { perSecond: 0.01, burst: 2 } })
    const socket = await served.open()
    const subscribe = { action: 'subscribe', channel: 'orders' }
    expect(await socket.ask({ ...subscribe, id: 1 })).toMatchObject({ ok: true })
    expect(await socket.ask({ ...subscribe, id: 2 })).toMatchObject({
      ok: false,
      code: 'TOO_MANY_REQUESTS',
    })
    socket.say(subscribe)
    expect(await socket.closed).toBe(4429)
  })

  test('is of each identity', async () => {
    const served = await serve({ auth: BY_NAME, rateLimit: { perSecond: 0.01, burst: 1 } })
    const ask = async (name: string) =>
      (await served.get('last/orders', { headers: { name } })).status
    expect([await ask('ann'), await ask('ann'), await ask('bob')]).toEqual([200, 429, 200])
  })

  test.each([{ perSecond: 0 }, { perSecond: 1, burst: 0 }, { perSecond: Number.NaN }])(
    'is refused as %o',
    async (rateLimit) => {
      await expect(serve({ rateLimit })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    },
  )
})

const NOBODY = {
  name: 'nobody',
  authenticate: () => ({ ok: false, code: 'UNAUTHORIZED', detail: 'unauthorized' }) as const,
}

const BY_NAME = {
  name: 'by name',
  authenticate: (credentials: { header(name: string): string | undefined }) =>
    ({ ok: true, identity: { name: credentials.header('name') ?? 'nobody' } }) as const,
}

describe('a stop', () => {
  const inTime = { limits: { stopTimeoutMs: 60_000 } }

  test('tells requests that wait to come back, and does not wait for them', async () => {
    const served = await serve(inTime)
    const waiting = served.get('next/orders')
    await expect
      .poll(async () => (await served.get('/metrics')).text())
      .toMatch(/^gateway_waiting_requests 1$/m)
    await served.gateway.stop()
    const next = await waiting
    expect([next.status, await next.json()]).toMatchObject([503, { code: 'NOT_RUNNING' }])
    expect(next.headers.get('retry-after')).toBe('1')
  })

  test('finishes a request that is on its way', async () => {
    const served = await serve(inTime)
    const body = '{"symbol":"late"}'
    const raw = await openRaw(served.url)
    raw.say(
      `POST /api/v1/send/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`,
    )
    await expect.poll(() => raw.text).toMatch(/^HTTP\/1.1 100 /)
    const stopped = served.gateway.stop()
    raw.say(body)
    await stopped
    await raw.ended
    expect(raw.text).toMatch(/^HTTP\/1.1 200 /m)
    expect(raw.text).toContain('"symbol":"late"')
  })

  test('does not wait for connections on which nothing was said', async () => {
    const served = await serve(inTime)
    const raw = await openRaw(served.url)
    await served.get('/healthz')
    await served.gateway.stop()
    await raw.ended
    expect(raw.text).toBe('')
  })
})
