import { curve, type Edge, isoOf, map } from '@gw/core'
import { describe, expect, test } from 'vitest'
import { DeadLetter, type Gateway, type Module } from '../src/index.js'
import { type C, gatewayOf, type Order, quiet } from './order-gateway.js'
import { loose, T0 } from './support.js'

describe('the error policy of a module', () => {
  let errors: unknown[]
  const failing = (onError: 'skip' | 'deadLetter' | undefined): Module<never> =>
    loose(
      'failing',
      (c) => {
        const doubled = map(c.getChannel('orders') as Edge<Order>, (order) => order)
        c.setChannel(
          'results',
          map(doubled, (order) => {
            if (order.quantity < 0) throw new Error(`negative: ${order.quantity}`)
            return order
          }),
        )
        const keyed = c.getChannel('keyed', 'A') as Edge<Order>
        c.setChannel(
          'results',
          map(keyed, () => {
            throw new Error('always')
          }),
        )
      },
      onError === undefined ? {} : { onError },
    )

  async function started(onError: 'skip' | 'deadLetter' | undefined): Promise<Gateway<C>> {
    errors = []
    const gateway = gatewayOf([failing(onError)], {
      logger: { ...quiet, error: (details) => errors.push(details) },
    })
    await gateway.start()
    return gateway
  }

  test('skip goes on without the tick, and counts', async () => {
    const gateway = await started('skip')
    gateway.channels.send('orders', { quantity: -1 })
    gateway.channels.send('orders', { quantity: 2 })
    expect(gateway.channels.last('results')).toMatchObject({ quantity: 2 })
    expect(gateway.health.live).toBe(true)
    expect(gateway.deadLetters.count).toBe(1)
    expect(gateway.deadLetters.list()).toEqual([])
    expect(errors).toHaveLength(1)
    await gateway.stop()
  })

  test('deadLetter keeps the failed input on a typed channel, to be listed, sent again, or dropped', async () => {
    const gateway = await started('deadLetter')
    const { channels: live, deadLetters } = gateway
    const sent = live.send('orders', { quantity: -1 })
    const [letter] = deadLetters.list()
    expect(letter).toMatchObject({
      module: 'failing',
      node: 'failing/map',
      time: isoOf(T0),
      cause: 'negative: -1',
      inputs: [{ channel: 'orders', value: sent }],
    })
    expect(DeadLetter.safeParse(letter).success).toBe(true)
    expect(live.last('deadLetters')).toEqual(letter)
    expect(live.query('deadLetters', { where: { module: 'failing' } })).toEqual([letter])
    live.send('keyed', { quantity: 1 }, 'A')
    expect(deadLetters.list()[1]).toMatchObject({
      cause: 'always',
      inputs: [{ channel: 'keyed', key: 'A' }],
    })
    expect(gateway.health.live).toBe(true)
    deadLetters.resend(letter?.id as string)
    expect(live.positionOf('orders').offset).toBe(2)
    expect(deadLetters.list().map(({ cause }) => cause)).toEqual(['always', 'negative: -1'])
    const kept = () => live.query('deadLetters', { where: { status: 'kept' } })
    expect(kept()).toEqual(deadLetters.list())
    expect(live.query('deadLetters', { where: { status: 'resent' } })).toEqual([
      { ...letter, status: 'resent' },
    ])
    for (const { id } of deadLetters.list()) deadLetters.drop(id)
    expect(deadLetters.list()).toEqual([])
    expect(kept()).toEqual([])
    expect(live.count('deadLetters', { where: { status: 'dropped' } })).toBe(2)
    expect(() => deadLetters.drop('x')).toThrow(expect.objectContaining({ code: 'UNKNOWN_ID' }))
    await gateway.stop()
  })

  test('a letter that is sent again ticks for all who get the channel, as the same record at a new position', async () => {
    let isBroken = true
    const counted: unknown[] = []
    const mends = loose(
      'mends',
      (c) =>
        c.setChannel(
          'results',
          map(c.getChannel('orders') as Edge<Order>, (order) => {
            if (isBroken) throw new Error('not yet')
            return order
          }),
        ),
      { onError: 'deadLetter' },
    )
    const gateway = gatewayOf([mends])
    await gateway.start()
    const { channels: live, deadLetters } = gateway
    live.watch('orders', undefined, ({ value, position }) => counted.push([value, position.offset]))
    const sent = live.send('orders', { quantity: 3 })
    isBroken = false
    deadLetters.resend(deadLetters.list()[0]?.id as string)
    expect(live.last('results')).toEqual(sent)
    expect(counted).toEqual([
      [sent, 1],
      [sent, 2],
    ])
    expect(deadLetters.list()).toEqual([])
    await gateway.stop()
  })

  test('keeps the newest dead letters within its bound', async () => {
    const gateway = gatewayOf([failing('deadLetter')], { limits: { deadLetters: 2 } })
    await gateway.start()
    for (const quantity of [-1, -2, -3]) gateway.channels.send('orders', { quantity })
    expect(gateway.deadLetters.list().map(({ cause }) => cause)).toEqual([
      'negative: -2',
      'negative: -3',
    ])
    expect(gateway.deadLetters.count).toBe(3)
    await gateway.stop()
  })

  test('holds in simulation too', async () => {
    const source = loose('source', (c) => {
      c.setChannel(
        'orders',
        curve(
          c.graph,
          [
            [1, { quantity: -1 }],
            [2, { quantity: 5 }],
          ],
          { relative: true },
        ),
      )
    })
    const gateway = gatewayOf([failing('deadLetter'), source])
    const { channels: live } = await gateway.simulate({ start: T0 })
    expect(live.last('results')).toEqual({ quantity: 5 })
    expect(live.last('deadLetters')).toMatchObject({ cause: 'negative: -1' })
  })

  test('of one module does not cover the nodes of another', async () => {
    const other = loose('other', (c) =>
      c.setChannel(
        'results',
        map(c.getChannel('orders') as Edge<Order>, () => {
          throw new Error('mine')
        }),
      ),
    )
    const gateway = gatewayOf([failing('skip'), other])
    await gateway.start()
    expect(() => gateway.channels.send('orders', { quantity: 1 })).toThrow(/mine/)
    await gateway.stop()
  })
})
