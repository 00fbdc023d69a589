import {
  curve,
  dynamic,
  dynamicCollect,
  dynamicDemultiplex,
  type Edge,
  Graph,
  graphOutput,
  type MapAsyncOptions,
  manualClock,
  mapAsync,
  push,
  realtime,
  simulate,
  simulateAsync,
  stopEngine,
} from '@gw/core'
import { record } from '@gw/core/testing'
import { afterEach, beforeEach, expect, expectTypeOf, test, vi } from 'vitest'
import { patient } from '../support/patient.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A realtime run whose calls are answered by hand. */
function byHand(options: MapAsyncOptions<number, string> = {}) {
  const graph = new Graph()
  const source = push<number>(graph, 'nonCollapsing')
  const calls: {
    readonly value: number
    readonly signal: AbortSignal
    readonly resolve: (result: string | undefined) => void
    readonly reject: (error: unknown) => void
  }[] = []
  const results = mapAsync(
    source.edge,
    (value, signal) =>
      new Promise<string | undefined>((resolve, reject) => {
        calls.push({ value, signal, resolve, reject })
      }),
    options,
  )
  const seen = record(results)
  const clock = manualClock()
  const run = realtime(graph, { clock, ...patient })
  const settle = async (i: number, result: string | undefined = `r${calls[i]?.value}`) => {
    calls[i]?.resolve(result)
    await vi.advanceTimersByTimeAsync(0)
  }
  return { source, calls, seen, clock, run, settle, values: () => seen.map(([, value]) => value) }
}

test('ticks each result in a cycle of its own, when it is there', async () => {
  const { source, calls, seen, clock, settle, run } = byHand()
  source.push(1)
  clock.advance(30)
  await settle(0)
  expect(seen).toEqual([[30, 'r1']])
  source.push(2)
  calls[1]?.resolve(undefined)
  await settle(1)
  expect(seen).toHaveLength(1)
  await run.stop()
})

test('keeps the order of the values, or that of the results', async () => {
  for (const [order, expected] of [
    ['input', ['r1', 'r2', 'r3']],
    ['completion', ['r3', 'r1', 'r2']],
  ] as const) {
    const { source, settle, values, run } = byHand({ order })
    for (const n of [1, 2, 3]) source.push(n)
    for (const i of [2, 0, 1]) await settle(i)
    expect(values()).toEqual(expected)
    await run.stop()
  }
})

test('has no more calls under way than it may', async () => {
  const { source, calls, settle, values, run } = byHand({ concurrency: 2 })
  for (const n of [1, 2, 3, 4]) source.push(n)
  expect(calls.map(({ value }) => value)).toEqual([1, 2])
  await settle(1)
  expect(calls.map(({ value }) => value)).toEqual([1, 2, 3])
  await settle(0)
  await settle(2)
  await settle(3)
  expect(values()).toEqual(['r1', 'r2', 'r3', 'r4'])
  await run.stop()
})

test.each([
  ['dropOldest', [1, 3]],
  ['dropNewest', [1, 2]],
] as const)('beyond the bound it may drop: %s', async (overflow, called) => {
  const { source, calls, settle, run } = byHand({ concurrency: 1, maxPending: 1, overflow })
  for (const n of [1, 2, 3]) source.push(n)
  await settle(0)
  await settle(1)
  expect(calls.map(({ value }) => value)).toEqual(called)
  await run.stop()
})

test('beyond the bound the run fails, unless told otherwise', async () => {
  const { source, run } = byHand({ concurrency: 1, maxPending: 0 })
  source.push(1)
  source.push(2)
  await expect(run.done).rejects.toMatchObject({ code: 'CALL_OVERFLOW', node: 'mapAsync' })
})

test('a call that rejects or throws fails the run, with its place and cause', async () => {
  const cause = new Error('no answer')
  const { source, calls, run } = byHand({ name: 'lookup' })
  source.push(1)
  calls[0]?.reject(cause)
  await expect(run.done).rejects.toMatchObject({ code: 'NODE_FAILED', path: 'lookup', cause })
  const graph = new Graph()
  record(
    mapAsync(curve(graph, [[1, 1]]), () => {
      throw cause
    }),
  )
  await expect(simulateAsync(graph)).rejects.toMatchObject({ code: 'NODE_FAILED', cause })
})

test('a call that takes too long is aborted and fails the run', async () => {
  const { source, calls, run } = byHand({ timeoutMs: 50 })
  const failed = expect(run.done).rejects.toMatchObject({ code: 'TIMED_OUT', path: 'mapAsync' })
  source.push(1)
  await vi.advanceTimersByTimeAsync(49)
  expect(run.running).toBe(true)
  await vi.advanceTimersByTimeAsync(1)
  expect(calls[0]?.signal.aborted).toBe(true)
  await failed
})

test('a failure may be replaced or passed over; what comes too late is ignored', async () => {
  const errors: unknown[] = []
  const { source, calls, values, settle, run } = byHand({
    timeoutMs: 50,
    onError: (error, value) => {
      errors.push(error)
      return value === 1 ? 'none' : undefined
    },
  })
  source.push(1)
  source.push(2)
  calls[1]?.reject('broken')
  await vi.advanceTimersByTimeAsync(50)
  await settle(0, 'too late')
  expect(errors).toEqual(['broken', expect.objectContaining({ code: 'TIMED_OUT' })])
  expect(values()).toEqual(['none'])
  await run.stop()
})

test('a run may go on without the result that failed', async () => {
  const graph = new Graph()
  const results = mapAsync(
    curve(graph, [
      [1, 1],
      [2, 2],
    ]),
    async (n) => {
      if (n === 1) throw new Error('odd')
      return n
    },
  )
  const seen = record(results)
  const codes: string[] = []
  await simulateAsync(graph, {
    onNodeFailure: (error) => {
      codes.push(error.code)
      return 'continue'
    },
  })
  expect(seen).toEqual([[2, 2]])
  expect(codes).toEqual(['NODE_FAILED'])
})

test('calls under way at the end are aborted', async () => {
  const { source, calls, run, settle, seen } = byHand()
  source.push(1)
  await run.stop()
  expect(calls[0]?.signal.aborted).toBe(true)
  await settle(0)
  expect(seen).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})

test('simulated time stands still until the result is there: the same ticks in each run', async () => {
  const graph = new Graph()
  const x = curve(graph, [
    [1, 30],
    [1, 20],
    [2, 10],
  ])
  // Of the fake clock: nothing waits.
  const after = (n: number) => new Promise<number>((resolve) => setTimeout(resolve, n, -n))
  graphOutput('a', mapAsync(x, after))
  graphOutput(
    'b',
    mapAsync(x, async (n) => n + 1, { order: 'completion' }),
  )
  for (let i = 0; i < 2; i++) {
    const run = simulateAsync(graph)
    await vi.advanceTimersByTimeAsync(100)
    const { outputs } = await run
    expect(outputs.get('a')).toEqual([
      [1, -30],
      [1, -20],
      [2, -10],
    ])
    expect(outputs.get('b')).toEqual([
      [1, 31],
      [1, 21],
      [2, 11],
    ])
  }
})

test('a synchronous run refuses to wait', () => {
  const graph = new Graph()
  record(mapAsync(curve(graph, [[1, 1]]), async (n) => n))
  expect(() => simulate(graph)).toThrow(expect.objectContaining({ code: 'ASYNC_SOURCE' }))
})

test('a sub-graph that ends while a call is under way holds nothing up', async () => {
  const graph = new Graph()
  const x = curve(graph, [
    [1, 'a'],
    [2, 'b'],
  ])
  const results = dynamic(dynamicDemultiplex(x, x), {}, ({ edge, key }) => {
    if (key === 'a') stopEngine(edge, { dynamic: true })
    return mapAsync(edge, (key) =>
      key === 'a' ? new Promise<string>(() => undefined) : Promise.resolve(`${key}!`),
    )
  })
  const seen = record(dynamicCollect(results))
  await simulateAsync(graph)
  expect(seen.map(([time, map]) => [time, [...map]])).toEqual([[2, [['b', 'b!']]]])
})

test.each([{ concurrency: 0 }, { concurrency: Number.NaN }, { timeoutMs: 0 }, { maxPending: -1 }])(
  'refuses %o',
  (options) => {
    const x = curve(new Graph(), [[1, 1]])
    expect(() => mapAsync(x, (n) => n, options)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', node: 'mapAsync' }),
    )
  },
)

test('is typed by what the call gives', () => {
  const x = curve(new Graph(), [[1, 1]])
  expectTypeOf(mapAsync(x, async (n) => String(n))).toEqualTypeOf<Edge<string>>()
  expectTypeOf(mapAsync(x, (n) => (n > 0 ? n : undefined))).toEqualTypeOf<Edge<number>>()
  // @ts-expect-error the call takes numbers
  mapAsync(x, async (text: string) => text)
})
