import {
  add,
  constant,
  count,
  curve,
  type Edge,
  Graph,
  graphOutput,
  type History,
  history,
  map,
  merge,
  multiNode,
  node,
  passive,
  simulate,
  simulateAsync,
  sink,
  source,
  stopEngine,
  ticked,
  ticks,
  timer,
  valid,
} from '@gw/core'
import { record, ticksOf } from '@gw/core/testing'
import { expect, expectTypeOf, test } from 'vitest'
import { errorOf } from './support/error-of.js'

test('a cycle is atomic: a node runs once, when all that it reads is final', () => {
  const graph = new Graph()
  const x = curve(graph, [
    [10, 1],
    [20, 2],
  ])
  const left = map(x, (x) => x * 10)
  const right = map(
    map(x, (x) => x + 1),
    (x) => x * 100,
  )
  expect(ticksOfEdge(add(left, right))).toEqual([
    [10, 210],
    [20, 320],
  ])
})

test('several ticks of one source at one time go to successive cycles, the first with those of others', () => {
  const graph = new Graph()
  const x = curve(graph, [
    [10, 1],
    [10, 2],
    [10, 3],
  ])
  const y = curve(graph, [[10, 7]])
  const both = node('both', { x, y }, ({ x, y }) => () => [x.value, y.ticked])
  expect(ticksOfEdge(both)).toEqual([
    [10, [1, true]],
    [10, [2, false]],
    [10, [3, false]],
  ])
})

test('start and end are inclusive; what is due at the end is run to its last cycle', () => {
  const x = (graph: Graph) =>
    curve(graph, [
      [0, 1],
      [5, 2],
      [20, 3],
      [20, 4],
      [21, 5],
    ])
  expect(ticksOf(x, { start: 5, end: 20 })).toEqual([
    [5, 2],
    [20, 3],
    [20, 4],
  ])
})

test('a node tells its time, the start and the end, in its setup as well', () => {
  const graph = new Graph()
  const seen: unknown[] = []
  sink('times', { x: constant(graph, 1, 5) }, (_inputs, context) => {
    seen.push([context.now, context.start, context.end, context.realtime])
    return () => {
      seen.push([context.now, context.start, context.end])
    }
  })
  simulate(graph, { start: 10, end: 30 })
  expect(seen).toEqual([
    [10, 10, 30, false],
    [15, 10, 30],
  ])
})

test('inputs tell whether they ticked, are valid, their value and their time', () => {
  const graph = new Graph()
  const x = curve(graph, [[10, 'x']])
  const y = curve(graph, [
    [5, 'y'],
    [20, 'z'],
  ])
  const seen = node('seen', { x, y }, ({ x, y }) => () => [
    ticked(x, y),
    valid(x, y),
    x.ticked,
    x.valid,
    y.value,
    y.time,
  ])
  expect(ticksOfEdge(seen)).toEqual([
    [5, [true, false, false, false, 'y', 5]],
    [10, [true, true, true, true, 'y', 5]],
    [20, [true, true, false, true, 'z', 20]],
  ])
})

test('a basket ticked when any element did, and is valid when all are', () => {
  const graph = new Graph()
  const basket = { a: curve(graph, [[1, 1]]), b: curve(graph, [[2, 1]]) }
  const list = Object.values(basket)
  const seen = node(
    'seen',
    { basket, list, other: passive(list[0] as Edge<number>) },
    (inputs) => () => [
      ticked(inputs.basket),
      valid(inputs.basket),
      valid(inputs.list),
      ticked(inputs.other),
    ],
  )
  expect(ticksOfEdge(seen)).toEqual([
    [1, [true, false, false, true]],
    [2, [true, true, true, false]],
  ])
})

test('a passive input is read, and runs nothing; it can be made active and passive again', () => {
  const graph = new Graph()
  const x = timer(graph, 10, 'x')
  const y = timer(graph, 3, 'y')
  const runs = node('runs', { x, y: passive(y) }, ({ x, y }, context) => () => {
    if (x.ticked && context.now === 10) context.makeActive(y)
    if (context.now === 15) context.makePassive(y)
    return `${x.ticked ? 'x' : ''}${y.ticked ? 'y' : ''}`
  })
  expect(ticksOfEdge(runs, 30)).toEqual([
    [10, 'x'],
    [12, 'y'],
    [15, 'y'],
    [20, 'x'],
    [30, 'xy'],
  ])
})

test('an edge read twice by a node is made passive one input at a time', () => {
  const graph = new Graph()
  const x = timer(graph, 10)
  const runs = node('runs', { a: x, b: x }, ({ a, b }, context) => () => {
    context.makePassive(a)
    if (context.now === 20) context.makePassive(b)
    return true
  })
  expect(ticksOfEdge(runs, 50).map(([time]) => time)).toEqual([10, 20])
})

test('alarms are scheduled, moved and taken back', () => {
  const graph = new Graph()
  const log: string[] = []
  const ticksOfAlarm = source<string>(graph, 'alarms', (context) => {
    const alarm = context.alarm<string>()
    alarm.schedule(10, 'first')
    const second = alarm.schedule(20, 'second')
    const third = alarm.scheduleAt(30, 'third')
    alarm.schedule(10, 'also first')
    return () => {
      if (alarm.value === 'first') alarm.reschedule(second, 5)
      if (alarm.value === 'second') alarm.cancel(third)
      log.push(`${alarm.ticked} ${alarm.time}`)
      return alarm.value
    }
  })
  expect(ticksOfEdge(ticksOfAlarm)).toEqual([
    [10, 'first'],
    [10, 'also first'],
    [15, 'second'],
  ])
  expect(log[0]).toBe('true 10')
})

test('a cancelled or past alarm cannot be moved; cancelling it again does nothing', () => {
  const graph = new Graph()
  record(
    source(graph, 'alarms', (context) => {
      const alarm = context.alarm<number>()
      const handle = alarm.schedule(10, 1)
      return () => {
        alarm.cancel(handle)
        alarm.cancel(handle)
        alarm.reschedule(handle, 5)
        return alarm.value
      }
    }),
  )
  expect(errorOf(() => simulate(graph))).toMatchObject({ code: 'ALARM_EXPIRED', path: 'alarms' })
})

test.each([
  [-1, 'TIME_WENT_BACK'],
  [0.5, 'INVALID_OPTION'],
  [Number.NaN, 'INVALID_OPTION'],
  [Number.POSITIVE_INFINITY, 'INVALID_OPTION'],
])('an alarm cannot be scheduled for %d from now', (delay, code) => {
  const graph = new Graph()
  record(
    source(graph, 'alarm', (context) => {
      context.alarm<number>().schedule(delay, 1)
      return () => 1
    }),
  )
  expect(errorOf(() => simulate(graph))).toMatchObject({ code, path: 'alarm' })
})

test('an alarm is made in the setup only', () => {
  const graph = new Graph()
  sink('late', { x: constant(graph, 1) }, (_inputs, context) => () => {
    context.alarm()
  })
  expect(errorOf(() => simulate(graph)).code).toBe('INVALID_OPTION')
})

test('several outputs tick each by itself, at most once a cycle', () => {
  const graph = new Graph()
  const x = curve(graph, [[1, 4]])
  const { even, odd } = multiNode<{ even: number; odd: number }>()(
    'parity',
    { x },
    ['even', 'odd'],
    ({ x }, out) =>
      () =>
        (x.value % 2 === 0 ? out.even : out.odd).emit(x.value),
  )
  const seen = [record(even), record(odd)]
  simulate(graph)
  expect(seen).toEqual([[[1, 4]], []])
  const twice = multiNode<{ a: number }>()('twice', { x }, ['a'], (_inputs, { a }) => () => {
    a.emit(1)
    a.emit(2)
  })
  record(twice.a)
  expect(errorOf(() => simulate(graph))).toMatchObject({ code: 'OUTPUT_TWICE', path: 'twice' })
})

test('nothing runs that no sink needs', () => {
  const graph = new Graph()
  let runs = 0
  const x = timer(graph, 1)
  map(x, () => ++runs)
  graphOutput('x', x)
  simulate(graph, { duration: 5 })
  expect(runs).toBe(0)
})

test('a node is set up once a run, so that a graph can run again', () => {
  const graph = new Graph()
  const seen = record(count(timer(graph, 10)))
  simulate(graph, { duration: 30 })
  simulate(graph, { duration: 20 })
  expect(seen).toEqual([
    [10, 1],
    [20, 2],
  ])
})

test('stopEngine completes the cycle and runs nothing after it', () => {
  const graph = new Graph()
  const x = curve(graph, [
    [10, 1],
    [20, 2],
    [20, 3],
    [30, 4],
  ])
  stopEngine(map(x, (x) => (x === 2 ? x : undefined)))
  const seen = record(x)
  expect(simulate(graph)).toMatchObject({ now: 20, cycles: 2 })
  expect(seen).toEqual([
    [10, 1],
    [20, 2],
  ])
})

test('a run ends at a time, after a duration, or on a condition', async () => {
  const graph = new Graph()
  record(timer(graph, 10))
  expect(simulate(graph, { end: 35 }).now).toBe(30)
  expect(simulate(graph, { start: 5, duration: 35 }).now).toBe(35)
  expect(simulate(graph, { until: ({ now }) => now >= 70 }).now).toBe(70)
  expect(simulate(graph, { until: ({ cycles }) => cycles === 4 }).cycles).toBe(4)
  expect((await simulateAsync(graph, { until: ({ now }) => now >= 70 })).now).toBe(70)
  const broken = () => {
    throw new Error('no condition')
  }
  expect(() => simulate(graph, { until: broken })).toThrow('no condition')
})

test('a run ends on a signal, with what was done so far', async () => {
  const graph = new Graph()
  const abort = new AbortController()
  graphOutput('n', count(timer(graph, 10)))
  sink('abort', { x: timer(graph, 50) }, () => () => abort.abort())
  const run = await simulateAsync(graph, { signal: abort.signal })
  expect(run.now).toBe(50)
  expect((await simulateAsync(graph, { signal: AbortSignal.abort() })).cycles).toBe(0)
})

test('edges of two graphs cannot be mixed; both ends are named', () => {
  const [a, b] = [new Graph(), new Graph()]
  const x = a.scope('left', () => timer(a, 10))
  const y = b.scope('right', () => count(timer(b, 10)))
  const error = errorOf(() => b.scope('sum', () => merge(y, x)))
  expect(error).toMatchObject({ code: 'GRAPH_MISMATCH', path: 'sum/merge' })
  expect(error.message).toContain('"sum/merge"')
  expect(error.message).toContain('"left/timer"')
  expect(errorOf(() => map({} as Edge<number>, (x) => x)).code).toBe('INVALID_OPTION')
})

test('custom nodes are typed end to end', () => {
  const graph = new Graph()
  const x = constant(graph, 'text')
  const y = constant(graph, 1)
  const result = node('typed', { x, y: passive(y), list: [x, x], keyed: { y } }, (inputs) => {
    expectTypeOf(inputs.x.value).toEqualTypeOf<string>()
    expectTypeOf(inputs.y.value).toEqualTypeOf<number>()
    expectTypeOf(inputs.list[0]?.value).toEqualTypeOf<string | undefined>()
    expectTypeOf(inputs.keyed.y.value).toEqualTypeOf<number>()
    // @ts-expect-error there is no such input
    expect(inputs.z).toBeUndefined()
    return () => (inputs.y.valid ? { text: inputs.x.value } : undefined)
  })
  expectTypeOf(result).toEqualTypeOf<Edge<{ text: string }>>()
  expectTypeOf(history(y, ticks(1))).toEqualTypeOf<Edge<History<number>>>()
  expectTypeOf(source(graph, 's', () => () => 1 as number | undefined)).toEqualTypeOf<
    Edge<number>
  >()
  expectTypeOf(timer(graph, 1)).toEqualTypeOf<Edge<true>>()
  expectTypeOf(timer(graph, 1, 'tick')).toEqualTypeOf<Edge<string>>()
  expectTypeOf(curve(graph, [[1, 1]], { mode: 'burst' })).toEqualTypeOf<Edge<readonly number[]>>()
})

function ticksOfEdge<T>(edge: Edge<T>, duration?: number): readonly (readonly [number, T])[] {
  const seen = record(edge)
  simulate(edge.graph, duration === undefined ? {} : { duration })
  return seen
}
