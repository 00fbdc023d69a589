import { expect, test } from 'vitest'

import { Order, order, started } from './live-gateway.js'

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
