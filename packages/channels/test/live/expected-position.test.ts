import { expect, test } from 'vitest'

import { order, started } from './live-gateway.js'

test('of a whole basket with an expected position is refused when any of its keys has moved', async () => {
  const { channels: live } = await started()
  for (const [name, key] of [
    ['prices', 'B'],
    ['living', 'new'],
  ] as const) {
    const before = live.positionOf(name)
    const send = (): unknown => live.sendBasket(name, { A: { value: 1 } }, { expect: before })
    live.send(name, { value: 2 }, key as 'B')
    expect(send).toThrow(
      expect.objectContaining({
        code: 'POSITION_MISMATCH',
        message: expect.stringContaining(`"${name}" is at`),
      }),
    )
    const { position } = live.sendBasket(
      name,
      { A: { value: 1 } },
      { expect: live.positionOf(name) },
    )
    expect(position).toEqual({ ...before, offset: 2 })
  }
})

test('with an expected position of a key that has never ticked, whatever other keys have done', async () => {
  const { channels: live } = await started()
  const never = live.positionOf('living', 'k')
  live.send('living', { value: 1 }, 'other')
  live.send('living', { value: 2 }, 'k', { expect: never })
  expect(() => live.send('living', { value: 3 }, 'k', { expect: never })).toThrow(
    expect.objectContaining({ code: 'POSITION_MISMATCH', key: 'k' }),
  )
  expect(live.last('living', 'k')).toMatchObject({ value: 2 })
})

test('with an expected position is refused when the channel has moved', async () => {
  const { channels: live } = await started()
  const { position } = live.sendAll('orders', [order(1)])
  expect(live.send('orders', order(2), undefined, { expect: position })).toMatchObject({
    quantity: 2,
  })
  expect(() =>
    live.sendAll('orders', [order(3), order(4)], undefined, { expect: position }),
  ).toThrow(expect.objectContaining({ code: 'POSITION_MISMATCH' }))
  await expect(
    live.sendAndWait('orders', order(3), undefined, { expect: position }),
  ).rejects.toMatchObject({ code: 'POSITION_MISMATCH' })
  expect(live.positionOf('orders').offset).toBe(2)
  expect(
    live.send('orders', order(5), undefined, { expect: live.positionOf('orders') }),
  ).toMatchObject({ quantity: 5 })
})
