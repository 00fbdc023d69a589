import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Gateway } from '@gw/channels'
import { webServer } from '@gw/server-hono'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { channels, ORDER, totals } from './contract.js'

const [side] = process.argv.slice(2)

/** What both sides answer to the reads: a record as the gateway makes it. */
const LAST = `[{"id":"179557980344886725000000000000","timestamp":"2026-11-25T04:10:04.470448Z",${ORDER.slice(1)}]`

const HEAD = [
  ...['Content-Type', 'application/json', 'Cache-Control', 'no-store'],
  ...['X-Gateway-Kind', 'single', 'X-Gateway-Position', '179557980344886725:1'],
  ...['X-Content-Type-Options', 'nosniff', 'X-Frame-Options', 'DENY'],
  ...['Referrer-Policy', 'no-referrer'],
]

if (side === 'gw') {
  const server = webServer({ port: 0 })
  const gateway = new Gateway({ channels, modules: [totals, server] })
  await gateway.start()
  gateway.channels.send('orders', JSON.parse(LAST)[0])
  process.send?.({ port: Number(new URL(server.url ?? '').port) })
} else if (side === 'bareNode') {
  // What Node's own server makes of it, without any framework: the headers are the gateway's.
  const answer = (response: ServerResponse): void => {
    response.writeHead(200, [...HEAD, 'Content-Length', String(LAST.length)])
    response.end(LAST)
  }
  const http = createServer((request, response) => {
    if (request.method === 'GET') {
      answer(response)
      return
    }
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      JSON.parse(Buffer.concat(parts).toString())
      answer(response)
    })
  })
  http.listen(0, '127.0.0.1', () => {
    process.send?.({ port: (http.address() as AddressInfo).port })
  })
} else {
  const app = new Hono()
  app.get('/api/v1/last/orders', (c) => c.body(LAST, 200, { 'Content-Type': 'application/json' }))
  app.post('/api/v1/send/orders', async (c) => c.json([await c.req.json()]))
  serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
    process.send?.({ port })
  })
}
process.on('message', () => process.send?.(process.cpuUsage()))
process.on('disconnect', () => process.exit())
