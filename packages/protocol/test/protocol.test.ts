import {
  CLOSE_CODE,
  ERROR_STATUS,
  escapeStep,
  type Filter,
  filterOf,
  formatPosition,
  type Identity,
  isAllowed,
  type Path,
  type PathValue,
  parsePosition,
  pathOf,
  queryOf,
  type Scope,
  shouldReconnect,
  splitUnescaped,
  stepsOf,
  type TypedQuery,
  type Where,
} from '@gw/protocol'
import fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'

interface Order {
  readonly symbol: string
  readonly quantity: number
  readonly price?: { readonly amount: number; readonly currency: string }
  readonly tags: readonly string[]
}

describe('a path into a record', () => {
  test('has dots between names, and a \\ in front of a dot of a name', () => {
    expect(stepsOf('price.currency')).toEqual(['price', 'currency'])
    expect(stepsOf('tags.http\\.method')).toEqual(['tags', 'http.method'])
    expect(stepsOf('a\\\\.b')).toEqual(['a\\', 'b'])
    expect(stepsOf('\\or')).toEqual(['or'])
    expect(splitUnescaped('a\\,b,c', ',')).toEqual(['a\\,b', 'c'])
    expect(splitUnescaped('a,', ',')).toEqual(['a', ''])
  })

  test('of any names has those names', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom('.', '\\', 'a', '\n', '🙂') }), {
          minLength: 1,
        }),
        (names) => {
          expect(stepsOf(names.map(escapeStep).join('.'))).toEqual(names)
        },
      ),
    )
  })

  test('is typed as it is read', () => {
    interface Span {
      readonly 'span.id': number
      readonly span: { readonly id: string }
      readonly 'a.b'?: { readonly 'c.d.e': boolean }
    }
    expectTypeOf<Path<Span>>().toEqualTypeOf<
      'span\\.id' | 'span' | 'span.id' | 'a\\.b' | 'a\\.b.c\\.d\\.e'
    >()
    expectTypeOf<PathValue<Span, 'span\\.id'>>().toEqualTypeOf<number>()
    expectTypeOf<PathValue<Span, 'span.id'>>().toEqualTypeOf<string>()
    expectTypeOf<PathValue<Span, 'a\\.b.c\\.d\\.e'>>().toEqualTypeOf<boolean | undefined>()
  })
})

describe('a query in the typed spelling', () => {
  test('has paths into nested records, and not into lists', () => {
    expectTypeOf<Path<Order>>().toEqualTypeOf<
      'symbol' | 'quantity' | 'price' | 'tags' | 'price.amount' | 'price.currency' | `tags.${never}`
    >()
    expectTypeOf<PathValue<Order, 'price.amount'>>().toEqualTypeOf<number | undefined>()
  })

  test('refuses other paths and values at compile time', () => {
    // @ts-expect-error there is no color
    const color: TypedQuery<Order> = { where: { color: 'red' } }
    // @ts-expect-error a quantity is a number
    const text: TypedQuery<Order> = { where: { quantity: { ge: 'many' } } }
    expect([color, text]).toHaveLength(2)
  })

  test('compares a path with values, or with another path, of its own type', () => {
    interface Quote {
      readonly id: string
      readonly bid: number
      readonly ask: number | null
      readonly tags: readonly string[]
      readonly sizes: Readonly<Record<string, number>>
      readonly at?: { readonly venue: { readonly name: string } }
      readonly leg: { readonly type: 'swap'; readonly rate: number } | { readonly type: 'bond' }
      readonly anything: unknown
    }
    const right: readonly Where<Quote>[] = [
      { bid: { lt: { path: 'ask' } }, ask: null },
      { 'sizes.small': { gt: 1 }, 'at.venue.name': { ne: { path: 'id' } } },
      { 'leg.rate': 1, 'leg.type': { in: ['swap'] }, anything: 'x' },
      { 'at.venue.name': null, 'leg.rate': { ne: null } },
    ]
    // @ts-expect-error an object is compared by its members
    const object: Where<Quote> = { at: { venue: { name: 'X' } } }
    // @ts-expect-error a list is not compared
    const list: Where<Quote> = { tags: ['a'] }
    // @ts-expect-error a bid is never null
    const nothing: Where<Quote> = { bid: null }
    // @ts-expect-error a number is not compared with a text
    const text: Where<Quote> = { bid: { lt: { path: 'id' } } }
    // @ts-expect-error there is no such path
    const unknown: Where<Quote> = { bid: { lt: { path: 'offer' } } }
    // @ts-expect-error a leg is no future
    const member: Where<Quote> = { 'leg.type': { in: ['future'] } }
    expect([object, list, nothing, text, unknown, member]).toHaveLength(6)
    expect(filterOf(right[0] as object)).toEqual({
      and: [
        { path: 'bid', op: 'lt', other: 'ask' },
        { path: 'ask', op: 'eq', value: null },
      ],
    })
  })

  test('becomes a tree', () => {
    const typed: TypedQuery<Order> = {
      where: {
        symbol: 'AAPL',
        quantity: { ge: 1, lt: 9 },
        or: [{ 'price.currency': { in: ['EUR', 'USD'] } }, { not: { symbol: 'MSFT' } }],
      },
      sort: ['-quantity', 'symbol'],
      limit: 10,
      select: ['symbol'],
    }
    expect(queryOf(typed)).toEqual({
      where: {
        and: [
          { path: 'symbol', op: 'eq', value: 'AAPL' },
          { path: 'quantity', op: 'ge', value: 1 },
          { path: 'quantity', op: 'lt', value: 9 },
          {
            or: [
              { path: 'price.currency', op: 'in', values: ['EUR', 'USD'] },
              { not: { path: 'symbol', op: 'eq', value: 'MSFT' } },
            ],
          },
        ],
      },
      sort: [
        { path: 'quantity', order: 'desc' },
        { path: 'symbol', order: 'asc' },
      ],
      limit: 10,
      select: ['symbol'],
    })
  })

  test('with no condition lets everything pass; undefined is no condition, null is one', () => {
    expect(filterOf({})).toEqual({ and: [] })
    expect(filterOf({ symbol: undefined, quantity: { ge: undefined } })).toEqual({ and: [] })
    expect(filterOf({ symbol: null })).toEqual({ path: 'symbol', op: 'eq', value: null })
  })

  test('and its tree let the same records pass', () => {
    const records = fc.record({
      a: fc.integer({ min: 0, max: 3 }),
      b: fc.integer({ min: 0, max: 3 }),
    })
    const value = fc.integer({ min: 0, max: 3 })
    const { where } = fc.letrec<{ where: object }>((tie) => ({
      where: fc.record(
        {
          a: fc.oneof(value, fc.record({ ge: value, lt: value }, { requiredKeys: [] })),
          b: fc.record({ in: fc.array(value, { maxLength: 3 }) }),
          or: fc.array(tie('where'), { maxLength: 2, depthIdentifier: 'where' }),
          not: tie('where'),
        },
        { requiredKeys: [] },
      ),
    }))
    fc.assert(
      fc.property(where, records, (spelled, record) => {
        expect(passes(filterOf(spelled), record)).toBe(fits(spelled, record))
      }),
    )
  })
})

type Row = Readonly<Record<string, number>>

/** What the typed spelling says, read by itself. */
function fits(where: object, row: Row): boolean {
  return Object.entries(where).every(([path, condition]) => {
    if (path === 'or') return (condition as object[]).some((it) => fits(it, row))
    if (path === 'not') return !fits(condition as object, row)
    const value = row[path] as number
    if (typeof condition === 'number') return value === condition
    const { ge, lt, in: list } = condition as { ge?: number; lt?: number; in?: number[] }
    if (ge !== undefined && !(value >= ge)) return false
    if (lt !== undefined && !(value < lt)) return false
    return list === undefined || list.includes(value)
  })
}

function passes(filter: Filter, row: Row): boolean {
  if ('and' in filter) return filter.and.every((it) => passes(it, row))
  if ('or' in filter) return filter.or.some((it) => passes(it, row))
  if ('not' in filter) return !passes(filter.not, row)
  const value = row[filter.path] as number
  if (filter.op === 'in') return filter.values.includes(value)
  const other = ('value' in filter ? filter.value : row[filter.other]) as number
  if (filter.op === 'eq') return value === other
  return filter.op === 'ge' ? value >= other : value < other
}

describe('a position', () => {
  test('survives its text', () => {
    const positions = fc.record({
      epoch: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
      offset: fc.nat({ max: 10 ** 15 - 1 }),
    })
    fc.assert(
      fc.property(positions, (position) => {
        expect(parsePosition(formatPosition(position))).toEqual(position)
      }),
    )
  })

  test.each([
    '',
    'a',
    'a:',
    ':1',
    'a:-1',
    'a:1.5',
    'a:9007199254740993',
    'a b:1',
    `${'a'.repeat(65)}:1`,
  ])('is not made of %j', (text) => expect(parsePosition(text)).toBeUndefined())
})

describe('a scope', () => {
  const mayRead = (scope: Omit<Scope, 'operations'>, channel?: string, key?: string): boolean => {
    const identity: Identity = { name: 'it', scopes: [{ operations: ['read'], ...scope }] }
    return isAllowed(identity, 'read', channel, key)
  }

  test('is not needed by who has none', () => {
    expect(isAllowed({ name: 'root' }, 'control')).toBe(true)
    expect(isAllowed({ name: 'nobody', scopes: [] }, 'read')).toBe(false)
  })

  test('allows its operations only', () => {
    const identity: Identity = { name: 'it', scopes: [{ operations: ['read', 'stage'] }] }
    expect(isAllowed(identity, 'stage', 'orders')).toBe(true)
    expect(isAllowed(identity, 'send', 'orders')).toBe(false)
  })

  test('must allow channel and key at once', () => {
    const scope = { channels: ['prices'], keys: ['US.*'] }
    expect(mayRead(scope, 'prices', 'US.AAPL')).toBe(true)
    expect(mayRead(scope, 'prices', 'DE.SAP')).toBe(false)
    expect(mayRead(scope, 'orders', 'US.AAPL')).toBe(false)
  })

  test('has stars that stand for any run of characters, and nothing else that is special', () => {
    const part = fc.string({ maxLength: 3, unit: fc.constantFrom('a', 'b', '.') })
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 4 }),
        fc.string({ maxLength: 8, unit: fc.constantFrom('a', 'b', '.') }),
        (parts, name) => {
          const literal = parts.map((it) => it.replaceAll('.', '\\.')).join('.*')
          expect(mayRead({ channels: [parts.join('*')] }, name)).toBe(
            new RegExp(`^(?:${literal})$`).test(name),
          )
        },
      ),
    )
  })
})

test('every error code has a status that is an error', () => {
  for (const status of Object.values(ERROR_STATUS)) expect(status >= 400 && status < 600).toBe(true)
})

test('a client comes back after a close, unless the server says that it is of no use', () => {
  expect(shouldReconnect(1006)).toBe(true)
  expect(shouldReconnect(CLOSE_CODE.SLOW)).toBe(true)
  expect(shouldReconnect(CLOSE_CODE.LIMIT_REACHED)).toBe(true)
  expect(shouldReconnect(CLOSE_CODE.KEY_EXPIRED)).toBe(false)
  expect(shouldReconnect(CLOSE_CODE.REFUSED)).toBe(false)
})

test('a path spells names and keys safely, and keeps the slashes of a key', () => {
  expect(pathOf('stream')).toBe('/api/v1/stream')
  expect(pathOf('last')).toBe('/api/v1/last/')
  expect(pathOf('last', 'a b')).toBe('/api/v1/last/a%20b')
  expect(pathOf('last', 'prices', 'EUR/USD?')).toBe('/api/v1/last/prices/EUR/USD%3F')
})
