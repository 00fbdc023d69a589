import type { Authenticator } from '@gw/protocol'
import { describe, expect, test } from 'vitest'
import { ask } from './support/http.js'
import { frame, openRaw, openRawWebSocket } from './support/raw.js'
import { type Served, serve } from './support/serve.js'

const SUBSCRIBE = '{"action":"subscribe","id":1,"channel":"orders"}'

async function isAlive(served: Served): Promise<boolean> {
  return (await served.get('/healthz')).status === 200
}

describe('frames that are none', () => {
  test.each([
    ['a reserved bit', frame(0xc1, '{}'), 1002],
    ['an unknown opcode', frame(0x83, '{}'), 1002],
    ['no mask', frame(0x81, '{}', false), 1002],
    ['a control frame in pieces', frame(0x09, ''), 1002],
    ['a control frame that is too long', frame(0x89, 'x'.repeat(126)), 1002],
    ['a continuation of nothing', frame(0x80, '{}'), 1002],
    ['a message within a message', Buffer.concat([frame(0x01, '{'), frame(0x81, '{}')]), 1002],
    ['a close with a code that is none', frame(0x88, Buffer.from([0x00, 0x01])), 1002],
    ['text that is not UTF-8', frame(0x81, Buffer.from([0xc3, 0x28])), 1007],
    [
      'text that ends within a character',
      Buffer.concat([frame(0x01, Buffer.from([0xe2, 0x82])), frame(0x80, '')]),
      1007,
    ],
    [
      'a length beyond the bound',
      Buffer.from([0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
      1009,
    ],
    [
      'a length beyond all bounds',
      Buffer.from([0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
      1009,
    ],
  ])('%s: the connection is closed with its code, and others live on', async (_, bytes, code) => {
    const served = await serve()
    const other = await served.open()
    const raw = await openRawWebSocket(served.url)
    raw.say(bytes)
    await raw.ended
    expect(raw.closeCode).toBe(code)
    expect(await other.ask({ action: 'subscribe', id: 1, channel: 'orders' })).toMatchObject({
      ok: true,
    })
  })

  test('a message in pieces, with a ping between them, is one message', async () => {
    const served = await serve()
    const raw = await openRawWebSocket(served.url)
    raw.say(Buffer.concat([frame(0x01, SUBSCRIBE.slice(0, 10)), frame(0x89, 'p')]))
    raw.say(frame(0x80, SUBSCRIBE.slice(10)))
    await expect.poll(() => raw.text).toContain('"ok":true')
    expect(raw.text).toContain('\x8a\x01p')
  })

  test('a message whose pieces are together beyond the bound closes with 1009', async () => {
    const served = await serve({ limits: { maxMessageBytes: 1_000 } })
    const raw = await openRawWebSocket(served.url)
    raw.say(frame(0x01, `"${'x'.repeat(600)}`))
    raw.say(frame(0x80, `${'x'.repeat(600)}"`))
    await raw.ended
    expect(raw.closeCode).toBe(1009)
  })

  test('binary messages and messages of nothing are passed over', async () => {
    const served = await serve()
    const raw = await openRawWebSocket(served.url)
    raw.say(Buffer.concat([frame(0x82, SUBSCRIBE), frame(0x81, ''), frame(0x82, '')]))
    raw.say(frame(0x81, SUBSCRIBE.replace('1', '7')))
    await expect.poll(() => raw.text).toContain('"id":7')
    expect(raw.text).not.toContain('"id":1,')
  })
})

describe('peers that do not play along', () => {
  test('a flood of pings from one that reads nothing is not answered without bound', async () => {
    const served = await serve()
    const raw = await openRawWebSocket(served.url)
    raw.socket.pause()
    const ping = frame(0x89, 'x'.repeat(125))
    const flood = Buffer.concat(Array.from({ length: 1_000 }, () => ping))
    const before = process.memoryUsage.rss()
    for (let n = 0; n < 100; n++) {
      raw.say(flood)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await isAlive(served)).toBe(true)
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 2 ** 20)
    const metrics = await (await served.get('/metrics')).text()
    const queued = Number(/^gateway_stream_queue_bytes (\d+)$/m.exec(metrics)?.[1])
    expect(queued).toBeLessThan(64 * 1024)
  })

  test('one that is no longer there is cut off', async () => {
    const served = await serve({ limits: { pingIntervalMs: 100 } })
    // Its system takes what comes, but nobody answers.
    const raw = await openRawWebSocket(served.url)
    await raw.ended
    expect(raw.heard[0]).toBe(0x89)
  })

  test('one that answers pings stays', async () => {
    const served = await serve({ limits: { pingIntervalMs: 50 } })
    const socket = await served.open()
    let pings = 0
    socket.socket.on('ping', () => pings++)
    await expect.poll(() => pings, { timeout: 5_000 }).toBeGreaterThan(4)
    expect(await socket.ask({ action: 'subscribe', id: 1, channel: 'orders' })).toMatchObject({
      ok: true,
    })
  })

  test('one that takes nothing at all is cut off in the end', async () => {
    const served = await serve({ limits: { stallTimeoutMs: 200, pingIntervalMs: 160 } })
    const raw = await openRawWebSocket(served.url)
    raw.say(frame(0x81, SUBSCRIBE))
    await expect.poll(() => raw.text).toContain('"ok":true')
    raw.socket.pause()
    const tags = ['x'.repeat(100_000)]
    const streams = async () =>
      /^gateway_stream_connections (\d)/m.exec(await (await served.get('/metrics')).text())?.[1]
    for (let n = 0; (await streams()) === '1'; n++) {
      if (n < 200) served.gateway.channels.send('orders', { symbol: 'a', tags })
    }
    expect(await streams()).toBe('0')
  })

  test('one that takes nothing of its answer is cut off, one that waits for it is not', async () => {
    const served = await serve({ limits: { stallTimeoutMs: 100 } })
    served.gateway.channels.send('orders', { symbol: 'a', tags: ['x'.repeat(15_000_000)] })
    const stalled = await openRaw(served.url)
    stalled.socket.pause()
    stalled.say('GET /api/v1/last/orders HTTP/1.1\r\nHost: x\r\n\r\n')
    const waiting = await openRaw(served.url)
    waiting.say('GET /api/v1/next/total?timeout=1.5 HTTP/1.1\r\nHost: x\r\n\r\n')
    await expect.poll(() => waiting.text, { timeout: 5_000 }).toMatch(/^HTTP\/1.1 504 /)
    // What it takes now is what the system has kept for it.
    stalled.socket.resume()
    await stalled.ended
    expect(stalled.text).toMatch(/^HTTP\/1.1 200 /)
    expect(stalled.heard.length).toBeLessThan(15_000_000)
  })

  test('headers that do not come to an end are refused with 408', async () => {
    const served = await serve({ limits: { headersTimeoutMs: 200, requestTimeoutMs: 400 } })
    const raw = await openRaw(served.url)
    raw.say('GET /api/v1/last/orders HTTP/1.1\r\nHost: x\r\n')
    await raw.ended
    expect(raw.text).toMatch(/^HTTP\/1.1 408 /)
    expect(raw.text).toContain('"code":"REQUEST_TIMEOUT"')
  })

  test('a body that does not come to an end is refused with 408', async () => {
    const served = await serve({ limits: { headersTimeoutMs: 200, requestTimeoutMs: 400 } })
    const raw = await openRaw(served.url)
    raw.say(
      'POST /api/v1/send/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    )
    await raw.ended
    expect(raw.text).toMatch(/^HTTP\/1.1 408 /)
  })

  test.each(['send/orders', 'stage/orders'])(
    'a client that goes within the body of %s is no fault of ours',
    async (path) => {
      const faults: string[] = []
      const log = {
        info() {},
        warn() {},
        error: (_: object, message?: string) => void faults.push(String(message)),
      }
      const served = await serve({ log })
      const raw = await openRaw(served.url)
      raw.say(
        `POST /api/v1/${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
      )
      const counted = async (): Promise<string> => (await served.get('/metrics')).text()
      await expect.poll(counted).toContain('gateway_http_connections 2')
      raw.socket.destroy()
      await expect.poll(counted).toMatch(/method="POST",group="\w+",status="408"\} 1/)
      expect(faults).toEqual([])
    },
  )

  test('headers beyond the bound are refused with 431, and what is no HTTP with 400', async () => {
    const served = await serve()
    const long = await openRaw(served.url)
    long.say(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)
    await long.ended
    expect(long.text).toMatch(/^HTTP\/1.1 431 /)
    const garbage = await openRaw(served.url)
    garbage.say('\x16\x03\x01 hello\r\n\r\n')
    await garbage.ended
    expect(garbage.text).toMatch(/^HTTP\/1.1 400 /)
    expect(await isAlive(served)).toBe(true)
  })

  test.each([
    ['no host', 'GET /api HTTP/1.0\r\n\r\n', 200],
    ['a host in large letters', 'GET /api HTTP/1.1\r\nHost: GATEWAY:80\r\n\r\n', 200],
    [
      'an upgrade that HTTP lets us pass over',
      'GET /api HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n',
      200,
    ],
    ['a host that is none', 'GET /api HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
    ['a URL that is none', 'GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['an asterisk', 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a backslash', 'GET /api\\v1 HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a version that wants a host, and none', 'GET /api HTTP/1.1\r\n\r\n', 400],
    ['two hosts', 'GET /api/v1/last/orders HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n', 400],
    ['strange expectations', 'GET /api HTTP/1.1\r\nHost: x\r\nExpect: magic\r\n\r\n', 417],
  ])('a request with %s is answered in our form', async (_, request, status) => {
    const served = await serve()
    const raw = await openRaw(served.url)
    raw.say(request)
    await expect.poll(() => raw.text).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    await expect.poll(() => raw.text).toContain(status === 200 ? '"versions"' : '"BAD_REQUEST"')
    expect(raw.text.toLowerCase()).toContain('x-content-type-options: nosniff')
    if (!request.includes('Upgrade')) return
    // The connection is one of HTTP as before.
    raw.say(request.replace('/api', '/healthz'))
    await expect.poll(() => raw.text).toContain('"status":"ok"')
  })

  test('CONNECT is refused in our form', async () => {
    const served = await serve()
    const raw = await openRaw(served.url)
    raw.say('CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n')
    await raw.ended
    expect(raw.text).toMatch(/^HTTP\/1.1 405 /)
    expect(raw.text).toContain('"code":"METHOD_NOT_ALLOWED"')
  })

  test('a body that waits for a word is asked for, unless it is beyond the bound', async () => {
    const served = await serve({ limits: { maxBodyBytes: 1_000 } })
    const head =
      'POST /api/v1/send/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n'
    const good = await openRaw(served.url)
    good.say(`${head}Content-Length: 14\r\n\r\n`)
    await expect.poll(() => good.text).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    good.say('{"symbol":"a"}')
    await expect.poll(() => good.text).toContain('HTTP/1.1 200 ')
    const long = await openRaw(served.url)
    long.say(`${head}Content-Length: 2000\r\n\r\n`)
    await long.ended
    expect(long.text).toMatch(/^HTTP\/1.1 413 /)
    expect(long.text).toContain('"code":"BODY_TOO_LARGE"')
  })

  test.each(['send/orders', 'send/prices/AAPL', 'stage/orders'])(
    'compressed bodies to %s are refused with what is taken',
    async (path) => {
      const { url } = await serve()
      const headers = { 'Content-Encoding': 'gzip' }
      const options = { method: 'POST', headers, body: { symbol: 'a' } }
      const answer = await ask(url, `/api/v1/${path}`, options)
      expect(answer.status).toBe(415)
      expect(answer.body.code).toBe('UNSUPPORTED_MEDIA_TYPE')
      expect(answer.headers['accept-encoding']).toBe('identity')
    },
  )

  test('bodies beyond the bound are refused, announced or not', async () => {
    const served = await serve({ limits: { maxBodyBytes: 1_000 } })
    const announced = await served.post('send/orders', { symbol: 'x'.repeat(2_000) })
    expect(announced.status).toBe(413)
    const raw = await openRaw(served.url)
    raw.say(
      'POST /api/v1/send/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    raw.say(`7d0\r\n${'x'.repeat(2_000)}\r\n`)
    await expect.poll(() => raw.text).toMatch(/^HTTP\/1.1 413 /)
  })

  test('connections beyond the bound are told so', async () => {
    const served = await serve({ limits: { maxConnections: 2 } })
    await openRaw(served.url)
    const socket = await served.open()
    const third = await openRaw(served.url)
    third.say('GET /api/v1/last/orders HTTP/1.1\r\nHost: x\r\n\r\n')
    await third.ended
    expect(third.text).toMatch(/^HTTP\/1.1 503 /)
    expect(third.text).toMatch(/retry-after: \d/i)
    await expect(served.open()).rejects.toMatchObject({ status: 503 })
    socket.socket.terminate()
    await expect.poll(async () => (await served.get('last/orders')).status).toBe(200)
  })
})

describe('handshakes that are none', () => {
  const upgrade = (target: string, more = ''): string =>
    `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${more}\r\n`

  test.each([
    ['//', 404],
    ['/', 404],
    ['/api/v1/streams', 404],
    ['http://[', 404],
    ['/api/v1/stream%', 404],
  ])('for %s are refused in our form', async (target, status) => {
    const served = await serve()
    const raw = await openRaw(served.url)
    raw.say(upgrade(target))
    await raw.ended
    expect(raw.text).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(raw.text).toContain('"code":"NOT_FOUND"')
    expect(await isAlive(served)).toBe(true)
  })

  test('of pages of another origin are refused, those of its own are not', async () => {
    const served = await serve({ origins: ['https://good.example'] })
    await expect(
      served.open('stream', { headers: { origin: 'https://good.example.evil' } }),
    ).rejects.toMatchObject({ status: 403, body: expect.stringContaining('ORIGIN_REFUSED') })
    for (const origin of ['https://good.example', served.url]) {
      const socket = await served.open('stream', { headers: { origin } })
      socket.close()
    }
  })

  test('may name the host with the path, as requests through proxies do, but not two of them', async () => {
    const served = await serve()
    const good = await openRaw(served.url)
    good.say(upgrade('http://x/api/v1/stream?a=b'))
    await expect.poll(() => good.text).toMatch(/^HTTP\/1.1 101 /)
    const bad = await openRaw(served.url)
    bad.say(upgrade('/api/v1/stream', 'Host: y\r\n'))
    await bad.ended
    expect(bad.text).toMatch(/^HTTP\/1.1 400 /)
  })

  test('of another version, or without a key, are refused', async () => {
    const served = await serve()
    for (const header of [
      'Sec-WebSocket-Version: 13\r\n',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n',
    ]) {
      const raw = await openRaw(served.url)
      raw.say(upgrade('/api/v1/stream').replace(header, ''))
      await raw.ended
      expect(raw.text).toMatch(/^HTTP\/1.1 400 /)
      expect(raw.text).toContain('"code":"BAD_REQUEST"')
    }
    const posted = await openRaw(served.url)
    posted.say(upgrade('/api/v1/stream').replace('GET', 'POST'))
    await posted.ended
    expect(posted.text).toMatch(/^HTTP\/1.1 405 /)
    expect(posted.text).toContain('"code":"METHOD_NOT_ALLOWED"')
  })
})

describe('texts that would do harm', () => {
  test.each([
    '{"symbol":"a","__proto__":{"polluted":true}}',
    '{"symbol":"a","flags":{"constructor":true}}',
    '{"symbol":"a","flags":{"\\u005f_proto__":true}}',
    `{"symbol":"a","tags":${'['.repeat(100)}${']'.repeat(100)}}`,
    '{"symbol":"a","quantity":9007199254740993}',
  ])('%s is refused', async (body) => {
    const served = await serve()
    const response = await served.post('send/orders', body)
    expect(response.status).toBe(422)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    expect(served.gateway.channels.last('orders')).toBeUndefined()
    const socket = await served.open()
    socket.say(`{"action":"send","id":1,"channel":"orders","data":${body}}`)
    expect(
      (await socket.ask({ action: 'send', id: 2, channel: 'orders', data: { symbol: 'b' } })).ok,
    ).toBe(true)
    expect(served.gateway.channels.last('orders')).toMatchObject({ symbol: 'b' })
  })

  test('queries beyond their bounds, or that reach for a prototype, are refused', async () => {
    const served = await serve()
    const deep = `${'{"not":'.repeat(20)}{"path":"symbol","op":"eq","value":"a"}${'}'.repeat(20)}`
    for (const query of [
      'where=__proto__.x:eq:1',
      'where=constructor:eq:1',
      'sort=constructor.name',
      'select=__proto__',
      `where=${encodeURIComponent(deep)}`,
      Array.from({ length: 65 }, () => 'where=symbol:eq:a').join('&'),
      'limit=100001',
    ]) {
      const response = await served.get(`state/orders?${query}`)
      expect(`${response.status} ${query.slice(0, 40)}`).toBe(`400 ${query.slice(0, 40)}`)
    }
  })

  test('answers tell nothing of the server’s inside', async () => {
    const served = await serve()
    for (const path of [
      '/../../etc/passwd',
      '/%2e%2e/x',
      '/api/v1/last/%00',
      '/api/v1/last/%ff',
      '/api/v1/lookup/orders/%',
    ]) {
      const response = await served.get(path)
      expect([path, response.status < 500]).toEqual([path, true])
      const text = await response.text()
      expect(text).not.toMatch(/node_modules|\.ts|\.js|at \w+ \(/)
      expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    }
  })
})

describe('whoever was shut out', () => {
  test('is not listened to, however long it takes to hang up', async () => {
    let revoke: (name: string) => void = () => undefined
    const auth: Authenticator = {
      name: 'trusting',
      authenticate: () => ({ ok: true, identity: { name: 'ann' } }),
      onRevoked: (listener) => {
        revoke = listener
        return () => undefined
      },
    }
    const served = await serve({ auth })
    const send = (n: number): Buffer =>
      frame(
        0x81,
        JSON.stringify({ action: 'send', id: n, channel: 'orders', data: { symbol: 'A' } }),
      )
    const raw = await openRawWebSocket(served.url)
    raw.say(send(1))
    await expect.poll(() => raw.text).toContain('"id":1')
    revoke('ann')
    await expect.poll(() => raw.closeCode).toBe(4401)
    raw.say(send(2))
    // What comes after it on the same connection has been read, too.
    raw.say(frame(0x89, 'x'))
    raw.say(frame(0x88, Buffer.from([0x03, 0xe8])))
    await raw.ended
    expect(raw.text).not.toContain('"id":2')
    expect(await served.json('last/total')).toEqual([1])
  })
})

test('a body in pieces beyond the bound is refused in words', async () => {
  const served = await serve({ limits: { maxBodyBytes: 1_000 } })
  const raw = await openRaw(served.url)
  raw.say(
    'POST /api/v1/send/orders?messageId=1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
  for (let n = 0; n < 3; n++) raw.say(`1f4\r\n${' '.repeat(500)}\r\n`)
  await raw.ended
  expect(raw.text).toMatch(/^HTTP\/1\.1 413 /)
  expect(raw.text).toContain('BODY_TOO_LARGE')
})
