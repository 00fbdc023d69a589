import { Gateway } from '@gw/channels'
import type { Authenticator, AuthFilter, Identity } from '@gw/protocol'
import { webServer } from '@gw/server-hono'
import { channels, order } from './contract.js'

/** What the bench asks of a server. */
export type Order = { readonly do: 'tick'; readonly count: number } | { readonly do: 'cpu' }

/** The rules that are measured: none, one that all rows pass, and one that a hundredth of the rows pass. */
const FILTERS: Readonly<Record<string, AuthFilter>> = {
  ofDesk: (identity, row) => row.desk === identity.claims?.desk,
  ofOwner: (identity, row) => row.owner === identity.name,
}

const identities = new Map<string, Identity>()
/** Everybody is who they say, as cheaply as can be: the rules are measured, not the keys. */
const auth: Authenticator = {
  name: 'trusting',
  authenticate: (credentials) => {
    const name = credentials.header('x-who') ?? 'nobody'
    let identity = identities.get(name)
    if (identity === undefined) {
      identity = { name, claims: { desk: 'desk', groups: ['traders', 'readers'] } }
      identities.set(name, identity)
    }
    return { ok: true, identity }
  },
}

const filter = FILTERS[process.argv[2] ?? '']
const server = webServer({ port: 0, auth, ...(filter === undefined ? {} : { filter }) })
const gateway = new Gateway({ channels, modules: [server] })
await gateway.start()

let n = 0
process.on('message', (message: Order) => {
  void answer(message).then((text) => process.send?.(text))
})
process.on('disconnect', () => process.exit())
process.send?.({ port: Number(new URL(server.url ?? '').port) })

async function answer(message: Order): Promise<object> {
  if (message.do === 'tick') {
    // Each in a turn of its own, so that nothing is gathered.
    for (let i = 0; i < message.count; i++) {
      gateway.channels.send('orders', order(n++) as never)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const { user, system } = process.cpuUsage()
  return { cpuMs: (user + system) / 1_000 }
}
