import { type Edge, map } from '@gw/core'
import { expect, test, vi } from 'vitest'
import { loose } from '../support.js'

import { type Order, order, started } from './live-gateway.js'

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
