import {
  accum,
  add,
  constant,
  count,
  days,
  delay,
  dynamicDemultiplex,
  filter,
  map,
  ms,
  seconds,
  timer,
} from '@gw/core'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  basket,
  channel,
  defineChannels,
  defineModule,
  dynamicBasket,
  Gateway,
  struct,
} from '../src/index.js'
import { initialize } from '../src/modules/index.js'
import { expectChannel, startHarness } from '../src/testing/index.js'
import { T0 } from './support.js'

const Order = struct('Order', {
  symbol: z.string(),
  quantity: z.number(),
  venue: z.object({ code: z.string(), open: z.boolean() }).optional(),
})
const channels = defineChannels({
  orders: channel(Order, { state: { by: 'symbol' } }),
  total: channel(z.number()),
  prices: basket(['A', 'B'], z.number(), { required: false }),
  bySymbol: dynamicBasket(Order, { required: false }),
  fills: channel(z.array(Order), { required: false }),
  beats: channel(z.number(), { required: false }),
})
const totals = defineModule(channels, 'totals', (c) => {
  const orders = c.getChannel('orders')
  c.setChannel('total', accum(map(orders, ({ quantity }) => quantity)))
  c.setChannel(
    'bySymbol',
    dynamicDemultiplex(
      orders,
      map(orders, ({ symbol }) => symbol),
    ),
  )
})

describe('the harness', () => {
  test('shows what follows from a send as soon as it returns', async () => {
    await using harness = await startHarness({ channels, modules: [totals] })
    expect(harness.now).toBe(T0)
    harness.send('orders', { symbol: 'A', quantity: 2 })
    expect(harness.values('total')).toEqual([2])
    harness.delay(ms(5))
    harness.send('orders', { symbol: 'B', quantity: 3 })
    expect(harness.ticks('total')).toEqual([
      [T0, 2],
      [T0 + ms(5), 5],
    ])
    expect(harness.channels.query('orders', { where: { symbol: 'B' } })).toHaveLength(1)
    expect(harness.ticks('bySymbol', 'A')).toMatchObject([[T0, { quantity: 2 }]])
    expect(harness.tickCounts).toEqual({ orders: 2, total: 2, bySymbol: 2 })
  })

  test('of two sends at one time, each is seen before the next', async () => {
    await using harness = await startHarness({ channels, modules: [totals] })
    harness.send('orders', { symbol: 'A', quantity: 1 })
    expectChannel(harness, 'total').toHaveLast(1)
    harness.send('orders', { symbol: 'A', quantity: 5 })
    expectChannel(harness, 'total').toHaveLast(6)
  })

  test('moves time only when it is told to, and everything due happens at its own time', async () => {
    const beats = defineModule(channels, 'beats', (c) =>
      c.setChannel('beats', count(timer(c.graph, seconds(1)))),
    )
    await using harness = await startHarness({ channels, modules: [beats] })
    harness.delay(ms(2_500))
    expect(harness.ticks('beats')).toEqual([
      [T0 + seconds(1), 1],
      [T0 + seconds(2), 2],
    ])
    harness.advance()
    expect(harness.values('beats')).toEqual([3])
    harness.delayUntil('2020-01-01T00:00:05Z')
    expect(harness.values('beats')).toEqual([3, 4, 5])
    harness.reset()
    expect(harness.values('beats')).toEqual([])
    expect(() => harness.delayUntil(T0)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
  })

  test('has seen what ticks at the very start, and what takes many cycles at one time', async () => {
    const loop = defineModule(channels, 'loop', (c) => {
      const again = filter(c.getChannel('beats'), (n) => n < 5_000)
      c.setChannel('beats', add(again, 1))
    })
    const modules = [loop, initialize(channels, 'beats', 1)]
    await using harness = await startHarness({ channels, modules })
    expect(harness.values('beats')).toHaveLength(5_000)
    expectChannel(harness, 'beats').toHaveLast(5_000)
  })

  test('sends to baskets by key or as a whole, and to lists', async () => {
    await using harness = await startHarness({ channels })
    harness.send('prices', 1, 'A')
    harness.send('prices', { A: 2, B: 3 })
    harness.send('fills', [{ symbol: 'A', quantity: 1 }])
    expect(harness.values('prices')).toEqual([{ A: 1 }, { A: 2, B: 3 }])
    expect(harness.values('prices', 'A')).toEqual([1, 2])
    expect(harness.values('fills')).toMatchObject([[{ quantity: 1 }]])
    expect(() => harness.send('prices', 1, 'C' as never)).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_KEY' }),
    )
    expect(() => harness.values('prices', 'C' as never)).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_KEY' }),
    )
    expect(() => harness.values('nope' as never)).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_CHANNEL' }),
    )
    expect(() => harness.send('orders', { symbol: 1 } as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_RECORD' }),
    )
  })

  test('comes to every expectation, however far in time it is, and fails where it does not hold', async () => {
    const late = defineModule(channels, 'late', (c) =>
      c.setChannel('total', delay(c.getChannel('beats'), days(10_000))),
    )
    await using harness = await startHarness({ channels, modules: [late] })
    harness.send('beats', 1)
    harness.advance(days(10_000))
    expectChannel(harness, 'total').toHaveTicked(1)
    harness.advance(days(10_000))
    expect(() => expectChannel(harness, 'total').toHaveTicked(1)).toThrow(/total/)
  })

  test('gives the same ids and times at each run', async () => {
    const run = async () => {
      await using harness = await startHarness({ channels, modules: [totals] })
      harness.advance()
      harness.send('orders', { symbol: 'A', quantity: 1 })
      return harness.values('orders')
    }
    expect(await run()).toEqual(await run())
    expect(await run()).toMatchObject([{ timestamp: '2020-01-01T00:00:01.000000Z' }])
  })

  test('a module that throws fails the test with what it threw, at the call that made it', async () => {
    const cause = new Error('boom')
    const late = defineModule(channels, 'late', (c) => {
      c.setChannel(
        'total',
        map(delay(c.getChannel('orders'), seconds(1)), () => {
          throw cause
        }),
      )
    })
    await using harness = await startHarness({ channels, modules: [late] })
    harness.send('orders', { symbol: 'A', quantity: 1 })
    expect(() => harness.advance()).toThrow(expect.objectContaining({ code: 'NODE_FAILED', cause }))
    expect(() => harness.send('orders', { symbol: 'A', quantity: 1 })).toThrow(
      expect.objectContaining({ code: 'NODE_FAILED' }),
    )
  })

  test('finds missing providers where the test sends to some channels only', async () => {
    await expect(
      startHarness({ channels, modules: [totals], sends: ['total'] }),
    ).rejects.toMatchObject({ code: 'MISSING_PROVIDER', channel: 'orders' })
    await using harness = await startHarness({ channels, modules: [totals], sends: ['orders'] })
    expect(() => harness.send('beats', 1)).toThrow(
      expect.objectContaining({ code: 'NOT_SENDABLE' }),
    )
  })

  test('ticks as a simulation of the same modules does', async () => {
    const feed = defineModule(channels, 'feed', (c) => {
      c.setChannel('beats', count(timer(c.graph, ms(300))))
      c.setChannel('beats', delay(constant(c.graph, 100), ms(600)))
      c.setChannel('total', accum(c.getChannel('beats')))
    })
    const { channels: simulated, outputs } = await new Gateway({
      channels,
      modules: [feed],
    }).simulate({
      start: T0,
      duration: seconds(1),
    })
    expect(outputs.size).toBe(0)
    await using harness = await startHarness({ channels, modules: [feed] })
    harness.delay(seconds(1))
    expect(harness.values('beats')).toEqual([1, 2, 100, 3])
    expectChannel(harness, 'total').toHaveLast(simulated.last('total') as number)
  })
})

describe('what is expected of a channel', () => {
  const harnessWith = async (...quantities: number[]) => {
    const harness = await startHarness({ channels, modules: [totals] })
    for (const quantity of quantities) {
      harness.send('orders', { symbol: 'A', quantity, venue: { code: 'N', open: true } })
      harness.delay(seconds(1))
    }
    return harness
  }

  test('passes when it is so', async () => {
    await using harness = await harnessWith(1, 2.5)
    const total = expectChannel(harness, 'total')
    total.toHaveTicked()
    total.toHaveTicked(2)
    total.toHaveLast(3.5)
    total.toHaveLastCloseTo(3.499)
    total.toHaveTickedValues([1, 3.5])
    total.toHaveTicks([
      [T0, 1],
      ['2020-01-01T00:00:01Z', 3.5],
    ])
    total.not.toHaveTicked(1)
    total.not.toHaveLast(1)
    total.not.not.toHaveLast(3.5)
    const orders = expectChannel(harness, 'orders')
    orders.toHaveLastMatching({ quantity: 2.5, venue: { code: 'N' } })
    orders.not.toHaveLastMatching({ quantity: 2.5, venue: { code: 'M' } })
    orders.toHaveLast({
      id: expect.stringMatching(/^\d+$/),
      timestamp: expect.any(String),
      symbol: 'A',
      quantity: 2.5,
      venue: { code: 'N', open: expect.any(Boolean) },
    })
    orders.not.toHaveLast({ symbol: 'A', quantity: 2.5 } as never)
    expectChannel(harness, 'beats').not.toHaveTicked()
    expectChannel(harness, 'beats').not.toHaveLast(1)
    expectChannel(harness, 'bySymbol', 'A').toHaveTicked(2)
  })

  test('fails with the channel and what has ticked when it is not so', async () => {
    await using harness = await harnessWith(1, 2)
    const total = expectChannel(harness, 'total')
    expect(() => total.toHaveTicked(1)).toThrow(
      'channel "total" is expected to have ticked 1 times; it has ticked ' +
        '1 at 2020-01-01T00:00:00.000000Z, 3 at 2020-01-01T00:00:01.000000Z',
    )
    expect(() => total.toHaveLast(4)).toThrow(expect.objectContaining({ actual: 3, expected: 4 }))
    expect(() => total.toHaveLastCloseTo(3.01)).toThrow(/about 3.01/)
    expect(() => total.toHaveTickedValues([1])).toThrow(/to have ticked \[1\]/)
    expect(() => total.toHaveTickedValues([3, 1])).toThrow()
    expect(() => total.toHaveTicks([[T0, 1]])).toThrow()
    expect(() => total.not.toHaveTicked()).toThrow(/is not expected to have ticked/)
    expect(() => expectChannel(harness, 'beats').toHaveTicked()).toThrow(
      'channel "beats" is expected to have ticked; it has ticked nothing since the last reset',
    )
    expect(() => expectChannel(harness, 'beats').toHaveLast(undefined as never)).toThrow()
    expect(() => expectChannel(harness, 'prices', 'A').toHaveLast(1)).toThrow(/"prices\/A"/)
    expect(() =>
      expectChannel(harness, 'orders').toHaveLastMatching({ venue: { code: 'M' } }),
    ).toThrow()
  })

  test('tells NaN, missing and null apart as tests expect', async () => {
    await using harness = await startHarness({
      channels: defineChannels({ x: channel(z.record(z.string(), z.unknown())) }),
    })
    harness.send('x', { a: null, list: [1, { b: 2 }] })
    const x = expectChannel(harness, 'x')
    x.toHaveLast({ a: null, list: [1, { b: 2 }], c: undefined })
    x.toHaveLastMatching({ list: [1, {}] })
    x.not.toHaveLast({ list: [1, { b: 2 }] })
    x.not.toHaveLast({ a: null, list: { 0: 1, 1: { b: 2 } } })
    x.not.toHaveLastMatching({ list: [1] })
  })

  test('is typed by the contract', async () => {
    await using harness = await startHarness({ channels })
    expectTypeOf(harness.values('total')).toEqualTypeOf<readonly number[]>()
    expectTypeOf(harness.values('prices', 'A')).toEqualTypeOf<readonly number[]>()
    const wrong = (): void => {
      // @ts-expect-error no such channel
      harness.send('order', {})
      // @ts-expect-error a number is due
      harness.send('total', 'x')
      // @ts-expect-error no such key
      harness.send('prices', { C: 1 })
      // @ts-expect-error a number is due
      expectChannel(harness, 'total').toHaveLast('x')
      // @ts-expect-error no such field
      expectChannel(harness, 'orders').toHaveLastMatching({ colour: 'red' })
    }
    expect(wrong).toBeTypeOf('function')
  })
})
