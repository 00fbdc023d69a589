import { Graph, graphOutput, isoOf, node, seconds, simulate, timer } from '@gw/core'
import fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { isStruct, struct } from '../src/index.js'
import { T0 } from './support.js'

const Order = struct('Order', {
  symbol: z.string(),
  quantity: z.int().positive(),
  price: z.number().nullable().default(1.5),
  note: z.string().optional(),
  tags: z.array(z.string()).default([]),
})
type Order = z.output<typeof Order>

describe('a record', () => {
  test('has id and timestamp first, then its own fields in order, defaults filled in', () => {
    const order = Order.parse({ note: 'x', quantity: 1, symbol: 'A' })
    expect(Object.keys(order)).toEqual([
      'id',
      'timestamp',
      'symbol',
      'quantity',
      'price',
      'note',
      'tags',
    ])
    expect(order.id).toMatch(/^\d{30}$/)
    expect(order.timestamp).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/)
    expect('note' in Order.parse({ quantity: 1, symbol: 'A' })).toBe(false)
  })

  test('ids have one width and grow, as text and as number', () => {
    const ids = Array.from({ length: 10_050 }, () => Order.parse({ symbol: 'A', quantity: 1 }).id)
    expect(ids).toEqual([...ids].sort())
    expect(new Set(ids.map((id) => id.length)).size).toBe(1)
    expect(BigInt(ids.at(-1) as string)).toBe(BigInt(ids[0] as string) + 10_049n)
  })

  test('fills id and timestamp in when they are absent or null, and keeps what is given', () => {
    expect(Order.parse({ symbol: 'A', quantity: 1, id: 77 })).toMatchObject({ id: '77' })
    expect(Order.parse({ symbol: 'A', quantity: 1, id: null, timestamp: null }).id).toMatch(
      /^\d{30}$/,
    )
    expect(Order.safeParse({ symbol: 'A', quantity: 1, id: '' }).success).toBe(false)
    expect(Order.safeParse({ symbol: 'A', quantity: 1, id: 1.5 }).success).toBe(false)
  })

  test.each([
    ['2024-01-01T12:00:00', '2024-01-01T12:00:00.000000Z'],
    ['2024-01-01T12:00:00+02:00', '2024-01-01T10:00:00.000000Z'],
    ['2024-01-01 12:00:00.1234', '2024-01-01T12:00:00.123400Z'],
    ['2024-01-01', '2024-01-01T00:00:00.000000Z'],
  ])('takes the timestamp %s as %s', (given, kept) => {
    expect(Order.parse({ symbol: 'A', quantity: 1, timestamp: given }).timestamp).toBe(kept)
  })

  test('refuses what is no time', () => {
    const result = Order.safeParse({ symbol: 'A', quantity: 1, timestamp: 'noon' })
    expect(result.error?.issues).toMatchObject([
      { path: ['timestamp'], message: 'Invalid ISO datetime' },
    ])
  })

  test('keeps an explicit null where a field is nullable, and refuses it elsewhere', () => {
    expect(Order.parse({ symbol: 'A', quantity: 1, price: null }).price).toBeNull()
    expect(Order.safeParse({ symbol: 'A', quantity: null }).success).toBe(false)
  })

  test('refuses unknown fields', () => {
    expect(
      Order.safeParse({ symbol: 'A', quantity: 1, colour: 'red' }).error?.issues,
    ).toMatchObject([{ code: 'unrecognized_keys', keys: ['colour'] }])
  })
})

describe('a complete record', () => {
  const Leg = struct('Leg', { price: z.number(), side: z.enum(['buy', 'sell']) })
  const Named = struct('Named', { price: z.string() })
  const structs = {
    plain: Order,
    refined: Order.refine(({ quantity, price }) => quantity > (price ?? 0)),
    partial: Order.partial(),
    identified: Order.safeExtend({ id: z.uuid() }),
    nested: struct('Nested', { leg: Leg, legs: z.array(Leg).max(2) }),
    chosen: struct('Chosen', { of: z.union([Leg, Named]), text: z.union([z.string(), z.null()]) }),
    caught: struct('Caught', { price: z.number().catch(0), open: z.boolean() }),
    coerced: struct('Coerced', { open: z.coerce.boolean(), at: z.date().optional() }),
    mapped: struct('Mapped', { prices: z.record(z.string(), z.number()), any: z.unknown() }),
  }
  const id = fc.constantFrom<unknown>('7', '', 7, '018f3d0e-7b5c-7c9a-8b1e-3f6a5d4c2b1a')
  const timestamp = fc.constantFrom<unknown>(
    '2024-01-01T12:00:00.000000Z',
    '2024-02-29T12:00:00.000000Z',
    '2023-02-29T12:00:00.000000Z',
    '2024-04-31T12:00:00.000000Z',
    '2024-01-01T12:00:00Z',
    '2024-01-01T24:00:00.000000Z',
    'noon',
  )
  const leg = fc.record({
    id,
    timestamp,
    price: fc.constantFrom<unknown>(1, '1', 'x'),
    side: fc.constantFrom('buy', 'sell', 'none'),
  })
  const input = fc.record(
    {
      id,
      timestamp,
      symbol: fc.constantFrom<unknown>('A', 1),
      quantity: fc.constantFrom<unknown>(1, 2, 0, 1.5, '3'),
      price: fc.constantFrom<unknown>(1, null, '1', 'x', Number.NaN),
      note: fc.constantFrom<unknown>('n', undefined),
      tags: fc.constantFrom<unknown>([], ['a'], [1], 'a'),
      leg,
      legs: fc.array(leg, { maxLength: 3 }),
      of: fc.oneof(
        leg,
        fc.constant({ id: '1', timestamp: '2024-01-01T12:00:00.000000Z', price: '12' }),
      ),
      text: fc.constantFrom<unknown>('t', null, 1),
      open: fc.constantFrom<unknown>(true, 'false', 1, 'no'),
      at: fc.constantFrom<unknown>(new Date(0), '2024-01-01'),
      prices: fc.constantFrom<unknown>({}, { a: 1 }, { a: '1' }, { a: 'x' }),
      any: fc.constantFrom<unknown>(1, { a: '1' }),
    },
    { requiredKeys: [] },
  )

  test('reads as zod reads it, field by field', () => {
    const names = fc.constantFrom(...Object.keys(structs))
    fc.assert(
      fc.property(names, input, fc.boolean(), (name, all, isStrict) => {
        const schema = structs[name as keyof typeof structs] as unknown as z.ZodObject
        const given = Object.entries(all).filter(([key]) => !isStrict || key in schema.shape)
        const once = {
          id: '1',
          timestamp: '2024-01-01T12:00:00.000000Z',
          ...Object.fromEntries(given),
        }
        const read = schema.safeParse(once)
        const expected = schema.safeParse(once, { jitless: true })
        expect(read.error?.issues).toEqual(expected.error?.issues)
        expect(Object.entries(read.data ?? {})).toEqual(Object.entries(expected.data ?? {}))
      }),
      { numRuns: 2_000 },
    )
  })

  test('is a new object, as any other that is read', () => {
    const given = Order.parse({ symbol: 'A', quantity: 1 })
    expect(Order.parse(given)).toEqual(given)
    expect(Order.parse(given)).not.toBe(given)
  })
})

describe('inputs', () => {
  const All = struct('All', {
    int: z.int().optional(),
    float: z.number().nullable().optional(),
    flag: z.boolean().optional(),
    list: z.array(z.number()).optional(),
    map: z.record(z.string(), z.int()).optional(),
    pair: z.tuple([z.string(), z.int()], z.boolean()).optional(),
    nested: z.object({ n: z.number() }).optional(),
    text: z.string().optional(),
    either: z.union([z.string(), z.number()]).optional(),
  })

  test.each([
    ['the decimal spelling of an integer', { int: '12' }, { int: 12 }],
    ['an integer that is spelled as a float', { int: '12.0' }, { int: 12 }],
    ['a float', { float: ' -1.5e2 ' }, { float: -150 }],
    ['a boolean', { flag: 'true' }, { flag: true }],
    ['a boolean of 0', { flag: 0 }, { flag: false }],
    ['elements', { list: ['1', 2] }, { list: [1, 2] }],
    ['values of a map', { map: { a: '1' } }, { map: { a: 1 } }],
    ['places of a tuple', { pair: ['1', '2', 'true', 0] }, { pair: ['1', 2, true, false] }],
    ['fields of an object', { nested: { n: '1' } }, { nested: { n: 1 } }],
  ])('are coerced: %s', (_, input, output) => {
    const copy = structuredClone(input)
    expect(All.parse(input)).toMatchObject(output)
    expect(input).toEqual(copy)
  })

  test.each([
    { int: '1.5' },
    { int: 'abc' },
    { int: '' },
    { int: true },
    { text: 1 },
    { flag: 'yes' },
    { list: '1' },
    { float: 'NaN' },
  ])('are refused: %j', (input) => {
    expect(All.safeParse(input).success).toBe(false)
  })

  test('of a union are left as they are', () => {
    expect(All.parse({ either: '12' }).either).toBe('12')
  })

  test('that a number cannot hold exactly are refused, never rounded', () => {
    expect(All.safeParse({ int: JSON.parse('9007199254740993') }).success).toBe(false)
    expect(All.safeParse({ int: '9007199254740993' }).success).toBe(false)
    expect(All.parse({ int: 2 ** 53 - 1 }).int).toBe(2 ** 53 - 1)
  })
})

describe('a struct', () => {
  test('is a zod schema wherever one stands', () => {
    expect(z.array(Order).parse([{ symbol: 'A', quantity: '2' }])).toMatchObject([{ quantity: 2 }])
    expect(Order instanceof z.ZodObject).toBe(true)
    expectTypeOf<Order['quantity']>().toEqualTypeOf<number>()
    expectTypeOf<z.input<typeof Order>['id']>().toEqualTypeOf<string | undefined>()
  })

  test('nests, and each completes itself', () => {
    const Leg = struct('Leg', { n: z.int() })
    const Trade = struct('Trade', { leg: Leg, legs: z.array(Leg) })
    const trade = Trade.parse({ leg: { n: '1' }, legs: [{ n: 2, id: 'mine' }] })
    expect(trade).toMatchObject({
      leg: { n: 1, id: expect.stringMatching(/^\d{30}$/) },
      legs: [{ id: 'mine' }],
    })
    expect(trade.leg.id).not.toBe(trade.id)
  })

  test('may be one of a union', () => {
    const Buy = struct('Buy', { side: z.literal('buy') })
    const Sell = struct('Sell', { side: z.literal('sell'), short: z.boolean() })
    const Side = z.discriminatedUnion('side', [Buy, Sell])
    expect(Side.parse({ side: 'sell', short: 'true' })).toMatchObject({
      short: true,
      id: expect.any(String),
    })
  })

  test('is extended, with its refinements', () => {
    const Small = Order.refine((order) => order.quantity < 100, 'too big')
    const Limit = Small.extend('Limit', { limit: z.number() })
    expect(Limit.structName).toBe('Limit')
    expect(isStruct(Limit)).toBe(true)
    expect(Object.keys(Limit.parse({ symbol: 'A', quantity: 1, limit: '2' }))).toEqual([
      'id',
      'timestamp',
      'symbol',
      'quantity',
      'price',
      'tags',
      'limit',
    ])
    expect(Limit.safeParse({ symbol: 'A', quantity: 100, limit: 2 }).error?.issues).toMatchObject([
      { message: 'too big' },
    ])
    expectTypeOf<z.output<typeof Limit>['limit']>().toEqualTypeOf<number>()
    expectTypeOf<z.output<typeof Limit>['symbol']>().toEqualTypeOf<string>()
  })

  test('has validators that see the whole record, after its fields', () => {
    const Range = struct('Range', { low: z.number(), high: z.number() }).superRefine(
      (range, context) => {
        if (range.low > range.high)
          context.addIssue({ code: 'custom', path: ['high'], message: 'below low' })
      },
    )
    expect(Range.safeParse({ low: '2', high: 1 }).error?.issues).toMatchObject([
      { path: ['high'], message: 'below low' },
    ])
    expect(Range.structName).toBe('Range')
  })

  test('is described without the id of anybody', () => {
    const { properties, required } = z.toJSONSchema(Order) as {
      properties: Record<string, object>
      required: string[]
    }
    expect(properties.id).toEqual({ type: 'string' })
    expect(properties.timestamp).toEqual({ type: 'string', format: 'date-time' })
    expect(required).toEqual(['id', 'timestamp', 'symbol', 'quantity', 'price', 'tags'])
    expect((z.toJSONSchema(Order, { io: 'input' }) as { required: string[] }).required).toEqual([
      'symbol',
      'quantity',
    ])
  })

  test.each([
    [() => struct('', {}), /has a name/],
    [() => struct('X', { id: z.string() }), /declares the field "id"/],
    [() => struct('X', { timestamp: z.string() }), /"timestamp"/],
  ])('is refused when it takes what every struct has', (declare, message) => {
    expect(declare).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONTRACT',
        message: expect.stringMatching(message),
      }),
    )
  })
})

describe('make', () => {
  function made(make: (context: Parameters<typeof Order.make>[0]) => unknown): readonly unknown[] {
    const graph = new Graph()
    graphOutput(
      'x',
      node('make', { t: timer(graph, seconds(1)) }, (_, context) => () => make(context)),
    )
    const { outputs } = simulate(graph, { start: T0, duration: seconds(2) })
    return (outputs.get('x') ?? []).map(([, value]) => value)
  }

  test('gives a record of the engine time with a new id, in field order', () => {
    const shared = { quantity: 2, symbol: 'A', extra: 'left out' }
    const [first, second] = made((context) => Order.make(context, shared)) as [Order, Order]
    expect(first).toEqual({
      id: expect.stringMatching(/^\d{30}$/),
      timestamp: isoOf(T0 + seconds(1)),
      symbol: 'A',
      quantity: 2,
      price: 1.5,
      tags: [],
    })
    expect(Object.keys(first)).toEqual(['id', 'timestamp', 'symbol', 'quantity', 'price', 'tags'])
    expect(second.id > first.id).toBe(true)
    expect(second.timestamp).toBe(isoOf(T0 + seconds(2)))
    expect(first.tags).not.toBe(second.tags)
  })

  test('takes an id, a timestamp and optional fields that are given', () => {
    const [record] = made((context) =>
      Order.make(context, {
        id: 'mine',
        timestamp: isoOf(T0),
        symbol: 'A',
        quantity: 2,
        note: 'n',
        price: null,
      }),
    )
    expect(record).toEqual({
      id: 'mine',
      timestamp: isoOf(T0),
      symbol: 'A',
      quantity: 2,
      price: null,
      note: 'n',
      tags: [],
    })
  })

  test('does the same where code cannot be generated', () => {
    const { value } = z.core.util.allowsEval
    Object.defineProperty(z.core.util.allowsEval, 'value', { value: false, configurable: true })
    const Again = struct('Again', {
      a: z.int(),
      b: z.string().optional(),
      c: z.string().default('c'),
      d: z.object({ e: z.int().default(1) }).prefault({}),
    })
    const given = { a: 1 }
    const [slow] = made((context) => Again.make(context, given)) as [object]
    Object.defineProperty(z.core.util.allowsEval, 'value', { value, configurable: true })
    const Fast = Again.extend('Fast', {})
    const [fast] = made((context) => Fast.make(context, given)) as [object]
    expect(Object.entries(slow).slice(2)).toEqual([
      ['a', 1],
      ['c', 'c'],
      ['d', { e: 1 }],
    ])
    expect(Object.entries(fast).slice(2)).toEqual(Object.entries(slow).slice(2))
  })

  test('is checked by the compiler', () => {
    const check = (context: Parameters<typeof Order.make>[0]): void => {
      // @ts-expect-error quantity is missing
      Order.make(context, { symbol: 'A' })
      // @ts-expect-error quantity is a number
      Order.make(context, { symbol: 'A', quantity: '1' })
      expectTypeOf(Order.make(context, { symbol: 'A', quantity: 1 })).toEqualTypeOf<Order>()
    }
    expect(check).toBeTypeOf('function')
  })
})
