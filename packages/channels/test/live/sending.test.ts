import { type Edge, isoOf, manualClock, map } from '@gw/core'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { channel, defineChannels, Gateway, type Module, originOf, struct } from '../../src/index.js'
import { type Any, loose } from '../support.js'

import { type Order, open, order, quiet, START, started } from './live-gateway.js'

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
  expect(() => gateway.channels.sendBasket('prices', { A: { value: 1 }, Z: { value: 2 } })).toThrow(
    expect.objectContaining({ code: 'UNKNOWN_KEY' }),
  )
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
