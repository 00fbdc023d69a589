import { expect, test } from 'vitest'
import { z } from 'zod'
import { channel, defineChannels, Gateway, struct } from '../../src/index.js'

import { order, started } from './live-gateway.js'

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
