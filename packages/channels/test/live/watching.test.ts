import { isoOf, manualClock, seconds } from '@gw/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Any } from '../support.js'

import { type Order, order, quiet, START, started } from './live-gateway.js'

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
  const { initial, position } = live.watch('prices', undefined, (tick) => later.push(tick.value), {
    from: 'snapshot',
  })
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
    live.watch('orders', undefined, () => undefined, { from: { epoch: 'x', offset: 1 } }).recovered,
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
