import { channel, defineChannels, field, Gateway, struct } from '@gw/channels'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { webServer } from '../src/index.js'

test('a name with dashes is served where the one with underscores is, and nowhere else', async () => {
  const Row = struct('Row', { symbol: z.string() })
  const channels = defineChannels({
    base_currency: field(z.string(), 'USD'),
    big_orders: channel(Row, { send: true, stage: true, state: { by: 'symbol' } }),
  })
  const server = webServer({ port: 0 })
  const gateway = new Gateway({ channels, modules: [server] })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  gateway.channels.send('big_orders', { symbol: 'A' })
  const at = async (path: string): Promise<[number, unknown]> => {
    const answer = await fetch(`${server.url}/api/v1/${path}`)
    return [answer.status, await answer.json()]
  }
  expect(await at('field/base-currency')).toEqual([200, 'USD'])
  for (const group of ['last', 'state', 'stage']) {
    const [status, body] = await at(`${group}/big-orders`)
    expect([status, body]).toEqual(await at(`${group}/big_orders`))
    expect(status).toBe(200)
  }
  for (const nowhere of [
    'base-currency',
    'base_currency',
    'last/base-currency',
    'field/big-orders',
  ]) {
    expect((await at(nowhere))[0]).toBe(404)
  }
})
