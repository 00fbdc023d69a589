import { type Operation, parseScope, type Scope } from '@gw/protocol'
import { expect, test } from 'vitest'
import { apiKey } from '../src/index.js'
import { serve } from './support/serve.js'
import { ask, type Outcome, tell } from './support/ways.js'

/** A server to which a key is `scope,scope` as it is spelt. */
async function served(...spellings: readonly string[]) {
  const scopes = spellings.map((spelling) => parseScope(spelling) as Scope)
  const auth = apiKey({ keys: [{ name: 'guest', key: 'k', scopes }] })
  const { url, gateway } = await serve({ auth, controls: true })
  const carried = { headers: { 'X-API-Key': 'k' } }
  const call = (method: string) => (path: string, body?: unknown) =>
    ask(
      url,
      method,
      `/api/v1/${path}`,
      carried,
      body === undefined ? undefined : JSON.stringify(body),
    )
  return {
    url,
    live: gateway.channels,
    get: call('GET'),
    post: call('POST'),
    patch: call('PATCH'),
    remove: call('DELETE'),
    put: call('PUT'),
    say: (message: object) => tell(url, carried, message),
  }
}

const forbidden = { code: 'FORBIDDEN' }
const row = { owner: 'x' }

test.each<[string, Operation, string, object | undefined]>([
  ['GET', 'read', 'last/rows', undefined],
  ['HEAD', 'read', 'last/rows', undefined],
  ['GET', 'read', 'next/rows?timeout=0.001', undefined],
  ['GET', 'read', 'state/numbered', undefined],
  ['GET', 'read', 'state/numbered?count=1', undefined],
  ['GET', 'read', 'lookup/rows/1', undefined],
  ['GET', 'read', 'lookup/id/1', undefined],
  ['GET', 'read', 'stage/rows', undefined],
  ['PUT', 'read', 'stage/rows', undefined],
  ['GET', 'read', 'stream/rows', undefined],
  ['GET', 'read', '../../metrics', undefined],
  ['POST', 'send', 'send/rows', row],
  ['POST', 'stage', 'stage/rows', row],
  ['DELETE', 'stage', 'stage/rows', undefined],
  ['GET', 'control', 'controls/heartbeat', undefined],
  ['GET', 'control', 'controls/stats', undefined],
  ['POST', 'control', 'controls/shutdown', undefined],
])('%s needs %s: %s', async (method, operation, path, body) => {
  const operations = (['read', 'send', 'stage', 'control'] as const).filter(
    (each) => each !== operation,
  )
  const others = await served(operations.join(','))
  const text = body === undefined ? undefined : JSON.stringify(body)
  const [plain = '', query] = path.split('?')
  const carried = { headers: { 'X-API-Key': 'k' }, ...(query === undefined ? {} : { query }) }
  const { status, code } = await ask(others.url, method, `/api/v1/${plain}`, carried, text)
  expect({ status, code }).toEqual({
    status: 403,
    code: method === 'HEAD' ? undefined : 'FORBIDDEN',
  })
  if (operation === 'control') return
  const own = await served(operation)
  const allowed = await ask(own.url, method, `/api/v1/${plain}`, carried, text)
  expect(allowed.status).not.toBe(403)
})

test('what is sent to the channel of the controls asks the gateway itself: it needs both, to send and to control', async () => {
  const control = { name: 'stats' }
  for (const [scopes, expected] of [
    [['send', 'read'], forbidden],
    [['control', 'read'], forbidden],
    [['send:rows', 'control'], forbidden],
    [['send', 'control'], { code: undefined }],
  ] as const) {
    const { post, say } = await served(...scopes)
    expect(await post('send/controls', control)).toMatchObject(expected)
    expect(await say({ action: 'send', channel: 'controls', data: control })).toMatchObject(
      expected,
    )
    const sends = [{ channel: 'controls', data: control }]
    expect(await say({ action: 'batch', sends })).toMatchObject(expected)
  }
})

test('a release of a staging needs both, to stage and to send', async () => {
  for (const [scope, outcome] of [
    ['stage', forbidden],
    ['send', forbidden],
    ['stage,send', { status: 200 }],
  ] as const) {
    expect(await (await served(scope)).patch('stage/rows')).toMatchObject(outcome)
  }
})

test('keys of a basket bind what is read of it, in each way', async () => {
  const { get, say, live, url } = await served('read:prices:A*')
  for (const key of ['A', 'B', 'AB']) live.send('prices', { owner: key, n: 1 }, key)
  const { id } = live.send('prices', { owner: 'B', n: 2 }, 'B')
  expect((await get('last/prices/A')).text).toContain('"owner":"A"')
  expect(JSON.parse((await get('last/prices')).text)).toMatchObject([
    { owner: 'A' },
    { owner: 'AB' },
  ])
  for (const path of ['last/prices/B', 'next/prices/B', 'stream/prices/B']) {
    expect(await get(path)).toMatchObject(forbidden)
  }
  expect((await get(`lookup/prices/${id}`)).text).toBe('[]')
  expect((await get(`lookup/id/${id}`)).status).toBe(404)
  expect(await get('last/rows')).toMatchObject(forbidden)
  const names = JSON.parse((await get('stream')).text) as string[]
  expect(names.filter((name) => name.startsWith('prices/'))).toEqual(['prices/A', 'prices/AB'])
  expect(await say({ action: 'subscribe', channel: 'prices', key: 'B' })).toMatchObject(forbidden)
  const carried = { headers: { 'X-API-Key': 'k' }, query: 'from=snapshot' }
  const { text } = await ask(url, 'GET', '/api/v1/stream/prices', carried)
  expect(text).not.toContain('"owner":"B"')
})

test('keys of a basket bind what is sent to it, all or nothing', async () => {
  const { post, say, live } = await served('send:prices:A*')
  const refusals: Outcome[] = [
    await post('send/prices/B', row),
    await post('send/prices', { A: row, B: row }),
    await post('send/rows', row),
    await say({ action: 'send', channel: 'prices', key: 'B', data: row }),
    await say({ action: 'send', channel: 'prices', data: { A: row, B: row } }),
    await say({
      action: 'batch',
      sends: [
        { channel: 'prices', key: 'A', data: row },
        { channel: 'prices', key: 'B', data: row },
      ],
    }),
    await say({
      action: 'batch',
      sends: [
        { channel: 'prices', key: 'A', data: row },
        { channel: 'rows', data: row },
      ],
    }),
  ]
  expect(refusals.map(({ code }) => code)).toEqual(refusals.map(() => 'FORBIDDEN'))
  expect(live.last('prices')).toEqual({})
  expect(live.last('rows')).toBeUndefined()
  expect(
    await say({ action: 'batch', sends: [{ channel: 'prices', data: { A: row, B: row } }] }),
  ).not.toMatchObject({ status: 200 })
  expect(await post('send/prices/A', row)).toMatchObject({ status: 200 })
  expect(await post('send/prices', { A: row, AB: row })).toMatchObject({ status: 200 })
  expect(Object.keys(live.last('prices') as object)).toEqual(['A', 'AB'])
})

test('descriptions are for whoever has a key, and for nobody else', async () => {
  const { url } = await served('send:rows')
  for (const path of [
    '/openapi.json',
    '/asyncapi.json',
    '/docs',
    '/api',
    '/api/v1/last/',
    '/api/v1/stream',
  ]) {
    expect(await ask(url, 'GET', path)).toMatchObject({ status: 403, code: 'UNAUTHORIZED' })
    expect(await ask(url, 'GET', path, { headers: { 'X-API-Key': 'k' } })).toMatchObject({
      status: 200,
    })
  }
  for (const path of ['/healthz', '/readyz', '/login', '/docs/start.js']) {
    expect(await ask(url, 'GET', path)).toMatchObject({ status: 200 })
  }
})
