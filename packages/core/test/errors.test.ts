import { readFileSync } from 'node:fs'
import {
  adapter,
  basketNode,
  constant,
  curve,
  delayedCollect,
  delayedEdge,
  dynamic,
  dynamicDemultiplex,
  type Edge,
  empty,
  feedback,
  floordiv,
  Graph,
  GraphError,
  type GraphErrorCode,
  graphOutput,
  history,
  manualClock,
  map,
  mapAsync,
  merge,
  micros,
  multiplex,
  node,
  pull,
  push,
  realtime,
  simulate,
  simulateAsync,
  sink,
  snap,
  source,
  stats,
  ticks,
  timer,
} from '@gw/core'
import { describe, expect, test } from 'vitest'
import { GRAPH_ERRORS } from '../src/errors.js'

const page = readFileSync(new URL('../../../docs/engine-errors.md', import.meta.url), 'utf8')

test('the page has every code, and no other, with what to do', () => {
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (.+?) \| (.+) \|$/gm)]
  expect(rows.map(([, code]) => code)).toEqual(GRAPH_ERRORS)
})

/** Runs a graph with something that reads what `build` returns. */
function run(build: (graph: Graph) => Edge<unknown>): void {
  const graph = new Graph()
  sink('reader', { x: build(graph) }, () => () => undefined)
  simulate(graph, { duration: 100 })
}

/** Something that ends with each code. */
const provoke: { readonly [C in GraphErrorCode]: () => unknown } = {
  INVALID_OPTION: () => timer(new Graph(), 0),
  NOT_AN_EDGE: () => map(3 as unknown as Edge<number>, (x) => x),
  GRAPH_MISMATCH: () => merge(empty(new Graph()), empty(new Graph())),
  CYCLE: () =>
    run((graph) => {
      const later = delayedEdge<number>(graph, 'later')
      const next = map(later, (x) => x + 1)
      later.bind(next)
      return next
    }),
  UNBOUND_EDGE: () => run((graph) => feedback<number>(graph).out),
  BOUND_TWICE: () => {
    const graph = new Graph()
    const { bind } = feedback<number>(graph)
    bind(empty(graph))
    bind(empty(graph))
  },
  ALREADY_BUILT: () => {
    const graph = new Graph()
    const all = delayedCollect<number>(graph)
    sink('reader', { all: all.output }, () => () => undefined)
    simulate(graph)
    all.add(empty(graph))
  },
  DUPLICATE_OUTPUT: () => {
    const x = empty(new Graph())
    graphOutput('x', x)
    graphOutput('x', x)
  },
  REENTRANT_RUN: () =>
    run((graph) =>
      map(constant(graph, 1), () => {
        simulate(graph)
      }),
    ),
  NODE_FAILED: () =>
    run((graph) =>
      map(constant(graph, 1), () => {
        throw new Error('broken')
      }),
    ),
  RETURNED_PROMISE: () => run((graph) => map(constant(graph, 1), async (x) => x)),
  OUTPUT_TWICE: () =>
    run((graph) =>
      basketNode<string, number>()('keys', { x: constant(graph, 1) }, (_inputs, basket) => () => {
        basket.emit('a', 1)
        basket.emit('a', 2)
      }),
    ),
  SPINNING: () => {
    const graph = new Graph()
    const loop = feedback<number>(graph)
    loop.bind(merge(loop.out, constant(graph, 1)))
    simulate(graph, { maxCyclesAtOneTime: 10 })
  },
  TIME_WENT_BACK: () =>
    run((graph) =>
      curve(graph, [
        [2, 1],
        [1, 1],
      ]),
    ),
  ALARM_EXPIRED: () =>
    run((graph) =>
      source(graph, 'alarm', (context) => {
        const alarm = context.alarm<number>()
        const handle = alarm.schedule(1, 1)
        return () => {
          alarm.reschedule(handle, 1)
        }
      }),
    ),
  HISTORY_EXCEEDED: () =>
    run((graph) =>
      map(history(timer(graph, micros(1), 1), ticks(1)), (past) =>
        past.count > 2 ? past.value(2) : 0,
      ),
    ),
  NOT_TICKED: () =>
    run((graph) => map(history(constant(graph, 1), ticks(3)), (past) => past.value(2))),
  DIVISION_BY_ZERO: () => run((graph) => floordiv(constant(graph, 1), 0)),
  OUT_OF_STEP: () =>
    run((graph) => stats.cov(constant<number>(graph, 1), constant<number>(graph, 1, 5))),
  UNKNOWN_KEY: () =>
    run((graph) =>
      multiplex({ a: constant(graph, 1) }, constant(graph, 'b'), { raiseOnBadKey: true }),
    ),
  SNAP_NOT_VALID: () =>
    run((graph) => {
      const keys = dynamicDemultiplex(constant(graph, 1), constant(graph, 'a'))
      return dynamic(keys, { rate: snap(empty<number>(graph)) }, ({ edge }) => edge)
    }),
  SOURCE_FAILED: () =>
    run((graph) =>
      // biome-ignore lint/correctness/useYield: it fails before its first row
      pull<number>(graph, 'rows', function* () {
        throw new Error('the disk is gone')
      }),
    ),
  ASYNC_SOURCE: () => run((graph) => mapAsync(constant(graph, 1), async (x) => x)),
  NOT_RUNNING: () => push<number>(new Graph(), 'lastValue').push(1),
  PUSH_IN_CYCLE: () => pushed((x) => x.push(2)),
  PUSH_OVERFLOW: () => {
    return pushed(
      (x) => {
        x.push(2)
        x.push(3)
      },
      { maxPending: 1, insideCycle: 'queue' },
    )
  },
  CALL_OVERFLOW: () => {
    const graph = new Graph()
    const never = (): Promise<number> => new Promise(() => undefined)
    const calls = mapAsync(
      curve(graph, [
        [1, 1],
        [1, 2],
      ]),
      never,
      { concurrency: 1, maxPending: 0 },
    )
    sink('reader', { calls }, () => () => undefined)
    return realtime(graph, { clock: manualClock(1) }).done
  },
  ADAPTER_FAILED: () => {
    const graph = new Graph()
    adapter(graph, 'feed', () => {
      throw new Error('no such host')
    })
    simulate(graph)
  },
  TIMED_OUT: () => {
    const graph = new Graph()
    const calls = mapAsync(constant(graph, 1), () => new Promise<number>(() => undefined), {
      timeoutMs: 1,
    })
    sink('reader', { calls }, () => () => undefined)
    return simulateAsync(graph)
  },
}

/** A run in which a node does something to its own source. */
function pushed(
  act: (x: { push(value: number): void }) => void,
  options: { readonly maxPending?: number; readonly insideCycle?: 'queue' } = {},
): Promise<unknown> {
  const graph = new Graph()
  const x = push<number>(graph, 'nonCollapsing', options)
  sink('echo', { x: x.edge }, () => () => act(x))
  const { done } = realtime(graph, { clock: manualClock() })
  x.push(1)
  return done
}

describe.each(GRAPH_ERRORS)('%s', (code) => {
  test('is raised, and says what to do', async () => {
    const error = await Promise.resolve()
      .then(provoke[code])
      .then(
        () => undefined,
        (error: unknown) => error,
      )
    expect(error).toBeInstanceOf(GraphError)
    expect(error).toMatchObject({ code })
    expect((error as GraphError).message.length).toBeGreaterThan(20)
  })
})

test.each([undefined, null, 3, 'x'])('%s is not an edge', (x) => {
  expect(() => map(x as unknown as Edge<number>, (value) => value)).toThrow(
    expect.objectContaining({ code: 'NOT_AN_EDGE', node: 'map' }),
  )
})

test('a key of any kind can be named in an error', () => {
  const run = (key: unknown): unknown => {
    const graph = new Graph()
    const x = constant(graph, 1)
    const keys = basketNode<unknown, number>()('keys', { x }, (_inputs, basket) => () => {
      basket.remove(key)
    })
    sink('reader', { keys }, () => () => undefined)
    return simulate(graph)
  }
  expect(() => run(10n)).toThrow('no key 10')
  expect(() => run('a')).toThrow('no key "a"')
  expect(() => run({})).toThrow('no key [object Object]')
})

test('a graph that runs is not disturbed by an attempt to run it again', async () => {
  const graph = new Graph()
  const clock = manualClock()
  const x = node(
    'ticks',
    { x: timer(graph, 10) },
    ({ x }) =>
      () =>
        x.time,
  )
  graphOutput('x', x)
  const run = realtime(graph, { clock })
  clock.advanceTo(10)
  expect(() => simulate(graph)).toThrow(expect.objectContaining({ code: 'REENTRANT_RUN' }))
  await expect(simulateAsync(graph)).rejects.toMatchObject({ code: 'REENTRANT_RUN' })
  clock.advanceTo(20)
  const { outputs } = await run.stop()
  expect(outputs.get('x')).toEqual([
    [10, 10],
    [20, 20],
  ])
  expect(simulate(graph, { duration: 10 }).cycles).toBe(1)
})
