import { parseArgs } from 'node:util'
import { type ServerProcess, startServer } from '../child.js'
import { requestsPerSecond } from '../rest/load.js'
import { Clients } from '../ws/clients.js'
import { OWNERS } from './contract.js'

const ROUNDS = 4
const ROUND_MS = 1_000
const CONNECTIONS = 20
const CLIENTS = 100
/** Ticks of a round, and those after which the clients are waited for, so that nobody falls behind. */
const TICKS = 1_000
const AT_ONCE = 100

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })

type Server = ServerProcess<{ readonly cpuMs: number }>
/** Best CPU time of the server, in microseconds, by side. */
type Costs = Record<string, number>

const sides: readonly (readonly [string, string, (index: number) => string])[] = [
  ['no rule', 'none', () => 'owner-1'],
  ['a rule, one identity', 'ofDesk', () => 'owner-1'],
  ['a rule, 100 identities that see all', 'ofDesk', (n) => `owner-${n}`],
  ['a rule, 100 identities that see a hundredth', 'ofOwner', (n) => `owner-${n % OWNERS}`],
]

const servers = new Map<string, Server>()
for (const [, rule] of sides) {
  if (!servers.has(rule)) servers.set(rule, await startServer('./rows-server.js', rule))
}
const cpuMs = async (server: Server): Promise<number> => (await server.ask({ do: 'cpu' })).cpuMs

const results = { last: await lasts(), tick: await ticks() }
for (const server of servers.values()) await server.stop()
for (const [what, costs] of Object.entries(results)) {
  const [first = 1] = Object.values(costs)
  for (const [side, us] of Object.entries(costs)) {
    console.log(
      `${what.padEnd(5)} ${us.toFixed(1).padStart(8)} µs  ${(us / first).toFixed(2)}  ${side}`,
    )
  }
}
if (values.json) console.log(JSON.stringify(results))

/** What a `GET last` costs the server: of the newest row, which its reader sees, or of an older one, as the newest is hidden. */
async function lasts(): Promise<Costs> {
  const best: Costs = {}
  for (const server of servers.values()) await server.ask({ do: 'tick', count: 2 * OWNERS })
  const cases = [
    ['no rule', 'none', 'owner-99'],
    ['a rule that the newest row passes', 'ofOwner', 'owner-99'],
    ['a rule that hides the newest row', 'ofOwner', 'owner-1'],
  ] as const
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [side, rule, who] of cases) {
      const server = servers.get(rule) as Server
      const request = `GET /api/v1/last/orders HTTP/1.1\r\nHost: x\r\nX-Who: ${who}\r\n\r\n`
      const before = await cpuMs(server)
      const rate = await requestsPerSecond(server.port, Buffer.from(request), CONNECTIONS, ROUND_MS)
      const us = (((await cpuMs(server)) - before) / rate / (ROUND_MS / 1_000)) * 1_000
      if (round > 0) best[side] = Math.min(best[side] ?? Number.POSITIVE_INFINITY, us)
    }
  }
  return best
}

/** What a tick costs the server that 100 clients subscribe to. */
async function ticks(): Promise<Costs> {
  const best: Costs = {}
  const subscribe = [{ action: 'subscribe', id: 1, channel: 'orders' }]
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [side, rule, whoOf] of sides) {
      const server = servers.get(rule) as Server
      const clients = await Clients.open(server.port, CLIENTS, {
        messages: subscribe,
        headersOf: (index) => `X-Who: ${whoOf(index)}\r\n`,
      })
      await until(clients, () => clients.least >= 1)
      const share = side.includes('hundredth') ? OWNERS : 1
      let us = 0
      for (let done = AT_ONCE; done <= TICKS; done += AT_ONCE) {
        const before = await cpuMs(server)
        us += ((await server.ask({ do: 'tick', count: AT_ONCE })).cpuMs - before) * 1_000
        await until(clients, () => clients.messages >= CLIENTS * (1 + done / share))
      }
      clients.close()
      if (round > 0) best[side] = Math.min(best[side] ?? Number.POSITIVE_INFINITY, us / TICKS)
    }
  }
  return best
}

async function until(clients: Clients, isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    await new Promise<void>((resolve) => {
      clients.onData = resolve
    })
  }
}
