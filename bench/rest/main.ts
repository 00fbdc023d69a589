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

const sides = {
  gw: await startServer('./rest-server.js', 'gw'),
  bareHono: await startServer('./rest-server.js', 'bareHono'),
}
const results: Record<string, Record<string, number>> = {}
for (const [name, request] of Object.entries(REQUESTS)) {
  const best: Record<string, number> = {}
  // The first round warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [side, { port }] of Object.entries(sides)) {
      const rate = await requestsPerSecond(port, request, CONNECTIONS, ROUND_MS)
      if (round > 0) best[side] = Math.max(best[side] ?? 0, rate)
    }
  }
  results[name] = best
  const { gw = 0, bareHono = 1 } = best
  console.log(
    `${name.padEnd(5)} requests/s  gw ${gw}  bareHono ${bareHono}  ratio ${(gw / bareHono).toFixed(2)}`,
  )
}
for (const side of Object.values(sides)) await side.stop()
if (values.json) console.log(JSON.stringify(results))
