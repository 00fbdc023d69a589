import { type Edge, graphOutput, manualClock, node, type PushSource, push } from '@gw/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  channel,
  defineChannels,
  Gateway,
  type Module,
  originOf,
  type StagingEvent,
  type StagingRequest,
  struct,
} from '../src/index.js'
import { type Any, loose } from './support.js'

const Order = struct('Order', { quantity: z.int().positive() })

const channels = defineChannels({
  orders: channel(Order, { stage: true }),
  lists: channel(z.array(Order), { stage: true }),
  plain: channel(Order, { send: true }),
  counts: channel(z.number().nullable(), { stage: true }),
})
type C = (typeof channels)['channels']

let gateway: Gateway<C>
let events: StagingEvent[]
let ticks: unknown[]
let requests: PushSource<StagingRequest> | undefined

const follower = loose('follower', (c) => {
  requests = push<StagingRequest>(c.graph, 'nonCollapsing')
  c.setStageRequests('orders', requests.edge)
  const staged = c.getStageEvents('orders') as Edge<StagingEvent>
  graphOutput('events', staged)
  c.setChannel(
    'plain',
    node('note', { staged }, ({ staged }) => () => {
      events.push(staged.value)
      return undefined
    }),
  )
})

beforeEach(async () => {
  events = []
  ticks = []
  const clock = manualClock(0)
  gateway = new Gateway<C>({
    budgetMs: Number.POSITIVE_INFINITY,
    channels,
    clock,
    modules: [follower] as unknown as Module<C>[],
    limits: { stagings: 5, stagedRecords: 6 },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
  })
  await gateway.start()
  gateway.channels.watch('orders', undefined, (tick) => ticks.push((tick.value as Any).id))
})
afterEach(() => gateway.stop())

const record = (id: string, quantity = 1): { id: string; quantity: number } => ({ id, quantity })
const live = (): Gateway<C>['channels'] => gateway.channels

describe('adding', () => {
  test('without ids goes to the newest staging, or opens one', () => {
    const [first] = Object.keys(live().stageAdd('orders', record('a')))
    const opened = live().stageAdd('orders', undefined)
    const [second] = Object.keys(opened)
    expect(opened).toEqual({ [second as string]: [] })
    const added = live().stageAdd('orders', record('b'))
    expect(added).toMatchObject({ [second as string]: [{ id: 'b' }] })
    expect(live().stageList('orders')).toEqual([first, second])
    expect(live().stageLookup('orders', first)).toMatchObject({ [first as string]: [{ id: 'a' }] })
  })

  test('to all goes to each staging that lacks the record, or opens one when none does', () => {
    live().stageAdd('orders', undefined)
    live().stageAdd('orders', undefined)
    expect(Object.keys(live().stageAdd('orders', record('a'), []))).toHaveLength(2)
    const opened = live().stageAdd('orders', record('a'), [])
    expect(Object.values(opened)).toMatchObject([[{ id: 'a' }]])
    expect(live().stageList('orders')).toHaveLength(3)
  })

  test('to named ones is done for all or for none', () => {
    const [one] = Object.keys(live().stageAdd('orders', undefined)) as [string]
    expect(() => live().stageAdd('orders', record('a'), [one, 'nope'])).toThrow(
      expect.objectContaining({ code: 'STAGING_MISUSE', message: 'Staging ID not found: nope' }),
    )
    expect(live().stageLookup('orders')).toEqual({ [one]: [] })
    expect(() => live().stageAdd('orders', undefined, [one])).toThrow(
      expect.objectContaining({
        code: 'STAGING_MISUSE',
        message: 'Cannot specify staging_ids without a struct to add',
      }),
    )
  })

  test('a record of an id that is there takes its place, and is told', () => {
    live().stageAdd('orders', record('a', 1))
    live().stageAdd('orders', record('b', 2))
    expect(Object.values(live().stageAdd('orders', record('a', 3)))).toMatchObject([
      [{ id: 'a', quantity: 3 }, { id: 'b' }],
    ])
    expect(events.at(-1)).toMatchObject({ action: 'ADDED', items: [{ quantity: 3 }] })
  })

  test('validates and completes the record, and shows it to lookup only', () => {
    expect(() => live().stageAdd('orders', { quantity: -1 })).toThrow(
      expect.objectContaining({
        code: 'INVALID_RECORD',
        errors: [{ path: ['quantity'], message: expect.any(String) }],
      }),
    )
    expect(live().stageList('orders')).toEqual([])
    const [staged] = Object.values(live().stageAdd('orders', { quantity: 1 })).flat()
    expect(live().lookup(staged?.id as string, 'orders')).toBe(staged)
    expect(live().last('orders')).toBeUndefined()
  })

  test('is refused for ids that are no list of texts, like every other call with ids', () => {
    for (const ids of [3, 'x', [4], null] as never[]) {
      for (const call of [
        () => live().stageAdd('orders', record('a'), ids),
        () => live().stageRemove('orders', undefined, ids),
        () => live().stageRelease('orders', ids),
      ]) {
        expect(call).toThrow(expect.objectContaining({ code: 'STAGING_MISUSE' }))
      }
    }
    expect(live().stageList('orders')).toEqual([])
  })

  test('is refused beyond its bounds', () => {
    for (let i = 0; i < 4; i++) live().stageAdd('orders', undefined)
    expect(() => live().stageAdd('orders', record('a'), [])).not.toThrow()
    expect(() => live().stageAdd('orders', record('b'), [])).toThrow(
      expect.objectContaining({ code: 'OVERLOADED' }),
    )
  })

  test('needs no room for a staging where it opens none', () => {
    const ids = Array.from(
      { length: 5 },
      () => Object.keys(live().stageAdd('orders', undefined))[0],
    )
    const newest = ids[4] as string
    expect(live().stageAdd('orders', record('a'))).toMatchObject({ [newest]: [{ id: 'a' }] })
    expect(Object.keys(live().stageAdd('orders', record('b'), [ids[0] as string]))).toEqual([
      ids[0],
    ])
    expect(() => live().stageAdd('orders', undefined)).toThrow(
      expect.objectContaining({ code: 'OVERLOADED' }),
    )
  })
})

describe('removing', () => {
  test('without a record drops the newest, or all, or empties the named ones', () => {
    const ids = ['a', 'b', 'c'].map((id) => {
      const [staging] = Object.keys(live().stageAdd('orders', undefined))
      live().stageAdd('orders', record(id))
      return staging as string
    }) as [string, string, string]
    expect(live().stageRemove('orders', undefined)).toEqual({ [ids[2]]: [] })
    expect(live().stageList('orders')).toEqual([ids[0], ids[1]])
    expect(live().stageRemove('orders', undefined, [ids[0], 'nope'])).toEqual({ [ids[0]]: [] })
    expect(live().stageLookup('orders')).toMatchObject({ [ids[0]]: [], [ids[1]]: [{ id: 'b' }] })
    expect(Object.keys(live().stageRemove('orders', undefined, []))).toEqual([ids[0], ids[1]])
    expect(live().stageList('orders')).toEqual([])
    expect(live().stageRemove('orders', undefined)).toEqual({})
  })

  test('of a record is from the newest that has it, from all, or from the named ones', () => {
    const ids = [0, 1, 2].map(
      () => Object.keys(live().stageAdd('orders', undefined))[0] as string,
    ) as [string, string, string]
    live().stageAdd('orders', record('a'), [ids[0], ids[1]])
    expect(live().stageRemove('orders', 'a')).toEqual({ [ids[1]]: [] })
    live().stageAdd('orders', record('a'), [ids[2]])
    expect(live().stageRemove('orders', 'a', [ids[0]])).toEqual({ [ids[0]]: [] })
    expect(live().stageRemove('orders', 'a', [])).toEqual({ [ids[2]]: [] })
    expect(live().stageRemove('orders', 'a')).toEqual({})
  })
})

describe('releasing', () => {
  test('ticks the records in the order of stagings, and drops these', () => {
    live().stageAdd('orders', record('a'))
    live().stageAdd('orders', record('b'))
    live().stageAdd('orders', undefined)
    live().stageAdd('orders', record('c'))
    const released = live().stageRelease('orders')
    expect(Object.values(released).map((records) => records.map(({ id }) => id))).toEqual([
      ['a', 'b'],
      ['c'],
    ])
    expect(ticks).toEqual(['a', 'b', 'c'])
    expect(live().stageList('orders')).toEqual([])
    expect(live().last('orders')).toMatchObject({ id: 'c' })
  })

  test('takes no staging for none, and passes over unknown ones', () => {
    const [id] = Object.keys(live().stageAdd('orders', record('a'))) as [string]
    expect(live().stageRelease('orders', [])).toEqual({})
    expect(live().stageRelease('orders', ['nope'])).toEqual({})
    expect(Object.keys(live().stageRelease('orders', [id, 'nope']))).toEqual([id])
  })

  test('on a list channel ticks each staging as one list', () => {
    const lists: unknown[] = []
    live().watch('lists', undefined, (tick) =>
      lists.push((tick.value as Any[]).map(({ id }) => id)),
    )
    live().stageAdd('lists', [record('a'), record('b')])
    live().stageAdd('lists', undefined)
    live().stageAdd('lists', record('c') as Any)
    live().stageRelease('lists')
    expect(lists).toEqual([['a', 'b'], ['c']])
  })
})

test('values without an id are each another one', () => {
  const ticked: unknown[] = []
  live().watch('counts', undefined, ({ value }) => ticked.push(value))
  for (const value of [5, 5, null]) live().stageAdd('counts', value)
  live().stageAdd('counts', null, [])
  expect(Object.values(live().stageLookup('counts'))).toEqual([[5, 5, null, null]])
  live().stageRelease('counts')
  expect(ticked).toEqual([5, 5, null, null])
})

test('a request to add nothing opens nothing, and one of no known action is an error of its module', () => {
  requests?.push({ action: 'ADDED' })
  requests?.push({ action: 'ADDED', items: [] })
  expect(live().stageList('orders')).toEqual([])
  requests?.push({ action: 'DROPPED' } as never)
  expect(gateway.health.live).toBe(false)
  expect(gateway.health.error).toMatchObject({
    code: 'NODE_FAILED',
    path: 'follower/stage orders',
    cause: expect.objectContaining({
      code: 'STAGING_MISUSE',
      message: expect.stringContaining('not "DROPPED"'),
    }),
  })
})

describe('releasing elsewhere', () => {
  const staged = (): string[] => {
    live().stageAdd('orders', record('a'))
    live().stageAdd('orders', record('b'))
    live().stageAdd('orders', undefined)
    live().stageAdd('orders', record('c'))
    return [...live().stageList('orders')]
  }
  const idsIn = (answer: object): string[][] =>
    Object.values(answer).map((records) => (records as Any[]).map(({ id }) => id))

  test('stages what has not ticked where it was; meanwhile it is not there', async () => {
    const ids = staged()
    const actions: string[] = []
    live().watchStage('orders', ({ action, items }) =>
      actions.push(`${action} ${items.map((item) => (item as Any).id)}`),
    )
    const answer = await live().stageReleaseElsewhere('orders', undefined, async (held) => {
      expect(idsIn(held)).toEqual([['a', 'b'], ['c']])
      expect(live().stageRelease('orders')).toEqual({})
      live().stageAdd('orders', record('later'))
      return new Set(Object.values(held).flat().slice(1))
    })
    expect(idsIn(answer)).toEqual([['b'], ['c']])
    expect(live().stageList('orders')).toEqual([ids[0], expect.any(String)])
    expect(idsIn(live().stageLookup('orders'))).toEqual([['a'], ['later']])
    expect(actions.slice(-2)).toEqual(['RELEASED b', 'RELEASED c'])
    expect(ticks).toEqual([])
    // There is room for what has gone: 4 of 6 are free.
    for (const id of ['d', 'e', 'f', 'g']) live().stageAdd('orders', record(id))
    expect(() => live().stageAdd('orders', record('h'))).toThrow(/holds 2 stagings with 6 records/)
  })

  test('stages all as it was when it fails', async () => {
    const ids = staged()
    const failing = live().stageReleaseElsewhere('orders', [ids[0] as string], () =>
      Promise.reject(new Error('away')),
    )
    await expect(failing).rejects.toThrow('away')
    expect(live().stageList('orders')).toEqual(ids)
    expect(idsIn(live().stageLookup('orders'))).toEqual([['a', 'b'], ['c']])
  })

  test('ticks elsewhere as a release does, of a list channel as one list', async () => {
    const origins = ['ann', undefined]
    const ab = [record('a'), record('b')]
    const { records } = await live().releaseAndWait('orders', ab, { origins })
    expect(records).toMatchObject([{ id: 'a' }, { id: 'b' }])
    expect(records.map(originOf)).toEqual(origins)
    expect(ticks).toEqual(['a', 'b'])
    await live().releaseAndWait('lists', [record('c'), record('d')], { origins })
    expect(live().last('lists')).toMatchObject([{ id: 'c' }, { id: 'd' }])
    expect(live().last('lists')?.map(originOf)).toEqual(origins)
    const wrong = live().releaseAndWait('orders', ab, { origins: 'ann' } as never)
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(live().releaseAndWait('plain', [record('e')])).rejects.toMatchObject({
      code: 'NO_STAGE',
    })
    await expect(live().releaseAndWait('orders', [record('f', -1)])).rejects.toMatchObject({
      code: 'INVALID_RECORD',
    })
  })
})

test('tells what happens to stagings, in the graph and outside, in order', async () => {
  const outside: string[] = []
  const stop = live().watchStage('orders', (event) => outside.push(event.action))
  live().stageAdd('orders', record('a'))
  live().stageAdd('orders', record('b'))
  live().stageRemove('orders', 'a')
  live().stageRelease('orders')
  live().stageAdd('orders', record('c'))
  live().stageRemove('orders', undefined)
  const told = events.map(({ action, items }) => [action, items.map((item) => (item as Any).id)])
  expect(told).toEqual([
    ['CREATED', []],
    ['ADDED', ['a']],
    ['ADDED', ['b']],
    ['REMOVED', ['a']],
    ['RELEASED', ['b']],
    ['CREATED', []],
    ['ADDED', ['c']],
    ['REMOVED', ['c']],
    ['REMOVED', []],
  ])
  expect(outside).toEqual(told.map(([action]) => action))
  stop()
  live().stageAdd('orders', undefined)
  expect(outside).toHaveLength(9)
  expect(new Set(events.map(({ id }) => id)).size).toBe(10)
})

test('is driven by requests from the graph', () => {
  const ask = (request: StagingRequest): void => requests?.push(request)
  ask({ action: 'CREATED' })
  ask({ action: 'ADDED', items: [record('a'), record('b')] })
  ask({ action: 'CREATED' })
  ask({ action: 'ADDED', items: [record('c')], stagingIds: [] })
  ask({ action: 'REMOVED', items: [record('b')] })
  expect(
    Object.values(live().stageLookup('orders')).map((records) => records.map(({ id }) => id)),
  ).toEqual([['a', 'c'], ['c']])
  ask({ action: 'REMOVED' })
  ask({ action: 'RELEASED' })
  expect(ticks).toEqual(['a', 'c'])
  expect(live().stageList('orders')).toEqual([])
})

describe('checkStaged sees what a change would touch, and refuses it', () => {
  let ids: string[] = []
  const refusing = (seen: string[]) => ({
    checkStaged: (one: unknown, id: string) => {
      seen.push(`${ids.indexOf(id)}${(one as Any).id}`)
      throw new Error('not yours')
    },
  })
  const noting = (seen: string[]) => ({
    checkStaged: (one: unknown, id: string) => {
      seen.push(`${ids.indexOf(id)}${(one as Any).id}`)
    },
  })

  beforeEach(() => {
    ids = ['', '', ''].flatMap(() => Object.keys(live().stageAdd('orders', undefined)))
    live().stageAdd('orders', record('a'), ids.slice(0, 2))
    live().stageAdd('orders', record('b'), ids.slice(1))
  })

  const seenOf = (change: (options: ReturnType<typeof noting>) => unknown): string[] => {
    const before = live().stageLookup('orders')
    const seen: string[] = []
    expect(() => change(refusing([]))).toThrow('not yours')
    expect(live().stageLookup('orders')).toEqual(before)
    change(noting(seen))
    return seen
  }

  test('of an addition, the records of its id', () => {
    expect(seenOf((o) => live().stageAdd('orders', record('a'), ids.slice(2), o))).toEqual([
      '0a',
      '1a',
    ])
    live().stageAdd('orders', record('new'), undefined, refusing([]))
    live().stageAdd('orders', undefined, undefined, refusing([]))
  })

  test('of a removal, the records of its id, or all that it empties', () => {
    expect(seenOf((o) => live().stageRemove('orders', 'a', ids.slice(1), o))).toEqual(['0a', '1a'])
    expect(seenOf((o) => live().stageRemove('orders', undefined, undefined, o))).toEqual(['2b'])
    expect(seenOf((o) => live().stageRemove('orders', undefined, ids.slice(0, 1), o))).toEqual([
      '0a',
    ])
    expect(seenOf((o) => live().stageRemove('orders', undefined, [], o))).toEqual(['1b'])
    live().stageRemove('orders', 'none', [], refusing([]))
  })

  test('of a release, all that it would have tick', () => {
    expect(seenOf((o) => live().stageRelease('orders', ids.slice(1, 2), o))).toEqual(['1a', '1b'])
    expect(seenOf((o) => live().stageRelease('orders', undefined, o))).toEqual(['0a', '2b'])
    live().stageRelease('orders', ['none'], refusing([]))
  })

  test('is a function', () => {
    const wrong = { checkStaged: 'yes' } as never
    for (const call of [
      () => live().stageAdd('orders', record('x'), undefined, wrong),
      () => live().stageRemove('orders', 'x', undefined, wrong),
      () => live().stageRelease('orders', undefined, wrong),
    ]) {
      expect(call).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    }
  })
})

describe('the stagings of a channel that a module keeps', () => {
  const kept = () => live().stagings('orders')

  test('are those that it says, without telling; their records count, and new ones come behind', () => {
    live().stageAdd('orders', record('gone'))
    const told = events.length
    const records = ['a', 'b', 'c', 'd', 'e'].map(record)
    kept().restore([
      ['one', records.slice(0, 3)],
      ['two', []],
      ['three', records.slice(3), ['ann', undefined]],
    ])
    expect(records.map(originOf)).toEqual([undefined, undefined, undefined, 'ann', undefined])
    expect(events).toHaveLength(told)
    expect(live().stageList('orders')).toEqual(['one', 'two', 'three'])
    expect(live().lookup('b', 'orders')).toBe(records[1])
    live().stageAdd('orders', record('f'))
    expect(live().stageLookup('orders', 'three')).toMatchObject({
      three: [{ id: 'd' }, { id: 'e' }, { id: 'f' }],
    })
    expect(() => live().stageAdd('orders', record('g'))).toThrow(/with 6 records/)
    kept().restore([])
    expect(live().stageList('orders')).toEqual([])
    live().stageAdd('orders', record('g'))
  })

  test('do not come back from a release elsewhere when they have been put in anew meanwhile', async () => {
    live().stageAdd('orders', record('a'))
    const [id] = live().stageList('orders') as [string]
    await live().stageReleaseElsewhere('orders', undefined, async (held) => {
      kept().restore([['other', [record('b')]]])
      return new Set(Object.values(held).flat())
    })
    expect(live().stageList('orders')).toEqual(['other'])
    expect(events.map(({ action, stagingId }) => [action, stagingId])).toEqual([
      ['CREATED', id],
      ['ADDED', id],
    ])
  })

  test('lose what has been released elsewhere, where it is as it was', () => {
    const [a, b, c] = ['a', 'b', 'c'].map(record)
    kept().restore([
      ['one', [a, b]],
      ['two', [a]],
      ['three', [c]],
    ])
    const changed = { ...b, quantity: 99 }
    kept().released({ one: [a, changed], two: [{ ...a }], none: [c] } as never)
    expect(live().stageLookup('orders')).toEqual({ one: [b], three: [c] })
    expect(events.map(({ action, stagingId, items }) => [action, stagingId, items])).toEqual([
      ['RELEASED', 'one', [a]],
      ['RELEASED', 'two', [a]],
    ])
  })

  test('are not changed by what nodes ask when the module takes it; nonsense is an error as ever', () => {
    const taken: StagingRequest[] = []
    kept().takeRequests((request) => taken.push(request))
    requests?.push({ action: 'CREATED' })
    requests?.push({ action: 'RELEASED', stagingIds: [] })
    expect(taken).toEqual([{ action: 'CREATED' }, { action: 'RELEASED', stagingIds: [] }])
    expect(live().stageList('orders')).toEqual([])
    requests?.push({ action: 'DROPPED' } as never)
    expect(gateway.health.live).toBe(false)
  })

  test('are completed as they would be staged, and are those of a channel that is staged', () => {
    expect(kept().complete({ quantity: 3 })).toEqual([
      { id: expect.any(String), timestamp: expect.any(String), quantity: 3 },
    ])
    expect(
      live()
        .stagings('lists')
        .complete([{ quantity: 1 }, { quantity: 2 }]),
    ).toHaveLength(2)
    expect(() => kept().complete({ quantity: -3 })).toThrow(
      expect.objectContaining({ code: 'INVALID_RECORD' }),
    )
    expect(live().stageList('orders')).toEqual([])
    expect(() => live().stagings('plain')).toThrow(expect.objectContaining({ code: 'NO_STAGE' }))
  })
})
