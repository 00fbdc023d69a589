import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Gateway } from '@gw/channels'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { type RestModule, webServer } from '../src/index.js'
import { channels, module, type TestChannels } from './support/contract.js'
import { openRaw } from './support/raw.js'
import { serve } from './support/serve.js'

async function mounted(modules: readonly RestModule<TestChannels>[] = []) {
  const server = webServer({ port: false })
  const gateway = new Gateway({ channels, modules: [module, ...modules, server] })
  onTestFinished(() => gateway.stop())
  const app = new Hono()
  app.get('/own', (c) => c.text('mine'))
  app.use('*', async (c, next) => {
    await next()
    c.header('X-Own', 'yes')
  })
  app.route('/', server.app)
  return { server, gateway, app }
}

describe('mounted in an app of the user', () => {
  test('the routes are beside those of the app, and behind its middleware', async () => {
    const { gateway, app } = await mounted()
    await gateway.start()
    expect(await (await app.request('/own')).text()).toBe('mine')
    const sent = await app.request('/api/v1/send/orders', {
      method: 'POST',
      body: '{"symbol":"a"}',
      headers: { 'content-type': 'application/json' },
    })
    expect(sent.status).toBe(200)
    const last = await app.request('/api/v1/last/orders')
    expect(await last.json()).toMatchObject([{ symbol: 'a' }])
    expect(last.headers.get('x-own')).toBe('yes')
    expect((await app.request('/nowhere')).status).toBe(404)
    expect((await app.request('/api/v1/last/orders', { method: 'HEAD' })).status).toBe(200)
  })

  test('they are found below a path too', async () => {
    const { gateway, server } = await mounted()
    await gateway.start()
    const mounts = [
      new Hono().mount('/gateway', server.app.fetch),
      new Hono().route('/gateway', server.app),
      new Hono().basePath('/gateway').route('/', server.app),
      new Hono().route('/:name', server.app),
    ]
    for (const app of mounts) {
      const sent = await app.request('/gateway/api/v1/send/prices/AAPL?messageId=a', {
        method: 'POST',
        body: '{"value":1}',
        headers: { 'content-type': 'application/json' },
      })
      expect(sent.status).toBe(200)
      const last = await app.request('/gateway/api/v1/last/prices?keys=1')
      expect(await last.json()).toMatchObject({ AAPL: { value: 1 } })
      expect((await app.request('/gateway/nowhere')).status).toBe(404)
      expect((await app.request('/nowhere/else')).status).toBe(404)
    }
    for (const app of mounts.slice(1)) {
      const moved = await app.request('/gateway/api/v1/last?a=b')
      expect([moved.status, moved.headers.get('location')]).toEqual([
        307,
        '/gateway/api/v1/last/?a=b',
      ])
      expect((await app.request('/gateway')).headers.get('location')).toBe('/gateway/docs')
    }
  })

  test('before the start and after the stop they answer 503', async () => {
    const { gateway, app } = await mounted()
    const status = async () => (await app.request('/api/v1/last/orders')).status
    expect(await status()).toBe(503)
    await gateway.start()
    expect(await status()).toBe(200)
    await gateway.stop()
    expect(await status()).toBe(503)
  })

  test('the stream works on a server of the user', async () => {
    const { gateway, app, server } = await mounted()
    const node = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }))
    node.on('upgrade', server.upgrade)
    await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void node.close())
    const { port } = node.address() as AddressInfo
    await gateway.start()
    const socket = new WebSocket(`ws://127.0.0.1:${port}/api/v1/stream`)
    onTestFinished(() => socket.terminate())
    await new Promise((resolve) => socket.once('open', resolve))
    const heard = new Promise((resolve) => socket.once('message', resolve))
    socket.send('{"action":"subscribe","id":1,"channel":"orders"}')
    expect(JSON.parse(String(await heard))).toMatchObject({ id: 1, ok: true })
  })
})

describe('on a server of the user that takes upgrades', () => {
  const UPGRADE = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n'

  test('a request that would rather have HTTP/2 is answered as any other, its body too', async () => {
    const { gateway, app, server } = await mounted()
    const node = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }))
    node.on('upgrade', server.upgrade)
    await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void node.close())
    await gateway.start()
    const url = `http://127.0.0.1:${(node.address() as AddressInfo).port}`
    const raw = await openRaw(url)
    raw.say(`GET /own HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`)
    await expect.poll(() => raw.text).toContain('mine')
    // The connection goes on, and what follows a request in one piece is not lost.
    const head = `POST /api/v1/send/orders HTTP/1.1\r\nHost: x\r\n${UPGRADE}Content-Type: application/json\r\n`
    raw.say(
      `${head}Content-Length: 14\r\n\r\n{"symbol":"a"}GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n`,
    )
    await expect.poll(() => raw.text).toContain('"symbol":"a"')
    await expect.poll(() => raw.text).toContain('"status":"ok"')
    raw.say(`${head}Transfer-Encoding: chunked\r\n\r\n`)
    raw.say('e\r\n{"symbol":"b"}\r\n0\r\n\r\n')
    await expect.poll(() => raw.text).toContain('"symbol":"b"')
    raw.say(`GET /own HTTP/1.1\r\nHost: x\r\n${UPGRADE.replace('Upgrade,', 'close, Upgrade,')}\r\n`)
    await raw.ended
    expect(gateway.channels.last('orders')).toMatchObject({ symbol: 'b' })
    const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/stream`)
    onTestFinished(() => socket.terminate())
    await new Promise((resolve) => socket.once('open', resolve))
  })
})

describe('a module with rest', () => {
  const extra: RestModule<TestChannels> = {
    name: 'extra',
    connect: () => undefined,
    rest: (app) => {
      app.get('/hello/:name', (c) =>
        c.json({ hello: c.req.param('name'), as: c.get('identity').name }),
      )
      app.post('/hello/:name', (c) => c.body(null, 204))
      app.get('/teapot', () => {
        throw new HTTPException(418, { message: 'short and stout' })
      })
      app.get('/broken', () => {
        throw new Error('at /secret/path')
      })
      app.get('/api/v1/last/orders', (c) => c.text('mine now'))
    },
  }

  test('adds routes, which are answered as all others', async () => {
    const { gateway, app } = await mounted([extra])
    await gateway.start()
    const hello = await app.request('/hello/world')
    expect(await hello.json()).toEqual({ hello: 'world', as: 'anonymous' })
    expect((await app.request('/hello/world', { method: 'HEAD' })).status).toBe(200)
    expect((await app.request('/hello/world', { method: 'POST' })).status).toBe(204)
    const options = await app.request('/hello/world', { method: 'OPTIONS' })
    expect([options.status, options.headers.get('allow')]).toEqual([
      204,
      'GET, POST, HEAD, OPTIONS',
    ])
    expect((await app.request('/hello/world', { method: 'PUT' })).status).toBe(405)
    expect((await app.request('/hello')).status).toBe(404)
  })

  test('says what Hono says in its own words, and nothing of faults', async () => {
    const { gateway, app } = await mounted([extra])
    await gateway.start()
    const teapot = await app.request('/teapot')
    expect([teapot.status, await teapot.text()]).toEqual([418, 'short and stout'])
    expect(teapot.headers.get('x-content-type-options')).toBe('nosniff')
    const broken = await app.request('/broken')
    expect(broken.status).toBe(500)
    expect(await broken.text()).not.toContain('secret')
  })

  test('cannot take over a route of the gateway', async () => {
    const { gateway, app } = await mounted([extra])
    await gateway.start()
    expect(await (await app.request('/api/v1/last/orders')).json()).toEqual([])
  })

  test('is guarded as the gateway is', async () => {
    const server = webServer({
      port: false,
      auth: {
        name: 'header',
        authenticate: (credentials) =>
          credentials.header('key') === 'k'
            ? { ok: true, identity: { name: 'ann' } }
            : { ok: false, code: 'UNAUTHORIZED', detail: 'unauthorized' },
      },
    })
    const gateway = new Gateway({ channels, modules: [module, extra, server] })
    onTestFinished(() => gateway.stop())
    await gateway.start()
    expect((await server.app.request('/hello/world')).status).toBe(403)
    const hello = await server.app.request('/hello/world', { headers: { key: 'k' } })
    expect(await hello.json()).toEqual({ hello: 'world', as: 'ann' })
    // What is not there is 404 for everybody.
    expect((await server.app.request('/hello')).status).toBe(404)
  })
})

test('middleware runs before every route', async () => {
  const served = await serve({
    middleware: [
      async (c, next) => {
        if (c.req.header('blocked') !== undefined) throw new HTTPException(451)
        await next()
      },
    ],
  })
  expect((await served.get('last/orders')).status).toBe(200)
  expect((await served.get('last/orders', { headers: { blocked: '1' } })).status).toBe(451)
})

test('a body that middleware has read is there for the routes too', async () => {
  const read: string[] = []
  const served = await serve({
    middleware: [
      async (c, next) => {
        read.push(await c.req.text())
        await next()
      },
    ],
  })
  const sent = await served.post('send/orders', { symbol: 'a' })
  expect(await sent.json()).toMatchObject([{ symbol: 'a' }])
  expect((await served.post('stage/orders', { symbol: 'b' })).status).toBe(200)
  expect((await served.get('last/orders')).status).toBe(200)
  expect(read).toEqual(['{"symbol":"a"}', '{"symbol":"b"}', ''])
})
