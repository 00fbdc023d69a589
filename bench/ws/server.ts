import { createServer, type ServerResponse } from 'node:http'
import { Gateway } from '@gw/channels'
import { webServer } from '@gw/server-hono'
import { WebSocketServer } from 'ws'
import { channels, KEYS, nothing, price } from './contract.js'

/** What the bench asks of a server. */
export type Order =
  | { readonly do: 'bursts'; readonly bursts: number; readonly size: number }
  | { readonly do: 'steady'; readonly ticks: number; readonly perSecond: number }
  | { readonly do: 'keyed'; readonly ticks: number }
  | { readonly do: 'memory' }
  /** Bursts that all clients have, so that the server does not run ahead of them. */
  | { readonly do: 'received'; readonly bursts: number }

/** Bursts that may be on their way: less than what sockets hold, so that nobody falls behind. */
const MAX_AHEAD = 40

interface Side {
  /** Absent where it listens on a UNIX socket alone. */
  readonly port?: number | undefined
  tick(n: number): void
  tickKey(n: number): void
}

/** Which side, and the path of its UNIX socket when it is to have one in place of a port. */
const [name, unix] = process.argv.slice(2)
const side = name === 'gw' ? await gatewaySide() : await plainSide()
let received = 0
let onReceived: () => void = () => undefined
process.on('message', (order: Order) => {
  if (order.do === 'received') {
    received = order.bursts
    onReceived()
  } else void obey(order).then((answer) => process.send?.(answer))
})
process.on('disconnect', () => process.exit())
process.send?.({ port: side.port })

async function obey(order: Exclude<Order, { do: 'received' }>): Promise<object> {
  switch (order.do) {
    case 'bursts':
      return bursts(order.bursts, order.size)
    case 'steady':
      return steady(order.ticks, order.perSecond)
    case 'keyed':
      return keyed(order.ticks)
    case 'memory':
      globalThis.gc?.()
      await new Promise((resolve) => setTimeout(resolve, 200))
      globalThis.gc?.()
      return { rssBytes: process.memoryUsage.rss() }
  }
}

/** One burst a turn of the event loop. */
async function bursts(count: number, size: number): Promise<object> {
  received = 0
  let n = 0
  const before = process.cpuUsage()
  for (let burst = 0; burst < count; burst++) {
    while (burst - received > MAX_AHEAD) {
      await new Promise<void>((resolve) => {
        onReceived = resolve
      })
    }
    for (let i = 0; i < size; i++) side.tick(++n)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { user, system } = process.cpuUsage(before)
  return { cpuMs: (user + system) / 1_000 }
}

/** Ticks at an even pace, as near as timers go. */
async function steady(count: number, perSecond: number): Promise<object> {
  const started = performance.now()
  const before = process.cpuUsage()
  for (let n = 0; n < count; ) {
    const due = Math.min(count, Math.floor(((performance.now() - started) * perSecond) / 1_000))
    while (n < due) side.tick(++n)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const { user, system } = process.cpuUsage(before)
  return { cpuMs: (user + system) / 1_000 }
}

/** One key ticks, each time in a turn of its own. */
async function keyed(count: number): Promise<object> {
  const started = performance.now()
  const before = process.cpuUsage()
  for (let n = 1; n <= count; n++) {
    side.tickKey(n)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { user, system } = process.cpuUsage(before)
  return { elapsedMs: performance.now() - started, cpuMs: (user + system) / 1_000 }
}

async function gatewaySide(): Promise<Side> {
  const server = webServer({
    ...(unix === undefined ? { port: 0 } : { port: false, unix }),
    // Readers that stall for all of a scenario would be cut off: at the second ping, and for taking nothing.
    limits: {
      maxSubscriptions: 20_000,
      pingIntervalMs: 600_000,
      progressIntervalMs: 600_000,
      stallTimeoutMs: 600_000,
    },
  })
  const gateway = new Gateway({ channels, modules: [nothing, server] })
  await gateway.start()
  const key = KEYS[0] as 'key-0'
  return {
    port: server.url === undefined ? undefined : Number(new URL(server.url).port),
    tick: (n) => void gateway.channels.send('prices', price(n)),
    tickKey: (n) => void gateway.channels.send('keyed', price(n), key),
  }
}

/** The usual way: each tick is made a text once, and sent to each client. */
async function plainSide(): Promise<Side> {
  const readers = new Set<ServerResponse>()
  const http = createServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    response.flushHeaders()
    readers.add(response)
    response.on('close', () => readers.delete(response))
  })
  const server = new WebSocketServer({ server: http, perMessageDeflate: false })
  server.on('connection', (socket) => socket.on('message', () => undefined))
  await new Promise<void>((resolve) => {
    if (unix === undefined) http.listen(0, '127.0.0.1', resolve)
    else http.listen(unix, resolve)
  })
  let id = 179_557_980_344_886_725n * 1_000_000_000_000n
  const tick = (n: number): void => {
    const record = { id: String(++id), timestamp: '2026-11-25T04:10:04.470448Z', ...price(n) }
    const text = JSON.stringify({ channel: 'prices', data: [record] })
    for (const client of server.clients) client.send(text)
    if (readers.size === 0) return
    // As long as the gateway's events, which say where they are.
    const data = JSON.stringify({
      ...{ channel: 'prices', kind: 'single', data: [record] },
      ...{ epoch: '179557980344886725', offset: n },
    })
    const event = `event: data\nid: 179557980344886725:${n}\ndata: ${data}\n\n`
    for (const reader of readers) reader.write(event)
  }
  const address = http.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return { port, tick, tickKey: tick }
}
