import { parseArgs } from 'node:util'
import { type ServerProcess, startServer } from '../child.js'
import { Clients } from './clients.js'
import { KEYS } from './contract.js'

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
const SUBSCRIBE = { action: 'subscribe', channel: 'prices' }
const SIDES = { gw: 'gw', wsSend: 'plain' } as const

const BURST_SIZE = 10
const ROUNDS = 4
const ROUND_MS = 1_200

interface Measured {
  readonly rssBytes: number
  readonly cpuMs: number
}

type Server = ServerProcess<Measured>

const burst100 = await burst(100)
console.log(
  `burst100     messages/s  gw ${burst100.gw}  wsSend ${burst100.wsSend}  ratio ${(burst100.gw / burst100.wsSend).toFixed(2)}`,
)
const steady100 = await steady('steady100', 100, 1_000)
const steady1000 = await steady('steady1000', 1_000, 100)
const connections = Math.min(10_000, await descriptors())
const idle10000 = await idle(connections)
console.log(
  `idle10000    bytes each of ${connections}  gw ${idle10000.bytesEach}  bare ws ${idle10000.bareBytesEach}`,
)
const basket10000 = await keyed()
console.log(
  `basket10000  µs a tick  alone ${basket10000.aloneMicros}  among 10,000 ${basket10000.micros}`,
)
if (values.json) {
  console.log(JSON.stringify({ burst100, steady100, steady1000, idle10000, basket10000 }))
}

/** Ticks come in bursts of 10 a turn of the event loop; each side goes as fast as its clients get them all. */
async function burst(connections: number): Promise<{ gw: number; wsSend: number }> {
  const sides = await Promise.all(
    Object.values(SIDES).map(async (side) => {
      const server = await startServer<Measured>('./ws-server.js', side)
      const clients = await Clients.open(server.port, connections, [SUBSCRIBE])
      return { server, clients, rate: 100 * connections, best: 0 }
    }),
  )
  await settled()
  // The first rounds warm up, and tell how much a round can hold.
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of sides) {
      const bursts = Math.ceil((side.rate * ROUND_MS) / 1_000 / BURST_SIZE / connections)
      side.rate = await burstRate(side.server, side.clients, bursts, connections)
      if (round > 0) side.best = Math.max(side.best, Math.round(side.rate))
      await settled()
    }
  }
  for (const { server, clients } of sides) {
    clients.close()
    await server.stop()
  }
  const [gw = 0, wsSend = 0] = sides.map(({ best }) => best)
  return { gw, wsSend }
}

/** Messages a second of so many bursts, when every client has all of them. */
async function burstRate(
  server: Server,
  clients: Clients,
  bursts: number,
  connections: number,
): Promise<number> {
  clients.reset()
  const ofBurst = BURST_SIZE * connections
  let told = 0
  const all = new Promise<void>((resolve) => {
    clients.onData = () => {
      if (clients.messages === bursts * ofBurst) resolve()
      const received = Math.floor(clients.messages / ofBurst)
      // Telling of each would be work for the server.
      if (received - told >= 10) {
        told = received
        server.tell({ do: 'received', bursts: received })
      }
    }
  })
  const started = performance.now()
  const done = server.ask({ do: 'bursts', bursts, size: BURST_SIZE })
  await Promise.all([all, done])
  return (clients.messages * 1_000) / (performance.now() - started)
}

async function steady(
  name: string,
  connections: number,
  perSecond: number,
): Promise<{ p50Ms: number; p99Ms: number; lost: number }> {
  const server = await startServer<Measured>('./ws-server.js', 'gw')
  const clients = await Clients.open(server.port, connections, [SUBSCRIBE], true)
  await settled()
  // The first run warms up.
  for (const seconds of [1, 4]) {
    clients.reset()
    await server.ask({ do: 'steady', ticks: seconds * perSecond, perSecond })
    await settled()
  }
  const lost = 4 * perSecond * connections - clients.messages
  const sorted = clients.latenciesMs.sort((a, b) => a - b)
  const at = (share: number): number =>
    Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 100) / 100
  clients.close()
  await server.stop()
  const result = { p50Ms: at(0.5), p99Ms: at(0.99), lost }
  console.log(`${name.padEnd(12)} p50 ${result.p50Ms} ms  p99 ${result.p99Ms} ms  lost ${lost}`)
  return result
}

async function idle(connections: number): Promise<{ bytesEach: number; bareBytesEach: number }> {
  const each: Record<string, number> = {}
  for (const [name, side] of Object.entries(SIDES)) {
    const server = await startServer<Measured>('./ws-server.js', side)
    // What is made for the first is not for each.
    const first = await Clients.open(server.port, 100, [SUBSCRIBE])
    await settled()
    const before = await server.ask({ do: 'memory' })
    const clients = await Clients.open(server.port, connections, [SUBSCRIBE])
    await settled()
    const after = await server.ask({ do: 'memory' })
    each[name] = Math.round((after.rssBytes - before.rssBytes) / connections)
    first.close()
    clients.close()
    await server.stop()
  }
  return { bytesEach: each.gw ?? 0, bareBytesEach: each.wsSend ?? 0 }
}

/** One key ticks, with nobody at the others, and with somebody at each. */
async function keyed(): Promise<{ aloneMicros: number; micros: number }> {
  const ticks = 5_000
  const micros: number[] = []
  const subscribe = (key: string): object => ({ action: 'subscribe', channel: 'keyed', key })
  for (const keys of [KEYS.slice(0, 1), KEYS]) {
    const server = await startServer<Measured>('./ws-server.js', 'gw')
    const clients = await Clients.open(server.port, 1, keys.map(subscribe))
    await settled()
    await server.ask({ do: 'keyed', ticks })
    await settled()
    clients.reset()
    const { cpuMs } = await server.ask({ do: 'keyed', ticks })
    await settled()
    if (clients.messages !== ticks) throw new Error(`${clients.messages} of ${ticks} came`)
    micros.push(Math.round((cpuMs * 10_000) / ticks) / 10)
    clients.close()
    await server.stop()
  }
  const [aloneMicros = 0, among = 0] = micros
  return { aloneMicros, micros: among }
}

/** Until what was said is done and what was sent has come: nothing moves for a while. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 500))
}

/** Connections that this process may have. */
async function descriptors(): Promise<number> {
  const { readFile } = await import('node:fs/promises')
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const max = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  return max === undefined ? 10_000 : Math.max(100, Number(max) - 300)
}
