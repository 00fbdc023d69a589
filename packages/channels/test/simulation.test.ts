import { type Edge, isoOf, map, node, seconds, timer } from '@gw/core'
import { describe, expect, test } from 'vitest'
import { gatewayOf, noting, Order } from './order-gateway.js'
import { type Any, loose, T0 } from './support.js'

describe('simulation', () => {
  const producer = loose('producer', (c) => {
    const n = map(timer(c.graph, seconds(1)), () => 1) as Edge<number>
    c.setChannel(
      'orders',
      map(n, () => ({ id: '1', timestamp: '', quantity: 1 })),
    )
  })

  test('runs the same modules in simulated time, again and again', async () => {
    const notes: string[] = []
    const gateway = gatewayOf([producer, noting('a', notes)])
    for (let i = 0; i < 2; i++) {
      const {
        cycles,
        now,
        channels: live,
      } = await gateway.simulate({ start: T0, duration: seconds(3) })
      expect({ cycles, now }).toEqual({ cycles: 3, now: T0 + seconds(3) })
      expect(live.last('orders')).toMatchObject({ quantity: 1 })
      expect(live.positionOf('orders').offset).toBe(3)
    }
    expect(notes).toEqual(['flush a', 'flush a'])
    const { now } = await gateway.simulate({
      start: '2020-01-01T00:00:00Z',
      end: '2020-01-01T00:00:02Z',
    })
    expect(now).toBe(T0 + seconds(2))
  })

  test('given the same base, makes the same ids', async () => {
    const maker = loose('maker', (c) => {
      const tick = timer(c.graph, seconds(1))
      c.setChannel(
        'orders',
        node('made', { tick }, (_, context) => () => Order.make(context, { quantity: 1 })),
      )
    })
    const run = async (idBase?: string): Promise<unknown> => {
      const gateway = gatewayOf([maker])
      const { channels: live } = await gateway.simulate({
        start: T0,
        duration: seconds(2),
        ...(idBase === undefined ? {} : { idBase }),
      })
      return live.last('orders')
    }
    const base = '123456789012345678'
    expect(await run(base)).toEqual({
      id: `${base}000000000001`,
      timestamp: isoOf(T0 + seconds(2)),
      quantity: 1,
    })
    expect(await run(base)).toEqual(await run(base))
    expect(await run()).not.toEqual(await run())
    expect(() => gatewayOf([], { idBase: '12' })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
  })

  test("takes sends at the engine's present time", async () => {
    let live: Any
    const sender = loose('sender', (c) => {
      c.setChannel(
        'results',
        map(timer(c.graph, seconds(1)), () => {
          live ??= gateway.channels
          live.send('orders', { quantity: 7 })
          return undefined
        }) as Any,
      )
    })
    const gateway = gatewayOf([sender])
    await gateway.simulate({ start: T0, duration: seconds(1) })
    expect(gateway.channels.last('orders')).toMatchObject({
      quantity: 7,
      timestamp: isoOf(T0 + seconds(1)),
    })
  })

  test('tells of a failure, and modules write what they have', async () => {
    const notes: string[] = []
    const bad = loose('bad', (c) =>
      c.setChannel(
        'results',
        map(c.getChannel('orders') as Edge<Order>, () => {
          throw new Error('boom')
        }),
      ),
    )
    const gateway = gatewayOf([producer, bad, noting('a', notes)])
    await expect(gateway.simulate({ start: T0, duration: seconds(3) })).rejects.toMatchObject({
      code: 'NODE_FAILED',
      path: 'bad/map',
    })
    expect(notes).toEqual(['flush a'])
  })
})
