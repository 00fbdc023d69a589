import { describe, expect, test } from 'vitest'
import { openEvents, type TestEvents } from './support/events.js'
import { type Served, serve } from './support/serve.js'

const PATH = '/api/v1/stream'

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
