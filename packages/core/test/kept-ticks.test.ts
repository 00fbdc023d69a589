import {
  count,
  curve,
  delay,
  type Edge,
  empty,
  Graph,
  graphOutput,
  type History,
  history,
  map,
  ms,
  node,
  simulate,
  sink,
  ticks,
  timer,
} from '@gw/core'
import { record } from '@gw/core/testing'
import { expect, test } from 'vitest'
import { errorOf } from './support/error-of.js'

test('history gives values and times by ticks and by time, live in each cycle', () => {
  const graph = new Graph()
  const x = timer(graph, 10, 'x')
  const n = count(x)
  const past = history(n, ms(0.1))
  const read = <T>(read: (past: History<number>, now: number) => T) =>
    node(
      'read',
      { past },
      ({ past }, context) =>
        () =>
          read(past.value, context.now),
    )
  graphOutput(
    'value',
    read((past) => [past.value(), past.value(1, 0), past.count]),
  )
  graphOutput(
    'ago',
    read((past, now) => past.valueAt(now - 15, 0)),
  )
  graphOutput(
    'when',
    read((past, now) => (now > 20 ? past.timeAt(now - 15) : 0)),
  )
  graphOutput(
    'items',
    read((past) => past.items(1)),
  )
  graphOutput(
    'between',
    read((past, now) => past.itemsBetween(now - 20, now - 10)),
  )
  graphOutput(
    'exclusive',
    read((past, now) => past.itemsBetween(now - 20, now, 'exclusive').length),
  )
  graphOutput(
    'inForce',
    read((past, now) => past.itemsBetween(now - 15, now, 'extrapolate')),
  )
  const { outputs } = simulate(graph, { duration: 50 })
  const last = (key: string) => outputs.get(key)?.at(-1)?.[1]
  expect(last('value')).toEqual([5, 4, 5])
  expect(last('ago')).toBe(3)
  expect(last('when')).toBe(30)
  expect(last('items')).toEqual([
    [40, 4],
    [50, 5],
  ])
  expect(last('between')).toEqual([
    [30, 3],
    [40, 4],
  ])
  expect(last('exclusive')).toBe(2)
  expect(last('inForce')).toEqual([
    [35, 3],
    [40, 4],
    [50, 5],
  ])
})

test('history beyond what was asked for is an error, and so is a tick that has not come', () => {
  const codeOf = (read: (past: History<number>) => unknown) => {
    const graph = new Graph()
    const past = history(count(timer(graph, 10)), ticks(2))
    sink('read', { past }, ({ past }, context) => () => {
      if (context.now === 30) read(past.value)
    })
    return errorOf(() => simulate(graph, { duration: 30 })).code
  }
  expect(codeOf((past) => past.value(2, 0))).toBe('HISTORY_EXCEEDED')
  expect(codeOf((past) => past.valueAt(29))).toBe('HISTORY_EXCEEDED')
  const graph = new Graph()
  const past = history(count(timer(graph, 10)), ticks(2))
  sink('early', { past }, ({ past }) => () => {
    past.value.value(1)
  })
  expect(errorOf(() => simulate(graph, { duration: 30 })).code).toBe('NOT_TICKED')
})

test('a history of so many ticks keeps no more of them when all come at one time', () => {
  const graph = new Graph()
  const x = curve(
    graph,
    Array.from({ length: 100 }, (_, i) => [1, i] as const),
  )
  const past = history(x, ticks(3))
  const kept = record(map(past, (past) => [past.length, ...past.items().map(([, value]) => value)]))
  simulate(graph)
  expect(kept.at(-1)?.[1]).toEqual([3, 97, 98, 99])
})

test('half a tick back is beyond any history', () => {
  const graph = new Graph()
  const past = history(curve(graph, [[1, 'a']]), ticks(3))
  record(map(past, (past) => past.value(0.5)))
  expect(() => simulate(graph)).toThrow(expect.objectContaining({ code: 'HISTORY_EXCEEDED' }))
})

test('all that ask for the history of one edge share it, and the longest counts', () => {
  const graph = new Graph()
  const x = count(timer(graph, 10))
  expect(history(x, ticks(2))).toBe(history(x, ticks(5)))
  const past = history(x, ticks(1))
  graphOutput(
    'five',
    node(
      'five',
      { past },
      ({ past }) =>
        () =>
          past.value.items().length,
    ),
  )
  expect(simulate(graph, { duration: 90 }).outputs.get('five')?.at(-1)?.[1]).toBeGreaterThanOrEqual(
    5,
  )
})

test('what an output or a delay keeps of an edge is in its history, too', () => {
  const inForce = (keep: (x: Edge<number>) => void): unknown => {
    const graph = new Graph()
    const x = count(timer(graph, 30))
    keep(x)
    const past = history(x, 20)
    const seen = record(
      node('then', { past, ask: curve(graph, [[70, true]]) }, ({ past, ask }, context) => () => {
        return ask.ticked ? past.value.valueAt(context.now - 20, -1) : undefined
      }),
    )
    simulate(graph, { duration: 100 })
    return seen[0]?.[1]
  }
  expect(inForce(() => undefined)).toBe(-1)
  expect(inForce((x) => graphOutput('x', x))).toBe(1)
  expect(inForce((x) => record(delay(x, ticks(2))))).toBe(1)
})

test('outputs keep all ticks, the last so many, or those of the last so long', () => {
  const graph = new Graph()
  const x = count(timer(graph, 10))
  graphOutput('all', x)
  graphOutput('last', x, { keep: ticks(2) })
  graphOutput('recent', x, { keep: 15 })
  graphOutput('never', empty(graph))
  const { outputs } = simulate(graph, { duration: 40 })
  expect([...outputs].map(([key, ticks]) => [key, ticks.length])).toEqual([
    ['all', 4],
    ['last', 2],
    ['recent', 2],
    ['never', 0],
  ])
  expect(errorOf(() => graphOutput('all', x)).code).toBe('DUPLICATE_OUTPUT')
})

test.each([0, 1, 2, 3, 4, 9, 10, 50])('an output keeps its last ticks after %d of them', (n) => {
  const graph = new Graph()
  const x = count(timer(graph, 10))
  graphOutput('three', x, { keep: ticks(3) })
  graphOutput('40 microseconds', x, { keep: 40 })
  const { outputs } = simulate(graph, { duration: 10 * n })
  const last = (most: number) =>
    Array.from({ length: n }, (_, i) => [10 * (i + 1), i + 1]).slice(-most)
  expect(outputs.get('three')).toEqual(last(3))
  expect(outputs.get('40 microseconds')).toEqual(last(5))
})
