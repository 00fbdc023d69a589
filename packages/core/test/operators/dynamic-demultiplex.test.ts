import { basketNode, curve, dynamicCollect, dynamicDemultiplex, map } from '@gw/core'
import { ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

test('each tick goes to the element of the present key; nothing before there is one', () => {
  const seen = ticksOf((graph) => {
    const x = curve(graph, [
      [10, 1],
      [20, 2],
      [30, 3],
      [50, 5],
    ])
    const key = curve<string>(graph, [
      [15, 'a'],
      [30, 'b'],
      [40, 'a'],
    ])
    return map(dynamicCollect(dynamicDemultiplex(x, key)), (values) => [...values])
  })
  expect(seen).toEqual([
    [20, [['a', 2]]],
    [30, [['b', 3]]],
    [50, [['a', 5]]],
  ])
})

test('a cycle in which keys only go collects nothing', () => {
  const seen = ticksOf((graph) => {
    const x = curve(graph, [
      [10, true],
      [20, false],
      [30, true],
    ])
    const basket = basketNode<string, number>()('basket', { x }, ({ x }, basket) => () => {
      if (!x.value) basket.remove('a')
      else for (const key of ['a', 'b']) basket.emit(key, x.time)
    })
    return map(dynamicCollect(basket), (values) => Object.fromEntries(values))
  })
  expect(seen).toEqual([
    [10, { a: 10, b: 10 }],
    [30, { a: 30, b: 30 }],
  ])
})
