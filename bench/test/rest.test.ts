import { expect, test } from 'vitest'
import { channels, ORDER } from '../rest/contract.js'
import { KEYS, price, channels as streamed } from '../ws/contract.js'

test('what is sent is a record of the channel', () => {
  expect(channels.channels.orders.schema.safeParse(JSON.parse(ORDER)).success).toBe(true)
  expect(streamed.channels.prices.schema.safeParse(price(1)).success).toBe(true)
  expect(new Set(KEYS).size).toBe(10_000)
})
