import {
  basketNode,
  carriesBasket,
  constant,
  delayedEdge,
  dependsOn,
  dynamicDemultiplex,
  feedback,
  Graph,
  map,
  multiNode,
  passive,
  sample,
} from '@gw/core'
import { expect, test } from 'vitest'

const graph = new Graph()
const x = constant(graph, 1)
const y = map(x, (value) => value + 1)
const z = map(y, (value) => value + 1)
const other = constant(graph, 'other')
const later = delayedEdge<number>(graph)
const loop = feedback<number>(graph)
const afterLater = map(later, (value) => value)
const afterLoop = map(loop.out, (value) => value)
later.bind(z)
loop.bind(z)
const unbound = delayedEdge<number>(graph)
const { a, b } = multiNode<{ a: number; b: number }>()('two', { x }, ['a', 'b'], () => () => {})

test.each([
  ['itself', x, x, true],
  ['an input', y, x, true],
  ['an input of an input', z, x, true],
  ['what depends on it', x, z, false],
  ['another edge', z, other, false],
  ['a passive input', sample(other, z), x, true],
  ['what a delayed edge is bound to', afterLater, x, true],
  ['what comes by feedback', afterLoop, x, false],
  ['anything, unbound', unbound, x, false],
  ['the other output of its node', a, b, false],
])('whether an edge depends on %s', (_what, edge, target, expected) => {
  expect(dependsOn(edge, target)).toBe(expected)
})

test('an edge carries a basket when a basket node ticks it, not when it is passed on', () => {
  const basket = basketNode<string, number>()('basket', { x: passive(x), y }, () => () => {})
  const bound = delayedEdge<unknown>(graph)
  bound.bind(basket)
  expect(carriesBasket(basket)).toBe(true)
  expect(carriesBasket(dynamicDemultiplex(x, other))).toBe(true)
  expect(carriesBasket(bound)).toBe(true)
  expect(carriesBasket(map(basket, (view) => view))).toBe(false)
  expect(carriesBasket(unbound)).toBeUndefined()
})
