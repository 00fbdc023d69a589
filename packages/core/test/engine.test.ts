import {
  add,
  constant,
  count,
  curve,
  delay,
  type Edge,
  empty,
  Graph,
  type GraphError,
  graphOutput,
  type History,
  history,
  map,
  merge,
  ms,
  multiNode,
  node,
  passive,
  scheduleOnEngineStop,
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

/** The error that `work` throws. */
function errorOf(work: () => unknown): GraphError {
  try {
    work()
  } catch (error) {
    return error as GraphError
  }
  throw new Error('it did not throw')
}

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
