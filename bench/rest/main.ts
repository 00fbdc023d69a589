import { parseArgs } from 'node:util'
import { startServer } from '../child.js'
import { ORDER } from './contract.js'
import { requestsPerSecond } from './load.js'

const CONNECTIONS = 50
const ROUNDS = 4
const ROUND_MS = 1_500

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })

const REQUESTS = {
  last: Buffer.from('GET /api/v1/last/orders HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'),
  send: Buffer.from(
    `POST /api/v1/send/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${ORDER.length}\r\n\r\n${ORDER}`,
  ),
}

/** The last is no peer, and not in the JSON: it tells how much of a request is Node's own. */
const SIDES = ['gw', 'bareHono', 'bareNode'] as const

interface Best {
  rate: number
  /** Time of processors for a request, in microseconds. */
  cpuMicros: number
}

const sides = await Promise.all(
  SIDES.map(async (name) => ({
    name,
    server: await startServer<NodeJS.CpuUsage>('./rest-server.js', name),
  })),
)
const results: Record<string, Record<string, number>> = {}
for (const [scenario, request] of Object.entries(REQUESTS)) {
  const best = new Map<string, Best>()
  // The first round warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { name, server } of sides) {
      const before = await server.ask({})
      const rate = await requestsPerSecond(server.port, request, CONNECTIONS, ROUND_MS)
      const { user, system } = await server.ask({})
      const cpuMicros = (user + system - before.user - before.system) / ((rate * ROUND_MS) / 1_000)
      if (round === 0) continue
      const so = best.get(name) ?? { rate: 0, cpuMicros: Number.POSITIVE_INFINITY }
      best.set(name, {
        rate: Math.max(so.rate, rate),
        cpuMicros: Math.min(so.cpuMicros, cpuMicros),
      })
    }
  }
  const shown = [...best].map(
    ([name, { rate, cpuMicros }]) => `${name} ${rate} (${cpuMicros.toFixed(1)} µs of CPU)`,
  )
  const { rate: gw = 0 } = best.get('gw') ?? {}
  const { rate: bareHono = 1 } = best.get('bareHono') ?? {}
  console.log(
    `${scenario.padEnd(5)} requests/s  ${shown.join('  ')}  ratio ${(gw / bareHono).toFixed(2)}`,
  )
  results[scenario] = { gw, bareHono }
}
for (const { server } of sides) await server.stop()
if (values.json) console.log(JSON.stringify(results))
