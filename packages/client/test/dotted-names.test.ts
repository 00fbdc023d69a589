import { channel, defineChannels, Gateway, type Module } from '@gw/channels'
import { webServer } from '@gw/server-hono'
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { createClient } from '../src/index.js'
import { liveState } from '../src/live-state.js'
import { sse } from '../src/sse.js'

const Span = z.object({
  'span.id': z.string(),
  'http.status': z.int(),
  'a,b': z.object({ 'c:d': z.int() }),
  名: z.string(),
})
const channels = defineChannels({
  spans: channel(Span, {
    send: true,
    state: [{ by: 'span\\.id' }, { by: ['a,b.c:d', '名'], alias: 'others' }],
  }),
})

let gateway: Gateway<(typeof channels)['channels']>
let url: string

beforeAll(async () => {
  const server = webServer({ port: 0 })
  gateway = new Gateway({
    channels,
    modules: [server as unknown as Module<(typeof channels)['channels']>],
  })
  await gateway.start()
  url = server.url as string
})

afterAll(() => gateway.stop())

const span = (id: string, status: number, other = 0): z.output<typeof Span> => ({
  'span.id': id,
  'http.status': status,
  'a,b': { 'c:d': other },
  名: id,
})

describe.each([
  ['a WebSocket', {}],
  ['server-sent events and REST', sse()],
])('names with dots over %s', (_, way) => {
  test('are queried, watched and kept by as others are', async () => {
    const client = createClient<typeof channels>({ url, ...way })
    const copy = liveState(client.spans)
    const others = liveState(client.spans, { state: 'others' })
    const bad = client.spans.subscribe({
      where: { 'http\\.status': { ge: 500 } },
      select: ['span\\.id'],
    })
    await Promise.all([bad.ready, copy.ready, others.ready])
    await client.spans.sendAll([span('a', 200), span('b', 500), span('a', 501)])

    for await (const first of bad) {
      expectTypeOf(first).toEqualTypeOf<{ 'span.id': string }>()
      expect(first).toEqual({ 'span.id': 'b' })
      break
    }
    const found = await client.spans.query({
      where: { 'http\\.status': { gt: 200 } },
      sort: '-http\\.status',
      select: ['http\\.status'],
    })
    expectTypeOf(found).toEqualTypeOf<{ 'http.status': number }[]>()
    expect(found).toEqual([{ 'http.status': 501 }, { 'http.status': 500 }])
    // @ts-expect-error the dot of a name has a \ in front
    await expect(client.spans.query({ where: { 'http.status': 1 } })).rejects.toMatchObject({
      code: 'INVALID_QUERY',
      detail: expect.stringContaining('is http\\.status'),
    })
    await expect.poll(() => copy.getSnapshot()).toEqual([span('a', 501), span('b', 500)])
    expect(others.getSnapshot()).toEqual(copy.getSnapshot())
    copy.close()
    others.close()
    client.$close()
  })
})

test('names of every kind are spelled in the parameters of a URL', async () => {
  gateway.channels.sendAll('spans', [span('x', 1, 5), span('y', 2, 6)])
  const ask = async (parameters: Record<string, string>): Promise<unknown> =>
    (await fetch(`${url}/api/v1/state/spans?${new URLSearchParams(parameters)}`)).json()
  expect(await ask({ where: 'span\\.id:eq:x' })).toEqual([span('x', 1, 5)])
  expect(await ask({ where: 'a,b.c\\:d:ge:6', select: 'span\\.id' })).toEqual([{ 'span.id': 'y' }])
  expect(await ask({ where: 'a,b.c\\:d:in:5,6', sort: '-a\\,b.c:d', select: 'a\\,b,名' })).toEqual([
    { 'a,b': { 'c:d': 6 }, 名: 'y' },
    { 'a,b': { 'c:d': 5 }, 名: 'x' },
  ])
  // What is compared with is no path.
  expect(await ask({ where: 'span\\.id:eq:\\x:y' })).toEqual([])
  const filters = [
    { attr: 'span\\.id', by: { attr: '名' } },
    { attr: 'http\\.status', by: { value: 2 } },
  ]
  expect(await ask({ query: JSON.stringify({ filters }) })).toEqual([span('y', 2, 6)])
  expect(await ask({ where: 'span.id:eq:x' })).toMatchObject({
    code: 'INVALID_QUERY',
    detail: expect.stringContaining('the path of the field of that name is span\\.id'),
  })
})
