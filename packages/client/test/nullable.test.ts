import { basket, channel, defineChannels, Gateway, type Module } from '@gw/channels'
import { webServer } from '@gw/server-hono'
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { type Client, createClient } from '../src/index.js'
import { sse } from '../src/sse.js'

const channels = defineChannels({
  maybe: channel(z.number().nullable(), { send: true }),
  list: channel(z.array(z.number().nullable()), { send: true }),
  prices: basket(['A', 'B'], z.number().nullable(), { send: true }),
  sure: channel(z.number(), { send: true }),
})

let gateway: Gateway<(typeof channels)['channels']>
let url: string

beforeAll(async () => {
  const log = { info: () => undefined, warn: () => undefined, error: console.error }
  const server = webServer({ port: 0, log })
  gateway = new Gateway({
    channels,
    modules: [server as unknown as Module<(typeof channels)['channels']>],
  })
  await gateway.start()
  url = server.url as string
})

afterAll(() => gateway.stop())

async function take<T>(iterable: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const item of iterable) if (taken.push(item) === count) break
  return taken
}

describe.each([
  ['a WebSocket', {}],
  ['server-sent events and REST', sse()],
])('null, where the schema takes it, over %s', (_, way) => {
  const connect = (): Client<typeof channels> => createClient<typeof channels>({ url, ...way })

  test('is sent, answered, told and read as any other value', async () => {
    const client = connect()
    const [maybe, prices, list] = [
      client.maybe.subscribe(),
      client.prices.subscribe(),
      client.list.subscribe(),
    ]
    await Promise.all([maybe.ready, prices.ready, list.ready])
    const sent = await client.maybe.send(null)
    expectTypeOf(sent).toEqualTypeOf<number | null>()
    expect(sent).toBeNull()
    expect((await client.maybe.sendAll([1, null])).records).toEqual([1, null])
    expect(await client.prices.send(null, 'A')).toBeNull()
    expect((await client.prices.sendBasket({ A: 2, B: null })).records).toEqual([2, null])
    expect(await client.list.send([null, 1, null])).toEqual([null, 1, null])

    expect(await take(maybe, 3)).toEqual([null, 1, null])
    expect(await take(prices, 3)).toEqual([
      { key: 'A', value: null },
      { key: 'A', value: 2 },
      { key: 'B', value: null },
    ])
    expect(await take(list, 1)).toEqual([[null, 1, null]])
    expect(await client.maybe.last()).toBeNull()
    expect(await client.prices.last()).toEqual({ A: 2, B: null })
    expect(await client.prices.last('B')).toBeNull()
    client.$close()
  })

  test('is refused with what is wrong, where the schema does not take it', async () => {
    const client = connect()
    const refused = { code: 'INVALID_RECORD', errors: [{ path: [] }] }
    await expect(client.sure.send(null as never)).rejects.toMatchObject(refused)
    await expect(client.sure.sendAll([1, null as never])).rejects.toMatchObject({
      code: 'INVALID_RECORD',
    })
    expect(await client.sure.last()).toBeUndefined()
    client.$close()
  })
})

test('null is sent in a batch', async () => {
  const client = createClient<typeof channels>({ url })
  const { records } = await client.$batch([
    { channel: 'maybe', data: null },
    { channel: 'prices', key: 'A', data: null },
    { channel: 'sure', data: 1 },
  ])
  expect(records).toEqual([null, null, 1])
  client.$close()
})
