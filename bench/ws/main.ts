import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type ServerProcess, startServer } from '../child.js'
import { Clients, type ClientsOptions } from './clients.js'
import { KEYS } from './contract.js'

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
const SUBSCRIBERS: ClientsOptions = { messages: [{ action: 'subscribe', channel: 'prices' }] }
/** Those who can be told of gaps: others are closed when they fall behind. */
const OWN_SUBSCRIBERS: ClientsOptions = {
  messages: [{ action: 'subscribe', id: 1, channel: 'prices' }],
}
const EVENT_READERS: ClientsOptions = { events: '/api/v1/stream/prices' }
const SIDES = { gw: 'gw', wsSend: 'plain' } as const

const BURST_SIZE = 10
const ROUNDS = 4
const ROUND_MS = 1_200

interface Measured {
  readonly rssBytes: number
  readonly cpuMs: number
}

interface Latencies {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly lost: number
}

interface Paced extends Latencies {
  /** Of the server for each tick. */
  readonly cpuMicros: number
}

/** Messages a second, and CPU time of the server for each. */
interface Best {
  readonly rate: number
  readonly cpuMicros: number
}

type Server = ServerProcess<Measured>

const folder = mkdtempSync(join(tmpdir(), 'gw-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const burst100 = ratesOf('burst100', await burst(100), 'wsSend')
const unix100 = ratesOf('unix100', await burst(100, { isUnix: true }), 'wsSend')
const sse100 = ratesOf('sse100', await burst(100, { clients: EVENT_READERS }), 'resWrite')
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
const stalled200 = await stalled(200)
for (const [name, { p50Ms, p99Ms, lost, cpuMicros }] of Object.entries(stalled200.live)) {
  console.log(
    `stalled200   ${name.padEnd(7)} p50 ${p50Ms} ms  p99 ${p99Ms} ms  lost ${lost}  CPU µs a tick ${cpuMicros}`,
  )
}
console.log(
  `stalled200   bytes each ${stalled200.bytesEach}  growth of all ${stalled200.growthBytes}`,
)
if (values.json) {
  console.log(
    JSON.stringify({
      ...{ burst100, steady100, steady1000, idle10000, basket10000 },
      ...{ unix100, sse100, stalled200 },
    }),
  )
}

/** Tells how fast two sides were, and gives it in the form of the JSON. */
function ratesOf<Peer extends string>(
  name: string,
  [gw, peer]: readonly [Best, Best],
  peerName: Peer,
): { readonly [side in 'gw' | Peer]: number } {
  const told = ({ rate, cpuMicros }: Best): string =>
    `${rate} (${cpuMicros.toFixed(2)} µs of CPU each)`
  console.log(
    `${name.padEnd(12)} messages/s  gw ${told(gw)}  ${peerName} ${told(peer)}  ratio ${(gw.rate / peer.rate).toFixed(2)}`,
  )
  return { gw: gw.rate, [peerName]: peer.rate } as { readonly [side in 'gw' | Peer]: number }
}

/** Ticks come in bursts of 10 a turn of the event loop; each side goes as fast as its clients get them all. */
async function burst(
  connections: number,
  {
    clients: options = SUBSCRIBERS,
    isUnix = false,
  }: { readonly clients?: ClientsOptions; readonly isUnix?: boolean } = {},
): Promise<[Best, Best]> {
  const sides = await Promise.all(
    Object.values(SIDES).map(async (side) => {
      const path = isUnix ? join(folder, side) : undefined
      const server = await start(side, path)
      const clients = await Clients.open(path ?? server.port, connections, options)
      const best: Best = { rate: 0, cpuMicros: Number.POSITIVE_INFINITY }
      return { server, clients, rate: 100 * connections, best }
    }),
  )
  await settled()
  // The first rounds warm up, and tell how much a round can hold.
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of sides) {
      const bursts = Math.ceil((side.rate * ROUND_MS) / 1_000 / BURST_SIZE / connections)
      const { rate, cpuMicros } = await burstRate(side.server, side.clients, bursts, connections)
      side.rate = rate
      if (round > 0) {
        side.best = {
          rate: Math.max(side.best.rate, Math.round(rate)),
          cpuMicros: Math.min(side.best.cpuMicros, cpuMicros),
        }
      }
      await settled()
    }
  }
  for (const { server, clients } of sides) {
    clients.close()
    await server.stop()
  }
  return sides.map(({ best }) => best) as [Best, Best]
}

/** Messages a second of so many bursts, when every client has all of them, and what each costs the server. */
async function burstRate(
  server: Server,
  clients: Clients,
  bursts: number,
  connections: number,
): Promise<Best> {
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
  const [{ cpuMs }] = await Promise.all([done, all])
  return {
    rate: (clients.messages * 1_000) / (performance.now() - started),
    cpuMicros: (cpuMs * 1_000) / clients.messages,
  }
}

async function steady(name: string, connections: number, perSecond: number): Promise<Latencies> {
  const server = await start('gw')
  const clients = await Clients.open(server.port, connections, {
    ...SUBSCRIBERS,
    looksAtTimes: true,
  })
  await settled()
  // The first run warms up.
  for (const seconds of [1, 4]) {
    clients.reset()
    await server.ask({ do: 'steady', ticks: seconds * perSecond, perSecond })
    await settled()
  }
  const lost = 4 * perSecond * connections - clients.messages
  const result = latencies(clients.latenciesMs, lost)
  clients.close()
  await server.stop()
  const { p50Ms, p99Ms } = result
  console.log(`${name.padEnd(12)} p50 ${p50Ms} ms  p99 ${p99Ms} ms  lost ${lost}`)
  return result
}

function latencies(allMs: readonly number[], lost: number): Latencies {
  const sorted = Float64Array.from(allMs).sort()
  const at = (share: number): number =>
    Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 100) / 100
  return { p50Ms: at(0.5), p99Ms: at(0.99), lost }
}

async function idle(connections: number): Promise<{ bytesEach: number; bareBytesEach: number }> {
  const each: Record<string, number> = {}
  for (const [name, side] of Object.entries(SIDES)) {
    const server = await start(side)
    // What is made for the first is not for each.
    const first = await Clients.open(server.port, 100, SUBSCRIBERS)
    await settled()
    const before = await server.ask({ do: 'memory' })
    const clients = await Clients.open(server.port, connections, SUBSCRIBERS)
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
    const server = await start('gw')
    const clients = await Clients.open(server.port, 1, { messages: keys.map(subscribe) })
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

/**
 * As many that keep up as have stalled, beside as many that keep up alone, which take turns. On UNIX sockets, whose buffers
 * are small, so that a reader that stalls is soon felt.
 */
async function stalled(connections: number): Promise<{
  readonly live: { readonly alone: Paced; readonly stalled: Paced }
  /** Memory of the server for each that has stalled, its queue full. */
  readonly bytesEach: number
  /** By how much memory has grown from then on. */
  readonly growthBytes: number
}> {
  const perSecond = 500
  const [alone, beside] = await Promise.all(
    ['alone', 'stalled'].map(async (name) => {
      const path = join(folder, name)
      const server = await start('gw', path)
      const options = { ...OWN_SUBSCRIBERS, looksAtTimes: true }
      const live = await Clients.open(path, connections, options)
      return { server, path, live, rounds: [] as Latencies[], cpuMs: 0 }
    }),
  )
  if (alone === undefined || beside === undefined) throw new Error('there are two')
  const sides = [alone, beside]
  const fill = { do: 'steady', ticks: 8_000, perSecond: 2_000 }
  for (const { server } of sides) await server.ask(fill)
  const rssBytes = async (): Promise<number> => (await beside.server.ask({ do: 'memory' })).rssBytes
  const before = await rssBytes()
  const readers = await Clients.open(beside.path, connections, OWN_SUBSCRIBERS)
  readers.pause()
  for (const { server } of sides) await server.ask(fill)
  await settled()
  const figures = await metrics(beside.path)
  const isFull = figures.includes(`\ngateway_stream_behind ${connections}\n`)
  if (!isFull || figures.includes('\ngateway_stream_dropped_ticks_total 0\n')) {
    throw new Error('not all have stalled, or their queues are not full')
  }
  const filled = await rssBytes()
  // Rounds are short and many, and their median counts: what else the machine does falls into some of them.
  const rounds = 10
  for (let round = 0; round < rounds; round++) {
    for (const side of sides) {
      side.live.reset()
      const { cpuMs } = await side.server.ask({ do: 'steady', ticks: perSecond, perSecond })
      await settled()
      side.cpuMs += cpuMs
      const lost = perSecond * connections - side.live.messages
      side.rounds.push(latencies(side.live.latenciesMs, lost))
    }
  }
  const growthBytes = (await rssBytes()) - filled
  readers.close()
  for (const { live, server } of sides) {
    live.close()
    await server.stop()
  }
  const measured = ({ rounds, cpuMs }: (typeof sides)[number]): Paced => ({
    p50Ms: median(rounds.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(rounds.map(({ p99Ms }) => p99Ms)),
    lost: rounds.reduce((sum, { lost }) => sum + lost, 0),
    cpuMicros: Math.round((cpuMs * 1_000) / (perSecond * rounds.length)),
  })
  return {
    live: { alone: measured(alone), stalled: measured(beside) },
    bytesEach: Math.round((filled - before) / connections),
    growthBytes,
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function start(side: string, path?: string): Promise<Server> {
  return startServer<Measured>('./ws-server.js', side, ...(path === undefined ? [] : [path]))
}

/** What a gateway on a UNIX socket tells Prometheus. */
function metrics(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: '/metrics' }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      response.on('end', () => resolve(text))
    })
      .on('error', reject)
      .end()
  })
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
