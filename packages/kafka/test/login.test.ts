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

/** A token that nobody has signed, good for so many seconds from now on. */
function token(seconds: number): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Date.now() / 1_000
  return `${part({ alg: 'none' })}.${part({ sub: 'gateway', iat: now, exp: now + seconds })}.`
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

  test('takes the tokens that it is given, and says of one that it refuses why', async () => {
    let seconds = -100
    // What is not to be changed, such as parsed settings, is a login, too.
    const sasl = Object.freeze({
      mechanism: 'oauthbearer',
      oauthBearerProvider: () => Promise.resolve({ value: token(seconds) }),
    })
    const { gateway, module } = await started(sasl)
    const sent = gateway.channels.send('orders', { symbol: 'A' })
    for (const connection of ['consumer', 'producer'] as const) {
      await expect
        .poll(() => module.status[connection].message, { timeout: 20_000 })
        .toContain('the broker refused the token: {"status":"invalid_token"}')
    }
    seconds = 3_600
    await expect
      .poll(() => gateway.channels.last('copies')?.symbol, { timeout: 20_000 })
      .toBe(sent.symbol)
    await gateway.stop()
  })
})

const tls = inject('tls')
const ca = [tls?.certificate ?? '']

describe.skipIf(tls === undefined)('a broker that speaks TLS', () => {
  test('is spoken to both ways by who knows its certificate', async () => {
    const { gateway } = await started(undefined, { ca }, tls?.brokers)
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

  test('may want a certificate of who comes, too', async () => {
    const pfx = Buffer.from(tls?.pfx ?? '', 'base64')
    const ssl = { ca, pfx, passphrase: tls?.passphrase }
    const { gateway } = await started(undefined, ssl, tls?.mutual)
    const sent = gateway.channels.send('orders', { symbol: 'A' })
    await expect
      .poll(() => gateway.channels.last('copies')?.symbol, { timeout: 20_000 })
      .toBe(sent.symbol)
    await gateway.stop()
  })
})

describe.skipIf(tls === undefined)('where the login and the port of a broker do not match', () => {
  const login = { mechanism: 'plain', ...LOGIN } as const
  const plain = inject('brokers')

  test('the status says so, and what to look at', async () => {
    const cases = [
      [undefined, { ca }, tls?.mutual, 'it may want a certificate of a client'],
      [undefined, true, plain, 'its port may speak no TLS'],
      [undefined, undefined, tls?.brokers, 'its port may speak TLS or SASL'],
      [undefined, undefined, broker, 'its port may speak TLS or SASL'],
      [login, undefined, plain, 'leave sasl out'],
      [{ ...login, mechanism: 'scram-sha-512' }, undefined, broker, 'sasl.enabled.mechanisms'],
    ] as const
    const told = cases.map(async ([sasl, ssl, address, remedy]) => {
      const { gateway, module } = await started(sasl, ssl, address)
      for (const connection of ['consumer', 'producer'] as const) {
        await expect
          .poll(() => module.status[connection].message, { timeout: 30_000 })
          .toContain(remedy)
      }
      await gateway.stop()
    })
    await Promise.all(told)
  })
})
