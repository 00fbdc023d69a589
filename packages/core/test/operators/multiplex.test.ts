import { curve, demultiplex, Graph, type MultiplexOptions, multiplex, simulate } from '@gw/core'
import { record, ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

const chosen = (options: MultiplexOptions, last: string) =>
  ticksOf((graph) => {
    const basket = {
      a: curve(graph, [
        [10, 1],
        [30, 3],
        [50, 5],
      ]),
      b: curve(graph, [
        [20, 2],
        [40, 4],
      ]),
    }
    const key = curve<string>(graph, [
      [15, 'a'],
      [35, 'b'],
      [45, last],
    ])
    return multiplex(basket, key, options)
  })

test('ticks the element of the present key, and on its ticks if so asked', () => {
  expect(chosen({}, 'c')).toEqual([
    [30, 3],
    [40, 4],
  ])
  expect(chosen({ tickOnIndex: true }, 'toString')).toEqual([
    [15, 1],
    [30, 3],
    [35, 2],
    [40, 4],
  ])
})

test('an unknown key ends the run if so asked', () => {
  expect(() => chosen({ raiseOnBadKey: true }, 'c')).toThrow(
    expect.objectContaining({ code: 'UNKNOWN_KEY', time: 45 }),
  )
  expect(chosen({ raiseOnBadKey: true }, 'a').at(-1)).toEqual([50, 5])
})

function split(raiseOnBadKey: boolean) {
  const graph = new Graph()
  const x = curve(graph, [
    [10, 1],
    [20, 2],
    [30, 3],
    [40, 4],
  ])
  const key = curve<string>(graph, [
    [15, 'a'],
    [30, 'b'],
    [40, 'c'],
  ])
  const outputs = demultiplex(x, key, ['a', 'b'], { raiseOnBadKey })
  const seen = { a: record(outputs.a), b: record(outputs.b) }
  simulate(graph)
  return seen
}

test('ticks the output of the present key; what has none is dropped, or ends the run', () => {
  expect(split(false)).toEqual({ a: [[20, 2]], b: [[30, 3]] })
  expect(() => split(true)).toThrow(expect.objectContaining({ code: 'UNKNOWN_KEY', time: 40 }))
})
