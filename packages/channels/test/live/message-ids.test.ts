import { expect, test, vi } from 'vitest'

import { order, started } from './live-gateway.js'

test('with the same message id answers as the first did and sends nothing', async () => {
  const { channels: live } = await started()
  const first = live.sendAll('orders', [order(1)], undefined, { messageId: 'm' })
  expect(live.sendAll('orders', [order(99)], undefined, { messageId: 'm' })).toEqual(first)
  expect(live.sendAll('orders', [order(2)], undefined, { messageId: 'n' }).position.offset).toBe(2)
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
