import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { type Served, serve } from './support/serve.js'
import { IS_SOAK } from './support/soak.js'

const STALLED = 200
const LIVE = 200
const TICKS = IS_SOAK ? 60_000 : 400
/** About 2 KiB a message: some hundred fill the system's buffers and the queue. */
const TAGS = ['x'.repeat(2_000)]
const MAX_QUEUE_BYTES = 256 * 1024
/** What may be with the system beyond the queue, and a message that was begun. */
const UNSENT_BYTES = 96 * 1024

/** A gateway on a UNIX socket, whose buffers are small: a reader that stalls is felt early. */
async function serveUnix(slowConsumer: 'gap' | 'close'): Promise<Served & { path: string }> {
  const path = join(mkdtempSync(join(tmpdir(), 'gw-')), 'gateway')
  // Readers that stall for all of the soak would be cut off: at the second ping, and for taking nothing.
  const patience = { pingIntervalMs: 600_000, stallTimeoutMs: 600_000 }
  const limits = { maxQueueBytes: MAX_QUEUE_BYTES, ...patience }
  return { ...(await serve({ unix: path, slowConsumer, limits })), path }
}

interface Client {
  readonly socket: WebSocket
  readonly numbers: number[]
  readonly gaps: { readonly from: number; readonly to: number }[]
}

/** A client that listens to the orders; its subscription is live. */
async function subscriber(path: string, mode = 'nonCollapsing'): Promise<Client> {
  const socket = new WebSocket(`ws+unix:${path}:/api/v1/stream`)
  onTestFinished(() => socket.terminate())
  const client: Client = { socket, numbers: [], gaps: [] }
  await new Promise<void>((resolve) => {
    socket.on('open', () => {
      const subscribe = { action: 'subscribe', id: 1, channel: 'orders', mode, positions: true }
      socket.send(JSON.stringify(subscribe))
    })
    socket.on('message', (data: Buffer) => {
      if (data.includes('"ok":true')) resolve()
      else if (data.includes('"gap"')) client.gaps.push(JSON.parse(String(data)).gap)
      else if (!data.includes('"progress"')) client.numbers.push(numberOf(data))
    })
  })
  return client
}

/** Parsing all of 200 times 400 messages would measure JSON. */
function numberOf(data: Buffer): number {
  const at = data.lastIndexOf('"offset":')
  return Number.parseInt(data.toString('latin1', at + 9, at + 19), 10)
}

async function figure(served: Served, name: string): Promise<number> {
  const text = await (await served.get('/metrics')).text()
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n + 1)
}

describe('200 readers that have stalled', () => {
  test(
    'delay none of 200 that are live, and hold a bounded memory',
    async () => {
      const served = await serveUnix('gap')
      const stalled = await Promise.all(upTo(STALLED).map(() => subscriber(served.path)))
      const live = await Promise.all(upTo(LIVE).map(() => subscriber(served.path)))
      for (const { socket } of stalled) socket.pause()
      for (let n = 1; n <= TICKS; n++) {
        served.gateway.channels.send('orders', { symbol: 'a', quantity: n, tags: TAGS })
        // As fast as those who are live can take it.
        while (live.some(({ numbers }) => n - numbers.length > 20)) {
          await new Promise((resolve) => setImmediate(resolve))
        }
      }
      await expect.poll(() => live.every(({ numbers }) => numbers.length === TICKS)).toBe(true)
      for (const { numbers, gaps } of live) {
        expect(gaps).toEqual([])
        expect(numbers).toEqual(upTo(TICKS))
      }
      expect(await figure(served, 'gateway_stream_behind')).toBe(STALLED)
      expect(await figure(served, 'gateway_stream_dropped_ticks_total')).toBeGreaterThan(0)
      const queued = await figure(served, 'gateway_stream_queue_bytes')
      expect(queued).toBeLessThan(STALLED * (MAX_QUEUE_BYTES + UNSENT_BYTES))

      // Whoever reads again gets what was kept, and hears of what was not.
      const [first] = stalled as [Client]
      first.socket.resume()
      await expect.poll(() => first.gaps.length).toBe(1)
      const kept = first.numbers.length
      expect(first.numbers).toEqual(upTo(kept))
      expect(first.gaps).toEqual([{ from: kept + 1, to: TICKS, reason: 'slow' }])
      served.gateway.channels.send('orders', { symbol: 'a', quantity: 1 })
      await expect.poll(() => first.numbers.at(-1)).toBe(TICKS + 1)
    },
    IS_SOAK ? 600_000 : 60_000,
  )
})

describe('a reader that has stalled', () => {
  async function overflow(served: Served): Promise<void> {
    for (let n = 1; n <= 400; n++) {
      served.gateway.channels.send('orders', { symbol: 'a', quantity: n, tags: TAGS })
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  test('is closed with 4000 where that is the policy', async () => {
    const served = await serveUnix('close')
    const { socket } = await subscriber(served.path)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.pause()
    await overflow(served)
    socket.resume()
    expect(await closed).toBe(4000)
    expect(await figure(served, 'gateway_stream_slow_closes_total')).toBe(1)
  })

  test('with lastValue gets the newest of each key when it reads again, and no gap', async () => {
    const served = await serveUnix('gap')
    const client = await subscriber(served.path, 'lastValue')
    client.socket.pause()
    await overflow(served)
    client.socket.resume()
    await expect.poll(() => client.numbers.at(-1)).toBe(400)
    expect(client.gaps).toEqual([])
    expect(client.numbers).toEqual([...new Set(client.numbers)].sort((a, b) => a - b))
    expect(client.numbers.length).toBeLessThan(400)
  })

  test('in the form of the reference, which has no gaps, is closed with 4000', async () => {
    const served = await serveUnix('gap')
    const socket = new WebSocket(`ws+unix:${served.path}:/api/v1/stream`)
    onTestFinished(() => socket.terminate())
    const heard = new Promise((resolve) => socket.once('message', resolve))
    socket.on('open', () => socket.send('{"action":"subscribe","channel":"orders"}'))
    await expect.poll(() => figure(served, 'gateway_stream_subscriptions')).toBe(1)
    served.gateway.channels.send('orders', { symbol: 'a' })
    await heard
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.pause()
    await overflow(served)
    socket.resume()
    expect(await closed).toBe(4000)
  })
})
