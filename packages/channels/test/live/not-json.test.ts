import { basketNode, type Edge, map, node } from '@gw/core'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { channel, defineChannels, dynamicBasket, Gateway, struct } from '../../src/index.js'
import { loose } from '../support.js'

import { quiet } from './live-gateway.js'

test('a tick that JSON cannot carry is an error of its module, unless the field may be null', async () => {
  const Mean = struct('Mean', { mean: z.number(), spread: z.number().nullable() })
  const means = defineChannels({ x: channel(z.number(), { send: true }), mean: channel(Mean) })
  const module = loose('stats', (c) => {
    c.setChannel(
      'mean',
      node(
        'mean',
        { x: c.getChannel('x') as Edge<number> },
        ({ x }, context) =>
          () =>
            Mean.make(context, {
              mean: x.value === 0 ? Number.NaN : x.value,
              spread: Number.POSITIVE_INFINITY,
            }),
      ),
    )
  })
  const gateway = new Gateway({ channels: means, modules: [module] as never, logger: quiet })
  await gateway.start()
  gateway.channels.send('x', 1)
  expect(gateway.channels.lastTicks('mean')[0]?.json).toContain('"mean":1,"spread":null')
  expect(() => gateway.channels.send('x', 0)).toThrow(
    /"mean" ticked what JSON cannot carry at "mean"/,
  )
  await gateway.stop()
})

test('where a module goes on after a tick that JSON cannot carry, positions have no hole and other keys nothing to miss', async () => {
  const numbers = defineChannels({
    x: channel(z.number(), { send: true }),
    y: channel(z.number()),
    byKey: dynamicBasket(z.number()),
  })
  const module = loose(
    'inverse',
    (c) => {
      const x = c.getChannel('x') as Edge<number>
      c.setChannel(
        'y',
        map(x, (n) => 1 / n),
      )
      const basket = basketNode<string, number>()('byKey', { x }, ({ x }, out) => () => {
        for (const [key, value] of [
          ['inverse', 1 / x.value],
          ['same', x.value],
        ] as const) {
          out.emit(key, value)
        }
      })
      c.setChannel('byKey', basket)
    },
    { onError: 'skip' },
  )
  const gateway = new Gateway({
    channels: numbers,
    modules: [module] as never,
    logger: quiet,
    budgetMs: Number.POSITIVE_INFINITY,
  })
  await gateway.start()
  const { channels: live } = gateway
  const from = live.positionOf('y')
  for (const n of [1, 0, 2, 0]) live.send('x', n)
  expect(live.last('y')).toBe(0.5)
  const { recovered, initial } = live.watch('y', undefined, () => undefined, { from })
  expect(recovered).toBe(true)
  expect(initial.map(({ value, position }) => [value, position.offset])).toEqual([
    [1, 1],
    [0.5, 2],
  ])
  expect(live.last('byKey')).toEqual({ inverse: 0.5, same: 0 })
  expect(live.positionOf('byKey', 'same').offset).toBe(4)
  expect(gateway.deadLetters.count).toBe(4)
  await gateway.stop()
})
