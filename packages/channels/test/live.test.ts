import {
  basketNode,
  type Edge,
  isoOf,
  manualClock,
  map,
  node,
  type PushSource,
  push,
  seconds,
  timer,
  timestampOf,
} from '@gw/core'
import fc from 'fast-check'
import { afterEach, describe, expect, expectTypeOf, test, vi } from 'vitest'
import { z } from 'zod'
import {
  basket,
  type ChannelTick,
  channel,
  defineChannels,
  dynamicBasket,
  Gateway,
  type GatewayOptions,
  type Module,
  originOf,
  struct,
} from '../src/index.js'
import { type Any, loose } from './support.js'

const Order = struct('Order', { symbol: z.string(), quantity: z.int().positive() })
type Order = z.output<typeof Order>
const Price = struct('Price', { value: z.number() })

const channels = defineChannels({
  orders: channel(Order, { send: true, state: { by: 'symbol' } }),
  lists: channel(z.array(Order), { send: true }),
  prices: basket(['A', 'B'], Price, { send: true }),
  living: dynamicBasket(Price, { send: true, required: false }),
  total: channel(z.number()),
  never: channel(Order),
})
type C = (typeof channels)['channels']

const total = loose('total', (c) => {
  c.setChannel(
    'total',
    map(c.getChannel('orders') as Edge<Order>, (order) => order.quantity),
  )
})

const START = timestampOf('2024-01-01T00:00:00Z')
const open: Gateway<C>[] = []
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

async function started(options: Partial<GatewayOptions<C>> = {}): Promise<Gateway<C>> {
  const gateway = new Gateway<C>({
    channels,
    clock: manualClock(START),
    logger: quiet,
    budgetMs: Number.POSITIVE_INFINITY,
    ...options,
    modules: [total, ...(options.modules ?? [])] as Module<C>[],
  })
  open.push(gateway)
  await gateway.start()
  return gateway
}

afterEach(async () => {
  for (const gateway of open.splice(0)) await gateway.stop()
})

const order = (quantity: number, symbol = 'AAPL'): { symbol: string; quantity: number } => ({
  symbol,
  quantity,
})

describe('reading', () => {
  test('gives the last value, the answer of its channel kind', async () => {
    const { channels: live } = await started()
    expect(live.last('orders')).toBeUndefined()
    expect(live.last('prices')).toEqual({})
    expect(live.last('prices', 'A')).toBeUndefined()
    const sent = live.send('orders', order(1))
    const price = live.send('prices', { value: 2 }, 'A')
    expect(live.last('orders')).toBe(sent)
    expect(live.last('prices')).toEqual({ A: price })
    expect(live.last('prices', 'A')).toBe(price)
    expect(live.last('prices', 'B')).toBeUndefined()
    expect(live.last('total')).toBe(1)
  })

  test('is refused for what is not there, with a code of its own', async () => {
    const { channels: live } = await started()
    const code = (call: () => unknown): unknown => {
      try {
        call()
      } catch (error) {
        return (error as { code?: unknown }).code
      }
      return undefined
    }
    expect(code(() => live.last('nope' as never))).toBe('UNKNOWN_CHANNEL')
    expect(code(() => live.last('prices', 'Z' as never))).toBe('UNKNOWN_KEY')
    expect(code(() => live.last('never'))).toBe('NO_PROVIDER')
    expect(code(() => live.query('total' as never))).toBe('NO_STATE')
    expect(code(() => live.stageList('orders' as never))).toBe('NO_STAGE')
    expect(code(() => live.send('total' as never, 1 as never))).toBe('NOT_SENDABLE')
    expect(code(() => live.send('prices', { value: 1 }))).toBe('UNKNOWN_KEY')
    expect(code(() => live.send('orders', order(1), 'A' as never))).toBe('UNKNOWN_KEY')
    await expect(live.next('never')).rejects.toMatchObject({ code: 'NO_PROVIDER' })
  })

  test('the JSON of a tick is always an array, made once for all who read it', async () => {
    const { channels: live } = await started()
    const sent = live.send('orders', order(1))
    const list = live.sendAll('lists', [order(1), order(2)]).records
    const [tick] = live.lastTicks('orders')
    expect(tick?.json).toBe(JSON.stringify([sent]))
    expect(live.lastTicks('orders')[0]).toBe(tick)
    expect(live.lastTicks('lists')[0]?.json).toBe(JSON.stringify(list))
  })

  test('says what is provided, sendable and staged', async () => {
    const { channels: live } = await started()
    const info = Object.fromEntries(live.info.map((channel) => [channel.name, channel]))
    expect(info.orders).toMatchObject({
      kind: 'single',
      provided: true,
      sendable: true,
      staged: false,
    })
    expect(info.lists?.kind).toBe('list')
    expect(info.lists?.recordSchema).toBe(Order)
    expect(info.prices).toMatchObject({ kind: 'basket', keys: ['A', 'B'] })
    expect(info.never).toMatchObject({ provided: false, sendable: false })
    expect(info.living).toMatchObject({ dynamic: true, keys: [] })
    live.send('living', { value: 1 }, 'x')
    expect(live.info.find(({ name }) => name === 'living')?.keys).toEqual(['x'])
    expect(live.states).toEqual([
      { name: 'orders', channel: 'orders', by: ['symbol'], maxRecords: 1_000_000 },
    ])
  })
})

describe('sending', () => {
  test('completes the record with an id, the time of entry and defaults, and answers it', async () => {
    const clock = manualClock(START)
    const { channels: live } = await started({ clock })
    const first = live.send('orders', order(1))
    clock.advance(1_500_000)
    const second = live.send('orders', {
      ...order(2),
      id: 'mine',
      timestamp: '2020-01-01T02:00:00+02:00',
    })
    expect(first.timestamp).toBe('2024-01-01T00:00:00.000000Z')
    expect(first.id).toMatch(/^\d{30}$/)
    expect(second).toMatchObject({ id: 'mine', timestamp: '2020-01-01T00:00:00.000000Z' })
    expect(live.send('orders', order(1)).timestamp).toBe(isoOf(START + 1_500_000))
  })

  test('refuses a record that does not validate, naming every field, and sends nothing', async () => {
    const { channels: live } = await started()
    expect(() =>
      live.sendAll('orders', [order(1), { symbol: 1, quantity: -1, colour: 'red' }]),
    ).toThrow(
      expect.objectContaining({
        code: 'INVALID_RECORD',
        channel: 'orders',
        errors: expect.arrayContaining([
          { path: [1, 'symbol'], message: expect.any(String) },
          { path: [1, 'quantity'], message: expect.any(String) },
          { path: [1, 'colour'], message: 'Unknown field' },
        ]),
        issues: expect.arrayContaining([expect.objectContaining({ code: 'too_small', input: -1 })]),
      }),
    )
    expect(live.last('orders')).toBeUndefined()
  })

  test('several records tick one by one, in order; those of a list channel as one list', async () => {
    const { channels: live } = await started()
    const seen: unknown[] = []
    live.watch('orders', undefined, (tick) => seen.push((tick.value as Order).quantity))
    live.watch('lists', undefined, (tick) =>
      seen.push((tick.value as Order[]).map((one) => one.quantity)),
    )
    expect(
      live.sendAll(
        'orders',
        [1, 2, 3].map((n) => order(n)),
      ).position.offset,
    ).toBe(3)
    expect(live.sendAll('lists', [order(4), order(5)])).toMatchObject({
      records: [{ quantity: 4 }, { quantity: 5 }],
      position: { offset: 1 },
    })
    expect(seen).toEqual([1, 2, 3, [4, 5]])
    expect(live.sendAll('orders', [])).toMatchObject({ records: [], position: { offset: 3 } })
  })

  test('a single record to a list channel is refused, and the engine lives on', async () => {
    const { channels: live, health } = await started()
    expect(() => live.send('lists', order(1) as Any)).toThrow(
      expect.objectContaining({ code: 'INVALID_RECORD' }),
    )
    expect(health.live).toBe(true)
  })

  test('keys of a basket may be sent in another order than they tick in: what is sent later still comes out', async () => {
    const gateway = await started()
    const { records } = gateway.channels.sendBasket('prices', { B: { value: 1 }, A: { value: 2 } })
    expect(records).toMatchObject([{ value: 1 }, { value: 2 }])
    const later = gateway.channels.sendAllAndWait('prices', [{ value: 3 }, { value: 4 }], 'A')
    expect((await later).position.offset).toBe(3)
  })

  test('to a whole basket ticks all keys in one cycle', async () => {
    const gateway = await started()
    const before = gateway.health.cycles
    const { records, position } = gateway.channels.sendBasket('prices', {
      A: { value: 1 },
      B: { value: 2 },
    })
    expect(gateway.health.cycles).toBe(before + 1)
    expect(records).toMatchObject([{ value: 1 }, { value: 2 }])
    expect(position.offset).toBe(2)
    expect(() =>
      gateway.channels.sendBasket('prices', { A: { value: 1 }, Z: { value: 2 } }),
    ).toThrow(expect.objectContaining({ code: 'UNKNOWN_KEY' }))
    expect(gateway.channels.positionOf('prices').offset).toBe(2)
  })

  test('a batch over several channels is one cycle, all or nothing', async () => {
    const gateway = await started()
    const { channels: live } = gateway
    const before = gateway.health.cycles
    const receipts = live.sendBatch([
      { channel: 'orders', data: order(7) },
      { channel: 'prices', key: 'B', data: { value: 3 } },
      { channel: 'lists', data: [order(1), order(2)] },
      { channel: 'living', key: 'x', data: { value: 4 } },
    ])
    expect(gateway.health.cycles).toBe(before + 1)
    expect(receipts.map(({ records }) => records.length)).toEqual([1, 1, 2, 1])
    expect(receipts[1]?.position).toEqual(live.positionOf('prices', 'B'))
    expect(live.last('living', 'x')).toMatchObject({ value: 4 })
    expect(() =>
      live.sendBatch([
        { channel: 'orders', data: order(8) },
        { channel: 'prices', key: 'A', data: {} },
      ]),
    ).toThrow(
      expect.objectContaining({
        code: 'INVALID_RECORD',
        errors: [{ path: [1, 'data', 'value'], message: expect.any(String) }],
      }),
    )
    expect(() =>
      live.sendBatch([
        { channel: 'orders', data: order(8) },
        { channel: 'orders', data: order(9) },
      ]),
    ).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
    expect(live.last('orders')).toMatchObject({ quantity: 7 })
  })

  test('of what JSON cannot carry is refused, where the schema does not look too', async () => {
    const Note = struct('Note', { body: z.any(), level: z.number().nullable().default(null) })
    const anything = defineChannels({
      any: channel(z.unknown(), { send: true, stage: true }),
      notes: channel(Note, { send: true }),
    })
    const gateway = new Gateway({ channels: anything, logger: quiet })
    open.push(gateway as never)
    await gateway.start()
    const { channels: live } = gateway
    const self: { self?: unknown; too?: unknown } = {}
    self.self = self
    self.too = self
    const odd: readonly (readonly [unknown, RegExp])[] = [
      [1n, /a bigint/],
      [Symbol('s'), /a symbol/],
      [() => 1, /a function/],
      [new Date(), /a Date/],
      [new Map(), /a Map/],
      [new Uint8Array(2), /a Uint8Array/],
      [[1, [undefined]], /1\.0: JSON cannot carry undefined/],
      [{ toJSON: () => 1 }, /a JSON of its own/],
      [self, /contains itself/],
    ]
    for (const [value, message] of odd) {
      const refusal = expect.objectContaining({
        code: 'INVALID_RECORD',
        message: expect.stringMatching(message),
      })
      expect(() => live.send('any', value)).toThrow(refusal)
      expect(() => live.stageAdd('any', value)).toThrow(refusal)
      expect(() => live.sendAll('notes', [{ body: 1 }, { body: value }])).toThrow(refusal)
    }
    expect(() => live.send('any', undefined)).toThrow('JSON cannot carry undefined')
    expect(gateway.health.live).toBe(true)
    expect(live.positionOf('notes').offset).toBe(0)
    // A number that goes out as null where null may be.
    live.send('any', { x: Number.NaN })
    expect(live.lastTicks('any')[0]?.json).toBe('[{"x":null}]')
  })

  test('what a module ticks that JSON cannot carry is an error of the module, naming the channel and the field', async () => {
    const self: { self?: unknown } = {}
    self.self = self
    const odd: readonly (readonly [unknown, RegExp])[] = [
      [{ value: Number.NaN }, /"out" ticked what JSON cannot carry at "value"/],
      [{ value: 1n }, /"out" ticked what JSON cannot carry at "value"/],
      [self, /"out" ticked an object that contains itself/],
    ]
    const contract = defineChannels({
      in: channel(z.int(), { send: true }),
      out: channel(z.looseObject({ value: z.number() })),
      nullable: channel(z.object({ value: z.number().nullable() })),
    })
    const errors: unknown[] = []
    const maker = loose(
      'maker',
      (c) => {
        c.setChannel(
          'out',
          map(c.getChannel('in') as Edge<number>, (i) => odd[i]?.[0] ?? { value: i }),
        )
        c.setChannel(
          'nullable',
          map(c.getChannel('in') as Edge<number>, () => ({ value: Number.NaN })),
        )
      },
      { onError: 'skip' },
    )
    const gateway = new Gateway({
      channels: contract,
      modules: [maker] as Module<(typeof contract)['channels']>[],
      logger: { ...quiet, error: (details) => errors.push((details as { err: unknown }).err) },
    })
    open.push(gateway as never)
    await gateway.start()
    const { channels: live } = gateway
    odd.forEach((_, i) => {
      live.send('in', i)
    })
    live.send('in', 9)
    expect(errors).toEqual(
      odd.map(([, message]) =>
        expect.objectContaining({
          cause: expect.objectContaining({
            code: 'NOT_JSON',
            channel: 'out',
            message: expect.stringMatching(message),
          }),
        }),
      ),
    )
    expect(live.last('out')).toEqual({ value: 9 })
    expect(live.positionOf('out').offset).toBe(1)
    expect(live.lastTicks('nullable')[0]?.json).toBe('[{"value":null}]')
  })

  test('of what is no list, no object or no key is refused in words', async () => {
    const { channels: live } = (await started()) as { channels: Any }
    const refused: [() => unknown, string, RegExp][] = [
      [() => live.sendAll('orders', 5), 'BAD_REQUEST', /sendAll takes a list of records/],
      [() => live.sendAll('lists'), 'BAD_REQUEST', /sendAll takes a list/],
      [() => live.sendBasket('prices', null), 'BAD_REQUEST', /an object of records by key/],
      [() => live.sendBasket('orders', {}), 'BAD_REQUEST', /sendBasket takes a basket/],
      [() => live.sendBatch({}), 'BAD_REQUEST', /a batch is a list/],
      [() => live.sendBatch([null]), 'BAD_REQUEST', /a batch is a list of \{ channel/],
      [() => live.send('living', { value: 1 }, {}), 'UNKNOWN_KEY', /"living" is a basket: name a/],
      [() => live.subscribe('orders', { mode: 'all' }), 'INVALID_OPTION', /lastValue.*not "all"/],
      [() => live.subscribe('orders', { from: 'then' }), 'BAD_REQUEST', /not from "then"/],
      [() => live.watch('orders', undefined, () => {}, { from: {} }), 'BAD_REQUEST', /not from {}/],
    ]
    for (const [call, code, message] of refused) {
      expect(call).toThrow(
        expect.objectContaining({
          name: 'ChannelsError',
          code,
          message: expect.stringMatching(message),
        }),
      )
    }
    expect(live.positionOf('orders').offset).toBe(0)
  })

  test('with the same message id answers as the first did and sends nothing', async () => {
    const { channels: live } = await started()
    const first = live.sendAll('orders', [order(1)], undefined, { messageId: 'm' })
    expect(live.sendAll('orders', [order(99)], undefined, { messageId: 'm' })).toEqual(first)
    expect(live.sendAll('orders', [order(2)], undefined, { messageId: 'n' }).position.offset).toBe(
      2,
    )
    expect(() => live.send('orders', order(-1), undefined, { messageId: 'bad' })).toThrow()
    expect(live.send('orders', order(3), undefined, { messageId: 'bad' })).toMatchObject({
      quantity: 3,
    })
  })

  test('forgets message ids beyond the bound, oldest first', async () => {
    const { channels: live } = await started({ limits: { messageIds: 2 } })
    for (const messageId of ['a', 'b', 'c']) live.send('orders', order(1), undefined, { messageId })
    live.send('orders', order(1), undefined, { messageId: 'c' })
    expect(live.positionOf('orders').offset).toBe(3)
    live.send('orders', order(1), undefined, { messageId: 'a' })
    expect(live.positionOf('orders').offset).toBe(4)
  })

  test('forgets message ids whose answers take too much room, and an answer that takes more than all of it', async () => {
    const { channels: live } = await started({ limits: { messageIdBytes: 2_000 } })
    const large = (messageId: string, length: number): unknown =>
      live.send('orders', order(1, 's'.repeat(length)), undefined, { messageId })
    const first = large('a', 800)
    const second = large('b', 800)
    expect(large('a', 1)).toBe(first)
    large('c', 800) // lets go of the first
    expect(large('b', 1)).toBe(second)
    expect(live.positionOf('orders').offset).toBe(3)
    expect(large('a', 800)).not.toBe(first)
    large('d', 3_000)
    large('d', 1)
    expect(live.positionOf('orders').offset).toBe(6)
  })

  test('forgets message ids when their time is over', async () => {
    const { channels: live } = await started({ limits: { messageIdMs: 1 } })
    live.send('orders', order(1), undefined, { messageId: 'a' })
    const start = performance.now()
    await vi.waitFor(() => expect(performance.now()).toBeGreaterThan(start + 1))
    live.send('orders', order(2), undefined, { messageId: 'a' })
    expect(live.positionOf('orders').offset).toBe(2)
  })

  test('a message id of a batch or basket is that of the same channels and keys', async () => {
    const { channels: live } = await started()
    const options = { messageId: 'a' }
    const first = live.sendBatch([{ channel: 'orders', data: order(1) }], options)
    expect(live.sendBatch([{ channel: 'orders', data: order(2) }], options)).toEqual(first)
    const [other] = live.sendBatch([{ channel: 'prices', key: 'A', data: { value: 1 } }], options)
    expect(other?.records).toMatchObject([{ value: 1 }])
    const both = live.sendBasket('prices', { A: { value: 2 }, B: { value: 3 } }, options)
    expect(live.sendBasket('prices', { A: { value: 4 }, B: { value: 4 } }, options)).toEqual(both)
    expect(live.sendBasket('prices', { B: { value: 5 } }, options).records).toHaveLength(1)
    expect(live.last('prices')).toMatchObject({ A: { value: 2 }, B: { value: 5 } })
  })

  test('a basket that is sent again answers as the first time, whatever has ticked since', async () => {
    const { channels: live } = await started()
    const both = { A: { value: 1 }, B: { value: 2 } }
    const first = live.sendBasket('prices', both, { messageId: 'a' })
    expect(first.position).toEqual(live.positionOf('prices'))
    live.send('prices', { value: 3 }, 'A')
    expect(live.sendBasket('prices', both, { messageId: 'a' })).toEqual(first)
  })

  test('of a whole basket with an expected position is refused when any of its keys has moved', async () => {
    const { channels: live } = await started()
    for (const [name, key] of [
      ['prices', 'B'],
      ['living', 'new'],
    ] as const) {
      const before = live.positionOf(name)
      const send = (): unknown => live.sendBasket(name, { A: { value: 1 } }, { expect: before })
      live.send(name, { value: 2 }, key as 'B')
      expect(send).toThrow(
        expect.objectContaining({
          code: 'POSITION_MISMATCH',
          message: expect.stringContaining(`"${name}" is at`),
        }),
      )
      const { position } = live.sendBasket(
        name,
        { A: { value: 1 } },
        { expect: live.positionOf(name) },
      )
      expect(position).toEqual({ ...before, offset: 2 })
    }
  })

  test('with an expected position of a key that has never ticked, whatever other keys have done', async () => {
    const { channels: live } = await started()
    const never = live.positionOf('living', 'k')
    live.send('living', { value: 1 }, 'other')
    live.send('living', { value: 2 }, 'k', { expect: never })
    expect(() => live.send('living', { value: 3 }, 'k', { expect: never })).toThrow(
      expect.objectContaining({ code: 'POSITION_MISMATCH', key: 'k' }),
    )
    expect(live.last('living', 'k')).toMatchObject({ value: 2 })
  })

  test('with an expected position is refused when the channel has moved', async () => {
    const { channels: live } = await started()
    const { position } = live.sendAll('orders', [order(1)])
    expect(live.send('orders', order(2), undefined, { expect: position })).toMatchObject({
      quantity: 2,
    })
    expect(() =>
      live.sendAll('orders', [order(3), order(4)], undefined, { expect: position }),
    ).toThrow(expect.objectContaining({ code: 'POSITION_MISMATCH' }))
    await expect(
      live.sendAndWait('orders', order(3), undefined, { expect: position }),
    ).rejects.toMatchObject({ code: 'POSITION_MISMATCH' })
    expect(live.positionOf('orders').offset).toBe(2)
    expect(
      live.send('orders', order(5), undefined, { expect: live.positionOf('orders') }),
    ).toMatchObject({ quantity: 5 })
  })

  test('names who sent, for modules that want to know', async () => {
    let origin: string | undefined
    const { channels: live } = await started({
      modules: [
        loose('curious', (c) =>
          c.setChannel(
            'never',
            map(c.getChannel('orders') as Edge<Order>, (one) => {
              origin = originOf(one)
              return one
            }),
          ),
        ),
      ],
    })
    live.send('orders', order(1), undefined, { origin: 'kafka' })
    expect(origin).toBe('kafka')
    live.send('orders', order(1))
    expect(origin).toBeUndefined()
  })

  test('from inside a cycle queues, and is told when it is through', async () => {
    const results: unknown[] = []
    let live: Gateway<C>['channels'] | undefined
    const echo = loose('echo', (c) => {
      c.setChannel(
        'never',
        node('echo', { total: c.getChannel('total') as Edge<number> }, ({ total }) => () => {
          if (total.value >= 3 || live === undefined) return undefined
          results.push(live.send('orders', order(total.value + 1)))
          const receipt = live.sendAll('orders', [order(9)])
          results.push(receipt.position.offset)
          void live
            .sendAllAndWait('orders', [order(10)])
            .then(({ position }) => results.push(position.offset))
          expect(() =>
            live?.send('orders', order(5), undefined, { expect: live.positionOf('orders') }),
          ).toThrow(expect.objectContaining({ code: 'OVERLOADED' }))
          return undefined
        }),
      )
    })
    const gateway = await started({ modules: [echo] })
    live = gateway.channels
    live.send('orders', order(2))
    expect(results.slice(0, 2)).toEqual([expect.objectContaining({ quantity: 3 }), 3])
    await vi.waitFor(() => expect(results[2]).toBe(4))
    expect(live.positionOf('orders').offset).toBe(4)
  })

  test('of equal values, each is told where it has come out itself', async () => {
    const contract = defineChannels({
      keyed: basket(['A', 'B'], z.number(), { send: true }),
      lists: channel(z.array(z.number()), { send: true }),
      numbers: channel(z.number(), { send: true }),
      any: channel(z.unknown(), { send: true }),
      cause: channel(z.int(), { send: true }),
    })
    let live: Gateway<(typeof contract)['channels']>['channels'] | undefined
    const offsets: Record<string, unknown> = {}
    const wait = (name: 'lists' | 'numbers', inputs: readonly unknown[]): void => {
      void live?.sendAllAndWait(name, inputs).then(({ position }) => {
        offsets[name] = position.offset
      })
    }
    // It ticks what is being sent, before and together with it.
    const same = loose('same', (c) => {
      const cause = c.getChannel('cause') as Edge<number>
      c.setChannel(
        'lists',
        map(cause, () => [5]),
      )
      c.setChannel(
        'numbers',
        node('same', { cause }, ({ cause }) => () => {
          if (cause.value === 1) wait('numbers', [5])
          if (cause.value === 2) wait('lists', [5])
          return 5
        }),
      )
    })
    const gateway = new Gateway({ channels: contract, modules: [same], logger: quiet })
    open.push(gateway as never)
    await gateway.start()
    live = gateway.channels

    for (const value of [1, 2, 3]) live.send('keyed', value, 'A')
    const batch = live.sendBatch([
      { channel: 'keyed', key: 'B', data: 5 },
      { channel: 'keyed', key: 'A', data: 5 },
    ])
    expect(batch.map(({ position }) => position.offset)).toEqual([1, 4])

    live.send('cause', 1)
    live.send('cause', 2)
    await vi.waitFor(() => expect(offsets).toEqual({ numbers: 2, lists: 3 }))
    const [, lists] = live.sendBatch([
      { channel: 'cause', data: 3 },
      { channel: 'lists', data: [6] },
    ])
    expect(live.last('lists')).toEqual([6, 5])
    expect(lists?.position).toEqual(live.positionOf('lists'))
    expect((await live.sendAllAndWait('lists', [7])).position.offset).toBe(5)

    expect(await live.sendAndWait('any', Number.NaN)).toBeNaN()
    expect((await live.sendAllAndWait('any', [1])).position.offset).toBe(2)
  })

  test('beyond the bound is refused', async () => {
    const codes: unknown[] = []
    let live: Gateway<C>['channels'] | undefined
    const flood = loose('flood', (c) => {
      c.setChannel(
        'never',
        node('flood', { x: c.getChannel('total') as Edge<number> }, ({ x }) => () => {
          if (x.value !== 1) return undefined
          try {
            for (let i = 0; i < 10; i++) live?.send('orders', order(2))
          } catch (error) {
            codes.push((error as { code?: unknown }).code)
          }
          return undefined
        }),
      )
    })
    const gateway = await started({ modules: [flood], limits: { pendingSends: 3 } })
    live = gateway.channels
    live.send('orders', order(1))
    expect(codes).toEqual(['OVERLOADED'])
    expect(live.positionOf('orders').offset).toBe(4)
  })

  test('to a new key of a dynamic basket is refused beyond the bound of its keys, and for a key that is too long', async () => {
    const { channels: live } = await started({ limits: { basketKeys: 2 } })
    expect(() => live.send('living', { value: 1 }, 'k'.repeat(1_025))).toThrow(
      expect.objectContaining({
        code: 'BAD_REQUEST',
        message: 'a key of "living" has 1 to 1024 characters, not 1025',
      }),
    )
    const three = Object.fromEntries(['x', 'y', 'z'].map((key) => [key, { value: 1 }]))
    expect(() => live.sendBasket('living', three)).toThrow(
      expect.objectContaining({ code: 'OVERLOADED', key: 'z' }),
    )
    expect(live.last('living')).toEqual({})
    live.send('living', { value: 1 }, 'k'.repeat(1_024))
    live.send('living', { value: 1 }, 'b')
    const refusal = expect.objectContaining({
      code: 'OVERLOADED',
      channel: 'living',
      message: expect.stringContaining('limits.basketKeys'),
    })
    expect(() => live.send('living', { value: 2 }, 'c')).toThrow(refusal)
    expect(() => live.sendBasket('living', { b: { value: 2 }, c: { value: 2 } })).toThrow(refusal)
    live.send('living', { value: 3 }, 'b')
    expect(live.last('living', 'b')).toMatchObject({ value: 3 })
  })

  test('is refused while the engine lags beyond the option', async () => {
    const clock = manualClock(START)
    const slow = loose('slow', (c) => {
      c.setChannel(
        'never',
        node('slow', { t: timer(c.graph, seconds(1)) }, () => () => undefined),
      )
    })
    const gateway = await started({ clock, modules: [slow], limits: { lagMs: 500 } })
    vi.spyOn(clock, 'now').mockReturnValue(START + seconds(5))
    expect(() => gateway.channels.send('orders', order(1))).toThrow(
      expect.objectContaining({ code: 'OVERLOADED' }),
    )
  })

  test('is refused while channels are blocked', async () => {
    const { channels: live } = await started({ blockSetChannelsUntil: START + seconds(1) })
    expect(() => live.send('orders', order(1))).toThrow(
      expect.objectContaining({ code: 'NOT_RUNNING' }),
    )
  })

  test('goes through the nodes of a module that asks for it', async () => {
    const stamp = loose('stamp', (c) => {
      c.addSendChannel(
        'never',
        undefined,
        (sent: Edge<Order>) =>
          map(sent, (one) =>
            one.quantity === 13 ? undefined : { ...one, symbol: 'seen' },
          ) as Edge<Order>,
      )
    })
    const { channels: live } = await started({ modules: [stamp] })
    const receipt = await (live as Any).sendAllAndWait('never', [order(1)])
    expect(receipt).toMatchObject({ records: [{ symbol: 'AAPL' }], position: { offset: 1 } })
    expect(live.last('never')).toMatchObject({ symbol: 'seen', quantity: 1 })
    await (live as Any).sendAllAndWait('never', [order(13)])
    expect(live.positionOf('never').offset).toBe(1)
  })
})

describe('waiting', () => {
  test('for the next tick gives what comes after the call', async () => {
    const { channels: live } = await started()
    live.send('orders', order(1))
    const next = live.next('orders')
    const sent = live.send('orders', order(2))
    expect(await next).toBe(sent)
  })

  test('a condition of one who waits that throws ends its wait, and nothing else', async () => {
    const gateway = await started()
    const { channels: live } = gateway
    const other = live.next('orders')
    const matches = (): boolean => {
      throw new Error('no such field')
    }
    const wait = expect(live.nextTicks('orders', undefined, { matches })).rejects.toThrow(
      'no such field',
    )
    live.send('orders', order(1))
    await wait
    expect(await other).toMatchObject({ quantity: 1 })
    expect(gateway.health.live).toBe(true)
  })

  test('for a key gives the next tick of that key, not an old one', async () => {
    const { channels: live } = await started()
    live.send('prices', { value: 1 }, 'B')
    let done = false
    const next = live.next('prices', 'B').then((value) => {
      done = true
      return value
    })
    live.send('prices', { value: 2 }, 'A')
    await Promise.resolve()
    expect(done).toBe(false)
    const price = live.send('prices', { value: 3 }, 'B')
    expect(await next).toBe(price)
  })

  test('for a whole basket gives every key, after the next cycle in which any ticks', async () => {
    const { channels: live } = await started()
    live.send('prices', { value: 1 }, 'A')
    const next = live.next('prices')
    live.send('prices', { value: 2 }, 'B')
    expect(await next).toMatchObject({ A: { value: 1 }, B: { value: 2 } })
  })

  test('ends by its time-out, its signal, and the stop of the gateway', async () => {
    const gateway = await started()
    const { channels: live } = gateway
    await expect(live.next('orders', { timeoutMs: 1 })).rejects.toMatchObject({
      code: 'NEXT_TIMEOUT',
    })
    const controller = new AbortController()
    const aborted = live.next('orders', { signal: controller.signal })
    controller.abort(new Error('gone'))
    await expect(aborted).rejects.toThrow('gone')
    await expect(live.next('orders', { signal: controller.signal })).rejects.toThrow('gone')
    const waiting = live.next('orders')
    const at = live.atLeast('orders', undefined, { ...live.positionOf('orders'), offset: 9 })
    await Promise.all([
      expect(waiting).rejects.toMatchObject({ code: 'NOT_RUNNING' }),
      expect(at).rejects.toMatchObject({ code: 'NOT_RUNNING' }),
      gateway.stop(),
    ])
  })

  test('for a position ends when the channel has reached it', async () => {
    const { channels: live } = await started()
    const { epoch } = live.positionOf('orders')
    await live.atLeast('orders', undefined, { epoch, offset: 0 })
    const reached = live.atLeast('orders', undefined, { epoch, offset: 2 })
    live.sendAll('orders', [order(1), order(2)])
    await reached
    const later = live.last('orders', { atLeast: { epoch, offset: 3 } })
    live.send('orders', order(3))
    expect(await later).toMatchObject({ quantity: 3 })
    const ofKey = live.last('prices', 'A', { atLeast: { epoch, offset: 1 } })
    live.send('prices', { value: 7 }, 'A')
    expect(await ofKey).toMatchObject({ value: 7 })
    expectTypeOf(ofKey).resolves.toEqualTypeOf<z.output<typeof Price> | undefined>()
    await expect(
      live.atLeast('orders', undefined, { epoch: 'other', offset: 1 }),
    ).rejects.toMatchObject({ code: 'POSITION_MISMATCH' })
    await expect(
      live.last('orders', { atLeast: { epoch, offset: 4 }, timeoutMs: 1 }),
    ).rejects.toMatchObject({ code: 'POSITION_TIMEOUT' })
  })
})

describe('positions', () => {
  test('count the ticks of a channel and of each key without holes, new for each run', async () => {
    const gateway = await started()
    const { channels: live } = gateway
    const ticks: ChannelTick[] = []
    live.watch('prices', undefined, (tick) => ticks.push(tick))
    live.send('prices', { value: 1 }, 'A')
    live.send('prices', { value: 2 }, 'B')
    live.send('prices', { value: 3 }, 'A')
    expect(ticks.map(({ key, position }) => [key, position.offset])).toEqual([
      ['A', 1],
      ['B', 1],
      ['A', 2],
    ])
    expect(live.positionOf('prices', 'A').offset).toBe(2)
    expect(live.positionOf('prices').offset).toBe(3)
    const { epoch } = live.positionOf('prices')
    await gateway.stop()
    await gateway.start()
    expect(gateway.channels.positionOf('prices')).toMatchObject({ offset: 0 })
    expect(gateway.channels.positionOf('prices').epoch).not.toBe(epoch)
  })

  test('of a key that went and came back begin anew', async () => {
    let source: PushSource<readonly [string, number | undefined]> | undefined
    const keys = loose('keys', (c) => {
      source = push(c.graph, 'nonCollapsing')
      c.setChannel(
        'living',
        basketNode<string, unknown>()(
          'keys',
          { change: source?.edge as Edge<readonly [string, number | undefined]> },
          ({ change }, basket) =>
            () => {
              const [key, value] = change.value
              if (value === undefined) basket.remove(key)
              else basket.emit(key, { id: '1', timestamp: '', value })
            },
        ),
      )
    })
    const { channels: live } = await started({ modules: [keys] })
    const ticks: ChannelTick[] = []
    live.watch('living', undefined, (tick) => ticks.push(tick))
    source?.push(['x', 1])
    source?.push(['x', 2])
    const before = live.positionOf('living', 'x')
    source?.push(['x', undefined])
    expect(live.last('living')).toEqual({})
    source?.push(['x', 3])
    expect(
      ticks.map(({ removed, value, position }) => [
        removed,
        (value as { value: number }).value,
        position.offset,
      ]),
    ).toEqual([
      [false, 1, 1],
      [false, 2, 2],
      [true, 2, 3],
      [false, 3, 1],
    ])
    expect(live.positionOf('living', 'x').epoch).not.toBe(before.epoch)
    expect(live.watch('living', 'x', () => undefined, { from: before }).recovered).toBe(false)
  })
})

describe('watching', () => {
  test('from now on gets what ticks later, after its cycle, in order', async () => {
    const gateway = await started()
    const { channels: live } = gateway
    live.send('orders', order(1))
    const seen: unknown[] = []
    live.watch('total', undefined, (tick) =>
      seen.push(['total', tick.value, live.last('orders')?.quantity]),
    )
    const watch = live.watch('orders', undefined, (tick) =>
      seen.push(['orders', (tick.value as Order).quantity, live.last('total')]),
    )
    expect(watch).toMatchObject({ recovered: true, initial: [], position: { offset: 1 } })
    live.send('orders', order(2))
    expect(seen).toEqual(
      expect.arrayContaining([
        ['orders', 2, 2],
        ['total', 2, 2],
      ]),
    )
    watch.stop()
    live.send('orders', order(3))
    expect(seen).toHaveLength(3)
  })

  test('from the snapshot gets what is there first, without gap or overlap', async () => {
    const { channels: live } = await started()
    live.send('prices', { value: 1 }, 'A')
    live.send('prices', { value: 2 }, 'B')
    const later: unknown[] = []
    const { initial, position } = live.watch(
      'prices',
      undefined,
      (tick) => later.push(tick.value),
      { from: 'snapshot' },
    )
    expect(initial.map(({ value }) => (value as { value: number }).value)).toEqual([1, 2])
    expect(position.offset).toBe(2)
    live.send('prices', { value: 3 }, 'A')
    expect(later).toMatchObject([{ value: 3 }])
  })

  test('from a position gets all since, of a channel, of a key, and of a whole basket', async () => {
    const { channels: live } = await started()
    for (const n of [1, 2, 3]) live.send('orders', order(n))
    for (const [key, value] of [
      ['A', 1],
      ['B', 2],
      ['A', 3],
    ] as const)
      live.send('prices', { value }, key)
    const since = (name: 'orders' | 'prices', key: string | undefined, offset: number): unknown =>
      live.watch(name, key, () => undefined, {
        from: { epoch: live.positionOf(name, key).epoch, offset },
      })
    expect(since('orders', undefined, 1)).toMatchObject({
      recovered: true,
      initial: [{ position: { offset: 2 } }, { position: { offset: 3 } }],
    })
    expect(since('orders', undefined, 3)).toMatchObject({ recovered: true, initial: [] })
    expect(since('prices', 'A', 1)).toMatchObject({
      recovered: true,
      initial: [{ key: 'A', value: { value: 3 } }],
    })
    expect(since('prices', undefined, 1)).toMatchObject({
      recovered: true,
      initial: [{ key: 'B' }, { key: 'A' }],
    })
    expect(since('orders', undefined, 9)).toMatchObject({
      recovered: false,
      initial: [{ position: { offset: 3 } }],
    })
    expect(
      live.watch('orders', undefined, () => undefined, { from: { epoch: 'x', offset: 1 } })
        .recovered,
    ).toBe(false)
  })

  test('from a time gets all since', async () => {
    const clock = manualClock(START)
    const { channels: live } = await started({ clock })
    live.send('orders', order(1))
    clock.advance(seconds(1))
    live.send('orders', order(2))
    const watch = live.watch('orders', undefined, () => undefined, {
      from: { time: isoOf(START + 1) },
    })
    expect(watch).toMatchObject({ recovered: true, initial: [{ value: { quantity: 2 } }] })
    expect(() =>
      live.watch('orders', undefined, () => undefined, { from: { time: 'yesterday' } }),
    ).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
  })

  test('finds that the history does not reach back, and gives the snapshot', async () => {
    const { channels: live } = await started({ limits: { historyTicks: 3 } })
    for (let n = 1; n <= 5; n++) live.send('orders', order(n))
    const from = (offset: number): unknown =>
      live.watch('orders', undefined, () => undefined, {
        from: { ...live.positionOf('orders'), offset },
      })
    expect(from(2)).toMatchObject({ recovered: true, initial: [{}, {}, {}] })
    expect(from(1)).toMatchObject({ recovered: false, initial: [{ position: { offset: 5 } }] })
  })

  test('from any position gets exactly what has ticked since, or says that the history does not reach back', async () => {
    const historyTicks = 6
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }),
        fc.nat(30),
        fc.constantFrom('a', 'b', undefined),
        async (keys, at, key) => {
          const { channels: live } = await started({ limits: { historyTicks } })
          let from = live.positionOf('living', key)
          keys.forEach((each, i) => {
            if (i === at) from = live.positionOf('living', key)
            live.send('living', { value: i }, each)
          })
          if (at >= keys.length) from = live.positionOf('living', key)
          const { recovered, initial } = live.watch('living', key, () => undefined, { from })
          const since = keys
            .map((each, i) => ({ key: each, i }))
            .filter((each) => each.i >= at && (key === undefined || each.key === key))
          const isKept = since.every(({ i }) => i >= keys.length - historyTicks)
          expect(recovered).toBe(isKept)
          if (!isKept) return
          expect(initial.map((tick) => [tick.key, (tick.value as Any).value])).toEqual(
            since.map((each) => [each.key, each.i]),
          )
        },
      ),
      { numRuns: 100 },
    )
  })

  test('the history is bounded by its size too', async () => {
    const { channels: live } = await started({ limits: { historyBytes: 10_000 } })
    for (let n = 1; n <= 20; n++) live.send('orders', order(n, 'x'.repeat(3_000)))
    const from = (offset: number): Any =>
      live.watch('orders', undefined, () => undefined, {
        from: { ...live.positionOf('orders'), offset },
      })
    expect(from(17).recovered).toBe(true)
    expect(from(15).recovered).toBe(false)
    for (let n = 21; n <= 60; n++) live.send('orders', order(n))
    expect(from(20).initial.map(({ position }: Any) => position.offset)).toEqual(
      Array.from({ length: 40 }, (_, i) => 21 + i),
    )
  })

  test('goes on for the others when one listener throws', async () => {
    const errors: unknown[] = []
    const { channels: live } = await started({
      logger: { ...quiet, error: (details) => errors.push(details) },
    })
    const seen: unknown[] = []
    live.watch('orders', undefined, () => {
      throw new Error('bad listener')
    })
    live.watch('orders', undefined, (tick) => seen.push(tick))
    live.sendAll('orders', [order(1), order(2)])
    expect(seen).toHaveLength(2)
    expect(errors).toHaveLength(1)
  })

  test('a listener that throws, to a channel or its state, is not called again, and keeps nothing else from going on', async () => {
    const logged: string[] = []
    const gateway = await started({
      logger: { ...quiet, error: (_, message) => logged.push(message) },
    })
    const { channels: live } = gateway
    let calls = 0
    const throwing = (): void => {
      calls++
      throw new Error('no room')
    }
    const seen: unknown[] = []
    live.watch('orders', undefined, throwing)
    live.watchState('orders', throwing)
    live.watch('orders', undefined, ({ position }) => seen.push(position.offset))
    live.watchState('orders', ({ came }) => seen.push(came === undefined ? 'none' : 'came'))
    for (const quantity of [1, 2]) live.send('orders', order(quantity))
    expect(calls).toBe(2)
    expect(seen).toEqual(['came', 1, 'came', 2])
    expect(logged).toEqual(Array(2).fill('a listener to "orders" failed and is not called again'))
    expect(gateway.health.live).toBe(true)
  })

  test('begun by a listener does not get the tick that it was told of', async () => {
    const { channels: live } = await started()
    const late: unknown[] = []
    let begun = false
    live.watch('orders', undefined, () => {
      if (begun) return
      begun = true
      live.watch('orders', undefined, (tick) => late.push(tick.position.offset))
    })
    live.sendAll('orders', [order(1), order(2)])
    expect(late).toEqual([2])
  })
})

describe('subscribing', () => {
  test('is an async iterable of ticks that ends with the gateway', async () => {
    const gateway = await started()
    const { channels: live } = gateway
    const seen: number[] = []
    const reading = (async () => {
      for await (const tick of live.subscribe('orders')) seen.push(tick.value.quantity)
    })()
    live.sendAll('orders', [order(1), order(2)])
    await vi.waitFor(() => expect(seen).toEqual([1, 2]))
    await gateway.stop()
    await reading
  })

  test('ends when its reader leaves and when its signal is aborted', async () => {
    const { channels: live } = await started()
    const controller = new AbortController()
    const one = live.subscribe('prices', 'A', { signal: controller.signal })
    live.send('prices', { value: 1 }, 'A')
    live.send('prices', { value: 2 }, 'B')
    controller.abort()
    const seen = []
    for await (const tick of one) seen.push(tick.value)
    expect(seen).toMatchObject([{ value: 1 }])
    const two = live.subscribe('orders')
    await two.return?.()
    expect(await two.next()).toEqual({ done: true, value: undefined })
  })

  test('drops the oldest beyond its bound, and counts them', async () => {
    const { channels: live } = await started()
    const slow = live.subscribe('orders', { maxBuffered: 2 })
    live.sendAll(
      'orders',
      [1, 2, 3, 4].map((n) => order(n)),
    )
    expect((await slow.next()).value.value.quantity).toBe(3)
    expect(slow.dropped).toBe(2)
  })

  test('keeps the last of each key in the mode lastValue', async () => {
    const { channels: live } = await started()
    const last = live.subscribe('prices', { mode: 'lastValue', from: 'snapshot' })
    for (const [key, value] of [
      ['A', 1],
      ['B', 2],
      ['A', 3],
    ] as const)
      live.send('prices', { value }, key)
    const seen = [await last.next(), await last.next()].map(({ value }) => value.value.value)
    expect(seen).toEqual([2, 3])
  })

  test('is bounded in the mode lastValue too, by the number of keys that wait', async () => {
    const { channels: live } = await started()
    const last = live.subscribe('living', { mode: 'lastValue', maxBuffered: 2 })
    for (const key of ['a', 'b', 'a', 'c']) live.send('living', { value: 1 }, key)
    expect([await last.next(), await last.next()].map(({ value }) => value.key)).toEqual(['a', 'c'])
    expect(last.dropped).toBe(1)
    expect(() => live.subscribe('orders', { maxBuffered: 0 })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
  })

  test('has ended when its signal was aborted before', async () => {
    const { channels: live } = await started()
    const ticks = live.subscribe('orders', { signal: AbortSignal.abort() })
    live.send('orders', order(1))
    expect(await ticks.next()).toEqual({ done: true, value: undefined })
  })

  test('asked several times before anything comes, answers in order', async () => {
    const { channels: live } = await started()
    const ticks = live.subscribe('orders')
    const asked = [ticks.next(), ticks.next()]
    for (const quantity of [1, 2]) live.send('orders', order(quantity))
    const got = await Promise.all(asked)
    expect(got.map(({ value }) => value.value.quantity)).toEqual([1, 2])
  })

  test('resumes from a position', async () => {
    const { channels: live } = await started()
    const { position } = live.sendAll('orders', [order(1)])
    live.send('orders', order(2))
    const resumed = live.subscribe('orders', { from: position })
    expect(resumed.recovered).toBe(true)
    expect((await resumed.next()).value.value.quantity).toBe(2)
  })

  test('tells of the failure of the gateway', async () => {
    const bad = loose('bad', (c) => {
      c.setChannel(
        'never',
        map(c.getChannel('orders') as Edge<Order>, () => {
          throw new Error('boom')
        }),
      )
    })
    const gateway = await started({ modules: [bad] })
    const reading = gateway.channels.subscribe('orders').next()
    const waiting = gateway.channels.next('orders')
    expect(() => gateway.channels.send('orders', order(1))).toThrow(
      expect.objectContaining({ code: 'NOT_RUNNING' }),
    )
    await expect(reading).rejects.toMatchObject({
      code: 'NOT_RUNNING',
      message: expect.stringContaining('boom'),
    })
    await expect(waiting).rejects.toMatchObject({ code: 'NOT_RUNNING' })
    expect(gateway.health).toMatchObject({
      live: false,
      ready: false,
      error: { code: 'NODE_FAILED' },
    })
    expect(() => gateway.channels.last('orders')).toThrow(
      expect.objectContaining({ code: 'NOT_RUNNING' }),
    )
  })
})

describe('looking up', () => {
  test('finds recent records by id and type, whichever channel they ticked on', async () => {
    const { channels: live } = await started({ limits: { lookupRecords: 4 } })
    const one = live.send('orders', order(1))
    expect(live.lookup(one.id, 'orders')).toBe(one)
    expect(live.lookup(one.id, 'lists')).toBe(one)
    expect(live.lookup(one.id, 'prices')).toBeUndefined()
    expect(live.lookup(one.id)).toBe(one)
    const price = live.send('prices', { value: 1 }, 'A')
    expect(live.lookup(price.id)).toBe(price)
    for (let n = 0; n < 3; n++) live.send('orders', order(n + 1))
    expect(live.lookup(one.id)).toBeUndefined()
  })

  test('passes over structs that say so, and those that extend them', async () => {
    const Hidden = struct('Hidden', { x: z.number() }, { lookup: false })
    const More = Hidden.extend('More', { y: z.number() })
    const hidden = defineChannels({
      h: channel(Hidden, { send: true }),
      m: channel(More, { send: true }),
    })
    const gateway = new Gateway({ channels: hidden })
    await gateway.start()
    expect(gateway.channels.lookup(gateway.channels.send('h', { x: 1 }).id)).toBeUndefined()
    expect(gateway.channels.lookup(gateway.channels.send('m', { x: 1, y: 2 }).id)).toBeUndefined()
    await gateway.stop()
  })
})

test('a tick that JSON cannot carry is an error of its module, unless the field may be null', async () => {
  const Mean = struct('Mean', { mean: z.number(), spread: z.number().nullable() })
  const means = defineChannels({ x: channel(z.number(), { send: true }), mean: channel(Mean) })
  const module = loose('stats', (c) => {
    c.setChannel(
      'mean',
      node(
        'mean',
        { x: c.getChannel('x') as Edge<number> },
        ({ x }, context) =>
          () =>
            Mean.make(context, {
              mean: x.value === 0 ? Number.NaN : x.value,
              spread: Number.POSITIVE_INFINITY,
            }),
      ),
    )
  })
  const gateway = new Gateway({ channels: means, modules: [module] as never, logger: quiet })
  await gateway.start()
  gateway.channels.send('x', 1)
  expect(gateway.channels.lastTicks('mean')[0]?.json).toContain('"mean":1,"spread":null')
  expect(() => gateway.channels.send('x', 0)).toThrow(
    /"mean" ticked what JSON cannot carry at "mean"/,
  )
  await gateway.stop()
})

test('where a module goes on after a tick that JSON cannot carry, positions have no hole and other keys nothing to miss', async () => {
  const numbers = defineChannels({
    x: channel(z.number(), { send: true }),
    y: channel(z.number()),
    byKey: dynamicBasket(z.number()),
  })
  const module = loose(
    'inverse',
    (c) => {
      const x = c.getChannel('x') as Edge<number>
      c.setChannel(
        'y',
        map(x, (n) => 1 / n),
      )
      const basket = basketNode<string, number>()('byKey', { x }, ({ x }, out) => () => {
        for (const [key, value] of [
          ['inverse', 1 / x.value],
          ['same', x.value],
        ] as const) {
          out.emit(key, value)
        }
      })
      c.setChannel('byKey', basket)
    },
    { onError: 'skip' },
  )
  const gateway = new Gateway({
    channels: numbers,
    modules: [module] as never,
    logger: quiet,
    budgetMs: Number.POSITIVE_INFINITY,
  })
  await gateway.start()
  const { channels: live } = gateway
  const from = live.positionOf('y')
  for (const n of [1, 0, 2, 0]) live.send('x', n)
  expect(live.last('y')).toBe(0.5)
  const { recovered, initial } = live.watch('y', undefined, () => undefined, { from })
  expect(recovered).toBe(true)
  expect(initial.map(({ value, position }) => [value, position.offset])).toEqual([
    [1, 1],
    [0.5, 2],
  ])
  expect(live.last('byKey')).toEqual({ inverse: 0.5, same: 0 })
  expect(live.positionOf('byKey', 'same').offset).toBe(4)
  expect(gateway.deadLetters.count).toBe(4)
  await gateway.stop()
})
