import { expect, expectTypeOf, test } from 'vitest'
import type { z } from 'zod'

import { order, type Price, started } from './live-gateway.js'

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
