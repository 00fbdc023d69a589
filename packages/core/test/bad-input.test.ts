import {
  basketNode,
  constant,
  type count,
  curve,
  delay,
  empty,
  Graph,
  GraphError,
  history,
  manualClock,
  map,
  micros,
  multiNode,
  node,
  pull,
  push,
  realtime,
  simulate,
  sink,
  stats,
  ticks,
  timer,
} from '@gw/core'
import { record } from '@gw/core/testing'
import { expect, test } from 'vitest'
import { patient } from './support/patient.js'

function codeOf(work: () => unknown): string | undefined {
  try {
    work()
  } catch (error) {
    return error instanceof GraphError ? error.code : String(error)
  }
  return undefined
}

/** Runs a graph with a sink on what `build` returns. */
function codeOfRun(build: (graph: Graph) => Parameters<typeof count>[0]): string | undefined {
  const graph = new Graph()
  sink('seen', { x: build(graph) }, () => () => undefined)
  return codeOf(() => simulate(graph, { duration: 10 }))
}

test.each([-1, 0, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('a timer every %d', (interval) => {
  expect(codeOf(() => timer(new Graph(), interval))).toBe('INVALID_OPTION')
})

test.each([-1, Number.NaN])('a delay of %d', (by) => {
  expect(codeOf(() => constant(new Graph(), 1, by))).toBe('INVALID_OPTION')
  expect(codeOf(() => delay(empty(new Graph()), by))).toBe('INVALID_OPTION')
})

test.each([0, -1, Number.NaN])('a window of %d', (interval) => {
  const x = empty<number>(new Graph())
  expect(codeOf(() => stats.mean(x, { interval }))).toBe('INVALID_OPTION')
  expect(codeOf(() => stats.mean(x, { interval: ticks(interval) }))).toBe('INVALID_OPTION')
  expect(codeOf(() => history(x, interval))).toBe('INVALID_OPTION')
})

test.each([0, -1, Number.NaN])('code to be generated after %d runs', (compileAfter) => {
  expect(codeOf(() => simulate(new Graph(), { compileAfter }))).toBe('INVALID_OPTION')
})

test('a start after the end, and times that are none', () => {
  const code = (start: number, end: number) => codeOf(() => simulate(new Graph(), { start, end }))
  expect(code(2, 1)).toBe('INVALID_OPTION')
  expect(code(Number.NaN, 1)).toBe('INVALID_OPTION')
  expect(code(0, Number.NaN)).toBe('INVALID_OPTION')
  expect(codeOf(() => realtime(new Graph(), { start: 2, end: 1 }))).toBe('INVALID_OPTION')
})

test('an end and a duration', () => {
  const both = { start: 0, end: 1, duration: 1 }
  expect(codeOf(() => simulate(new Graph(), both))).toBe('INVALID_OPTION')
  expect(codeOf(() => realtime(new Graph(), both))).toBe('INVALID_OPTION')
})

test('a value pushed before the start and after the end', async () => {
  const graph = new Graph()
  const x = push<number>(graph, 'lastValue')
  sink('seen', { x: x.edge }, () => () => undefined)
  expect(codeOf(() => x.push(1))).toBe('NOT_RUNNING')
  const run = realtime(graph, { clock: manualClock(), ...patient })
  expect(codeOf(() => x.push(1))).toBeUndefined()
  await run.stop()
  expect(codeOf(() => x.push(1))).toBe('NOT_RUNNING')
})

test('a push from inside a cycle', async () => {
  const graph = new Graph()
  const x = push<number>(graph, 'nonCollapsing')
  sink(
    'echo',
    { x: x.edge },
    ({ x: input }) =>
      () =>
        x.push(input.value),
  )
  const run = realtime(graph, { clock: manualClock(), ...patient })
  x.push(1)
  await expect(run.done).rejects.toMatchObject({ code: 'PUSH_IN_CYCLE', path: 'echo' })
})

test('more values pushed than may wait', async () => {
  const graph = new Graph()
  expect(codeOf(() => push(graph, 'burst', { maxPending: 0 }))).toBe('INVALID_OPTION')
  const x = push<number>(graph, 'nonCollapsing', { maxPending: 1, insideCycle: 'queue' })
  sink('echo', { x: x.edge }, ({ x: input }) => () => {
    x.push(input.value)
    x.push(input.value)
  })
  const run = realtime(graph, { clock: manualClock(), ...patient })
  x.push(1)
  await expect(run.done).rejects.toMatchObject({ code: 'PUSH_OVERFLOW' })
})

test('an iterable that throws', () => {
  function* rows(): Generator<readonly [number, number]> {
    yield [1, 1]
    throw new Error('the disk is gone')
  }
  expect(codeOfRun((graph) => pull(graph, 'rows', rows))).toBe('SOURCE_FAILED')
})

test('a row that is none', () => {
  const ticks = [[1, 1], null] as unknown as readonly (readonly [number, number])[]
  const graph = new Graph()
  graph.scope('prices', () => record(curve(graph, ticks)))
  expect(() => simulate(graph)).toThrow(
    expect.objectContaining({
      code: 'SOURCE_FAILED',
      node: 'curve',
      path: 'prices/curve',
      time: 1,
      cause: expect.any(TypeError),
    }),
  )
})

test('rows that go back in time, or whose time is none', () => {
  const code = (...times: number[]) =>
    codeOfRun((graph) =>
      curve(
        graph,
        times.map((time) => [time, 0] as const),
      ),
    )
  expect(code(1, 1, 2)).toBeUndefined()
  expect(code(2, 1)).toBe('TIME_WENT_BACK')
  for (const time of [
    Number.NaN,
    1.5,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    2 ** 53,
  ]) {
    expect(code(1, time)).toBe('TIME_WENT_BACK')
    expect(code(time)).toBe('TIME_WENT_BACK')
  }
  expect(
    codeOfRun((graph) => pull(graph, 'rows', () => [[0.1, 'a']] as const, { mode: 'burst' })),
  ).toBe('TIME_WENT_BACK')
})

test('a run of a graph that is running', () => {
  const graph = new Graph()
  sink('again', { x: constant(graph, 1) }, () => () => {
    simulate(graph)
  })
  expect(codeOf(() => simulate(graph))).toBe('REENTRANT_RUN')
})

test('a node that returns a promise', () => {
  expect(codeOfRun((graph) => map(constant(graph, 1), async (x) => x))).toBe('RETURNED_PROMISE')
  const rejected = (graph: Graph) =>
    node('rejected', { x: constant(graph, 1) }, () => async () => {
      throw new Error('nobody listens')
    })
  expect(codeOfRun(rejected)).toBe('RETURNED_PROMISE')
  const graph = new Graph()
  sink('later', { x: timer(graph, micros(1)) }, () => async () => undefined)
  expect(codeOf(() => simulate(graph, { duration: 10 }))).toBe('RETURNED_PROMISE')
})

test('a node of several outputs, or of a basket, whose step returns a promise, and a setup that does', () => {
  const emitting = async (out: { emit(value: number): void }): Promise<void> => {
    out.emit(1)
    throw new Error('nobody listens')
  }
  const several = (graph: Graph) =>
    multiNode<{ a: number }>()('several', { x: constant(graph, 1) }, ['a'], (_inputs, out) => {
      return () => emitting(out.a)
    }).a
  const keyed = (graph: Graph) =>
    basketNode<string, number>()('keyed', { x: constant(graph, 1) }, (_inputs, basket) => {
      return () => emitting({ emit: (value) => basket.emit('a', value) })
    })
  const setup = (graph: Graph) =>
    node('setup', { x: constant(graph, 1) }, (async () => () => 1) as never)
  for (const build of [several, keyed, setup]) {
    expect(codeOfRun(build)).toBe('RETURNED_PROMISE')
  }
})
