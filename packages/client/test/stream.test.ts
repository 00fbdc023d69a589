import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type Client,
  type ClientOptions,
  type ConnectionState,
  createClient,
  type SubscriptionEvent,
} from '../src/index.js'
import type { OrderInput, TestContract } from './support/contract.js'
import { FakeGateway } from './support/fake-gateway.js'

let gateway: FakeGateway
const clients: Client<TestContract>[] = []

function connect(options: Partial<ClientOptions> = {}): Client<TestContract> {
  const client = createClient<TestContract>({
    url: gateway.url,
    reconnect: { minDelayMs: 1, maxDelayMs: 5 },
    ...options,
  })
  clients.push(client)
  return client
}

beforeEach(async () => {
  gateway = await FakeGateway.start()
})

afterEach(async () => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
  for (const client of clients.splice(0)) client.$close()
  await gateway[Symbol.asyncDispose]()
})

const order = (quantity: number): OrderInput => ({ symbol: 'AAPL', side: 'buy', quantity })

async function take<T>(iterable: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const item of iterable) if (taken.push(item) === count) break
  return taken
}

function actions(): string[] {
  return gateway.messages.map(({ action, channel }) => `${action} ${channel}`)
}

describe('subscriptions', () => {
  test('bring each tick from the moment they are ready, in order', async () => {
    const subscription = connect().total.subscribe()
    await subscription.ready
    for (const n of [1, 2, 3]) gateway.tick('total', n)
    expect(await take(subscription, 3)).toEqual([1, 2, 3])
  })

  test('leaving the loop unsubscribes', async () => {
    const subscription = connect().total.subscribe()
    await subscription.ready
    gateway.tick('total', 1)
    await take(subscription, 1)
    await gateway.until(() => gateway.messages.length === 2)
    expect(actions()).toEqual(['subscribe total', 'unsubscribe total'])
  })

  test('share one socket, and equal ones share one subscription until the last leaves', async () => {
    const client = connect()
    const [first, second, other] = [
      client.orders.subscribe({ where: { side: 'buy' } }),
      client.orders.subscribe({ where: { side: 'buy' } }),
      client.total.subscribe(),
    ]
    await Promise.all([first.ready, second.ready, other.ready])
    expect(actions()).toEqual(['subscribe orders', 'subscribe total'])
    gateway.tick('orders', order(1))
    expect(await take(first, 1)).toEqual([order(1)])
    expect(await take(second, 1)).toEqual([order(1)])
    await gateway.until(() => gateway.messages.length === 3)
    expect(actions()[2]).toBe('unsubscribe orders')
    expect(gateway.connections).toBe(1)
  })

  test('of a key bring values, of a whole basket values with their keys', async () => {
    const client = connect()
    const all = client.prices.subscribe()
    const one = client.prices.subscribe('AAPL')
    await Promise.all([all.ready, one.ready])
    expect(gateway.messages.map(({ key }) => key)).toEqual([undefined, 'AAPL'])
    gateway.tick('prices', { value: 1 }, 'AAPL')
    expect(await take(all, 1)).toEqual([{ key: 'AAPL', value: { value: 1 } }])
    expect(await take(one, 1)).toEqual([{ value: 1 }])
  })

  test('with a snapshot begin with it, and say where it ends', async () => {
    gateway.tick('total', 7)
    const subscription = connect().total.subscribe({ from: 'snapshot' })
    await subscription.ready
    gateway.tick('total', 8)
    const events = await take(subscription.events(), 4)
    expect(events.map(({ type }) => type)).toEqual(['snapshotStart', 'data', 'snapshotEnd', 'data'])
    expect(events[1]).toMatchObject({ value: 7, snapshot: true })
    expect(events[3]).toMatchObject({ value: 8, position: { epoch: 'e1', offset: 2 } })
  })

  test('as callbacks get the same events at once', async () => {
    const events: SubscriptionEvent<number, never>[] = []
    const watch = connect().total.watch((event) => events.push(event))
    await watch.ready
    gateway.tick('total', 1)
    gateway.tick('total', 2)
    await gateway.until(() => gateway.messages.length === 1)
    const last = connect().total.subscribe({ from: 'snapshot' })
    await take(last, 1)
    expect(events.map((event) => event.type === 'data' && event.value)).toEqual([1, 2])
    watch.close()
    await gateway.until(() => actions().includes('unsubscribe total'))
  })

  test('that the server refuses fail with its code, and leave the others alone', async () => {
    const client = connect()
    const other = client.total.subscribe()
    const unknown = (client as unknown as { unknown: typeof client.total }).unknown.subscribe()
    await expect(unknown.ready).rejects.toMatchObject({ code: 'UNKNOWN_CHANNEL' })
    await expect(take(unknown, 1)).rejects.toMatchObject({
      code: 'UNKNOWN_CHANNEL',
      request: { action: 'subscribe', target: 'unknown' },
    })
    gateway.tick('total', 1)
    expect(await take(other, 1)).toEqual([1])
  })

  test('end with their signal', async () => {
    const abort = new AbortController()
    const subscription = connect().total.subscribe({ signal: abort.signal })
    const taken = take(subscription, 1)
    abort.abort()
    await expect(taken).rejects.toMatchObject({ code: 'ABORTED' })
    // As any iterator that has thrown it is at its end.
    const { done } = await subscription[Symbol.asyncIterator]().next()
    expect(done).toBe(true)
    const several = connect().total.subscribe({ signal: AbortSignal.timeout(5) })
    const ticks = several[Symbol.asyncIterator]()
    const waiting = await Promise.allSettled([ticks.next(), ticks.next(), ticks.next()])
    expect(waiting.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
  })

  test('end in time when the server does not have them running', async () => {
    const client = connect()
    gateway.isSilent = true
    const subscription = client.total.subscribe({ timeoutMs: 5 })
    await expect(subscription.ready).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringMatching(/within 5 ms, (connecting|live)$/),
      request: { action: 'subscribe', target: 'total' },
    })
    await expect(take(subscription, 1)).rejects.toMatchObject({ code: 'TIMEOUT' })
    gateway.isSilent = false
    const later = client.orders.subscribe({ timeoutMs: 1_000 })
    await later.ready
    gateway.tick('orders', order(1))
    expect(await take(later, 1)).toEqual([order(1)])
  })

  test('whose listener throws report that, and go on, as do those that share', async () => {
    const uncaught = new Promise<unknown>((resolve) => {
      const listeners = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      process.once('uncaughtException', (error) => {
        for (const listener of listeners) process.on('uncaughtException', listener)
        resolve(error)
      })
    })
    const client = connect()
    const seen: unknown[] = []
    const broken = client.total.watch((event) => {
      seen.push(event.type === 'data' && event.value)
      if (seen.length === 1) throw new Error('a bug of the listener')
    })
    const witness = client.total.subscribe()
    await Promise.all([broken.ready, witness.ready])
    gateway.tick('total', 1)
    gateway.tick('total', 2)
    expect(await take(witness, 2)).toEqual([1, 2])
    expect(seen).toEqual([1, 2])
    expect(await uncaught).toEqual(new Error('a bug of the listener'))
  })

  test('that are equal share one, however that is spelled', async () => {
    const client = connect()
    const all = [
      client.total.subscribe(),
      client.total.subscribe({ from: 'now' }),
      client.total.subscribe({ mode: 'nonCollapsing', maxBuffered: 5 }),
    ]
    await Promise.all(all.map((each) => each.ready))
    expect(actions()).toEqual(['subscribe total'])
  })

  test('end quietly when they, or the client, are closed', async () => {
    const client = connect()
    const first = client.total.subscribe()
    const second = client.orders.subscribe()
    const taken = [take(first, 1), take(second, 1)]
    first.close()
    client.$close()
    expect(await Promise.all(taken)).toEqual([[], []])
    expect(() => client.total.subscribe()).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  })
})

describe('slow readers', () => {
  test('lose the oldest ticks, and are told where', async () => {
    const client = connect()
    const subscription = client.total.subscribe({ maxBuffered: 2 })
    const witness = client.total.subscribe()
    await Promise.all([subscription.ready, witness.ready])
    for (const n of [1, 2, 3, 4, 5]) gateway.tick('total', n)
    await take(witness, 5)
    const events = await take(subscription.events(), 3)
    expect(events).toMatchObject([
      { type: 'gap', from: 1, to: 3, reason: 'slow' },
      { type: 'data', value: 4 },
      { type: 'data', value: 5 },
    ])
  })

  test('that are always behind lose what they are told, and no more, however long it goes on', async () => {
    const client = connect()
    const subscription = client.total.subscribe({ maxBuffered: 5 })
    const witness = client.total.subscribe()
    await Promise.all([subscription.ready, witness.ready])
    const [reader, watcher] = [subscription.events(), witness[Symbol.asyncIterator]()]
    const seen: string[] = []
    let [at, gaps] = [0, 0]
    const read = async () => {
      const { value: event } = await reader.next()
      if (event?.type === 'gap') {
        seen.push(`${event.from === at + 1} ${event.reason}`)
        at = event.to ?? -1
        gaps++
      } else if (event?.type === 'data' && event.value !== ++at) seen.push(`${event.value}?`)
    }
    for (let n = 1; n <= 6_000; n++) {
      gateway.tick('total', n)
      if (n % 10 !== 0) continue
      while ((await watcher.next()).value !== n);
      await read()
      await read()
    }
    while (at < 6_000) await read()
    expect(new Set(seen)).toEqual(new Set(['true slow']))
    expect(subscription.gaps).toBe(gaps)
    subscription.close()
    witness.close()
  })

  test('get an error where they asked for it, after what was in time', async () => {
    const client = connect()
    const subscription = client.total.subscribe({ maxBuffered: 2, onFull: 'error' })
    const witness = client.total.subscribe()
    await Promise.all([subscription.ready, witness.ready])
    for (const n of [1, 2, 3]) gateway.tick('total', n)
    await take(witness, 3)
    const seen: number[] = []
    const read = (async () => {
      for await (const n of subscription) seen.push(n)
    })()
    await expect(read).rejects.toMatchObject({ code: 'SLOW' })
    expect(seen).toEqual([1, 2])
  })

  test('of bursts lose whole bursts, counted by their records', async () => {
    const client = connect()
    const subscription = client.total.subscribe({ mode: 'burst', maxBuffered: 2 })
    const witness = client.total.subscribe()
    await Promise.all([subscription.ready, witness.ready])
    for (const n of [1, 2, 3]) gateway.tick('total', n)
    await take(witness, 3)
    expect(await take(subscription.events(), 2)).toMatchObject([
      { type: 'gap', reason: 'slow' },
      { type: 'data', value: [3] },
    ])
  })

  test('get the newest of each key where only that counts', async () => {
    const client = connect()
    const subscription = client.prices.subscribe({ mode: 'lastValue' })
    const witness = client.prices.subscribe()
    await Promise.all([subscription.ready, witness.ready])
    for (const value of [1, 2]) {
      gateway.tick('prices', { value }, 'AAPL')
      gateway.tick('prices', { value: -value }, 'MSFT')
    }
    await take(witness, 4)
    expect(await take(subscription, 2)).toEqual([
      { key: 'AAPL', value: { value: 2 } },
      { key: 'MSFT', value: { value: -2 } },
    ])
  })
})

describe('after a loss', () => {
  test('a subscription goes on where it was: nothing twice, nothing missing', async () => {
    const client = connect()
    const states: ConnectionState[] = []
    client.$connection.onState((state) => states.push(state))
    const subscription = client.total.subscribe()
    await subscription.ready
    gateway.tick('total', 1)
    const iterator = subscription[Symbol.asyncIterator]()
    expect((await iterator.next()).value).toBe(1)
    gateway.cut()
    gateway.tick('total', 2)
    expect((await iterator.next()).value).toBe(2)
    gateway.tick('total', 3)
    expect((await iterator.next()).value).toBe(3)
    expect(subscription.gaps).toBe(0)
    expect(states).toEqual(['connecting', 'live', 'reconnecting', 'live'])
    expect(gateway.messages.at(-1)?.from).toEqual({ epoch: 'e1', offset: 1 })
  })

  test('ticks of a restarted server that are lost show as a gap, not as a repetition', async () => {
    const subscription = connect().total.subscribe()
    await subscription.ready
    gateway.tick('total', 1)
    const events = subscription.events()
    await events.next()
    gateway.restart()
    gateway.tick('total', 2)
    expect((await events.next()).value).toEqual({ type: 'gap', reason: 'history' })
    await gateway.until(() => gateway.messages.length === 2)
    gateway.tick('total', 3)
    expect((await events.next()).value).toMatchObject({ type: 'data', value: 3 })
  })

  test('one with a snapshot gets a new one', async () => {
    const subscription = connect().total.subscribe({ from: 'snapshot' })
    await subscription.ready
    const events = subscription.events()
    await events.next()
    expect((await events.next()).value).toMatchObject({ type: 'snapshotEnd' })
    gateway.restart()
    gateway.tick('total', 2)
    expect((await take(events, 4)).map((event) => event.type)).toEqual([
      'gap',
      'snapshotStart',
      'data',
      'snapshotEnd',
    ])
  })

  test.each([1001, 4000, 4001, 4429])(
    'that the server announces with %i it comes back',
    async (code) => {
      const subscription = connect().total.subscribe()
      await subscription.ready
      gateway.close(code, 'retryAfterMs=1')
      await gateway.until(() => gateway.messages.length === 2)
      gateway.tick('total', 1)
      expect(await take(subscription, 1)).toEqual([1])
    },
  )

  test.each([
    [4400, 'BAD_REQUEST'],
    [4401, 'UNAUTHORIZED'],
    [4403, 'FORBIDDEN'],
  ])('with %i it stays away', async (code, expected) => {
    const client = connect()
    const subscription = client.total.subscribe()
    await subscription.ready
    gateway.refusal = { status: 403, body: { code: 'UNAUTHORIZED', detail: 'unauthorized' } }
    gateway.close(code, 'because')
    await expect(take(subscription, 1)).rejects.toMatchObject({
      code: expected,
      message: expect.stringContaining('because'),
    })
    expect(client.$connection).toMatchObject({ state: 'closed', error: { code: expected } })
    expect(gateway.connections).toBe(1)
  })

  test('a new subscription tries anew after such an end', async () => {
    const client = connect()
    const first = client.total.subscribe()
    await first.ready
    gateway.close(4403)
    await expect(take(first, 1)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await client.total.subscribe().ready
    expect(client.$connection.state).toBe('live')
  })

  test('with 4401 it comes back when there is a new key: nothing is missed, nothing sent twice', async () => {
    let token = 'old'
    const client = connect({ token: async () => token })
    const states: ConnectionState[] = []
    client.$connection.onState((state) => states.push(state))
    const subscription = client.orders.subscribe()
    await subscription.ready
    await client.orders.send(order(1))
    token = 'new'
    gateway.close(4401, 'the key has expired')
    gateway.tick('orders', order(2))
    await client.orders.send(order(3))
    expect(await take(subscription, 3)).toEqual([order(1), order(2), order(3)])
    expect(subscription.gaps).toBe(0)
    expect(states).toEqual(['connecting', 'live', 'reconnecting', 'live'])
    const bearers = gateway.requests.map(({ headers }) => headers.authorization)
    expect(bearers.at(0)).toBe('Bearer old')
    expect(bearers.at(-1)).toBe('Bearer new')
  })

  test('it waits no longer when the browser is back on the network', async () => {
    const browser = new EventTarget()
    vi.stubGlobal('addEventListener', browser.addEventListener.bind(browser))
    vi.stubGlobal('removeEventListener', browser.removeEventListener.bind(browser))
    const hour = 3_600_000
    const client = connect({ reconnect: { minDelayMs: hour, maxDelayMs: hour } })
    const subscription = client.total.subscribe()
    await subscription.ready
    const lost = new Promise((resolve) => client.$connection.onState(resolve))
    gateway.cut()
    expect(await lost).toBe('reconnecting')
    browser.dispatchEvent(new Event('online'))
    browser.dispatchEvent(new Event('online'))
    await gateway.until(() => gateway.messages.length === 2)
    gateway.tick('total', 1)
    expect(await take(subscription, 1)).toEqual([1])
    expect(gateway.connections).toBe(2)
  })
})

describe('handshakes', () => {
  test('carry the key as a header, not in the URL', async () => {
    await connect({ apiKey: 'secret' }).total.subscribe().ready
    expect(gateway.requests[0]).toMatchObject({
      method: 'UPGRADE',
      url: '/api/v1/stream',
      headers: { 'x-api-key': 'secret' },
    })
  })

  test('that are refused for the key are not tried again', async () => {
    gateway.refusal = { status: 403, body: { code: 'UNAUTHORIZED', detail: 'unauthorized' } }
    const client = connect({ apiKey: 'wrong' })
    await expect(client.total.subscribe().ready).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    await expect(client.orders.send(order(1))).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    expect(client.$connection.state).toBe('closed')
  })

  test('that the server wants later are tried again then', async () => {
    const setTimer = vi.spyOn(globalThis, 'setTimeout')
    gateway.refusal = {
      status: 429,
      headers: { 'retry-after': '7.5' },
      body: { code: 'TOO_MANY_REQUESTS', detail: 'too many' },
    }
    const client = connect()
    client.total.subscribe()
    await vi.waitFor(() => expect(setTimer).toHaveBeenCalledWith(expect.anything(), 7_500), 10_000)
    expect(client.$connection).toMatchObject({
      state: 'connecting',
      error: { code: 'TOO_MANY_REQUESTS', retryAfterMs: 7_500 },
    })
  })

  test('that fail otherwise are', async () => {
    gateway.refusal = { status: 503, body: { code: 'NOT_RUNNING', detail: 'starting' } }
    const subscription = connect().total.subscribe()
    await gateway.until(() => gateway.connections === 3)
    gateway.refusal = undefined
    await subscription.ready
  })
})

describe('sends', () => {
  test('are answered with the completed record, and share the socket', async () => {
    const client = connect()
    const subscription = client.orders.subscribe()
    expect(await client.orders.send(order(1))).toEqual(order(1))
    expect(await take(subscription, 1)).toEqual([order(1)])
    expect(gateway.connections).toBe(1)
  })

  test('of several tell where they are and what they survive', async () => {
    expect(await connect().orders.sendAll([order(1), order(2)])).toEqual({
      records: [order(1), order(2)],
      position: { epoch: 'e1', offset: 1 },
      durability: 'memory',
    })
  })

  test('whose answers are lost happen once, and are answered', async () => {
    const client = connect()
    gateway.cutsInPlaceOfAnswers = 3
    for (const n of [1, 2, 3, 4, 5]) expect(await client.orders.send(order(n))).toEqual(order(n))
    expect(gateway.connections).toBe(4)
    gateway.cutsInPlaceOfAnswers = 3
    const more = [6, 7, 8, 9, 10]
    const answers = await Promise.all(more.map((n) => client.orders.send(order(n))))
    expect(answers).toEqual(more.map(order))
    expect(gateway.effects).toEqual([1, 2, 3, 4, 5, ...more].map(order))
  })

  test('larger than the server takes are refused, and do not hold up the others', async () => {
    const client = connect()
    const large = client.orders.send({ ...order(1), symbol: 'A'.repeat(2000) })
    const small = client.orders.send(order(2))
    await expect(large).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' })
    expect(await small).toEqual(order(2))
  })

  test('end with their time or signal', async () => {
    const client = connect()
    await client.orders.send(order(0))
    gateway.isSilent = true
    await expect(client.orders.send(order(1), { timeoutMs: 1 })).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('within 1 ms, live'),
      request: { action: 'send', target: 'orders' },
    })
    const signal = AbortSignal.abort()
    await expect(client.orders.send(order(1), { signal })).rejects.toMatchObject({
      code: 'ABORTED',
    })
  })

  test('beyond the bound are refused', async () => {
    const client = connect({ maxPendingSends: 1 })
    const first = client.orders.send(order(1))
    await expect(client.orders.send(order(2))).rejects.toMatchObject({ code: 'OVERLOADED' })
    await first
  })

  test('fail when the client is closed', async () => {
    gateway.isSilent = true
    const client = connect()
    const sent = client.orders.send(order(1))
    client.$close()
    await expect(sent).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(client.orders.send(order(1))).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('the connection', () => {
  test('is opened when needed and closed a while after', async () => {
    const client = connect({ idleMs: 1 })
    expect(client.$connection.state).toBe('idle')
    const states: ConnectionState[] = []
    const idle = new Promise<void>((resolve) => {
      client.$connection.onState((state) => {
        states.push(state)
        if (state === 'idle') resolve()
      })
    })
    await client.orders.send(order(1))
    await idle
    expect(states).toEqual(['connecting', 'live', 'idle'])
    await client.orders.send(order(2))
    expect(gateway.connections).toBe(2)
  })

  describe('with the clock in hand', () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    })

    afterEach(() => {
      vi.useRealTimers()
    })

    test('asks a quiet peer for a sign of life, and stays when it comes', async () => {
      const client = connect()
      await client.total.subscribe().ready
      for (const round of [1, 2, 3]) {
        vi.advanceTimersByTime(15_000)
        await gateway.until(
          () => actions().filter((each) => each.endsWith('heartbeat')).length === round,
        )
        await client.orders.send(order(round)) // whose answer comes after the sign of life
      }
      expect(gateway.connections).toBe(1)
    })

    test('gives up a silent peer', async () => {
      const client = connect()
      const subscription = client.total.subscribe()
      await subscription.ready
      gateway.isSilent = true
      vi.advanceTimersByTime(10_000)
      await gateway.until(() => actions().includes('unsubscribe heartbeat'))
      gateway.isSilent = false
      expect(client.$connection.state).toBe('live')
      vi.advanceTimersByTime(10_000)
      expect(client.$connection.state).toBe('reconnecting')
      vi.advanceTimersByTime(10)
      await gateway.until(() => gateway.messages.length === 3)
      gateway.tick('total', 1)
      expect(await take(subscription, 1)).toEqual([1])
    })
  })

  test('to what speaks no JSON is opened anew', async () => {
    const client = connect()
    await client.total.subscribe().ready
    gateway.say('hello')
    await gateway.until(() => gateway.connections === 2)
    expect(client.$connection.error?.code).toBe('INVALID_ANSWER')
  })

  test.each(['null', '42', '"text"', '{"sub":1,"data":null}'])(
    'over which %s comes is opened anew',
    async (text) => {
      const client = connect()
      const subscription = client.total.subscribe()
      await subscription.ready
      gateway.say(text)
      await gateway.until(() => gateway.connections === 2 && gateway.messages.length === 2)
      gateway.tick('total', 1)
      expect(await take(subscription, 1)).toEqual([1])
    },
  )

  test('is not tried where there is no WebSocket', async () => {
    vi.stubGlobal('WebSocket', undefined)
    vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined as never)
    const client = connect()
    const refused = { code: 'BAD_REQUEST', message: expect.stringContaining('install ws') }
    await expect(client.total.subscribe().ready).rejects.toMatchObject(refused)
    await expect(client.orders.send(order(1))).rejects.toMatchObject(refused)
    expect(client.$connection.state).toBe('closed')
  })

  test('that is not made is why a send, or a subscription, was not answered in time', async () => {
    const client = connect()
    await gateway[Symbol.asyncDispose]()
    const cause = { code: 'CONNECTION_FAILED', cause: { cause: { code: 'ECONNREFUSED' } } }
    client.total.subscribe()
    await vi.waitFor(() => expect(client.$connection.error).toBeDefined(), 10_000)
    const sent = client.orders.send(order(1), { timeoutMs: 1 })
    const message = expect.stringContaining('within 1 ms, connecting')
    await expect(sent).rejects.toMatchObject({ code: 'TIMEOUT', message, cause })
    const { ready } = client.orders.subscribe({ timeoutMs: 1 })
    await expect(ready).rejects.toMatchObject({ code: 'TIMEOUT', message, cause })
    gateway = await FakeGateway.start()
  })

  test('says why it cannot be made', async () => {
    class Broken {
      constructor() {
        throw new Error('no network here')
      }
    }
    const client = connect({ WebSocket: Broken as never })
    client.orders.send(order(1)).catch(() => undefined)
    await vi.waitFor(() => expect(client.$connection.error).toBeDefined(), 10_000)
    expect(client.$connection.error).toMatchObject({
      code: 'CONNECTION_FAILED',
      cause: new Error('no network here'),
    })
  })
})
