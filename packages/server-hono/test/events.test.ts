import type { MiddlewareHandler } from 'hono'
import { compress } from 'hono/compress'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openEvents, type TestEvents } from './support/events.js'
import { openRaw } from './support/raw.js'
import { type Served, serve } from './support/serve.js'

const PATH = '/api/v1/stream'

/** Middleware that says in large letters what goes out. */
const loud: MiddlewareHandler = async (c, next) => {
  await next()
  const large = new TransformStream<Uint8Array, Uint8Array>({
    transform: (bytes, controller) => {
      const text = new TextDecoder().decode(bytes)
      controller.enqueue(
        new TextEncoder().encode(
          text.replace(/^data: .*$/gm, (data) => `data: ${data.slice(6).toUpperCase()}`),
        ),
      )
    },
  })
  c.res = new Response(c.res.body?.pipeThrough(large), c.res)
  c.res.headers.set('X-Loud', 'yes')
}

/** The body that chunks of HTTP/1.1 make up, as far as they have come. */
function unchunked(text: string): string {
  let body = ''
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\r\n', at)
    const length = Number.parseInt(text.slice(at, end), 16)
    if (end === -1 || !(length > 0)) break
    body += text.slice(end + 2, end + 2 + length)
    at = end + 2 + length + 2
  }
  return body
}

async function hear(events: TestEvents, count: number) {
  const heard = []
  for (let n = 0; n < count; n++) heard.push(await events.hear())
  return heard
}

/** Waits until the stream that was asked for is live. */
async function live(served: Served, path: string, headers?: HeadersInit): Promise<TestEvents> {
  const events = await openEvents(`${served.url}${PATH}${path}`, headers)
  expect(events.response.status).toBe(200)
  expect(events.response.headers.get('content-type')).toBe('text/event-stream')
  return events
}

describe('server-sent events', () => {
  test('tell the ticks of a channel from now on, each with its position', async () => {
    const served = await serve()
    served.gateway.channels.send('orders', { symbol: 'before' })
    const events = await live(served, '/orders')
    served.gateway.channels.send('orders', { symbol: 'a' })
    const [event] = await hear(events, 1)
    expect(event).toMatchObject({
      name: 'data',
      data: { channel: 'orders', kind: 'single', data: [{ symbol: 'a' }], offset: 2 },
    })
    expect(event?.id).toBe(`${event?.data.epoch}:2`)
  })

  test('begin with a snapshot when asked, and tell where it ends', async () => {
    const served = await serve()
    served.gateway.channels.send('prices', { value: 1 }, 'AAPL')
    served.gateway.channels.send('prices', { value: 2 }, 'MSFT')
    const events = await live(served, '/prices?from=snapshot')
    served.gateway.channels.send('prices', { value: 3 }, 'AAPL')
    const heard = await hear(events, 4)
    expect(heard.map((event) => [event?.name, event?.data.key, event?.data.snapshot])).toEqual([
      ['data', 'AAPL', true],
      ['data', 'MSFT', true],
      ['snapshotEnd', undefined, undefined],
      ['data', 'AAPL', undefined],
    ])
  })

  test('are of one key, one filter and some fields when asked', async () => {
    const served = await serve()
    const one = await live(served, '/prices/MSFT')
    const filtered = await live(served, '/orders?where=quantity:gt:5&select=symbol')
    served.gateway.channels.send('prices', { value: 1 }, 'AAPL')
    served.gateway.channels.send('prices', { value: 2 }, 'MSFT')
    for (const quantity of [5, 6]) {
      served.gateway.channels.send('orders', { symbol: `s${quantity}`, quantity })
    }
    expect((await one.hear())?.data).toMatchObject({ key: 'MSFT', data: [{ value: 2 }] })
    expect((await filtered.hear())?.data.data).toEqual([{ symbol: 's6' }])
  })

  test('go on after the last event that a page has heard', async () => {
    const served = await serve()
    const { channels } = served.gateway
    const first = await live(served, '/orders')
    channels.send('orders', { symbol: 'a' })
    const heard = await first.hear()
    first.close()
    channels.send('orders', { symbol: 'b' })
    channels.send('orders', { symbol: 'c' })
    const again = await live(served, '/orders?from=snapshot', { 'last-event-id': heard?.id ?? '' })
    channels.send('orders', { symbol: 'd' })
    const rest = await hear(again, 3)
    expect(rest.map((event) => event?.data.data[0].symbol)).toEqual(['b', 'c', 'd'])
  })

  test('have a place to come back to before the first event', async () => {
    const served = await serve()
    const { channels } = served.gateway
    channels.send('orders', { symbol: 'a' })
    const first = await live(served, '/orders')
    const hearing = first.hear()
    await expect.poll(() => first.lastEventId).not.toBe('')
    first.close()
    await hearing.catch(() => undefined)
    channels.send('orders', { symbol: 'b' })
    const again = await live(served, '/orders', { 'last-event-id': first.lastEventId })
    expect((await again.hear())?.data.data[0].symbol).toBe('b')
  })

  test('tell of the gap, then a snapshot, when the place is out of reach', async () => {
    const served = await serve()
    served.gateway.channels.send('orders', { symbol: 'a' })
    const events = await live(served, '/orders', { 'last-event-id': 'another:7' })
    const heard = await hear(events, 3)
    expect(heard.map((event) => event?.name)).toEqual(['gap', 'data', 'snapshotEnd'])
    expect(heard[0]?.data.gap).toEqual({ from: 1, to: 1, reason: 'history' })
    // A place that is yet to come is of another past.
    const ahead = `${heard[1]?.data.epoch}:7`
    const others = await live(served, '/orders', { 'last-event-id': ahead })
    expect((await others.hear())?.data.gap).toEqual({ from: 1, to: 1, reason: 'history' })
  })

  test('say PING as the heartbeat', async () => {
    const served = await serve()
    const heartbeat = await live(served, '/heartbeat')
    expect(await heartbeat.hear()).toMatchObject({ name: 'data', data: { data: 'PING' } })
  })

  test('are refused for what is not there, and for what cannot be understood', async () => {
    const served = await serve()
    const refused = async (path: string, headers: HeadersInit = {}) => {
      const response = await served.get(`${PATH}${path}`, { headers })
      return [response.status, ((await response.json()) as { code: string }).code]
    }
    expect(await refused('/nope')).toEqual([404, 'NOT_FOUND'])
    expect(await refused('/orders/key')).toEqual([404, 'NOT_FOUND'])
    expect(await refused('/prices/nope')).toEqual([404, 'UNKNOWN_KEY'])
    expect(await refused('/orders?from=yesterday')).toEqual([400, 'BAD_REQUEST'])
    expect(await refused('/orders?mode=fast')).toEqual([400, 'BAD_REQUEST'])
    expect(await refused('/orders?where=nope:eq:1')).toEqual([400, 'INVALID_QUERY'])
    for (const ofStates of ['limit=1', 'offset=1', 'sort=symbol', 'count=1']) {
      expect(await refused(`/orders?${ofStates}`)).toEqual([400, 'INVALID_QUERY'])
    }
    expect(await refused('/orders', { 'last-event-id': 'x' })).toEqual([400, 'BAD_REQUEST'])
    const head = await served.get(`${PATH}/orders`, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
  })

  test('come in order and whole, in the form that each version of HTTP has', async () => {
    const served = await serve()
    const { channels } = served.gateway
    const tags = ['x'.repeat(40_000)]
    channels.send('orders', { symbol: '0', tags })
    const raws = await Promise.all([openRaw(served.url), openRaw(served.url)])
    for (const [n, raw] of raws.entries()) {
      raw.say(`GET ${PATH}/orders?from=snapshot HTTP/1.${n}\r\nHost: x\r\n\r\n`)
      await expect.poll(() => raw.text).toContain('snapshotEnd')
    }
    for (let n = 1; n <= 40; n++) {
      channels.send('orders', { symbol: String(n), tags: n % 10 === 0 ? tags : [] })
      if (n % 4 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    for (const raw of raws) await expect.poll(() => raw.text).toContain('"symbol":"40"')
    await served.gateway.stop()
    for (const [n, raw] of raws.entries()) {
      await raw.ended
      const [head = '', ...rest] = raw.text.split('\r\n\r\n')
      const body = rest.join('\r\n\r\n')
      expect(/^transfer-encoding: chunked$/im.test(head)).toBe(n === 1)
      const text = n === 1 ? unchunked(body) : body
      const symbols = [...text.matchAll(/^data: .*"symbol":"(\d+)"/gm)].map(([, symbol]) => symbol)
      expect(symbols).toEqual(Array.from({ length: 41 }, (_, at) => String(at)))
    }
  })

  test('begin whole while it ticks', async () => {
    const served = await serve()
    let n = 0
    let ticking: NodeJS.Immediate
    const tick = (): void => {
      served.gateway.channels.send('orders', { symbol: String(++n) })
      ticking = setImmediate(tick)
    }
    tick()
    onTestFinished(() => clearImmediate(ticking))
    for (let stream = 0; stream < 20; stream++) {
      const events = await live(served, '/orders')
      const heard = await hear(events, 20)
      const offsets = heard.map((event) => event?.data.offset)
      expect(offsets).toEqual(Array.from(offsets, (_, at) => offsets[0] + at))
      events.close()
    }
  })

  test('go through what middleware makes of their body', async () => {
    const served = await serve({ middleware: [compress({ threshold: 0 }), loud] })
    const { channels } = served.gateway
    const events = await live(served, '/orders')
    expect(events.response.headers.get('x-loud')).toBe('yes')
    for (const symbol of ['a', 'b']) {
      channels.send('orders', { symbol })
      expect((await events.hear())?.data.DATA[0].SYMBOL).toBe(symbol.toUpperCase())
    }
  })

  test('that are not taken in time are left out, and told as a gap, and delay nobody', async () => {
    const served = await serve({ limits: { maxQueueBytes: 256 * 1024 } })
    const slow = await openRaw(served.url)
    slow.say(`GET ${PATH}/orders HTTP/1.1\r\nHost: x\r\n\r\n`)
    await expect.poll(() => slow.text).toContain('retry')
    slow.socket.pause()
    const events = await live(served, '/orders')
    const tags = ['x'.repeat(20_000)]
    const figure = async (name: string) =>
      new RegExp(`^${name} (\\d+)$`, 'm').exec(await (await served.get('/metrics')).text())?.[1]
    let sent = 0
    while ((await figure('gateway_stream_dropped_ticks_total')) === '0') {
      for (let n = 0; n < 50; n++) {
        served.gateway.channels.send('orders', { symbol: String(++sent), tags })
        expect((await events.hear())?.data.data[0].symbol).toBe(String(sent))
      }
    }
    expect(await figure('gateway_stream_behind')).toBe('1')
    slow.socket.resume()
    await expect.poll(() => slow.text, { timeout: 10_000 }).toContain('event: gap')
    const [, from, to] = /"gap":\{"from":(\d+),"to":(\d+)/.exec(slow.text) ?? []
    const symbols = [
      ...unchunked(slow.text.split('\r\n\r\n').slice(1).join('\r\n\r\n')).matchAll(
        /"symbol":"(\d+)"/g,
      ),
    ]
    expect(symbols.map(([, symbol]) => Number(symbol))).toEqual(
      Array.from({ length: Number(from) - 1 }, (_, at) => at + 1),
    )
    expect(Number(to)).toBe(sent)
    await expect.poll(() => figure('gateway_stream_behind')).toBe('0')
    served.gateway.channels.send('orders', { symbol: 'live again' })
    await expect.poll(() => slow.text).toContain('live again')
  })

  test('end when the gateway stops', async () => {
    const served = await serve()
    const events = await live(served, '/orders')
    await served.gateway.stop()
    expect(await events.hear()).toBeUndefined()
  })

  test('forget who has gone', async () => {
    const served = await serve()
    const events = await live(served, '/orders')
    const connections = async () => {
      const metrics = await (await served.get('/metrics')).text()
      return /^gateway_stream_connections (\d+)$/m.exec(metrics)?.[1]
    }
    expect(await connections()).toBe('1')
    events.close()
    await expect.poll(connections).toBe('0')
  })
})
