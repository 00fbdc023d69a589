import { randomUUID } from 'node:crypto'
import { channel, defineChannels, Gateway, struct } from '@gw/channels'
import { type ConnectionOptions, kafka } from '@gw/kafka'
import { describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { LOGIN } from './broker/broker.js'

const broker = inject('saslBrokers')

const Order = struct('Order', { symbol: z.string() })
const channels = defineChannels({
  orders: channel(Order, { send: true }),
  copies: channel(Order),
})
type Channels = (typeof channels)['channels']

async function started(
  sasl: ConnectionOptions['sasl'],
  ssl?: ConnectionOptions['ssl'],
  address = broker ?? '',
) {
  const topic = `orders-${randomUUID()}`
  const module = kafka<Channels>({
    brokers: [address],
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    publish: { orders: { [topic]: '' } },
    subscribe: { copies: { [topic]: '' } },
    groupId: randomUUID(),
    drainTimeoutMs: 500,
  })
  const gateway = new Gateway({ channels, modules: [module] })
  await gateway.start()
  return { gateway, module }
}

describe.skipIf(broker === undefined)('a broker that asks who logs in', () => {
  test.each([
    { mechanism: 'plain', ...LOGIN } as const,
    { mechanism: 'scram-sha-256', ...LOGIN } as const,
  ])('takes $mechanism, both ways', async (sasl) => {
    const { gateway } = await started(sasl)
    const sent = gateway.channels.send('orders', { symbol: 'A' })
    await expect
      .poll(() => gateway.channels.last('copies')?.symbol, { timeout: 20_000 })
      .toBe(sent.symbol)
    await gateway.stop()
  })

  test.each([
    ['plain', { mechanism: 'plain', ...LOGIN, password: 'wrong' }],
    ['scram-sha-256', { mechanism: 'scram-sha-256', ...LOGIN, password: 'wrong' }],
  ] as const)(
    'refuses a wrong password with %s: the status says so, without the password, and the gateway runs on',
    async (_, sasl) => {
      const { gateway, module } = await started(sasl)
      gateway.channels.send('orders', { symbol: 'A' })
      for (const connection of ['consumer', 'producer'] as const) {
        await expect
          .poll(() => module.status[connection].message, { timeout: 20_000 })
          .toMatch(/authentication/i)
        expect(JSON.stringify(module.status)).not.toContain('wrong')
      }
      expect(gateway.channels.last('orders')?.symbol).toBe('A')
      await expect(gateway.stop()).rejects.toMatchObject({ cause: { code: 'TIMED_OUT' } })
    },
  )

  test('is logged into with what is right now: a login that changes needs no restart', async () => {
    let password = 'wrong'
    const sasl = {
      mechanism: 'scram-sha-256',
      username: LOGIN.username,
      get password() {
        return password
      },
    } as const
    const { gateway, module } = await started(sasl)
    const sent = gateway.channels.send('orders', { symbol: 'A' })
    await expect
      .poll(() => module.status.consumer.message, { timeout: 20_000 })
      .toMatch(/authentication/i)
    password = LOGIN.password
    await expect
      .poll(() => gateway.channels.last('copies')?.symbol, { timeout: 20_000 })
      .toBe(sent.symbol)
    await expect
      .poll(() => module.status, { timeout: 20_000 })
      .toEqual({
        producer: { state: 'running', message: '' },
        consumer: { state: 'running', message: '' },
      })
    await gateway.stop()
  })
})

const tls = inject('tls')

describe.skipIf(tls === undefined)('a broker that speaks TLS', () => {
  test('is spoken to both ways by who knows its certificate', async () => {
    const { gateway } = await started(undefined, { ca: [tls?.certificate ?? ''] }, tls?.brokers)
    const sent = gateway.channels.send('orders', { symbol: 'A' })
    await expect
      .poll(() => gateway.channels.last('copies')?.symbol, { timeout: 20_000 })
      .toBe(sent.symbol)
    await gateway.stop()
  })

  test('is not trusted by who does not: the status says why', async () => {
    const { gateway, module } = await started(undefined, true, tls?.brokers)
    await expect
      .poll(() => module.status.consumer.message, { timeout: 20_000 })
      .toMatch(/certificate/i)
    await gateway.stop()
  })
})
