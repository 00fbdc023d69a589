import { curve, delayedCollect, delayedDemultiplex, Graph, simulate } from '@gw/core'
import { record } from '@gw/core/testing'
import { expect, test } from 'vitest'

test('collects what was added until the first run', () => {
  const graph = new Graph()
  const all = delayedCollect<string>(graph)
  const seen = record(all.output)
  all.add(
    curve(graph, [
      [10, 'a'],
      [20, 'b'],
    ]),
  )
  all.add(curve(graph, [[20, 'c']]))
  simulate(graph)
  expect(seen).toEqual([
    [10, ['a']],
    [20, ['b', 'c']],
  ])
  expect(() => all.add(curve(graph, [[1, 'd']]))).toThrow(
    expect.objectContaining({ code: 'ALREADY_BUILT' }),
  )
})

test('never ticks when nothing was added', () => {
  const graph = new Graph()
  const seen = record(delayedCollect(graph).output)
  simulate(graph, { duration: 10 })
  expect(seen).toEqual([])
})

test('splits by the keys that were asked for until the first run', () => {
  const graph = new Graph()
  const x = curve(graph, [
    [10, 1],
    [20, 2],
    [30, 3],
  ])
  const key = curve<string>(graph, [
    [10, 'a'],
    [20, 'b'],
    [30, 'c'],
  ])
  const split = delayedDemultiplex(x, key)
  const [a, b] = [record(split.get('a')), record(split.get('b'))]
  expect(split.get('a')).toBe(split.get('a'))
  simulate(graph)
  expect(a).toEqual([[10, 1]])
  expect(b).toEqual([[20, 2]])
  expect(() => split.get('c')).toThrow(expect.objectContaining({ code: 'ALREADY_BUILT' }))
  expect(() => split.get('a')).not.toThrow()
})
