import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Client, type ClientOptions, createClient } from '../src/index.js'
import type { TestContract } from './support/contract.js'
import { FakeGateway } from './support/fake-gateway.js'

let gateway: FakeGateway
let client: Client<TestContract>

beforeEach(async () => {
  gateway = await FakeGateway.start()
  client = createClient<TestContract>({ url: `${gateway.url}/`, apiKey: 'secret' })
})

afterEach(async () => {
  client.$close()
  await gateway[Symbol.asyncDispose]()
})

const order = { id: '1', timestamp: 't', symbol: 'AAPL', side: 'buy', quantity: 1 }
const single = { 'x-gateway-kind': 'single', 'x-gateway-position': 'e1:1' }

describe('what an answer is follows from the server saying so', () => {
  test('a single record is taken out of its array; none is undefined', async () => {
    gateway.on(
      'GET /api/v1/last/orders',
      { headers: single, body: [order] },
      { headers: { ...single, 'x-gateway-position': 'e1:0' }, body: [] },
    )
    expect(await client.orders.last()).toEqual(order)
    expect(await client.orders.last()).toBeUndefined()
  })

  test('a list of one stays a list; an empty list that ticked is no missing one', async () => {
    const list = { 'x-gateway-kind': 'list', 'x-gateway-position': 'e1:1' }
    gateway.on(
      'GET /api/v1/last/fills',
      { headers: list, body: [order] },
      { headers: list, body: [] },
      { headers: { ...list, 'x-gateway-position': 'e1:0' }, body: [] },
    )
    expect(await client.fills.last()).toEqual([order])
    expect(await client.fills.last()).toEqual([])
    expect(await client.fills.last()).toBeUndefined()
  })

  test('a whole basket is an object by key', async () => {
    const basket = { 'x-gateway-kind': 'basket', 'x-gateway-position': 'e1:2' }
    gateway.on('GET /api/v1/last/prices', { headers: basket, body: { AAPL: { value: 1 } } })
    gateway.on('GET /api/v1/next/prices/AAPL', { headers: single, body: [{ value: 2 }] })
    expect(await client.prices.last()).toEqual({ AAPL: { value: 1 } })
    expect(await client.prices.next('AAPL')).toEqual({ value: 2 })
    expect(gateway.requests.map(({ url }) => url)).toEqual([
      '/api/v1/last/prices?keys=1',
      '/api/v1/next/prices/AAPL',
    ])
  })

  test('an answer without that word is refused', async () => {
    gateway.on('GET /api/v1/last/orders', { body: [order] })
    await expect(client.orders.last()).rejects.toMatchObject({
      code: 'INVALID_ANSWER',
      request: { action: 'GET', target: '/api/v1/last/orders' },
    })
  })
})

test('an access token goes as a bearer, beside a key or in its place', async () => {
  gateway.on('GET /api/v1/field/metadata', { body: { name: 'Demo' } })
  const sources = [{ token: 'a.b.c' }, { token: async () => 'd.e.f', apiKey: 'key' }, {}]
  for (const source of sources) {
    await createClient<TestContract>({ url: gateway.url, ...source }).metadata.value()
  }
  expect(
    gateway.requests.map(({ headers }) => [headers.authorization, headers['x-api-key']]),
  ).toEqual([
    ['Bearer a.b.c', undefined],
    ['Bearer d.e.f', 'key'],
    [undefined, undefined],
  ])
})

test('the key goes as a header, and is asked for anew each time', async () => {
  let asked = 0
  const rotating = createClient<TestContract>({
    url: gateway.url,
    apiKey: async () => `key-${++asked}`,
  })
  gateway.on('GET /api/v1/field/metadata', { body: { name: 'Demo' } })
  expect(await rotating.metadata.value()).toEqual({ name: 'Demo' })
  await rotating.metadata.value()
  expect(gateway.requests.map(({ headers }) => headers['x-api-key'])).toEqual(['key-1', 'key-2'])
})

test('a query becomes parameters, its filter a tree', async () => {
  gateway.on('GET /api/v1/state/orders', { body: [order] })
  gateway.on('GET /api/v1/state/bySide', { body: 3 })
  const where = { quantity: { gt: 1, le: 5 }, or: [{ symbol: 'A&B' }, { side: 'buy' }] } as const
  expect(await client.orders.query({ where, sort: ['-quantity', 'symbol'], limit: 5 })).toEqual([
    order,
  ])
  expect(await client.orders.count({ where: { side: 'sell' } }, { state: 'bySide' })).toBe(3)
  const [query, count] = gateway.requests.map(({ url }) => new URL(url, gateway.url).searchParams)
  expect(JSON.parse(query?.get('where') as string)).toEqual({
    and: [
      { path: 'quantity', op: 'gt', value: 1 },
      { path: 'quantity', op: 'le', value: 5 },
      {
        or: [
          { path: 'symbol', op: 'eq', value: 'A&B' },
          { path: 'side', op: 'eq', value: 'buy' },
        ],
      },
    ],
  })
  expect(query?.get('sort')).toBe('-quantity,symbol')
  expect(query?.get('limit')).toBe('5')
  expect(count?.get('count')).toBe('1')
})

test('no selection is all of a record', async () => {
  gateway.on('GET /api/v1/state/orders', { body: [order] })
  expect(await client.orders.query({ select: [] })).toEqual([order])
  expect(gateway.requests[0]?.url).toBe('/api/v1/state/orders')
})

test.each(['', '.', '..', 'a/../b', './c', 'half \ud83d'])(
  'the name %j, which a URL would take for a way, leads nowhere else',
  async (name) => {
    const refused = {
      code: 'BAD_REQUEST',
      message: expect.stringMatching(/^no URL has (lookup|last|next)\//),
    }
    await expect(client.orders.lookup(name)).rejects.toMatchObject(refused)
    await expect(client.$lookup(name)).rejects.toMatchObject(refused)
    await expect(client.prices.last(name as 'AAPL')).rejects.toMatchObject(refused)
    await expect(client.prices.next(name as 'AAPL')).rejects.toMatchObject(refused)
    expect(gateway.requests).toEqual([])
  },
)

test('what JSON cannot hold is refused before it goes out', async () => {
  const cyclic: Record<string, unknown> = { symbol: 'A' }
  cyclic.self = cyclic
  for (const record of [cyclic, { quantity: 1n }] as never[]) {
    const refused = { code: 'BAD_REQUEST', cause: expect.any(TypeError) }
    await expect(client.orders.stage.add(record)).rejects.toMatchObject(refused)
    await expect(client.orders.send(record)).rejects.toMatchObject(refused)
  }
  const query = { where: { quantity: 1n } } as never
  await expect(client.orders.query(query)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  expect(() => client.orders.subscribe(query)).toThrow(
    expect.objectContaining({ code: 'BAD_REQUEST' }),
  )
  expect(gateway.requests).toEqual([])
})

test('staging calls say which stagings they mean', async () => {
  for (const method of ['POST', 'DELETE', 'PATCH', 'PUT', 'GET']) {
    gateway.on(`${method} /api/v1/stage/orders`, { body: {} })
  }
  await client.orders.stage.add()
  await client.orders.stage.add({ symbol: 'AAPL', side: 'buy', quantity: 1 }, ['1', '2'])
  await client.orders.stage.remove('9', [])
  await client.orders.stage.release()
  await client.orders.stage.contents('1')
  await client.orders.stage.list()
  expect(gateway.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
    'POST /api/v1/stage/orders',
    'POST /api/v1/stage/orders?id=1%2C2',
    'DELETE /api/v1/stage/orders?id=',
    'PATCH /api/v1/stage/orders',
    'PUT /api/v1/stage/orders?id=1',
    'GET /api/v1/stage/orders',
  ])
})

describe('refusals', () => {
  test('carry the code, the words and the request, and are not tried again', async () => {
    const problem = {
      code: 'UNKNOWN_KEY',
      status: 404,
      detail: 'Channel not found: prices/AAPL',
    }
    gateway.on('GET /api/v1/last/prices/AAPL', { status: 404, body: problem })
    await expect(client.prices.last('AAPL')).rejects.toMatchObject({
      name: 'GatewayClientError',
      code: 'UNKNOWN_KEY',
      status: 404,
      detail: problem.detail,
      message: 'GET /api/v1/last/prices/AAPL: Channel not found: prices/AAPL',
      request: { action: 'GET', target: '/api/v1/last/prices/AAPL' },
    })
    expect(gateway.requests).toHaveLength(1)
  })

  test('a wrong record is told field by field', async () => {
    gateway.on('POST /api/v1/stage/orders', {
      status: 422,
      body: {
        code: 'INVALID_RECORD',
        detail: [{ type: 'missing', loc: ['body', 'side'], msg: 'Field required' }],
        errors: [{ path: ['side'], message: 'Field required' }],
      },
    })
    await expect(client.orders.stage.add()).rejects.toMatchObject({
      code: 'INVALID_RECORD',
      message: 'POST /api/v1/stage/orders: side: Field required',
      errors: [{ path: ['side'], message: 'Field required' }],
    })
  })

  test.each([
    [403, { detail: 'unauthorized', status_code: 403 }, 'UNAUTHORIZED'],
    [404, { detail: 'Not Found' }, 'NOT_FOUND'],
    [405, { detail: 'Method Not Allowed' }, 'BAD_REQUEST'],
    [500, 'Internal Server Error', 'INTERNAL'],
  ])('an answer %i without a code has that of its status', async (status, body, code) => {
    gateway.on('GET /api/v1/lookup/orders/1', { status, body })
    await expect(client.orders.lookup('1')).rejects.toMatchObject({ code, status })
  })

  test('what is no gateway is told so', async () => {
    const headers = { 'content-type': 'text/html' }
    gateway.on('GET /api/v1/last/orders', { headers, body: '<html>' })
    await expect(client.orders.last()).rejects.toMatchObject({ code: 'INVALID_ANSWER' })
  })

  test.each([[''], ['localhost:8000'], ['ftp://x'], ['http://']])(
    'the URL %j is refused at once',
    (url) => {
      expect(() => createClient<TestContract>({ url })).toThrow(
        expect.objectContaining({ code: 'BAD_REQUEST' }),
      )
    },
  )
})

describe('tries', () => {
  test('a read is tried again while the server is busy, after the wait it asks for', async () => {
    gateway.on(
      'GET /api/v1/last/orders',
      { status: 503, headers: { 'retry-after': '0' }, body: { code: 'NOT_RUNNING', detail: 'x' } },
      { status: 429, headers: { 'retry-after': '0' }, body: { detail: 'slow down' } },
      { headers: single, body: [order] },
    )
    expect(await client.orders.last()).toEqual(order)
    expect(gateway.requests).toHaveLength(3)
  })

  test('three times, not for ever', async () => {
    gateway.on('GET /api/v1/last/orders', {
      status: 503,
      headers: { 'retry-after': '0' },
      body: { code: 'OVERLOADED', detail: 'busy' },
    })
    await expect(client.orders.last()).rejects.toMatchObject({ code: 'OVERLOADED' })
    expect(gateway.requests).toHaveLength(3)
  })

  test('what changes something is tried once', async () => {
    gateway.on('PATCH /api/v1/stage/orders', { status: 503, body: { code: 'OVERLOADED' } })
    await expect(client.orders.stage.release()).rejects.toMatchObject({ code: 'OVERLOADED' })
    expect(gateway.requests).toHaveLength(1)
  })
})

describe('bounds', () => {
  test('a call ends when its time is over, or its signal says so', async () => {
    const stuck = createClient<TestContract>({
      url: gateway.url,
      fetch: (_, { signal }) =>
        new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    })
    await expect(stuck.orders.last({ timeoutMs: 1 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    const abort = new AbortController()
    const next = stuck.orders.next({ signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(next).rejects.toMatchObject({ code: 'ABORTED', cause: new Error('enough') })
    await expect(stuck.orders.last({ signal: abort.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    })
  })

  test('a gateway that is not there is told so', async () => {
    await gateway[Symbol.asyncDispose]()
    await expect(client.orders.last()).rejects.toMatchObject({ code: 'CONNECTION_FAILED' })
  })
})

test('a client can be returned from async functions, and knows nothing by other names', async () => {
  const same = await Promise.resolve(client)
  expect(same).toBe(client)
  expect(client.orders).toBe(client.orders)
  expect('$close' in client).toBe(true)
})

describe('a call ends in time', () => {
  const never = (): Promise<never> => new Promise(() => undefined)
  const connect = (options: Partial<ClientOptions>): Client<TestContract> =>
    createClient<TestContract>({ url: gateway.url, ...options })

  test('whatever the source of the key and the fetch of the caller do', async () => {
    const timeoutMs = 5
    const keyless = connect({ apiKey: never, timeoutMs })
    await expect(keyless.orders.last()).rejects.toMatchObject({ code: 'TIMEOUT' })
    const deaf = connect({ fetch: never, timeoutMs })
    await expect(deaf.orders.last()).rejects.toMatchObject({ code: 'TIMEOUT' })
    const unbounded = { timeoutMs: undefined, signal: undefined }
    await expect(deaf.orders.last(unbounded)).rejects.toMatchObject({ code: 'TIMEOUT' })
    const sent = deaf.orders.send({ symbol: 'A', side: 'buy', quantity: 1 }, unbounded)
    await expect(sent).rejects.toMatchObject({ code: 'TIMEOUT' })
    const signal = AbortSignal.timeout(5)
    await expect(connect({ fetch: never }).orders.next({ signal })).rejects.toMatchObject({
      code: 'ABORTED',
    })
  })

  test('when the client is closed: those that run, and those that come later', async () => {
    const asked: string[] = []
    const closing = connect({
      fetch: (url) => {
        asked.push(url)
        return never()
      },
    })
    const running = [closing.orders.next(), closing.orders.last(), closing.orders.query()]
    await vi.waitFor(() => expect(asked).toHaveLength(3))
    closing.$close()
    for (const call of running) {
      await expect(call).rejects.toMatchObject({ code: 'CLOSED', request: { action: 'GET' } })
    }
    await expect(closing.orders.last()).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(closing.$describe()).rejects.toMatchObject({ code: 'CLOSED' })
    expect(asked).toHaveLength(3)
  })

  test('but not at once when the bound is longer than timers are', async () => {
    const patient = connect({ timeoutMs: Number.POSITIVE_INFINITY })
    gateway.on('GET /api/v1/last/orders', { headers: single, body: [order] })
    expect(await patient.orders.last()).toEqual(order)
    expect(await patient.orders.last({ timeoutMs: 2 ** 40 })).toEqual(order)
  })

  test('and at once where the server asks for more patience than there is', async () => {
    gateway.on('GET /api/v1/last/orders', {
      status: 503,
      headers: { 'retry-after': '60' },
      body: { code: 'OVERLOADED', detail: 'busy' },
    })
    await expect(client.orders.last()).rejects.toMatchObject({
      code: 'OVERLOADED',
      retryAfterMs: 60_000,
    })
  })

  test('when the key cannot be had', async () => {
    const keyless = connect({ apiKey: () => Promise.reject(new Error('no vault')) })
    await expect(keyless.orders.stage.add()).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      cause: new Error('no vault'),
    })
  })
})

test('an answer that is cut off counts as a broken connection: a read is tried again', async () => {
  const cutInHeaders = { headers: { 'content-type': 'applic' }, body: '' }
  const cutInBody = { body: '[{"id":' }
  gateway.on('GET /api/v1/last/orders', cutInHeaders, cutInBody, { headers: single, body: [order] })
  expect(await client.orders.last()).toEqual(order)
  gateway.on('POST /api/v1/stage/orders', { body: '{"1":' })
  await expect(client.orders.stage.add()).rejects.toMatchObject({ code: 'CONNECTION_FAILED' })
})

test('what stands between, and is no gateway, is not taken for one', async () => {
  const page = `<html>${'x'.repeat(1_000)}</html>`
  const answer = { headers: { 'content-type': 'text/html' }, body: page }
  gateway.on('POST /api/v1/stage/orders', { status: 502, ...answer }, answer)
  await expect(client.orders.stage.add()).rejects.toMatchObject({
    code: 'CONNECTION_FAILED',
    status: 502,
    detail: page.slice(0, 200),
  })
  await expect(client.orders.stage.add()).rejects.toMatchObject({ code: 'INVALID_ANSWER' })
})

test.each(['ftp://x', 'localhost:8000', '', 'http://', 'http://x?token=1', 'http://x/#a'])(
  '%j is no URL of a gateway',
  (url) => {
    expect(() => createClient<TestContract>({ url })).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    )
  },
)
