import { basketNode, type Edge, type PushSource, push } from '@gw/core'
import { expect, test } from 'vitest'
import type { ChannelTick } from '../../src/index.js'
import { loose } from '../support.js'

import { started } from './live-gateway.js'

test('count the ticks of a channel and of each key without holes, new for each run', async () => {
  const gateway = await started()
  const { channels: live } = gateway
  const ticks: ChannelTick[] = []
  live.watch('prices', undefined, (tick) => ticks.push(tick))
  live.send('prices', { value: 1 }, 'A')
  live.send('prices', { value: 2 }, 'B')
  live.send('prices', { value: 3 }, 'A')
  expect(ticks.map(({ key, position }) => [key, position.offset])).toEqual([
    ['A', 1],
    ['B', 1],
    ['A', 2],
  ])
  expect(live.positionOf('prices', 'A').offset).toBe(2)
  expect(live.positionOf('prices').offset).toBe(3)
  const { epoch } = live.positionOf('prices')
  await gateway.stop()
  await gateway.start()
  expect(gateway.channels.positionOf('prices')).toMatchObject({ offset: 0 })
  expect(gateway.channels.positionOf('prices').epoch).not.toBe(epoch)
})

test('of a key that went and came back begin anew', async () => {
  let source: PushSource<readonly [string, number | undefined]> | undefined
  const keys = loose('keys', (c) => {
    source = push(c.graph, 'nonCollapsing')
    c.setChannel(
      'living',
      basketNode<string, unknown>()(
        'keys',
        { change: source?.edge as Edge<readonly [string, number | undefined]> },
        ({ change }, basket) =>
          () => {
            const [key, value] = change.value
            if (value === undefined) basket.remove(key)
            else basket.emit(key, { id: '1', timestamp: '', value })
          },
      ),
    )
  })
  const { channels: live } = await started({ modules: [keys] })
  const ticks: ChannelTick[] = []
  live.watch('living', undefined, (tick) => ticks.push(tick))
  source?.push(['x', 1])
  source?.push(['x', 2])
  const before = live.positionOf('living', 'x')
  source?.push(['x', undefined])
  expect(live.last('living')).toEqual({})
  source?.push(['x', 3])
  expect(
    ticks.map(({ removed, value, position }) => [
      removed,
      (value as { value: number }).value,
      position.offset,
    ]),
  ).toEqual([
    [false, 1, 1],
    [false, 2, 2],
    [true, 2, 3],
    [false, 3, 1],
  ])
  expect(live.positionOf('living', 'x').epoch).not.toBe(before.epoch)
  expect(live.watch('living', 'x', () => undefined, { from: before }).recovered).toBe(false)
})
