import { Gateway } from '@gw/channels'
import { webServer } from '@gw/server-hono'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { channels, ORDER, totals } from './contract.js'

const [side] = process.argv.slice(2)

/** What both sides answer to the reads: a record as the gateway makes it. */
const LAST = `[{"id":"179557980344886725000000000000","timestamp":"2026-11-25T04:10:04.470448Z",${ORDER.slice(1)}]`

if (side === 'gw') {
  const server = webServer({ port: 0 })
  const gateway = new Gateway({ channels, modules: [totals, server] })
  await gateway.start()
  gateway.channels.send('orders', JSON.parse(LAST)[0])
  process.send?.({ port: Number(new URL(server.url ?? '').port) })
} else {
  const app = new Hono()
  app.get('/api/v1/last/orders', (c) => c.body(LAST, 200, { 'Content-Type': 'application/json' }))
  app.post('/api/v1/send/orders', async (c) => c.json([await c.req.json()]))
  serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
    process.send?.({ port })
  })
}
process.on('disconnect', () => process.exit())
