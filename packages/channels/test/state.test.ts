import { type Filter, QUERY_LIMITS, type Query, type Scalar } from '@gw/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { compareTexts } from '../src/compare.js'
import type { StateOptions } from '../src/contract.js'
import { conditionOf } from '../src/filter.js'
import { struct } from '../src/index.js'
import { scanOf } from '../src/scan.js'
import { StateStore } from '../src/state.js'
import type { Any } from './support.js'

const Rec = struct('Rec', {
  who: z.string(),
  x: z.int().nullable(),
  req: z.number().optional(),
  live: z.boolean().default(false),
  inner: z
    .object({ q: z.int(), at: z.iso.datetime({ offset: true, local: true }).optional() })
    .optional(),
  tags: z.array(z.string()).default([]),
  map: z.record(z.string(), z.number()).default({}),
  mixed: z.union([z.string(), z.number()]).optional(),
})
type Rec = z.output<typeof Rec>

let counter = 0
function rec(fields: Partial<Rec> & { who?: string }): Rec {
  return Rec.parse({
    id: `i${++counter}`,
    timestamp: '2024-01-01T00:00:00Z',
    who: 'a',
    x: 1,
    ...fields,
  })
}

function stateOf(options: StateOptions, records: readonly Rec[], limits?: Any): StateStore<Rec> {
  const state = new StateStore<Rec>(options, Rec, limits)
  for (const record of records) state.add(record)
  return state
}

const brief = (records: readonly Rec[]): unknown => records.map(({ who, x }) => [who, x])

describe('a state', () => {
  const records = [
    rec({ who: 'b', x: 2 }),
    rec({ who: 'a', x: 1 }),
    rec({ who: 'b', x: 3 }),
    rec({ who: 'a', x: 1 }),
  ]

  test('keeps the newest record of each key whole, in the order of the keys', () => {
    const state = stateOf({ by: 'who' }, records)
    expect(brief(state.query())).toEqual([
      ['a', 1],
      ['b', 3],
    ])
    expect(state.query()[0]).toBe(records[3])
    expect(state.size).toBe(2)
    expect(state.get('b')).toBe(records[2])
    expect(state.get('z')).toBeUndefined()
  })

  test('is iterated in the order of the keys, as it is when that begins', () => {
    const state = stateOf({ by: 'who' }, records)
    const seen: Rec[] = []
    for (const record of state) {
      seen.push(record)
      state.add(rec({ who: 'c', x: 9 }))
    }
    expect(brief(seen)).toEqual([
      ['a', 1],
      ['b', 3],
    ])
    expect(brief([...state])).toEqual([
      ['a', 1],
      ['b', 3],
      ['c', 9],
    ])
  })

  test('may be by several attributes, and by nested ones', () => {
    expect(brief(stateOf({ by: ['who', 'x'] }, records).query())).toEqual([
      ['a', 1],
      ['b', 2],
      ['b', 3],
    ])
    const nested = stateOf({ by: 'inner.q' }, [
      rec({ who: 'n', inner: { q: 2 } }),
      rec({ who: 'm' }),
      rec({ who: 'o', inner: { q: 1 } }),
    ])
    expect(brief(nested.query())).toEqual([
      ['m', 1],
      ['o', 1],
      ['n', 1],
    ])
    expect(nested.get(null)?.who).toBe('m')
  })

  test('orders keys natively, null first, 2 before 10', () => {
    const state = stateOf(
      { by: 'x' },
      [10, null, 2, -1].map((x) => rec({ x })),
    )
    expect(state.query().map(({ x }) => x)).toEqual([null, -1, 2, 10])
    const texts = ['b', 'B', 'é', '\u{1F600}', '\uFFFD', 'a']
    expect(
      stateOf(
        { by: 'who' },
        texts.map((who) => rec({ who })),
      )
        .query()
        .map(({ who }) => who),
    ).toEqual(['B', 'a', 'b', 'é', '\uFFFD', '\u{1F600}'])
  })

  test('keeps the newest few of each key when told to', () => {
    const state = stateOf(
      { by: 'who', keep: 2 },
      [1, 2, 3].map((x) => rec({ x })).concat(rec({ who: 'b', x: 9 })),
    )
    expect(brief(state.query())).toEqual([
      ['a', 2],
      ['a', 3],
      ['b', 9],
    ])
    expect(state.size).toBe(3)
    expect(state.get('a')?.x).toBe(3)
  })

  test('loses, beyond its bound, what was updated longest ago', () => {
    const state = stateOf(
      { by: 'who', maxRecords: 2 },
      ['a', 'b', 'a', 'c'].map((who) => rec({ who })),
    )
    expect(state.query().map(({ who }) => who)).toEqual(['a', 'c'])
    expect(state.evicted).toBe(1)
    const pairs = stateOf({ by: ['who', 'x'], maxRecords: 1 }, [
      rec({ x: 1 }),
      rec({ x: 2 }),
      rec({ x: 1 }),
    ])
    expect(brief(pairs.query())).toEqual([['a', 1]])
    const few = stateOf(
      { by: 'who', keep: 3, maxRecords: 2 },
      [1, 2, 3].map((x) => rec({ x })),
    )
    expect(brief(few.query())).toEqual([
      ['a', 2],
      ['a', 3],
    ])
  })

  test('a key that is taken out is as if it had never been', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(3), fc.boolean())),
        (steps) => {
          const options = { by: 'who', keep: 2, index: 'x' } as const
          const state = stateOf(options, [])
          let kept: Rec[] = []
          for (const [who, x, isRemoval] of steps) {
            if (isRemoval) {
              expect(state.remove(who)).toBe(kept.some((one) => one.who === who))
              kept = kept.filter((one) => one.who !== who)
            } else {
              const record = rec({ who, x })
              state.add(record)
              kept.push(record)
            }
          }
          const fresh = stateOf(options, kept)
          expect(state.query()).toEqual(fresh.query())
          expect(state.size).toBe(fresh.size)
          for (const x of [0, 1, 2, 3]) {
            expect(state.query({ where: { x } })).toEqual(fresh.query({ where: { x } }))
          }
        },
      ),
    )
  })

  test('shows new keys in order after it was read', () => {
    const state = stateOf(
      { by: 'x', maxRecords: 5 },
      [3, 1].map((x) => rec({ x })),
    )
    expect(state.query().map(({ x }) => x)).toEqual([1, 3])
    for (const x of [2, 4, 0]) state.add(rec({ x }))
    expect(state.query().map(({ x }) => x)).toEqual([0, 1, 2, 3, 4])
    state.add(rec({ x: 9 }))
    expect(state.query().map(({ x }) => x)).toEqual([0, 1, 2, 4, 9])
  })
})

describe('a query', () => {
  const state = stateOf({ by: 'id' }, [
    rec({
      id: '1',
      who: 'ann',
      x: 1,
      req: 1.5,
      live: true,
      inner: { q: 7, at: '2024-01-01T12:00:00+02:00' },
    }),
    rec({ id: '2', who: 'bob', x: 2, timestamp: '2024-01-02T00:00:00.000000Z', mixed: '12' }),
    rec({ id: '3', who: 'cyd', x: null, map: { k: 3 }, mixed: 12 }),
    rec({ id: '4', who: '111', x: 50, req: 50, inner: { q: 8 } }),
  ])
  const ids = (query: Any): readonly string[] => state.query(query).map(({ id }) => id)

  test.each<[string, Any, readonly string[]]>([
    ['equality', { who: 'ann' }, ['1']],
    ['equality with null', { x: null }, ['3']],
    ['equality with an absent field', { req: null }, ['2', '3']],
    ['an integer, ordered', { x: { gt: 1 } }, ['2', '4']],
    ['an integer against a fraction, which is not rounded', { x: { gt: 1.5 } }, ['2', '4']],
    ['an integer that equals a fraction', { x: 1.5 }, []],
    ['a number against its decimal spelling', { x: '2' }, ['2']],
    ['a number, ordered against a decimal spelling', { x: { ge: '2' } }, ['2', '4']],
    ['a number against no number', { x: 'abc' }, []],
    ['a text against a number', { who: 111 }, ['4']],
    ['texts by code point', { who: { gt: 'ann' } }, ['2', '3']],
    ['a boolean', { live: true }, ['1']],
    ['a boolean against its spelling', { live: 'true' }, ['1']],
    ['a boolean, ordered: false is before true', { live: { lt: true } }, ['2', '3', '4']],
    ['a nested attribute', { 'inner.q': 7 }, ['1']],
    ['an entry of a map', { 'map.k': { ge: 3 } }, ['3']],
    ['a range', { x: { ge: 1, lt: 50 } }, ['1', '2']],
    ['one of several', { x: { in: [1, '2', null] } }, ['1', '2', '3']],
    ['one of none', { x: { in: [] } }, []],
    ['inequality, which is the opposite of equality', { x: { ne: 1 } }, ['2', '3', '4']],
    ['a timestamp in another spelling', { timestamp: '2024-01-02' }, ['2']],
    [
      'a timestamp after a time in another zone',
      { timestamp: { gt: '2024-01-01T01:00:00+00:30' } },
      ['2'],
    ],
    ['a time in another zone', { 'inner.at': '2024-01-01T10:00:00Z' }, ['1']],
    ['a time, ordered', { 'inner.at': { lt: '2024-01-01T10:00:00.5' } }, ['1']],
    ['a field of two types', { mixed: 12 }, ['2', '3']],
    ['all of several', { x: { gt: 0 }, who: 'bob' }, ['2']],
    ['any of several', { or: [{ who: 'ann' }, { x: { gt: 10 } }] }, ['1', '4']],
    ['none', { not: { x: { gt: 1 } } }, ['1', '3']],
    ['nested conditions', { and: [{ or: [{ x: 1 }, { x: 2 }] }, { not: { who: 'bob' } }] }, ['1']],
    ['nothing', {}, ['1', '2', '3', '4']],
    ['a tree', { path: 'x', op: 'ge', value: 2 }, ['2', '4']],
    ['another attribute of the record', { path: 'req', op: 'eq', other: 'x' }, ['3', '4']],
    ['another attribute, ordered', { path: 'req', op: 'gt', other: 'x' }, ['1']],
    [
      'a tree of the members of which some are missing',
      { or: [{ path: 'x', op: 'lt', value: 2 }] },
      ['1'],
    ],
  ])('by %s', (_, where, expected) => {
    expect(ids({ where })).toEqual(expected)
    expect(state.count({ where })).toBe(expected.length)
  })

  test('finds an enum by its value, which is what its records carry', () => {
    const Colour = z.enum({ RED: 1, BLUE: 2 })
    const colours = new StateStore<Any>({ by: 'id' }, struct('Painted', { colour: Colour }))
    for (const [i, colour] of [1, 2, 1].entries()) colours.add({ id: `${i}`, colour })
    const found = (where: Any) => colours.query({ where }).map(({ id }) => id)
    expect(found({ colour: Colour.enum.RED })).toEqual(['0', '2'])
    expect(found({ colour: '2' })).toEqual(['1'])
    expect(found({ colour: 'RED' })).toEqual([])
  })

  test.each([3, 3_000])(
    'takes nothing for an attribute that every object has: %i records',
    (count) => {
      const schema = z.object({ id: z.int(), map: z.record(z.string(), z.int()) })
      const maps = new StateStore<Any>({ by: 'id' }, schema)
      for (let id = 0; id < count; id++) maps.add({ id, map: id === 1 ? { constructor: 5 } : {} })
      const inherited = 'map.constructor'
      expect(maps.query({ where: { [inherited]: 5 } as Any }).map(({ id }) => id)).toEqual([1])
      expect(maps.count({ where: { [inherited]: null } as Any })).toBe(count - 1)
      expect(maps.query({ select: [inherited, 'map.__proto__'], limit: 2 } as Any)).toEqual([
        {},
        { map: { constructor: 5 } },
      ])
    },
  )

  test('is sorted, null first, and pages', () => {
    expect(ids({ sort: '-x' })).toEqual(['4', '2', '1', '3'])
    expect(ids({ sort: ['live', '-who'] })).toEqual(['3', '2', '4', '1'])
    expect(ids({ sort: [{ path: 'x', order: 'asc' }], offset: 1, limit: 2 })).toEqual(['1', '2'])
    expect(ids({ offset: 2 })).toEqual(['3', '4'])
    expect(ids({ limit: 0 })).toEqual([])
    expect(ids({ limit: 2, where: { x: { ne: 1 } } })).toEqual(['2', '3'])
  })

  test('shows only what is selected, nested attributes in their place', () => {
    expect(state.query({ where: { id: '1' }, select: ['who', 'inner.q'] })).toEqual([
      { who: 'ann', inner: { q: 7 } },
    ])
    expect(state.query({ where: { id: '2' }, select: ['tags', 'req'] })).toEqual([{ tags: [] }])
  })

  test.each<[string, Any, RegExp]>([
    ['an unknown attribute', { where: { y: 1 } }, /no attribute "y"/],
    ['an unknown nested attribute', { where: { 'inner.z': 1 } }, /no attribute "inner.z"/],
    ['a list', { where: { tags: 'x' } }, /"tags" is a list or an object/],
    ['an unknown attribute in an or', { where: { or: [{ y: 1 }] } }, /"y"/],
    ['an unknown other attribute', { where: { path: 'x', op: 'eq', other: 'y' } }, /"y"/],
    ['an unknown operator', { where: { x: { like: 1 } } }, /"like" of "x" is no operator/],
    ['no value', { where: { path: 'x', op: 'eq' } }, /"x" is compared with nothing/],
    ['an object as a value', { where: { x: { eq: {} } } }, /"x" is compared with \{\}/],
    ['a list as a value', { where: { x: [1, 2] } }, /spell it \{ in/],
    ['no list for in', { where: { x: { in: 3 } } }, /"in" of "x" needs a list/],
    ['an or that is no list', { where: { or: {} } }, /"or" of a filter is a list/],
    ['a filter that is none', { where: [] }, /a filter is an object/],
    ['an unknown sort path', { sort: '-y' }, /"y"/],
    ['a sort by a list', { sort: 'tags' }, /"tags"/],
    ['an unknown selected path', { select: ['y'] }, /"y"/],
    ['a negative limit', { limit: -1 }, /limit is a whole number/],
    ['a limit beyond the bound', { limit: 100_001 }, /from 0 to 100000/],
    ['a fractional offset', { offset: 0.5 }, /offset/],
  ])('is refused for %s', (_, query, message) => {
    expect(() => state.query(query)).toThrow(
      expect.objectContaining({ code: 'INVALID_QUERY', message: expect.stringMatching(message) }),
    )
  })

  test('is bounded in depth and in comparisons', () => {
    const nest = (depth: number): Filter => {
      let filter: Filter = { path: 'x', op: 'eq', value: 1 }
      for (let i = 0; i < depth; i++) filter = { not: filter }
      return filter
    }
    expect(() => state.query({ where: nest(8) })).not.toThrow()
    expect(() => state.query({ where: nest(9) })).toThrow(/deeper than the limit/)
    expect(() => state.query({ where: nest(50_000) })).toThrow(/deeper than the limit/)
    const many = (n: number): Query => ({
      where: { and: Array.from({ length: n }, () => ({ path: 'x', op: 'eq', value: 1 })) },
    })
    expect(() => state.query(many(64))).not.toThrow()
    expect(() => state.query(many(65))).toThrow(/at most 64 comparisons/)
    const small = stateOf({ by: 'id' }, [], { depth: 1, terms: 1, limit: 1 })
    expect(() => small.query({ limit: 2 })).toThrow(/from 0 to 1/)
  })
})

describe('matches an obvious interpreter', () => {
  const value = fc.constantFrom<Scalar>(null, 0, 1, 2, 10, '1', '10', 'a', 'b', true)
  const path = fc.constantFrom('who', 'x', 'req', 'live', 'inner.q', 'mixed')
  const record = fc.record({
    who: fc.constantFrom('a', 'b', '1', '10'),
    x: fc.constantFrom(null, 0, 1, 2, 10),
    req: fc.constantFrom(undefined, 0, 1, 10),
    live: fc.boolean(),
    inner: fc.constantFrom(undefined, { q: 1 }, { q: 10 }),
    mixed: fc.constantFrom(undefined, 1, '1', 'b', 10),
  })
  const leaf: fc.Arbitrary<Filter> = fc.oneof(
    fc.record({
      path,
      op: fc.constantFrom(
        'eq' as const,
        'ne' as const,
        'lt' as const,
        'le' as const,
        'gt' as const,
        'ge' as const,
      ),
      value,
    }),
    fc.record({ path, op: fc.constant('in' as const), values: fc.array(value, { maxLength: 3 }) }),
  )
  const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.record({ and: fc.array(tie('filter'), { maxLength: 3 }) }),
      fc.record({ or: fc.array(tie('filter'), { maxLength: 3 }) }),
      fc.record({ not: tie('filter') }),
    ),
  }))

  const types: Record<string, readonly string[]> = {
    who: ['string'],
    x: ['number'],
    req: ['number'],
    live: ['boolean'],
    'inner.q': ['number'],
    mixed: ['string', 'number'],
  }
  const at = (fields: Any, dotted: string): unknown =>
    dotted.split('.').reduce((inner: Any, step) => inner?.[step], fields) ?? null
  const spellings = (dotted: string, given: Scalar): readonly unknown[] => [
    given,
    ...(typeof given === 'number' && types[dotted]?.includes('string') ? [String(given)] : []),
    ...(typeof given === 'string' && /^\d+$/.test(given) && types[dotted]?.includes('number')
      ? [Number(given)]
      : []),
  ]
  function holds(f: Any, fields: Any): boolean {
    if ('and' in f) return f.and.every((term: Any) => holds(term, fields))
    if ('or' in f) return f.or.some((term: Any) => holds(term, fields))
    if ('not' in f) return !holds(f.not, fields)
    const left = at(fields, f.path)
    if (f.op === 'in') return f.values.some((v: Scalar) => spellings(f.path, v).includes(left))
    const rights = spellings(f.path, f.value)
    if (f.op === 'eq') return rights.includes(left)
    if (f.op === 'ne') return !rights.includes(left)
    return rights.some((right: Any) => {
      if (left === null || typeof left !== typeof right) return false
      const order =
        typeof left === 'string' ? compareTexts(left, right) : Number(left) - Number(right)
      return { lt: order < 0, le: order <= 0, gt: order > 0, ge: order >= 0 }[f.op as 'lt']
    })
  }

  const options = fc.constantFrom<StateOptions>(
    { by: 'who' },
    { by: 'x', index: ['who', 'mixed'] },
    { by: ['who', 'x'] },
    { by: ['live', 'who', 'inner.q'], index: 'req' },
    { by: 'who', keep: 3, index: ['x', 'live'] },
    { by: ['who', 'x'], maxRecords: 4, index: 'mixed' },
    { by: 'x', keep: 2, maxRecords: 5, index: 'who' },
    { by: ['live', 'x'], keep: 'all', maxRecords: 8, index: ['who', 'req'] },
  )

  test('in what it keeps and what it finds, with and without indexes', () => {
    fc.assert(
      fc.property(
        options,
        fc.array(record, { maxLength: 40 }),
        fc.array(filter, { minLength: 1, maxLength: 4 }),
        (option, fields, filters) => {
          const state = new StateStore<Any>(option, Rec)
          const by = [option.by].flat()
          // All that is kept, in the order in which it came.
          let kept: { key: readonly unknown[]; record: Any }[] = []
          fields.forEach((record, i) => {
            // Read in between, so that indexes and orders are made early and have to be kept up.
            if (i === 5) {
              state.query()
              for (const where of filters) state.query({ where })
            }
            state.add(record)
            const key = by.map((dotted) => at(record, dotted))
            const isSame = (other: { key: readonly unknown[] }): boolean =>
              other.key.every((part, j) => part === key[j])
            kept.push({ key, record })
            const { keep = 1 } = option
            const ofKey = kept.filter(isSame)
            if (keep !== 'all' && ofKey.length > keep) kept = kept.filter((one) => one !== ofKey[0])
            if (kept.length > (option.maxRecords ?? Infinity)) kept = kept.slice(1)
          })
          const order = (a: readonly unknown[], b: readonly unknown[]): number => {
            for (let i = 0; i < a.length; i++) {
              const [p, q] = [a[i] as Any, b[i] as Any]
              if (p === q) continue
              if (p === null || q === null) return p === null ? -1 : 1
              return typeof p === 'string' ? compareTexts(p, q) : p < q ? -1 : 1
            }
            return 0
          }
          const expected = [...kept].sort((a, b) => order(a.key, b.key)).map(({ record }) => record)
          expect(state.query()).toEqual(expected)
          expect(state.size).toBe(expected.length)
          for (const where of filters) {
            const found = expected.filter((record) => holds(where, record))
            expect(state.query({ where })).toEqual(found)
            expect(state.query({ where, offset: 1, limit: 2 })).toEqual(found.slice(1, 3))
            expect(state.count({ where })).toBe(found.length)
            const byWho = [...found].sort((a, b) => compareTexts(b.who, a.who))
            expect(state.query({ where, sort: '-who', limit: 2 })).toEqual(byWho.slice(0, 2))
            // Many records are looked through by code that is made for the filter.
            const places: number[] = []
            scanOf(conditionOf(where, Rec, QUERY_LIMITS), 1_000_000)(
              [undefined, ...expected],
              places,
            )
            expect(places.map((place) => expected[place - 1])).toEqual(found)
          }
        },
      ),
      { numRuns: 1_000 },
    )
  })

  test('in the order of times, however they are written', () => {
    const Timed = z.object({ id: z.int(), at: z.iso.datetime({ offset: true, local: true }) })
    const start = Date.UTC(2024, 1, 29, 23, 59, 58)
    // A few tenths of a second, so that many are equal or of one second.
    const time = fc.integer({ min: 0, max: 30 }).map((tenths) => start + tenths * 100)
    const text = fc
      .tuple(time, fc.constantFrom(0, 1, 2, 3, 4, 5))
      .filter(([ms, way]) => way !== 3 || ms % 60_000 === 0)
      .filter(([ms, way]) => way !== 4 || ms % 1_000 === 0)
      .map(([ms, way]) => {
        const iso = new Date(ms).toISOString()
        const inZone = new Date(ms + 5_400_000).toISOString().replace('Z', '+01:30')
        return [
          iso,
          iso.replace('Z', '000Z'),
          iso.slice(0, -1),
          `${iso.slice(0, 16)}Z`,
          `${iso.slice(0, 19)}Z`,
          inZone,
        ][way] as string
      })
    const ms = (text: string): number => Date.parse(/Z$|\+/.test(text) ? text : `${text}Z`)
    const holds = {
      eq: (a: number, b: number) => a === b,
      ne: (a: number, b: number) => a !== b,
      lt: (a: number, b: number) => a < b,
      le: (a: number, b: number) => a <= b,
      gt: (a: number, b: number) => a > b,
      ge: (a: number, b: number) => a >= b,
    }
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 30 }),
        fc.array(text, { minLength: 1, maxLength: 3 }),
        (texts, asked) => {
          const state = new StateStore<Any>({ by: 'id' }, Timed)
          texts.forEach((at, id) => {
            state.add({ id, at })
          })
          const found = (at: unknown) => state.query({ where: { at } } as Any).map(({ at }) => at)
          const [bound] = asked as [string]
          for (const [op, isHeld] of Object.entries(holds)) {
            expect(found({ [op]: bound })).toEqual(texts.filter((at) => isHeld(ms(at), ms(bound))))
          }
          expect(found({ in: asked })).toEqual(
            texts.filter((at) => asked.some((one) => ms(at) === ms(one))),
          )
        },
      ),
      { numRuns: 300 },
    )
  })

  test('in the order of texts', () => {
    // Around the places at which the order of code units is another one.
    const unit = fc.constantFrom('a', 'b', '\uD7FF', '\uE000', '\uFFFF', '\u{10000}', '\u{10FFFF}')
    const text = fc.string({ unit, maxLength: 4 })
    fc.assert(
      fc.property(text, text, (a, b) => {
        const [left, right] = [[...a], [...b]].map((text) =>
          text.map((char) => char.codePointAt(0) as number),
        ) as [number[], number[]]
        const at = left.findIndex((point, i) => point !== right[i])
        const expected =
          at === -1
            ? Math.sign(left.length - right.length)
            : right[at] === undefined
              ? 1
              : Math.sign((left[at] as number) - right[at])
        expect(Math.sign(compareTexts(a, b))).toBe(expected)
      }),
    )
  })
})
