import { count, describe, Graph, memoize, timer } from '@gw/core'
import { record } from '@gw/core/testing'
import { expect, test } from 'vitest'

test('the same arguments give the same part of the graph', () => {
  const graph = new Graph()
  const every = memoize((graph: Graph, interval: number) => count(timer(graph, interval)))
  expect(every(graph, 10)).toBe(every(graph, 10))
  expect(every(graph, 20)).not.toBe(every(graph, 10))
  expect(every(new Graph(), 10)).not.toBe(every(graph, 10))
  record(every(graph, 10))
  record(every(graph, 10))
  expect(describe(graph).nodes.filter(({ name }) => name === 'count')).toHaveLength(1)
})

test('plain values are told apart as the keys of a map', () => {
  const graph = new Graph()
  let builds = 0
  const build = memoize((_graph: Graph, _value: unknown) => ++builds)
  expect([Number.NaN, Number.NaN, 0, -0, undefined].map((value) => build(graph, value))).toEqual([
    1, 1, 2, 2, 3,
  ])
})

test('without an edge or a graph nothing is remembered', () => {
  let builds = 0
  const build = memoize((_value: number) => ++builds)
  expect([build(1), build(1)]).toEqual([1, 2])
})

test('a part that could not be built is tried again', () => {
  const graph = new Graph()
  let builds = 0
  const build = memoize((_graph: Graph) => {
    builds++
    if (builds === 1) throw new Error('not yet')
    return builds
  })
  expect(() => build(graph)).toThrow('not yet')
  expect([build(graph), build(graph)]).toEqual([2, 2])
})
