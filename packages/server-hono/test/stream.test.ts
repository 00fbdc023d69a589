import { describe, expect, test } from 'vitest'
import { serve, type TestSocket } from './support/serve.js'

describe('messages of the reference', () => {
  test('a subscription hears the next ticks, as last would answer them', async () => {
    const { open, post, json } = await serve()
    await post('send/orders', { symbol: 'before' })
    const socket = await open()
    socket.say({ action: 'subscribe', channel: 'orders' })
    await settled(socket)
    await post('send/orders', [{ symbol: 'A' }, { symbol: 'B' }])
    expect(await socket.hear()).toMatchObject({ channel: 'orders', data: [{ symbol: 'A' }] })
    const last = await socket.hear()
    expect(last).toEqual({ channel: 'orders', data: await json('last/orders') })
  })

  test('a basket without a key is every key of it', async () => {
    const { open, post } = await serve()
    const socket = await open()
    socket.say({ action: 'subscribe', channel: 'prices', key: 'AAPL' })
    socket.say({ action: 'subscribe', channel: 'prices' })
    await settled(socket)
    await post('send/prices', { AAPL: { value: 1 }, MSFT: { value: 2 } })
    const heard = [await socket.hear(), await socket.hear()]
    expect(heard).toMatchObject([
      { channel: 'prices', key: 'AAPL', data: [{ value: 1 }] },
      { channel: 'prices', key: 'MSFT', data: [{ value: 2 }] },
    ])
    socket.say({ action: 'unsubscribe', channel: 'prices', key: 'AAPL' })
    await settled(socket)
    await post('send/prices', { AAPL: { value: 3 }, MSFT: { value: 4 } })
    expect(await socket.hear()).toMatchObject({ key: 'MSFT', data: [{ value: 4 }] })
    socket.say({ action: 'unsubscribe', channel: 'prices' })
    await settled(socket)
    await post('send/prices/MSFT', { value: 5 })
    await quiet(socket)
  })

  test('a basket whose other keys would be too many subscriptions stays whole', async () => {
    const { open, post } = await serve({ limits: { maxSubscriptions: 2 } })
    const socket = await open()
    for (const key of ['a', 'b', 'c', 'd']) await post(`send/quotes/${key}`, { value: 0 })
    socket.say({ action: 'subscribe', channel: 'quotes' })
    const refused = await socket.ask({ id: 1, action: 'unsubscribe', channel: 'quotes', key: 'a' })
    expect(refused.code).toBe('TOO_MANY_SUBSCRIPTIONS')
    await post('send/quotes', { a: { value: 1 }, d: { value: 2 } })
    expect([await socket.hear(), await socket.hear()]).toMatchObject([{ key: 'a' }, { key: 'd' }])
    await post('send/quotes/e', { value: 3 })
    expect(await socket.hear()).toMatchObject({ key: 'e' })
  })

  test('subscribing twice is once', async () => {
    const { open, post } = await serve()
    const socket = await open()
    socket.say({ action: 'subscribe', channel: 'orders' })
    socket.say({ action: 'subscribe', channel: 'orders' })
    await settled(socket)
    await post('send/orders', { symbol: 'A' })
    await socket.hear()
    await quiet(socket)
  })

  test('a list channel hears its lists', async () => {
    const { open, post } = await serve()
    const socket = await open()
    socket.say({ action: 'subscribe', channel: 'order_list' })
    await settled(socket)
    await post('send/order_list', [{ symbol: 'A' }, { symbol: 'B' }])
    expect(await socket.hear()).toMatchObject({ data: [{ symbol: 'A' }, { symbol: 'B' }] })
  })

  test('a send without an id is not answered, and ticks', async () => {
    const { open } = await serve()
    const socket = await open()
    socket.say({ action: 'subscribe', channel: 'orders' })
    socket.say({ action: 'send', channel: 'orders', data: { symbol: 'A' } })
    socket.say({ action: 'send', channel: 'prices', key: 'AAPL', data: [{ value: 1 }] })
    socket.say({ action: 'send', channel: 'prices', data: { AAPL: { value: 2 } } })
    expect(await socket.hear()).toMatchObject({ channel: 'orders', data: [{ symbol: 'A' }] })
    await quiet(socket)
  })

  test('what is wrong is ignored, the first message too, and the connection lives on', async () => {
    const { open, post } = await serve()
    for (const first of ['nope', '[1]', '3', 'null', '"text"', '{}', '{"action":"dance"}']) {
      const socket = await open()
      socket.say(first)
      socket.socket.send(Buffer.from([1, 2, 3]))
      for (const wrong of [
        { action: 'subscribe' },
        { action: 'subscribe', channel: 'nope' },
        { action: 'subscribe', channel: 'orders', key: 'A' },
        { action: 'subscribe', channel: 'prices', key: 'ZZ' },
        { action: 'send', channel: 'orders', data: { symbol: 1 } },
        { action: 'send', channel: 'total', data: 3 },
        { action: 'send', channel: 'heartbeat', data: 'PONG' },
        { action: 'send', channel: 'orders' },
        { action: 'unsubscribe', channel: 'orders' },
      ]) {
        socket.say(wrong)
      }
      socket.say({ action: 'subscribe', channel: 'orders' })
      await settled(socket)
      await post('send/orders', { symbol: 'A' })
      expect(await socket.hear()).toMatchObject({ channel: 'orders' })
      socket.close()
    }
  })

  test('heartbeat says PING', async () => {
    const { open } = await serve()
    const socket = await open()
    socket.say({ action: 'subscribe', channel: 'heartbeat' })
    expect(await socket.hear()).toEqual({ channel: 'heartbeat', data: 'PING' })
  })
})

describe('messages with an id', () => {
  test('a subscription is acknowledged when it is live, and told what it is of', async () => {
    const { open, post } = await serve()
    const socket = await open()
    const answer = await socket.ask({ id: 1, action: 'subscribe', channel: 'orders' })
    expect(answer).toEqual({
      id: 1,
      ok: true,
      epoch: expect.any(String),
      offset: 0,
      kind: 'single',
      recovered: true,
    })
    await post('send/orders', { symbol: 'A' })
    expect(await socket.hear()).toMatchObject({
      sub: 1,
      channel: 'orders',
      kind: 'single',
      data: [{ symbol: 'A' }],
    })
  })

  test('positions come when they are asked for', async () => {
    const { open, post } = await serve()
    const socket = await open()
    await socket.ask({ id: 'a', action: 'subscribe', channel: 'orders', positions: true })
    await post('send/orders', [{ symbol: 'A' }, { symbol: 'B' }])
    expect([(await socket.hear()).offset, (await socket.hear()).offset]).toEqual([1, 2])
  })

  test('everything that is wrong is answered with its code', async () => {
    const { open } = await serve()
    const socket = await open()
    const code = async (message: Record<string, unknown>): Promise<string> =>
      (await socket.ask({ id: 'x', ...message })).code
    expect(await code({ action: 'dance' })).toBe('BAD_REQUEST')
    expect(await code({ action: 'subscribe' })).toBe('BAD_REQUEST')
    expect(await code({ action: 'subscribe', channel: 'nope' })).toBe('UNKNOWN_CHANNEL')
    expect(await code({ action: 'subscribe', channel: 'orders', key: 'a' })).toBe('UNKNOWN_KEY')
    expect(await code({ action: 'subscribe', channel: 'prices', key: 'Z' })).toBe('UNKNOWN_KEY')
    expect(await code({ action: 'subscribe', channel: 'orders', mode: 'fast' })).toBe('BAD_REQUEST')
    expect(await code({ action: 'subscribe', channel: 'orders', from: 'then' })).toBe('BAD_REQUEST')
    expect(
      await code({
        action: 'subscribe',
        channel: 'orders',
        where: { path: 'nope', op: 'eq', value: 1 },
      }),
    ).toBe('INVALID_QUERY')
    expect(
      await code({ action: 'subscribe', channel: 'orders', where: { path: 'symbol', op: 'eq' } }),
    ).toBe('INVALID_QUERY')
    expect(await code({ action: 'subscribe', channel: 'orders', positions: 1 })).toBe('BAD_REQUEST')
    const nameless = { action: 'send', channel: 'orders', data: { symbol: 'A' }, messageId: '' }
    expect(await code(nameless)).toBe('BAD_REQUEST')
    expect(await code({ action: 'send', channel: 'total', data: 1 })).toBe('NOT_SENDABLE')
    expect(await code({ action: 'send', channel: 'orders' })).toBe('BAD_REQUEST')
    const invalid = await socket.ask({
      id: 9,
      action: 'send',
      channel: 'orders',
      data: { symbol: 'A', quantity: -1 },
    })
    expect(invalid).toMatchObject({
      ok: false,
      code: 'INVALID_RECORD',
      errors: [{ path: ['quantity'], message: expect.any(String) }],
    })
    await socket.ask({ id: 1, action: 'subscribe', channel: 'orders' })
    await socket.ask({ id: 2, action: 'subscribe', channel: 'heartbeat' })
    for (const [id, channel] of [
      [1, 'orders'],
      [1, 'heartbeat'],
      [2, 'heartbeat'],
    ] as const) {
      expect((await socket.ask({ id, action: 'subscribe', channel })).code).toBe('BAD_REQUEST')
    }
  })

  test('a message is answered that is refused before it is understood, the first one too', async () => {
    const { open } = await serve()
    for (const [id, members] of [
      ['1', '"action":"send","channel":"orders","data":{"quantity":9007199254740993}'],
      ['2', '"action":"send","channel":"orders","data":{"symbol":"A","__proto__":{}}'],
      ['"3"', `"action":"send","channel":"orders","data":${'['.repeat(80)}${']'.repeat(80)}`],
      ['true', '"action":"subscribe","channel":"orders"'],
      [`"${'x'.repeat(129)}"`, '"action":"subscribe","channel":"orders"'],
    ]) {
      const socket = await open()
      socket.say(`{"id":${id},${members}}`)
      expect(await socket.hear()).toEqual({
        id: JSON.parse(id ?? ''),
        ok: false,
        code: expect.stringMatching(/^(INVALID_|BAD_REQUEST)/),
        detail: expect.anything(),
        ...(id?.length === 1 || id === '"3"' ? { errors: expect.any(Array) } : {}),
      })
      await quiet(socket)
    }
  })

  test('a number that is too large for an id is answered as it is written, in a text', async () => {
    const { open } = await serve()
    const socket = await open()
    for (const id of [
      '9007199254740993',
      '-9007199254740993',
      '1152921504606846976',
      '1e400',
      '12345678901234567890123',
    ]) {
      for (const message of [
        `{"id":${id},"action":"subscribe","channel":"orders"}`,
        `{"action":"send","channel":"orders","data":{"symbol":"A","id":1,"quantity":9007199254740995},"id": ${id} }`,
        `{"id":5,"action":"batch","sends":[{"id":3}],"id":${id}}`,
      ]) {
        socket.say(message)
        expect(await socket.hear()).toMatchObject({
          id,
          ok: false,
          code: expect.stringMatching(/^(INVALID_RECORD|BAD_REQUEST)$/),
        })
      }
    }
    for (const id of [9_007_199_254_740_991, -1.5, 0]) {
      expect(await socket.ask({ id, action: 'subscribe', channel: 'orders' })).toMatchObject({
        id,
        ok: true,
      })
    }
  })

  test('a send is answered with the completed records and their position', async () => {
    const { open } = await serve()
    const socket = await open()
    const answer = await socket.ask({
      id: 5,
      action: 'send',
      channel: 'orders',
      data: [{ symbol: 'A' }, { symbol: 'B' }],
    })
    expect(answer).toMatchObject({
      ok: true,
      offset: 2,
      durability: 'memory',
      data: [{ symbol: 'A' }, { symbol: 'B' }],
    })
  })

  test('a batch ticks several channels in one cycle, or none', async () => {
    const { open, json } = await serve()
    const socket = await open()
    const good = await socket.ask({
      id: 1,
      action: 'batch',
      sends: [
        { channel: 'prices', key: 'AAPL', data: { value: 1 } },
        { channel: 'orders', data: { symbol: 'A' } },
      ],
    })
    expect(good).toMatchObject({ ok: true, data: [{ value: 1 }, { symbol: 'A' }] })
    const bad = await socket.ask({
      id: 2,
      action: 'batch',
      sends: [
        { channel: 'prices', key: 'AAPL', data: { value: 2 } },
        { channel: 'orders', data: { symbol: 3 } },
      ],
    })
    expect(bad.code).toBe('INVALID_RECORD')
    const sends = [
      { channel: 'orders', data: { symbol: 'A' } },
      { channel: 'nope', data: {} },
    ]
    expect(await socket.ask({ id: 3, action: 'batch', sends })).toMatchObject({
      code: 'UNKNOWN_CHANNEL',
      detail: 'no channel is named nope',
    })
    expect(await json('last/prices/AAPL')).toMatchObject([{ value: 1 }])
  })

  test('an unsubscription is answered, and ends the one that it names', async () => {
    const { open, post } = await serve()
    const socket = await open()
    await socket.ask({ id: 1, action: 'subscribe', channel: 'orders' })
    await socket.ask({ id: 2, action: 'subscribe', channel: 'orders' })
    expect(await socket.ask({ id: 1, action: 'unsubscribe', channel: 'orders' })).toEqual({
      id: 1,
      ok: true,
    })
    await post('send/orders', { symbol: 'A' })
    expect(await socket.hear()).toMatchObject({ sub: 2 })
    await quiet(socket)
  })

  test('subscriptions are bounded', async () => {
    const { open } = await serve({ limits: { maxSubscriptions: 2 } })
    const socket = await open()
    await socket.ask({ id: 1, action: 'subscribe', channel: 'orders' })
    await socket.ask({ id: 2, action: 'subscribe', channel: 'total' })
    const third = await socket.ask({ id: 3, action: 'subscribe', channel: 'prices' })
    expect(third.code).toBe('TOO_MANY_SUBSCRIPTIONS')
  })
})

describe('a subscription from', () => {
  test('the snapshot gets what is there, then its end, then what follows', async () => {
    const { open, post } = await serve()
    await post('send/prices', { AAPL: { value: 1 }, MSFT: { value: 2 } })
    const socket = await open()
    const { offset } = await socket.ask({
      id: 1,
      action: 'subscribe',
      channel: 'prices',
      from: 'snapshot',
      positions: true,
    })
    expect(offset).toBe(2)
    expect(await socket.hear()).toMatchObject({ key: 'AAPL', snapshot: true })
    const second = await socket.hear()
    expect(second).toMatchObject({ key: 'MSFT', snapshot: true })
    expect(second).not.toHaveProperty('offset')
    expect(await socket.hear()).toMatchObject({ sub: 1, snapshotEnd: true, offset: 2 })
    await post('send/prices/AAPL', { value: 3 })
    expect(await socket.hear()).toMatchObject({ key: 'AAPL', offset: 3, data: [{ value: 3 }] })
  })

  test('a position gets what came since, and nothing twice', async () => {
    const { open, post } = await serve()
    const socket = await open()
    const { epoch } = await socket.ask({ id: 1, action: 'subscribe', channel: 'prices' })
    for (const value of [1, 2, 3, 4]) await post('send/prices/AAPL', { value })
    await post('send/prices/MSFT', { value: 5 })
    const again = await open()
    const answer = await again.ask({
      id: 1,
      action: 'subscribe',
      channel: 'prices',
      from: { epoch, offset: 3 },
      positions: true,
    })
    expect(answer).toMatchObject({ recovered: true, offset: 5 })
    await post('send/prices/MSFT', { value: 6 })
    const heard = [await again.hear(), await again.hear(), await again.hear()]
    expect(heard.map(({ offset, data }) => [offset, data[0].value])).toEqual([
      [4, 4],
      [5, 5],
      [6, 6],
    ])
  })

  test('a position out of reach gets a snapshot, and is told so', async () => {
    const { open, post } = await serve()
    await post('send/orders', { symbol: 'A' })
    const socket = await open()
    const answer = await socket.ask({
      id: 1,
      action: 'subscribe',
      channel: 'orders',
      from: { epoch: 'another', offset: 1 },
    })
    expect(answer.recovered).toBe(false)
    expect(await socket.hear()).toMatchObject({ snapshot: true, data: [{ symbol: 'A' }] })
    expect(await socket.hear()).toMatchObject({ snapshotEnd: true })
  })

  test('a time gets the ticks from then on', async () => {
    const { open, post } = await serve()
    await post('send/orders', { symbol: 'A' })
    const [last] = (await (await post('send/orders', { symbol: 'B' })).json()) as {
      timestamp: string
    }[]
    const socket = await open()
    await socket.ask({
      id: 1,
      action: 'subscribe',
      channel: 'orders',
      from: { time: last?.timestamp },
    })
    expect(await socket.hear()).toMatchObject({ data: [{ symbol: 'B' }] })
  })
})

describe('a view', () => {
  test('lets pass what matches, and shows what is selected', async () => {
    const { open, post } = await serve()
    const socket = await open()
    await socket.ask({
      id: 1,
      action: 'subscribe',
      channel: 'orders',
      where: { path: 'quantity', op: 'gt', value: 5 },
      select: ['symbol'],
    })
    await post('send/orders', [
      { symbol: 'A', quantity: 1 },
      { symbol: 'B', quantity: 9 },
    ])
    expect((await socket.hear()).data).toEqual([{ symbol: 'B' }])
  })

  test('of a list keeps the records that match', async () => {
    const { open, post } = await serve()
    const socket = await open()
    const where = { path: 'symbol', op: 'ne', value: 'A' }
    await socket.ask({ id: 1, action: 'subscribe', channel: 'order_list', where })
    await post('send/order_list', [{ symbol: 'A' }])
    await post('send/order_list', [{ symbol: 'A' }, { symbol: 'B' }])
    expect((await socket.hear()).data).toMatchObject([{ symbol: 'B' }])
  })
})

describe('a delivery mode', () => {
  test('lastValue conflates by key what came in one turn', async () => {
    const { open, gateway } = await serve()
    const socket = await open()
    await socket.ask({ id: 1, action: 'subscribe', channel: 'prices', mode: 'lastValue' })
    for (const value of [1, 2, 3]) gateway.channels.send('prices', { value }, 'AAPL')
    gateway.channels.send('prices', { value: 4 }, 'MSFT')
    gateway.channels.send('prices', { value: 5 }, 'AAPL')
    expect(await socket.hear()).toMatchObject({ key: 'AAPL', data: [{ value: 5 }] })
    expect(await socket.hear()).toMatchObject({ key: 'MSFT', data: [{ value: 4 }] })
  })

  test('burst hands over what gathered as one message', async () => {
    const { open, gateway } = await serve()
    const socket = await open()
    await socket.ask({
      id: 1,
      action: 'subscribe',
      channel: 'orders',
      mode: 'burst',
      positions: true,
    })
    for (const symbol of ['A', 'B', 'C']) gateway.channels.send('orders', { symbol })
    expect(await socket.hear()).toMatchObject({
      offset: 3,
      data: [{ symbol: 'A' }, { symbol: 'B' }, { symbol: 'C' }],
    })
  })

  test('nonCollapsing hands over each', async () => {
    const { open, gateway } = await serve()
    const socket = await open()
    await socket.ask({ id: 1, action: 'subscribe', channel: 'orders' })
    for (const symbol of ['A', 'B']) gateway.channels.send('orders', { symbol })
    expect((await socket.hear()).data).toMatchObject([{ symbol: 'A' }])
    expect((await socket.hear()).data).toMatchObject([{ symbol: 'B' }])
  })
})

test('keys of a dynamic basket are taken in as they come', async () => {
  const { open, post } = await serve()
  const socket = await open()
  await socket.ask({ id: 1, action: 'subscribe', channel: 'quotes' })
  await post('send/quotes/new', { value: 1 })
  expect(await socket.hear()).toMatchObject({ sub: 1, key: 'new', data: [{ value: 1 }] })
})

test('a subscription that hears nothing else hears where its channel is', async () => {
  const { open, post } = await serve({ limits: { progressIntervalMs: 20 } })
  await post('send/orders', { symbol: 'A' })
  const socket = await open()
  const { epoch } = await socket.ask({ id: 1, action: 'subscribe', channel: 'orders' })
  expect(await socket.hear()).toEqual({ sub: 1, progress: { epoch, offset: 1 } })
})

test('a stop closes the sockets with 1001', async () => {
  const { open, gateway } = await serve()
  const socket = await open()
  const stopped = gateway.stop()
  expect(await socket.closed).toBe(1001)
  await stopped
})

test('messages beyond the bound and invalid text close with their codes', async () => {
  const { open } = await serve({ limits: { maxMessageBytes: 1_000 } })
  const large = await open()
  large.say('x'.repeat(1_001))
  expect(await large.closed).toBe(1009)
  const invalid = await open()
  invalid.socket.send(Buffer.from([0xff, 0xfe]), { binary: false })
  expect(await invalid.closed).toBe(1007)
})

test('a client that asks and never listens is not asked for more than it takes', async () => {
  const { open } = await serve()
  const socket = await open()
  socket.socket.pause()
  for (let id = 0; id < 5_000; id++) {
    socket.say({ id, action: 'send', channel: 'orders', data: { symbol: 'A' } })
  }
  socket.socket.resume()
  expect((await socket.hearUntil(({ id }) => id === 4_999)).ok).toBe(true)
})

/** Waits until the server has taken all that was said. */
async function settled(socket: TestSocket): Promise<void> {
  await socket.ask({ id: 'settled', action: 'unsubscribe', channel: 'heartbeat' })
}

/** Fails when something was said that should not have been. */
async function quiet(socket: TestSocket): Promise<void> {
  socket.say({ id: 'quiet', action: 'unsubscribe', channel: 'heartbeat' })
  expect(await socket.hear()).toEqual({ id: 'quiet', ok: true })
}
