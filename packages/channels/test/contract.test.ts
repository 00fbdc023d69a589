import { count } from '@gw/core'
import type { ChannelName, FieldName, KeyOf, SendName, StageName, StateName } from '@gw/protocol'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  basket,
  type Channels,
  channel,
  defineChannels,
  defineModule,
  dynamicBasket,
  extendChannels,
  field,
  Gateway,
  type Module,
  struct,
} from '../src/index.js'

const Order = struct('Order', { symbol: z.string(), price: z.object({ currency: z.string() }) })

describe('a contract is refused for', () => {
  const record = z.object({ x: z.number(), list: z.array(z.number()) })
  test.each<[string, () => unknown, RegExp]>([
    ['no channels', () => defineChannels({}), /it has no channel/],
    ...['then', 'toJSON', 'constructor', 'id', 'heartbeat', 'hasOwnProperty'].map(
      (name): [string, () => unknown, RegExp] => [
        `the name ${name}`,
        () => defineChannels({ [name]: channel(z.number()) }),
        new RegExp(`"${name}" is reserved`),
      ],
    ),
    [
      'a name with a slash',
      () => defineChannels({ 'a/b': channel(z.number()) }),
      /"a\/b" is no name/,
    ],
    ['an empty name', () => defineChannels({ '': channel(z.number()) }), /"" is no name/],
    [
      'two names of one path',
      () => defineChannels({ a_b: channel(z.number()), 'a-b': channel(z.number()) }),
      /"a_b" and "a-b" have the same path/,
    ],
    [
      'a date',
      () => defineChannels({ a: channel(z.object({ when: z.date() })) }),
      /"a", field when, is a date, which JSON cannot carry/,
    ],
    ['a map', () => defineChannels({ a: channel(z.map(z.string(), z.number())) }), /"a" is a map/],
    [
      'a big integer in a list',
      () => defineChannels({ a: channel(z.array(z.object({ n: z.bigint().optional() }))) }),
      /field \[\]\.n, is a bigint/,
    ],
    [
      'a set in a struct in a basket',
      () => defineChannels({ a: basket(['x'], struct('S', { s: z.set(z.string()) })) }),
      /field s, is a set/,
    ],
    [
      'a transform',
      () => defineChannels({ a: channel(z.string().transform((text) => new Date(text))) }),
      /is a transform/,
    ],
    [
      'a literal that is none',
      () => defineChannels({ a: channel(z.literal([1n])) }),
      /is a bigint/,
    ],
    [
      'a custom type',
      () => defineChannels({ a: channel(z.record(z.string(), z.instanceof(Date))) }),
      /field \*, is a custom/,
    ],
    ...(
      [
        ['NaN', struct('S', { x: z.number().default(Number.NaN) }), /field x, is NaN by default/],
        ['an infinity', z.number().default(() => Infinity), /"a" is Infinity by default/],
        ['NaN deep in a list', z.array(z.number()).default([1, Number.NaN]), /\[\], is NaN by def/],
        ['a date that may be anything', z.any().default(new Date()), /is a Date by default/],
        ['NaN in place of what is wrong', z.number().catch(Number.NaN), /is NaN by default/],
      ] as const
    ).map(([what, schema, message]): [string, () => unknown, RegExp] => [
      `a default that is ${what}`,
      () => defineChannels({ a: channel(schema as z.ZodType) }),
      message,
    ]),
    [
      'a field that is a map',
      () => defineChannels({ a: field(z.any(), { inner: new Map() }) }),
      /the value of "a", at inner, is a Map, which JSON cannot/,
    ],
    [
      'a state by an unknown attribute',
      () => defineChannels({ a: channel(record, { state: { by: 'y' as never } }) }),
      /"y", which its records do not have/,
    ],
    [
      'a state by a list',
      () => defineChannels({ a: channel(record, { state: { by: 'list' } }) }),
      /"list", which is a list or an object/,
    ],
    [
      'a state by nothing',
      () => defineChannels({ a: channel(record, { state: { by: [] } }) }),
      /no attribute to be kept by/,
    ],
    [
      'a state of numbers',
      () => defineChannels({ a: channel(z.number(), { state: { by: 'x' as never } }) }),
      /records do not have/,
    ],
    [
      'a bad bound of a state',
      () => defineChannels({ a: channel(record, { state: { by: 'x', keep: 0 } }) }),
      /keep of a state of "a"/,
    ],
    [
      'two states of one name',
      () => defineChannels({ a: channel(record, { state: [{ by: 'x' }, { by: 'x' }] }) }),
      /has the name of one of "a"/,
    ],
    [
      'an alias that is a channel',
      () =>
        defineChannels({
          a: channel(record, { state: { by: 'x', alias: 'b' } }),
          b: channel(record),
        }),
      /has the name of one of "b"/,
    ],
    [
      'a staged basket',
      () => defineChannels({ a: basket(['x'], record, { stage: true }) }),
      /cannot be staged/,
    ],
    ['a key twice', () => defineChannels({ a: basket(['x', 'x'], record) }), /key "x" twice/],
    ['no keys', () => defineChannels({ a: basket([], record) }), /has no keys/],
    [
      'a field that is not of its schema',
      () => field(z.number(), 'x' as never),
      /not of its schema/,
    ],
  ])('%s', (_, declare, message) => {
    expect(declare).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONTRACT',
        message: expect.stringMatching(message),
      }),
    )
  })

  test('all of its problems at once', () => {
    expect(() => defineChannels({ toJSON: channel(z.date()), 'a/b': channel(z.number()) })).toThrow(
      /"toJSON" is reserved.*is a date.*"a\/b"/,
    )
  })
})

describe('a contract takes', () => {
  test('what JSON carries, recursive and piped schemas too', () => {
    interface Tree {
      readonly name: string
      readonly children: readonly Tree[]
    }
    const Tree: z.ZodType<Tree> = z.object({
      name: z.string(),
      children: z.lazy(() => z.array(Tree)),
    })
    defineChannels({
      tree: channel(Tree),
      anything: channel(z.unknown()),
      cleaned: channel(z.preprocess((value) => value, z.string())),
      dates: channel(z.object({ at: z.iso.datetime(), on: z.iso.date().nullable() })),
      unknown: channel(z.object({ x: z.number().nullable().default(Number.NaN) })),
      later: channel(
        z.object({
          x: z.number().default(() => {
            throw new Error('not before the run')
          }),
        }),
      ),
    })
  })

  test('keys from a list, a zod enum and an enum object, of which the names count', () => {
    const Numbered = { A: 1, B: 2, 1: 'A', 2: 'B' } as const
    const channels = defineChannels({
      listed: basket(['x', 'y'], z.number()),
      zod: basket(z.enum(['p', 'q']), z.number()),
      object: basket({ RED: 0, BLUE: 1 }, z.number()),
      numeric: basket(Numbered as Record<'A' | 'B', number>, z.number()),
      open: basket(z.number()),
    })
    type C = (typeof channels)['channels']
    expect(channels.channels.listed.keys).toEqual(['x', 'y'])
    expect(channels.channels.zod.keys).toEqual(['p', 'q'])
    expect(channels.channels.object.keys).toEqual(['RED', 'BLUE'])
    expect(channels.channels.numeric.keys).toEqual(['A', 'B'])
    expect(channels.channels.open.keys).toBeUndefined()
    expectTypeOf<KeyOf<C, 'listed'>>().toEqualTypeOf<'x' | 'y'>()
    expectTypeOf<KeyOf<C, 'zod'>>().toEqualTypeOf<'p' | 'q'>()
    expectTypeOf<KeyOf<C, 'object'>>().toEqualTypeOf<'RED' | 'BLUE'>()
    expectTypeOf<KeyOf<C, 'open'>>().toEqualTypeOf<string>()
  })

  test('what its channels can do from their options, for the compiler', () => {
    const channels = defineChannels({
      orders: channel(Order, {
        state: [{ by: 'symbol' }, { by: 'price.currency', alias: 'byCurrency' }],
        send: true,
        doc: 'Orders.',
      }),
      staged: channel(Order, { stage: true }),
      aliased: channel(Order, { state: { by: 'id', alias: 'other' } }),
      plain: channel(z.array(Order)),
      living: dynamicBasket(Order),
      settings: field(z.object({ n: z.number() }), { n: 1 }),
    })
    type C = (typeof channels)['channels']
    expectTypeOf<StateName<C>>().toEqualTypeOf<'orders' | 'byCurrency' | 'other'>()
    expectTypeOf<SendName<C>>().toEqualTypeOf<'orders'>()
    expectTypeOf<StageName<C>>().toEqualTypeOf<'staged'>()
    expectTypeOf<FieldName<C>>().toEqualTypeOf<'settings'>()
    expectTypeOf<ChannelName<C>>().toEqualTypeOf<
      'orders' | 'staged' | 'aliased' | 'plain' | 'living'
    >()
    expect(channels.channels.orders.options.doc).toBe('Orders.')
  })
})

describe('contracts compose', () => {
  const base = defineChannels({
    orders: channel(Order, { send: true }),
    total: channel(z.number()),
  })
  const prices = defineChannels({ prices: basket(['A'], z.number()), total: base.channels.total })

  test('of another one and more channels, or of two, which may share channels', () => {
    const more = extendChannels(base, { fills: channel(z.array(Order)) })
    expect(Object.keys(more.channels)).toEqual(['orders', 'total', 'fills'])
    expect(Object.keys(extendChannels(base, prices).channels)).toEqual([
      'orders',
      'total',
      'prices',
    ])
    expectTypeOf<ChannelName<(typeof more)['channels']>>().toEqualTypeOf<
      'orders' | 'total' | 'fills'
    >()
  })

  test('but not of two with different channels of one name', () => {
    expect(() => extendChannels(base, { total: channel(z.string()) })).toThrow(
      expect.objectContaining({ code: 'INVALID_CONTRACT', channel: 'total' }),
    )
  })

  test('a module against a part works in every gateway whose contract has that part', async () => {
    const totals = defineModule(base, 'totals', (c) =>
      c.setChannel('total', count(c.getChannel('orders'))),
    )
    const whole = extendChannels(base, {
      fills: channel(z.array(Order)),
      note: channel(z.string(), { required: false }),
    })
    const anywhere: Module = { name: 'anywhere', requires: [], connect: (c) => void c.names }
    const gateway = new Gateway({ channels: whole, modules: [totals, anywhere] })
    await gateway.start()
    gateway.channels.send('orders', { symbol: 'A', price: { currency: 'EUR' } })
    expect(gateway.channels.last('total')).toBe(1)
    await gateway.stop()
    // @ts-expect-error the contract lacks a channel that the module is written against
    new Gateway({ channels: prices, modules: [totals] })
    const other = defineChannels({ orders: channel(z.string()), total: channel(z.number()) })
    // @ts-expect-error a channel of the part has another type
    new Gateway({ channels: other, modules: [totals] })
  })

  test('objects, classes and defineModule are modules alike', () => {
    type C = (typeof base)['channels']
    class Totals {
      readonly name = 'totals'
      connect(c: Channels<C>): void {
        c.setChannel('total', count(c.getChannel('orders')))
      }
    }
    const literal: Module<C> = { name: 'literal', connect: (c) => void c.getChannel('orders') }
    expect(new Gateway({ channels: base, modules: [new Totals(), literal] })).toBeInstanceOf(
      Gateway,
    )
    // @ts-expect-error a required channel is one of the contract
    defineModule(base, 'x', () => undefined, { requires: ['nope'] })
  })
})
