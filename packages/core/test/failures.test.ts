import {
  constant,
  count,
  Graph,
  map,
  ms,
  scheduleOnEngineStop,
  simulate,
  simulateAsync,
  sink,
  timer,
} from '@gw/core'
import { record } from '@gw/core/testing'
import { expect, test } from 'vitest'
import { errorOf } from './support/error-of.js'

test('a node that throws ends the run with its name, path, time and cause; what comes after it does not run', () => {
  const graph = new Graph()
  const cause = new Error('broken')
  const log: string[] = []
  const x = timer(graph, ms(10))
  const bad = graph.scope('orders', () =>
    graph.scope('check', () =>
      map(x, () => {
        throw cause
      }),
    ),
  )
  record(map(bad, () => log.push('after')))
  sink('bystander', { x }, (_inputs, context) => {
    context.onStop(() => log.push('bystander stopped'))
    return () => undefined
  })
  scheduleOnEngineStop(graph, () => log.push('stopped'))
  const error = errorOf(() => simulate(graph, { duration: ms(20) }))
  expect(error).toMatchObject({
    code: 'NODE_FAILED',
    node: 'map',
    path: 'orders/check/map',
    time: ms(10),
    cause,
  })
  expect(error.message).toBe(
    'node "orders/check/map" failed at 1970-01-01T00:00:00.010000Z: broken',
  )
  expect(log).toEqual(['stopped', 'bystander stopped'])
})

test('a setup that throws lets no cycle run; what was set up before it is stopped', () => {
  const graph = new Graph()
  const log: string[] = []
  const x = constant(graph, 1)
  sink('first', { x }, (_inputs, context) => {
    context.onStop(() => log.push('first stopped'))
    return () => {
      log.push('ran')
    }
  })
  sink('second', { x }, () => {
    throw new Error('no')
  })
  sink('third', { x }, (_inputs, context) => {
    context.onStop(() => log.push('third stopped'))
    return () => undefined
  })
  expect(errorOf(() => simulate(graph))).toMatchObject({ code: 'NODE_FAILED', path: 'second' })
  expect(log).toEqual(['first stopped'])
  expect(errorOf(() => simulate(graph)).code).toBe('NODE_FAILED')
})

test('all are stopped though one of them throws; the error of the run goes before that of a stop', () => {
  const graph = new Graph()
  const log: string[] = []
  for (const name of ['a', 'b', 'c']) {
    scheduleOnEngineStop(graph, () => {
      log.push(name)
      if (name !== 'a') throw new Error(`stuck: ${name}`)
    })
  }
  expect(errorOf(() => simulate(graph))).toMatchObject({
    code: 'NODE_FAILED',
    path: 'scheduleOnEngineStop',
    cause: new Error('stuck: c'),
  })
  expect(log).toEqual(['c', 'b', 'a'])
  sink('bad', { x: constant(graph, 1) }, () => () => {
    throw new Error('first')
  })
  expect(() => simulate(graph)).toThrow('first')
})

test('what a node calls back after a cycle fails as its step does, and the other callbacks are called', () => {
  const build = (): { graph: Graph; log: string[] } => {
    const graph = new Graph()
    const log: string[] = []
    const x = timer(graph, 10)
    sink('bad', { x }, (_inputs, context) => () => {
      context.afterCycle(() => {
        throw new Error('broken')
      })
    })
    sink('good', { x }, (_inputs, context) => () => context.afterCycle(() => log.push('told')))
    return { graph, log }
  }
  const { graph, log } = build()
  expect(errorOf(() => simulate(graph))).toMatchObject({
    code: 'NODE_FAILED',
    path: 'bad',
    time: 10,
    cause: new Error('broken'),
  })
  expect(log).toEqual(['told'])
  const lenient = build()
  simulate(lenient.graph, { duration: 30, onNodeFailure: () => 'continue' })
  expect(lenient.log).toEqual(['told', 'told', 'told'])
})

test('a condition that throws ends the run', async () => {
  const graph = new Graph()
  record(timer(graph, 10))
  const until = (): boolean => {
    throw new Error('broken')
  }
  const failure = { code: 'NODE_FAILED', node: 'until', time: 10, cause: new Error('broken') }
  expect(errorOf(() => simulate(graph, { until }))).toMatchObject(failure)
  await expect(simulateAsync(graph, { until })).rejects.toMatchObject(failure)
})

test('a run may go on without the tick of a node that failed', () => {
  const graph = new Graph()
  const seen = record(
    map(count(timer(graph, 10)), (n) => {
      if (n === 2) throw new Error('two')
      return n
    }),
  )
  const failures: unknown[] = []
  simulate(graph, {
    duration: 30,
    onNodeFailure: ({ code, time }, { name }) => {
      failures.push([code, time, name])
      return 'continue'
    },
  })
  expect(seen).toEqual([
    [10, 1],
    [30, 3],
  ])
  expect(failures).toEqual([['NODE_FAILED', 20, 'map']])
})
