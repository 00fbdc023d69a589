import {
  curve,
  type Edge,
  Graph,
  getBasketField,
  simulate,
  structCollectTs,
  structField,
  structFromTs,
} from '@gw/core'
import { record, replay, ticksOf } from '@gw/core/testing'
import { expect, test } from 'vitest'

type Fields = { readonly a: Edge<number>; readonly b: Edge<string> }

const ofFields = <T>(build: (fields: Fields, graph: Graph) => Edge<T>) =>
  ticksOf((graph) => {
    const a = curve(graph, [
      [10, 1],
      [20, 2],
    ])
    const b = curve(graph, [
      [20, 'x'],
      [30, 'y'],
    ])
    return build({ a, b }, graph)
  })

test('a field ticks where the object has it', () => {
  interface Note {
    readonly text?: string | undefined
  }
  const notes: Note[] = [{ text: 'a' }, {}, { text: undefined }, { text: 'b' }]
  expect(replay(notes, (x) => structField(x, 'text'))).toEqual(['a', 'b'])
})

test('a field of each element of a basket', () => {
  const graph = new Graph()
  const basket = { p: curve(graph, [[10, { n: 1 }]]), q: curve(graph, [[20, { n: 2 }]]) }
  const { p, q } = getBasketField(basket, 'n')
  const seen = [record(p), record(q)]
  simulate(graph)
  expect(seen).toEqual([[[10, 1]], [[20, 2]]])
})

test('an object of what is valid ticks with each field', () => {
  expect(ofFields((fields) => structFromTs(fields))).toEqual([
    [10, { a: 1 }],
    [20, { a: 2, b: 'x' }],
    [30, { a: 2, b: 'y' }],
  ])
})

test('with a trigger it ticks with that only, also an empty one', () => {
  const seen = ofFields((fields, graph) => {
    const trigger = curve(graph, [
      [5, true],
      [25, true],
      [30, true],
    ])
    return structFromTs(fields, { trigger })
  })
  expect(seen).toEqual([
    [5, {}],
    [25, { a: 2, b: 'x' }],
    [30, { a: 2, b: 'y' }],
  ])
})

test('an object of what ticked in the cycle', () => {
  expect(ofFields((fields) => structCollectTs(fields))).toEqual([
    [10, { a: 1 }],
    [20, { a: 2, b: 'x' }],
    [30, { b: 'y' }],
  ])
})
