import { basket, channel, defineChannels, dynamicBasket, struct } from '@gw/channels'
import { describe, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { createClient } from '../src/index.js'
import { liveState } from '../src/live-state.js'

const Leg = z.object({ venue: z.string(), weight: z.number(), tags: z.array(z.string()) })
const Trade = struct('Trade', {
  symbol: z.string(),
  kind: z.union([
    z.object({ type: z.literal('limit'), price: z.number() }),
    z.object({ type: z.literal('market') }),
  ]),
  legs: z.array(Leg),
  note: z.string().optional(),
  parent: z.string().nullable(),
  active: z.boolean(),
  when: z.iso.datetime(),
  venue: z.object({ name: z.string(), city: z.object({ code: z.string() }).optional() }).nullable(),
  sizes: z.record(z.string(), z.number()),
  anything: z.unknown(),
  level: z.union([z.literal(1), z.literal(2)]),
  mixed: z.union([z.string(), z.number()]),
  quantity: z.number().default(1),
})

const channels = defineChannels({
  trades: channel(Trade, {
    state: [{ by: 'symbol' }, { by: ['venue.name'], alias: 'byVenue' }],
    stage: true,
    send: true,
  }),
  lists: channel(z.array(Trade), { state: { by: 'symbol' }, send: true }),
  books: basket(['A', 'B'], Trade, { state: { by: 'symbol' }, send: true }),
  quotes: dynamicBasket(Trade, { send: true }),
  either: channel(z.union([z.string(), z.object({ a: z.number() })]), { send: true }),
  numbers: channel(z.array(z.number()), { send: true }),
  total: channel(z.number()),
})
const client = createClient<typeof channels>({ url: 'http://127.0.0.1:1' })
const never = (_: (...args: unknown[]) => unknown): void => undefined

describe('of structs with unions, lists, options and times', () => {
  test('conditions are typed by what is at their path', () => {
    never(async () => {
      await client.trades.query({
        where: {
          symbol: { in: ['a'] },
          active: true,
          level: { ge: 1, in: [1, 2] },
          mixed: { in: ['a', 1] },
          'venue.name': 'x',
          'venue.city.code': { ne: 'y' },
          'kind.type': 'limit',
          'kind.price': { gt: 1 },
          when: { gt: '2020-01-01T00:00:00Z', lt: { path: 'timestamp' } },
          'sizes.small': { gt: 1 },
          anything: 'x',
        },
        sort: ['-when', 'venue.city.code'],
      })
      // @ts-expect-error lists are not compared
      await client.trades.query({ where: { legs: 'x' } })
      // @ts-expect-error objects are not compared
      await client.trades.query({ where: { venue: 'x' } })
      // @ts-expect-error no such level
      await client.trades.query({ where: { level: 3 } })
      // @ts-expect-error neither a text nor a number
      await client.trades.query({ where: { mixed: true } })
      // @ts-expect-error no such type
      await client.trades.query({ where: { 'kind.type': 'stop' } })
      // @ts-expect-error a number does not compare with a text
      await client.trades.query({ where: { quantity: { gt: { path: 'symbol' } } } })
    })
  })

  test('what may be missing compares with null', () => {
    never(async () => {
      await client.trades.query({ where: { note: null, parent: { eq: null } } })
      await client.trades.query({ where: { 'venue.name': null, 'venue.city.code': { ne: null } } })
      await client.trades.query({ where: { 'kind.price': { ne: null } } })
      await client.books.query({ where: { note: { in: ['a', null] } } })
      // @ts-expect-error a symbol is always there
      await client.trades.query({ where: { symbol: null } })
      // @ts-expect-error so is the type of a kind
      await client.trades.query({ where: { 'kind.type': null } })
    })
  })

  test('a projection has what was selected, as it was', () => {
    never(async () => {
      const [trade] = await client.trades.query({
        select: ['legs', 'note', 'parent', 'venue.name', 'kind.price', 'sizes'],
      })
      expectTypeOf(trade).toEqualTypeOf<
        | {
            legs: { venue: string; weight: number; tags: string[] }[]
            note?: string | undefined
            parent: string | null
            venue: { name: string } | null
            // biome-ignore lint/complexity/noBannedTypes: of a market order nothing is left
            kind: { price: number } | {}
            sizes: Record<string, number>
          }
        | undefined
      >()
      const symbols = await client.lists.query({ where: { symbol: 'a' }, select: ['symbol'] })
      expectTypeOf(symbols).toEqualTypeOf<{ symbol: string }[]>()
      for await (const list of client.lists.subscribe({ select: ['symbol'] })) {
        expectTypeOf(list).toEqualTypeOf<{ symbol: string }[]>()
      }
      // @ts-expect-error no such path
      await client.trades.query({ select: ['venue.town'] })
    })
  })

  test('channels of any schema bring, and take, what it says', () => {
    never(async () => {
      for await (const { key } of client.quotes.subscribe()) expectTypeOf(key).toBeString()
      for await (const value of client.either.subscribe()) {
        expectTypeOf(value).toEqualTypeOf<string | { a: number }>()
      }
      expectTypeOf(await client.numbers.send([1, 2])).toEqualTypeOf<number[]>()
      expectTypeOf(await client.numbers.last()).toEqualTypeOf<number[] | undefined>()
      const byVenue = liveState(client.trades, { state: 'byVenue', by: ['venue.name'] })
      expectTypeOf(byVenue.getSnapshot()[0]?.symbol).toEqualTypeOf<string | undefined>()
      // @ts-expect-error most is missing
      await client.trades.send({ symbol: 'x' })
      // @ts-expect-error not staged
      client.lists.stage
      // @ts-expect-error no state
      await client.total.query({})
    })
  })
})
