import { type Edge, manualClock, map, ms, seconds, ticks } from '@gw/core'
import { pino } from 'pino'
import { expect, expectTypeOf, test, vi } from 'vitest'
import { z } from 'zod'
import { basket, channel, defineChannels, dynamicBasket, struct } from '../../src/index.js'
import {
  addToOutput,
  graphDescription,
  Heartbeat,
  heartbeat,
  initialize,
  initializeAll,
  log,
  print,
  Stats,
  stats,
} from '../../src/modules/index.js'
import { loose, T0, values } from '../support.js'
import { keepingLogger, running, simulating } from './support.js'

const Order = struct('Order', { symbol: z.string(), quantity: z.int().default(1) })
const channels = defineChannels({
  orders: channel(Order, { send: true, state: { by: 'symbol' } }),
  lists: channel(z.array(z.number()), { required: false }),
  prices: basket(['A', 'B'], z.number()),
  quotes: dynamicBasket(z.number()),
})
const prices = initializeAll(channels, 'prices', [{ A: 1, B: 2 }, { B: 3 }])
const quotes = initialize(channels, 'quotes', { x: 5, y: 6 }, { delay: seconds(1) })

test('initialize ticks once at the start, completed with an id, defaults and the engine time', async () => {
  const modules = [
    initialize(channels, 'orders', { symbol: 'A' }, { delay: ms(500) }),
    addToOutput({ select: ['orders'] }),
  ]
  const { outputs } = await simulating(channels, modules as never)
  expect(outputs.get('orders')).toEqual([
    [
      T0 + ms(500),
      {
        id: expect.stringMatching(/^\d{30}$/),
        timestamp: '2020-01-01T00:00:00.500000Z',
        symbol: 'A',
        quantity: 1,
      },
    ],
  ])
})

test('initialize sets lists, the keys of a basket, and those of a dynamic one', async () => {
  const modules = [prices, quotes, initialize(channels, 'lists', [1, 2])]
  const { channels: live } = await simulating(channels, modules as never)
  expect(live.last('lists')).toEqual([1, 2])
  expect(live.last('prices')).toEqual({ A: 1, B: 3 })
  expect(live.last('quotes')).toEqual({ x: 5, y: 6 })
  expect(live.positionOf('prices', 'B').offset).toBe(2)
})

test('several initial values come in order, each in a cycle of its own at one time', async () => {
  const modules = [
    initializeAll(channels, 'orders', [{ symbol: 'A' }, { symbol: 'B' }]),
    addToOutput({ select: ['orders'] }),
  ]
  const { outputs, cycles } = await simulating(channels, modules as never)
  expect(outputs.get('orders')).toMatchObject([
    [T0, { symbol: 'A' }],
    [T0, { symbol: 'B' }],
  ])
  expect(cycles).toBe(2)
})

test('a wrong initial value, channel or key is refused at once', async () => {
  expect(() => initialize(channels, 'orders', { symbol: 1 } as never)).toThrow(
    expect.objectContaining({ code: 'INVALID_RECORD', channel: 'orders' }),
  )
  expect(() => initialize(channels, 'order' as never, {} as never)).toThrow(
    expect.objectContaining({ code: 'UNKNOWN_CHANNEL' }),
  )
  expect(() => initialize(channels, 'prices', { C: 1 } as never)).toThrow(
    expect.objectContaining({ code: 'UNKNOWN_KEY', key: 'C' }),
  )
  // @ts-expect-error a basket takes values by key
  expect(() => initialize(channels, 'prices', 1)).toThrow(
    expect.objectContaining({ code: 'INVALID_RECORD' }),
  )
})

test('print writes a line for each tick, of a basket one with all keys that ticked', async () => {
  const lines: string[] = []
  const modules = [
    prices,
    initialize(channels, 'lists', [1, 2]),
    print({ select: ['prices', 'lists', 'quotes'], write: (line) => lines.push(line) }),
  ]
  await simulating(channels, modules as never)
  expect(lines.toSorted()).toEqual([
    '2020-01-01T00:00:00.000000Z lists [1,2]',
    '2020-01-01T00:00:00.000000Z prices {"A":1,"B":2}',
    '2020-01-01T00:00:00.000000Z prices {"B":3}',
  ])
})

test('log tells each tick and key, and how many records a state has', async () => {
  const { told, logger } = keepingLogger()
  const modules = [
    prices,
    initialize(channels, 'orders', { id: '1', timestamp: '2020-01-01', symbol: 'A' }),
    log({ logger, level: 'debug', select: { exclude: ['quotes'] }, states: ['orders'] }),
  ]
  await simulating(channels, modules as never)
  const time = '2020-01-01T00:00:00.000000Z'
  const order = { id: '1', timestamp: '2020-01-01T00:00:00.000000Z', symbol: 'A', quantity: 1 }
  expect(told).toEqual(
    expect.arrayContaining([
      ['debug', 'orders', { channel: 'orders', time, value: order }],
      ['debug', 'prices[A]', { channel: 'prices', key: 'A', time, value: 1 }],
      ['debug', 'prices[B]', { channel: 'prices', key: 'B', time, value: 3 }],
      ['debug', 'state orders', { state: 'orders', time, records: 1 }],
    ]),
  )
  expect(told).toHaveLength(5)
  expectTypeOf(log<'debug'>)
    .parameter(0)
    .toHaveProperty('logger')
    .toEqualTypeOf<{ readonly debug: (details: object, message: string) => void }>()
  // @ts-expect-error a logger without the level
  expect(() => log({ logger: { info: () => undefined }, level: 'trace' })).toThrow('method trace')
})

test('log and gateway write to pino as it is, errors with their message and code', async () => {
  const lines: string[] = []
  const logger = pino(
    { level: 'debug', base: null, timestamp: false },
    { write: (line) => lines.push(line) },
  )
  const failing = loose(
    'failing',
    (c) =>
      c.setChannel(
        'lists',
        map(c.getChannel('orders') as Edge<unknown>, () => {
          throw new Error('boom')
        }),
      ),
    { onError: 'skip' },
  )
  const modules = [failing, log({ logger, level: 'debug', select: ['orders'] })]
  const gateway = await running(channels, modules, { logger })
  gateway.channels.send('orders', { id: 'a', symbol: 'A' })
  expect(lines.map((line) => JSON.parse(line))).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        level: 20,
        msg: 'orders',
        channel: 'orders',
        value: expect.objectContaining({ id: 'a' }),
      }),
      expect.objectContaining({
        level: 50,
        err: expect.objectContaining({
          code: 'NODE_FAILED',
          message: expect.stringContaining('boom'),
        }),
      }),
    ]),
  )
})

test('add-to-output keeps all ticks, or as many as it is told', async () => {
  const modules = [prices, quotes, addToOutput({ select: ['prices', 'quotes'] })]
  const { outputs } = await simulating(channels, modules as never)
  expect(values(outputs.get('prices[A]'))).toEqual([1])
  expect(values(outputs.get('prices[B]'))).toEqual([2, 3])
  expect(values(outputs.get('quotes'))).toEqual([
    [
      { key: 'x', value: 5 },
      { key: 'y', value: 6 },
    ],
  ])
  const last = [prices, addToOutput({ select: ['prices'], keep: ticks(1) })]
  expect(values((await simulating(channels, last as never)).outputs.get('prices[B]'))).toEqual([3])
})

test('a selection of a channel that is not there is refused by name', async () => {
  await expect(simulating(channels, [print({ select: ['order'] })])).rejects.toMatchObject({
    code: 'UNKNOWN_CHANNEL',
    channel: 'order',
    module: 'print',
  })
})

test('modules that only look make no channel required', async () => {
  const { logger } = keepingLogger()
  const looking = [print({ write: () => undefined }), log({ logger }), addToOutput()]
  const { cycles } = await simulating(channels, looking, seconds(1))
  expect(cycles).toBe(0)
})

test('heartbeat adds its channel and ticks it every interval', async () => {
  const modules = [heartbeat({ interval: seconds(2) }), addToOutput({ select: ['heartbeats'] })]
  const { outputs } = await simulating(channels, modules, seconds(5))
  expect(outputs.get('heartbeats')).toMatchObject([
    [T0 + seconds(2), { sequence: 1, timestamp: '2020-01-01T00:00:02.000000Z' }],
    [T0 + seconds(4), { sequence: 2 }],
  ])
  const declared = defineChannels({ beats: channel(Heartbeat) })
  const { channels: live } = await simulating(
    declared,
    [heartbeat({ channel: 'beats' })],
    seconds(3),
  )
  expect(live.last('beats')).toMatchObject({ sequence: 3 })
})

test('stats measures engine and process in real time, and nothing in simulation', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  try {
    const declared = defineChannels({
      stats: channel(Stats),
      n: channel(z.number(), { send: true }),
    })
    const gateway = await running(declared, [stats({ intervalMs: 1_000 })])
    for (let i = 0; i < 3; i++) gateway.channels.send('n', i)
    vi.advanceTimersByTime(1_000)
    const measured = gateway.channels.last('stats')
    expect(measured).toMatchObject({ cycles: gateway.health.cycles - 1, lagMs: 0 })
    expect(measured?.residentBytes).toBeGreaterThan(measured?.heapUsedBytes ?? 0)
    expect(measured?.cpuPercent).toBeGreaterThanOrEqual(0)
    await gateway.stop()
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
  const { cycles } = await simulating(channels, [stats()], seconds(5))
  expect(cycles).toBe(0)
})

test('graph-description shows at the start how the gateway is wired', async () => {
  const shown: string[] = []
  const write = vi.spyOn(console, 'log').mockImplementation((text: string) => shown.push(text))
  const reader = loose('reader', (c) => c.getChannel('orders'))
  await running(channels, [reader, graphDescription()], { clock: manualClock(T0) })
  write.mockRestore()
  expect(shown).toEqual([expect.stringContaining('"channel orders" -> "module reader"')])
})
