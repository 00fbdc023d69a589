import { describe, expect, test } from 'vitest'
import { serve } from './support/serve.js'

describe('last', () => {
  test('is an array of one record, with kind, position and tag', async () => {
    const { post, get } = await serve()
    await post('send/orders', { symbol: 'AAPL', quantity: 3 })
    const answer = await get('last/orders')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(answer.headers.get('x-gateway-kind')).toBe('single')
    expect(answer.headers.get('x-gateway-position')).toMatch(/^\w+:1$/)
    expect(await answer.json()).toEqual([
      {
        id: expect.stringMatching(/^\d+$/),
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
        symbol: 'AAPL',
        side: 'buy',
        quantity: 3,
        tags: [],
        flags: {},
      },
    ])
  })

  test('is empty before the first tick', async () => {
    const { json } = await serve()
    expect(await json('last/orders')).toEqual([])
    expect(await json('last/prices')).toEqual([])
  })

  test('of a list is the list that ticked last', async () => {
    const { post, get } = await serve()
    await post('send/order_list', [{ symbol: 'A' }, { symbol: 'B' }])
    const answer = await get('last/order_list')
    expect(answer.headers.get('x-gateway-kind')).toBe('list')
    expect(await answer.json()).toMatchObject([{ symbol: 'A' }, { symbol: 'B' }])
  })

  test('of a basket has one record for each key that ticked, in the order of the keys', async () => {
    const { post, json } = await serve()
    await post('send/prices/MSFT', { value: 2 })
    expect(await json('last/prices')).toMatchObject([{ value: 2 }])
    await post('send/prices', { MSFT: { value: 3 }, AAPL: { value: 1 } })
    expect(await json('last/prices')).toMatchObject([{ value: 1 }, { value: 3 }])
    expect(await json('last/prices/MSFT')).toMatchObject([{ value: 3 }])
    expect(await json('last/prices?keys=maybe')).toMatchObject({ code: 'INVALID_QUERY' })
    expect(await json('last/prices?keys=1')).toMatchObject({
      AAPL: { value: 1 },
      MSFT: { value: 3 },
    })
  })

  test('of a key that a basket does not have is not found, and is no fault of the server', async () => {
    const { json } = await serve()
    for (const path of ['last/prices/ZZ', 'next/prices/ZZ', 'last/prices/constructor']) {
      expect(await json(path)).toMatchObject({ status: 404, code: 'UNKNOWN_KEY' })
    }
  })

  test('of a whole basket with an expected position is refused when another key has moved', async () => {
    const { get, post } = await serve()
    const position = (answer: Response): string => answer.headers.get('x-gateway-position') ?? ''
    const before = position(await get('last/prices'))
    await post('send/prices/MSFT', { value: 5 })
    const late = await post(`send/prices?expect=${before}`, { AAPL: { value: 1 } })
    expect(late.status).toBe(409)
    const now = position(await get('last/prices'))
    const sent = await post(`send/prices?expect=${now}&messageId=m`, { AAPL: { value: 1 } })
    expect(sent.status).toBe(200)
    await post('send/prices/MSFT', { value: 6 })
    // The same again answers as the first time, where it was then.
    const again = await post(`send/prices?expect=${now}&messageId=m`, { AAPL: { value: 1 } })
    expect(position(again)).toBe(position(sent))
  })

  test('of a key that a dynamic basket does not have is not found', async () => {
    const { post, get, json } = await serve()
    expect((await get('last/quotes/AAPL')).status).toBe(404)
    await post('send/quotes/AAPL', { value: 2 })
    expect(await json('last/quotes/AAPL')).toMatchObject([{ value: 2 }])
    expect(await json('last/quotes/MSFT')).toMatchObject({ code: 'UNKNOWN_KEY' })
    // A name that is no key of a plain object is none of a basket.
    expect((await post('send/quotes/__proto__', { value: 2 })).status).toBe(404)
  })

  test('of a value that is no record is an array of it', async () => {
    const { post, json } = await serve()
    await post('send/orders', [{ symbol: 'A' }, { symbol: 'B' }])
    expect(await json('last/total')).toEqual([2])
  })

  test('answers a name with dashes for one with underscores', async () => {
    const { post, json } = await serve()
    await post('send/order-list', [{ symbol: 'A' }])
    expect(await json('last/order-list')).toEqual(await json('last/order_list'))
  })

  test('of a key with a slash takes the rest of the path', async () => {
    const { post, json } = await serve()
    expect((await post('send/quotes/a/b', { value: 1 })).status).toBe(200)
    expect(await json('last/quotes/a/b')).toMatchObject([{ value: 1 }])
    expect(await json('last/quotes/a%2Fb')).toMatchObject([{ value: 1 }])
  })

  test('waits for a position, and no longer than asked', async () => {
    const { post, get } = await serve()
    const before = await get('last/orders')
    const [epoch] = (before.headers.get('x-gateway-position') ?? '').split(':')
    const waiting = get(`last/orders?atLeast=${epoch}:1`)
    await post('send/orders', { symbol: 'A' })
    expect(await (await waiting).json()).toMatchObject([{ symbol: 'A' }])
    const late = await get(`last/orders?atLeast=${epoch}:9&timeout=0.01`)
    expect([late.status, (await late.json()).code]).toEqual([504, 'POSITION_TIMEOUT'])
    const other = await get('last/orders?atLeast=other:1')
    expect([other.status, (await other.json()).code]).toEqual([409, 'POSITION_MISMATCH'])
    expect((await get('last/orders?atLeast=1')).status).toBe(400)
  })

  test('is not sent again to who has it', async () => {
    const { post, get } = await serve()
    for (const path of ['last/orders', 'last/prices', 'last/prices/AAPL']) {
      await post('send/orders', { symbol: 'A' })
      await post('send/prices/AAPL', { value: 1 })
      const etag = (await get(path)).headers.get('etag') ?? ''
      const headers = { 'if-none-match': etag }
      const unchanged = await get(path, { headers })
      expect([unchanged.status, await unchanged.text()]).toEqual([304, ''])
      expect(unchanged.headers.get('etag')).toBe(etag)
      expect(unchanged.headers.get('x-gateway-position')).toMatch(/^\w+:\d+$/)
      // Caches take it for the type of what they hold.
      expect(unchanged.headers.get('content-type')).toBe('application/json')
      await post('send/orders', { symbol: 'B' })
      await post('send/prices/AAPL', { value: 2 })
      expect((await get(path, { headers })).status).toBe(200)
    }
  })
})

describe('next', () => {
  test('answers the tick after the request', async () => {
    const { post, json } = await serve()
    await post('send/orders', { symbol: 'A' })
    const waiting = json('next/orders')
    // The request is there when a later one has been answered.
    await json('last/orders')
    await post('send/orders', { symbol: 'B' })
    expect(await waiting).toMatchObject([{ symbol: 'B' }])
  })

  test('of a basket answers every key when any ticks', async () => {
    const { post, json } = await serve()
    await post('send/prices', { AAPL: { value: 1 }, MSFT: { value: 2 } })
    const waiting = json('next/prices')
    await json('last/prices')
    await post('send/prices/MSFT', { value: 3 })
    expect(await waiting).toMatchObject([{ value: 1 }, { value: 3 }])
  })

  test('ends with 504 after the time that the request gives it', async () => {
    const { get } = await serve()
    const answer = await get('next/orders?timeout=0.01')
    expect([answer.status, (await answer.json()).code]).toEqual([504, 'NEXT_TIMEOUT'])
    expect((await get('next/orders?timeout=soon')).status).toBe(400)
  })

  test('is refused a wait of nothing', async () => {
    const { get } = await serve()
    for (const timeout of ['0', '0.0', '5e-121']) {
      const answer = await get(`next/orders?timeout=${timeout}`)
      expect([timeout, answer.status, (await answer.json()).code]).toEqual([
        timeout,
        400,
        'BAD_REQUEST',
      ])
    }
    const form = await get('next/prices?keys=maybe')
    expect([form.status, (await form.json()).code]).toEqual([400, 'INVALID_QUERY'])
  })

  test('is refused when too many wait', async () => {
    const { get, post } = await serve({ limits: { maxWaits: 1 } })
    const first = get('next/orders')
    await get('last/orders')
    const second = await get('next/orders')
    expect(second.status).toBe(503)
    expect(second.headers.get('retry-after')).toBe('1')
    await post('send/orders', { symbol: 'A' })
    expect((await first).status).toBe(200)
    expect((await get('next/orders?timeout=0.01')).status).toBe(504)
  })

  test('a wait whose client has gone is over', async () => {
    const { get } = await serve({ limits: { maxWaits: 1 } })
    const client = new AbortController()
    const gone = get('next/orders', { signal: client.signal }).catch(() => 'gone')
    await get('last/orders')
    client.abort()
    expect(await gone).toBe('gone')
    let status = 503
    while (status === 503) status = (await get('next/orders?timeout=0.01')).status
    expect(status).toBe(504)
  })
})

describe('send', () => {
  test('answers the completed records, in order', async () => {
    const { post, json } = await serve()
    const answer = await post('send/orders', [{ symbol: 'A' }, { symbol: 'B', id: 7 }])
    expect(answer.status).toBe(200)
    const records = (await answer.json()) as { id: string }[]
    expect(records).toMatchObject([{ symbol: 'A' }, { symbol: 'B', id: '7' }])
    expect(await json('last/orders')).toEqual([records[1]])
    expect(await (await post('send/orders', [])).json()).toEqual([])
  })

  test('takes all or nothing', async () => {
    const { post, json } = await serve()
    const answer = await post('send/orders', [{ symbol: 'A' }, { symbol: 'B', quantity: -1 }])
    expect(answer.status).toBe(422)
    expect(await json('last/orders')).toEqual([])
  })

  test('of a basket answers in the order of the object, and ticks in one cycle', async () => {
    const { post } = await serve()
    const answer = await post('send/prices', { MSFT: { value: 2 }, AAPL: { value: 1 } })
    expect(await answer.json()).toMatchObject([{ value: 2 }, { value: 1 }])
  })

  test('to one key answers as of a single one, also after all keys in another order', async () => {
    const { post } = await serve()
    await post('send/prices', { MSFT: { value: 2 }, AAPL: { value: 1 } })
    const answer = await post('send/prices/MSFT', [{ value: 3 }, { value: 4 }])
    expect(await answer.json()).toMatchObject([{ value: 3 }, { value: 4 }])
    expect(answer.headers.get('x-gateway-kind')).toBe('single')
    expect(answer.headers.get('x-gateway-position')).toMatch(/:3$/)
  })

  test('with the same message id is done once', async () => {
    const { post, json } = await serve()
    const first = await (await post('send/orders?messageId=m1', { symbol: 'A' })).json()
    const again = await (await post('send/orders?messageId=m1', { symbol: 'A' })).json()
    expect(again).toEqual(first)
    const headers = { 'idempotency-key': 'm2' }
    await post('send/orders', { symbol: 'B' }, { headers })
    await post('send/orders', { symbol: 'B' }, { headers })
    expect(await json('last/total')).toEqual([2])
    for (const messageId of ['', 'x'.repeat(129)]) {
      expect((await post(`send/orders?messageId=${messageId}`, { symbol: 'C' })).status).toBe(400)
    }
  })

  test('happens only at the position that is expected', async () => {
    const { post } = await serve()
    const first = await post('send/orders', { symbol: 'A' })
    const position = first.headers.get('x-gateway-position')
    expect((await post(`send/orders?expect=${position}`, { symbol: 'B' })).status).toBe(200)
    const stale = await post(`send/orders?expect=${position}`, { symbol: 'C' })
    expect([stale.status, (await stale.json()).code]).toEqual([409, 'POSITION_MISMATCH'])
  })

  test('refuses integers that would be rounded, and keeps those that are not', async () => {
    const { post } = await serve()
    const rounded = await post('send/orders', '{"symbol":"A","quantity":9007199254740993}')
    expect(rounded.status).toBe(422)
    expect((await rounded.json()).errors).toEqual([
      { path: ['quantity'], message: expect.stringContaining('exactly') },
    ])
    const kept = await post('send/orders', '{"symbol":"A","quantity":9007199254740991}')
    expect(await kept.json()).toMatchObject([{ quantity: 9007199254740991 }])
  })
})

describe('state', () => {
  async function served() {
    const all = await serve()
    await all.post('send/orders', [
      { symbol: 'C', quantity: 30, side: 'sell' },
      { symbol: 'A', quantity: 10 },
      { symbol: 'B', quantity: 20, price: { value: 1.5, currency: 'EUR' } },
      { symbol: 'A', quantity: 11 },
    ])
    return all
  }
  const query = (filters: unknown): string =>
    `state/orders?query=${encodeURIComponent(JSON.stringify({ filters }))}`
  const symbols = (records: unknown): string[] =>
    (records as { symbol: string }[]).map(({ symbol }) => symbol)

  test('keeps the newest record of each key, in the order of the keys', async () => {
    const { json } = await served()
    expect(symbols(await json('state/orders'))).toEqual(['A', 'B', 'C'])
    expect(symbols(await json('state/all_orders'))).toEqual(['C', 'A', 'B', 'A'])
    expect(symbols(await json('state/all-orders'))).toHaveLength(4)
  })

  test('takes the filters of the reference', async () => {
    const { json } = await served()
    const by = async (filters: unknown): Promise<string[]> => symbols(await json(query(filters)))
    expect(await by([{ attr: 'quantity', by: { value: 20, where: '>=' } }])).toEqual(['B', 'C'])
    expect(await by([{ attr: 'quantity', by: { value: '20' } }])).toEqual(['B'])
    expect(
      await by([{ attr: 'symbol', by: { value: 'B', when: null, attr: '', where: '==' } }]),
    ).toEqual(['B'])
    expect(await by([{ attr: 'price.value', by: { value: 1.5 } }])).toEqual(['B'])
    expect(await by([{ attr: 'side', by: { attr: 'symbol', where: '!=' } }])).toHaveLength(3)
    expect(
      await by([{ attr: 'timestamp', by: { when: '2020-01-01T00:00:00', where: '>' } }]),
    ).toHaveLength(3)
    expect(await by([{ attr: 'symbol', by: {} }])).toHaveLength(3)
    expect(symbols(await json('state/orders?query={}'))).toHaveLength(3)
  })

  test('takes readable parameters', async () => {
    const { json } = await served()
    const answer = await json(
      'state/orders?where=quantity:gt:10&where=symbol:in:A,B&sort=-quantity&limit=1&offset=1&select=symbol,quantity',
    )
    expect(answer).toEqual([{ symbol: 'A', quantity: 11 }])
    expect(await json('state/orders?where=quantity:ge:20&count=1')).toBe(2)
    const tree = encodeURIComponent(
      JSON.stringify({
        or: [
          { path: 'symbol', op: 'eq', value: 'A' },
          { path: 'quantity', op: 'gt', value: 25 },
        ],
      }),
    )
    expect(symbols(await json(`state/orders?where=${tree}`))).toEqual(['A', 'C'])
  })

  test('refuses what it does not understand', async () => {
    const { get } = await served()
    const refusal = async (path: string): Promise<unknown[]> => {
      const answer = await get(path)
      return [answer.status, (await answer.json()).code]
    }
    expect(await refusal('state/orders?query=nope')).toEqual([422, 'INVALID_JSON'])
    expect(await refusal('state/orders?query=3')).toEqual([400, 'INVALID_QUERY'])
    expect(await refusal(query([{ attr: 'nope', by: { value: 1 } }]))).toEqual([
      400,
      'INVALID_QUERY',
    ])
    for (const wrong of [
      `query=${encodeURIComponent('{"filters":[{"attr":"quantity","by":{"value":9007199254740993}}]}')}`,
      'where=quantity:eq:9007199254740993',
      'count=maybe',
      'where=a',
      'where=symbol:like:A',
      'limit=-1',
      'limit=1&limit=2',
      'count=1&count=0',
      'where=nope:eq:1',
      'sort=-',
    ]) {
      expect(await refusal(`state/orders?${wrong}`)).toEqual([400, 'INVALID_QUERY'])
    }
    const shape = await get(query([{ attr: 'symbol', by: { value: 1, where: '~' } }]))
    expect((await shape.json()).detail).toMatchObject([
      {
        type: 'literal_error',
        loc: ['filters', 0, 'by', 'where'],
        msg: "Input should be '==', '!=', '<', '<=', '>' or '>='",
        url: expect.any(String),
      },
    ])
  })
})

describe('lookup', () => {
  test('finds a record by id, of a type or of any', async () => {
    const { post, json, get } = await serve()
    const [sent] = (await (await post('send/orders', { symbol: 'A' })).json()) as { id: string }[]
    expect(await json(`lookup/orders/${sent?.id}`)).toEqual([sent])
    expect(await json(`lookup/prices/${sent?.id}`)).toEqual([])
    expect(await json(`lookup/id/${sent?.id}`)).toEqual([sent])
    const unknown = await get('lookup/id/nope')
    expect([unknown.status, (await unknown.json()).detail]).toEqual([
      404,
      'No GatewayStruct found with id: nope',
    ])
  })
})

describe('stage', () => {
  test('adds, lists, shows, removes and releases', async () => {
    const { post, json, get } = await serve()
    const created = (await (await get('stage/orders', { method: 'POST' })).json()) as object
    const [id] = Object.keys(created)
    expect(created).toEqual({ [id as string]: [] })
    const added = await (await post('stage/orders', { symbol: 'A' })).json()
    expect(added).toMatchObject({ [id as string]: [{ symbol: 'A' }] })
    expect(await json('stage/orders')).toEqual([id])
    expect(await json(`stage/orders?id=${id}`)).toEqual([id])
    expect(await json('stage/orders?id=nope')).toEqual([])
    expect(await json('stage/orders', { method: 'PUT' })).toEqual(added)
    expect(await json('stage/orders?id=nope', { method: 'PUT' })).toEqual({})
    expect(await json('last/orders')).toEqual([])
    expect(await json(`stage/orders?id=${id}`, { method: 'PATCH' })).toEqual(added)
    expect(await json('last/orders')).toMatchObject([{ symbol: 'A' }])
    expect(await json('stage/orders', { method: 'DELETE' })).toEqual({})
  })

  test('refuses misuse as the reference does', async () => {
    const { post, get } = await serve()
    const none = await get('stage/orders?id=1,2', { method: 'POST' })
    expect([none.status, (await none.json()).detail]).toEqual([
      400,
      'Cannot specify staging_ids without a struct to add',
    ])
    const unknown = await post('stage/orders?id=none', { symbol: 'A' })
    expect(unknown.status).toBe(400)
    expect((await post('stage/orders', { symbol: 'A', quantity: -1 })).status).toBe(422)
    expect((await post('stage/orders', [{ symbol: 'A' }])).status).toBe(422)
    expect((await get('stage/prices')).status).toBe(404)
  })
})

describe('controls', () => {
  test('are off unless enabled', async () => {
    const { json, get } = await serve()
    expect(await json('controls/')).toEqual([])
    expect((await get('controls/heartbeat')).status).toBe(404)
    expect((await get('controls/shutdown', { method: 'POST' })).status).toBe(404)
  })

  test('answer through the engine', async () => {
    const { json, post } = await serve({ controls: { heartbeat: true, stats: true } })
    expect(await json('controls/')).toEqual(['heartbeat', 'stats'])
    const [beat] = (await json('controls/heartbeat')) as object[]
    expect(beat).toMatchObject({ name: 'heartbeat', status: 'ok' })
    expect(await json('last/controls')).toEqual([beat])
    expect(await json('controls/stats')).toMatchObject([
      { status: 'ok', data: { pid: process.pid, cpu: expect.any(Number) } },
    ])
    const [sent] = (await (await post('send/controls', { name: 'other' })).json()) as object[]
    expect(sent).toMatchObject({ name: 'other', status: 'none' })
    expect(await json('last/controls')).toEqual([sent])
  })

  test('that are not served are not answered on their channel either', async () => {
    const { post } = await serve({ controls: { heartbeat: true } })
    const [sent] = (await (await post('send/controls', { name: 'stats' })).json()) as object[]
    expect(sent).toMatchObject({ name: 'stats', status: 'none', data: {} })
  })

  test('shut the gateway down, after the answer', async () => {
    const { json, gateway, get } = await serve({ controls: { shutdown: true } })
    const answer = await json('controls/shutdown', { method: 'POST' })
    expect(answer).toMatchObject([{ name: 'shutdown', status: 'ok' }])
    await gateway.stop()
    await expect(get('last/orders')).rejects.toThrow()
  })
})

describe('lists', () => {
  test('name what is served, sorted', async () => {
    const { json } = await serve()
    const channels = await json('last/')
    expect(channels).toEqual([
      'controls',
      'nothing',
      'order_list',
      'orders',
      'prices',
      'quotes',
      'read_only',
      'total',
    ])
    expect(await json('next/')).toEqual(channels)
    expect(await json('lookup/')).toEqual(channels)
    expect(await json('send/')).toEqual([
      'order_list',
      'orders',
      'prices',
      'prices/AAPL',
      'prices/MSFT',
      'quotes',
    ])
    expect(await json('state/')).toEqual(['all_orders', 'orders'])
    expect(await json('stage/')).toEqual(['orders'])
    expect(await json('field')).toEqual(['settings'])
    expect(await json('field/settings')).toEqual({ currency: 'USD' })
    expect(await json('stream')).toContain('prices/AAPL')
    expect(await json('stream')).toContain('heartbeat')
    expect(await json('/api')).toMatchObject({
      default: 'v1',
      versions: [{ version: 'v1', path: '/api/v1' }],
    })
  })

  test('know keys that have come since', async () => {
    const { json, post } = await serve()
    await post('send/quotes/new', { value: 1 })
    expect(await json('stream')).toContain('quotes/new')
  })

  test('redirect to their slash, and superfluous slashes away, with the query kept', async () => {
    const { get } = await serve()
    const missing = await get('last?a=1')
    expect([missing.status, missing.headers.get('location')]).toEqual([307, '/api/v1/last/?a=1'])
    const superfluous = await get('last/orders/?a=1')
    expect([superfluous.status, superfluous.headers.get('location')]).toEqual([
      307,
      '/api/v1/last/orders?a=1',
    ])
    expect((await get('//evil.example/')).status).toBe(404)
  })
})
