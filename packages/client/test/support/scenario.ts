import { type ClientOptions, createClient, GatewayClientError } from '../../src/index.js'
import { liveState } from '../../src/live-state.js'
import type { Served } from './served.js'

/** What a scenario saw; the same wherever it runs. */
export interface Seen {
  readonly last: unknown
  readonly refused: string
  readonly filtered: readonly unknown[]
  readonly totals: readonly number[]
  readonly gaps: number
  readonly copy: readonly unknown[]
}

/** Uses a client as programs and pages do: calls, refusals, subscriptions, sends, a live copy. */
export async function scenario(options: ClientOptions, name: string): Promise<Seen> {
  await using client = createClient<Served>({
    apiKey: 'secret',
    reconnect: { minDelayMs: 1, maxDelayMs: 20 },
    ...options,
  })
  const refused = await client.orders
    .send({ symbol: name, side: 'buy', quantity: -1 })
    .then(String, (error) => (error instanceof GatewayClientError ? error.code : String(error)))

  const totals = client.total.subscribe()
  const orders = client.orders.subscribe({
    where: { symbol: name, quantity: { ge: 2 } },
    select: ['symbol', 'quantity'],
  })
  const copy = liveState(client.orders)
  await Promise.all([totals.ready, orders.ready, copy.ready])
  const isCopied = new Promise<void>((resolve) => {
    copy.subscribe((records) => records.some(({ symbol }) => symbol === name) && resolve())
  })
  for (const quantity of [1, 2, 3])
    await client.orders.send({ symbol: name, side: 'buy', quantity })
  const numbers = Array.from({ length: 20 }, (_, n) => n)
  await Promise.all(numbers.map((n) => client.total.send(n)))
  await isCopied
  const where = { symbol: name }
  const seen = {
    last: await client.total.last(),
    refused,
    filtered: await take(orders, 2),
    totals: await take(totals, 20),
    gaps: totals.gaps,
    copy: await client.orders.query({ where, select: ['symbol', 'quantity'] }),
  }
  copy.close()
  return seen
}

/** What it is to have seen. */
export function expected(name: string): Seen {
  return {
    last: 19,
    refused: 'INVALID_RECORD',
    filtered: [
      { symbol: name, quantity: 2 },
      { symbol: name, quantity: 3 },
    ],
    totals: Array.from({ length: 20 }, (_, n) => n),
    gaps: 0,
    copy: [{ symbol: name, quantity: 3 }],
  }
}

async function take<T>(iterable: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const item of iterable) if (taken.push(item) === count) break
  return taken
}
