import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { cuttingProxy } from './support/cutting-proxy.js'
import { openEvents } from './support/events.js'
import { serve } from './support/serve.js'
import { IS_SOAK, randomOf } from './support/soak.js'

/** A reader that is never further behind than the history reaches has to get everything. */
const MAX_BEHIND = 700

interface Reader {
  /** Numbers of what came, as they came. */
  next: number
  /** What was wrong. */
  fault: string | undefined
  reconnects: number
}

/** Reads until `count` have come, coming back to where it was whenever the connection is cut. */
type Read = (url: string, reader: Reader, count: number) => Promise<void>

const overWebSocket: Read = async (url, reader, count) => {
  let place: { readonly epoch: string; readonly offset: number } | undefined
  while (reader.next <= count && reader.fault === undefined) {
    await new Promise<void>((resolve) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/stream`)
      socket.on('error', () => undefined)
      socket.on('close', () => resolve())
      socket.on('open', () => {
        const from = place ?? 'now'
        const subscribe = { action: 'subscribe', id: 1, channel: 'orders', positions: true, from }
        socket.send(JSON.stringify(subscribe))
      })
      socket.on('message', (text) => {
        const message = JSON.parse(String(text))
        if (message.ok === true) {
          if (message.recovered === false) reader.fault = 'not recovered'
          place ??= { epoch: message.epoch, offset: message.offset }
        } else if (message.data !== undefined) {
          take(reader, message.data[0].quantity)
          place = { epoch: message.epoch, offset: message.offset }
          if (reader.next > count) socket.terminate()
        } else if (message.progress === undefined) reader.fault ??= String(text)
      })
    })
    reader.reconnects++
  }
}

const overEvents: Read = async (url, reader, count) => {
  let lastEventId = ''
  while (reader.next <= count && reader.fault === undefined) {
    const events = await openEvents(`${url}/api/v1/stream/orders`, {
      'last-event-id': lastEventId,
    }).catch(() => undefined)
    reader.reconnects++
    if (events === undefined) continue
    try {
      while (reader.next <= count) {
        const event = await events.hear()
        if (event === undefined) break
        if (event.name === 'data') take(reader, event.data.data[0].quantity)
        else reader.fault ??= event.name
      }
    } catch {
      // The connection was cut.
    }
    lastEventId = events.lastEventId
    events.close()
  }
}

function take(reader: Reader, n: number): void {
  if (n !== reader.next) reader.fault ??= `${n} came in place of ${reader.next}`
  reader.next = n + 1
}

test.each([
  ['a WebSocket', overWebSocket, IS_SOAK ? 1_000_000 : 20_000],
  ['server-sent events', overEvents, IS_SOAK ? 100_000 : 5_000],
])(
  'over %s that is cut at random, a reader that comes back misses nothing and gets nothing twice',
  { timeout: IS_SOAK ? 1_800_000 : 60_000 },
  async (_, read, count) => {
    const served = await serve()
    const random = randomOf(7)
    const proxy = await cuttingProxy(served.url, () => Math.floor(random() * count * 12) + 300)
    const reader: Reader = { next: 1, fault: undefined, reconnects: 0 }
    const done = read(proxy.url, reader, count)
    const isListening = async () =>
      /^gateway_stream_subscriptions 1$/m.test(await (await served.get('/metrics')).text())
    await expect.poll(isListening).toBe(true)

    for (let sent = 0; sent < count && reader.fault === undefined; ) {
      const burst = Math.min(1 + Math.floor(random() * 60), count - sent)
      for (let n = 0; n < burst && sent - reader.next < MAX_BEHIND; n++) {
        served.gateway.channels.send('orders', { symbol: 'a', quantity: ++sent })
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    await done
    expect(reader).toMatchObject({ next: count + 1, fault: undefined })
    expect(proxy.cuts()).toBeGreaterThan(5)
  },
)
