import { type Edge, manualClock, map, node, seconds, timer } from '@gw/core'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { basket, channel, defineChannels, Gateway } from '../../src/index.js'
import { type Any, loose } from '../support.js'

import { type C, type Order, open, order, quiet, START, started } from './live-gateway.js'

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
      message: '"living" cannot have a key of 1025 characters: a key has 1 to 1024 characters',
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
