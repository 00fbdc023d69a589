import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  batch,
  constant,
  count,
  curve,
  type Edge,
  feedback,
  Graph,
  manualClock,
  map,
  merge,
  node,
  type PushOptions,
  passive,
  push,
  pushGroup,
  realtime,
  seconds,
  simulate,
  sink,
  stopEngine,
  timer,
  wallClock,
} from '@gw/core'
import { record } from '@gw/core/testing'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { patient } from './support/patient.js'

test('the same graph ticks the same in simulated and real time', async () => {
  const graph = new Graph()
  const x = curve(
    graph,
    [
      [10, 1],
      [10, 2],
      [25, 3],
    ],
    { relative: true },
  )
  const seen = record(
    node('both', { x, t: timer(graph, 5) }, ({ x, t }, context) => () => {
      return [context.now, x.ticked, t.ticked]
    }),
  )
  simulate(graph, { start: 100, duration: 30 })
  const simulated = [...seen]
  const clock = manualClock(100)
  const run = realtime(graph, { clock, ...patient, duration: 30 })
  clock.advance(31)
  await run.done
  expect(seen).toEqual(simulated)
})

test('catches up with what lies in the past, each tick at its own time', async () => {
  const graph = new Graph()
  const seen = record(count(timer(graph, 10)))
  const run = realtime(graph, { clock: manualClock(100), ...patient, start: 75 })
  expect(seen).toEqual([
    [85, 1],
    [95, 2],
  ])
  await run.stop()
})

test('timers do not drift: late ones catch up, or skip to the next that is due', async () => {
  const clock = manualClock(0)
  const graph = new Graph()
  const x = push<number>(graph, 'nonCollapsing')
  // A cycle that takes 35 of the clock's microseconds.
  sink('slow', { x: x.edge }, () => () => clock.advance(35))
  const caughtUp = record(timer(graph, 10, 'x', { late: 'catchUp' }))
  const skipped = record(timer(graph, 10, 'x', { late: 'skip' }))
  const run = realtime(graph, { clock, ...patient })
  x.push(1)
  clock.advance(15)
  expect(caughtUp.map(([time]) => time)).toEqual([10, 20, 30, 40, 50])
  expect(skipped.map(([time]) => time)).toEqual([10, 40, 50])
  await run.stop()
})

test('tells how far it is behind', async () => {
  const clock = manualClock(0)
  const graph = new Graph()
  const lags: number[] = []
  const x = push<number>(graph, 'nonCollapsing')
  sink('slow', { x: x.edge }, () => () => {
    clock.advance(35)
    lags.push(run.lag)
  })
  record(timer(graph, 10))
  const run = realtime(graph, { clock, ...patient })
  x.push(1)
  expect(lags).toEqual([25])
  expect(run.lag).toBe(0)
  await run.stop()
})

test('ends at a time, after a duration, on a condition, a signal, a node, or when it is stopped', async () => {
  const start = (options: Parameters<typeof realtime>[1], stopAt?: number) => {
    const graph = new Graph()
    const x = count(timer(graph, 10))
    record(x)
    if (stopAt !== undefined) stopEngine(map(x, (n) => (n === stopAt ? n : undefined)))
    const clock = manualClock(0)
    const run = realtime(graph, { clock, ...patient, ...options })
    clock.advance(100)
    return run
  }
  expect((await start({ end: 35 }).done).now).toBe(30)
  expect((await start({ duration: 35 }).done).now).toBe(30)
  expect((await start({ until: ({ cycles }) => cycles === 2 }).done).now).toBe(20)
  expect((await start({}, 4).done).now).toBe(40)
  expect((await start({}).stop()).now).toBe(100)
  const abort = new AbortController()
  const run = start({ signal: abort.signal })
  expect(run.running).toBe(true)
  abort.abort()
  expect((await run.done).now).toBe(100)
  expect(run.running).toBe(false)
  expect((await start({ signal: AbortSignal.abort() }).done).cycles).toBe(0)
})

test('an error ends the run, and is what done is rejected with', async () => {
  const graph = new Graph()
  record(
    map(timer(graph, 10), () => {
      throw new Error('broken')
    }),
  )
  const clock = manualClock(0)
  const run = realtime(graph, { clock, ...patient })
  clock.advance(10)
  await expect(run.done).rejects.toMatchObject({ code: 'NODE_FAILED', path: 'map', time: 10 })
})

test('I/O gets its turn while a run catches up', async () => {
  const graph = new Graph()
  record(timer(graph, 1))
  let turns = 0
  const clock = wallClock()
  const run = realtime(graph, { clock, start: clock.now() - seconds(0.2), budgetMs: 1 })
  while (run.lag > 0 && turns < 3) {
    await new Promise<void>((resolve) => setImmediate(resolve))
    turns++
  }
  expect(turns).toBeGreaterThan(1)
  await run.stop()
})

test('pushes are served while timers are late', async () => {
  const graph = new Graph()
  const x = push<number>(graph, 'nonCollapsing')
  const seen = record(x.edge)
  const spin = () => {
    const end = performance.now() + 1
    while (performance.now() < end);
  }
  sink('slow', { x: timer(graph, 10) }, () => spin)
  const run = realtime(graph, { budgetMs: 2 })
  const isServed = new Promise<void>((resolve) => {
    const look = () => (seen.length > 0 ? resolve() : setImmediate(look))
    setTimeout(() => {
      x.push(1)
      look()
    }, 5)
  })
  await isServed
  expect(run.lag).toBeGreaterThan(0)
  await run.stop()
})

test('a clock may start at any time and run at any speed', async () => {
  const graph = new Graph()
  const seen = record(timer(graph, seconds(1)))
  const run = realtime(graph, {
    clock: wallClock({ start: 1_000, speed: 10_000 }),
    start: 1_000,
    duration: seconds(20),
  })
  await run.done
  expect(seen).toHaveLength(20)
  expect(seen[0]?.[0]).toBe(1_000 + seconds(1))
  expect(() => wallClock({ speed: 0 })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
})

describe('push', () => {
  /** Runs a graph with pushes that arrive while a cycle is under way. */
  function busy<T, Out>(
    mode: 'lastValue' | 'nonCollapsing' | 'burst',
    values: readonly T[],
    options: PushOptions = {},
  ) {
    const graph = new Graph()
    const start = push<number>(graph, 'nonCollapsing')
    const source = push<T>(graph, mode as 'lastValue', { ...options, insideCycle: 'queue' })
    sink('busy', { x: start.edge }, () => () => {
      for (const value of values) source.push(value)
    })
    const seen = record(source.edge as Edge<unknown>)
    const run = realtime(graph, { clock: manualClock(), ...patient })
    start.push(1)
    return { seen: seen.map(([, value]) => value) as Out[], source, run }
  }

  test.each([
    ['lastValue', [3]],
    ['nonCollapsing', [1, 2, 3]],
    ['burst', [[1, 2, 3]]],
  ] as const)('%s', async (mode, expected) => {
    const { seen, run, source } = busy(mode, [1, 2, 3])
    expect(seen).toEqual(expected)
    expect([source.pending, source.dropped]).toEqual([0, 0])
    await run.stop()
  })

  test.each([
    ['dropOldest', [2, 3]],
    ['dropNewest', [1, 2]],
  ] as const)('has a bound, and a policy at it: %s', async (overflow, expected) => {
    const { seen, source, run } = busy('nonCollapsing', [1, 2, 3], { maxPending: 2, overflow })
    expect(seen).toEqual(expected)
    expect(source.dropped).toBe(1)
    await run.stop()
  })

  test('runs its cycle at once when the engine is idle', async () => {
    const graph = new Graph()
    const x = push<number>(graph, 'nonCollapsing')
    const seen = record(x.edge)
    const clock = manualClock(5)
    const run = realtime(graph, { clock, ...patient })
    x.push(1)
    clock.advance(10)
    x.push(2)
    expect(seen).toEqual([
      [5, 1],
      [15, 2],
    ])
    await run.stop()
  })

  test('a group keeps the order among its sources', async () => {
    const graph = new Graph()
    const group = pushGroup()
    const start = push<number>(graph, 'nonCollapsing')
    const options: PushOptions = { group, insideCycle: 'queue' }
    const bid = push<number>(graph, 'lastValue', options)
    const ask = push<number>(graph, 'lastValue', options)
    const trade = push<number>(graph, 'nonCollapsing', options)
    sink('busy', { x: start.edge }, () => () => {
      bid.push(100)
      ask.push(101)
      bid.push(100.5)
      trade.push(101)
      ask.push(102)
      bid.push(103)
      trade.push(104)
      ask.push(105)
    })
    const seen = record(
      node(
        'seen',
        { bid: bid.edge, ask: ask.edge, trade: trade.edge },
        (inputs) => () =>
          Object.fromEntries(
            Object.entries(inputs)
              .filter(([, input]) => input.ticked)
              .map(([name, input]) => [name, input.value]),
          ),
      ),
    )
    const run = realtime(graph, { clock: manualClock(), ...patient })
    start.push(1)
    expect(seen.map(([, value]) => value)).toEqual([
      { bid: 100.5, ask: 101, trade: 101 },
      { ask: 102, bid: 103, trade: 104 },
      { ask: 105 },
    ])
    await run.stop()
  })

  test('a batch goes into one cycle, whichever sources it is for', async () => {
    const graph = new Graph()
    const [bid, ask] = [push<number>(graph, 'lastValue'), push<number>(graph, 'lastValue')]
    const seen = record(
      node('both', { bid: bid.edge, ask: ask.edge }, ({ bid, ask }) => () => [
        bid.ticked,
        ask.ticked,
      ]),
    )
    const run = realtime(graph, { clock: manualClock(), ...patient })
    batch(() => {
      bid.push(1)
      ask.push(2)
    })
    ask.push(3)
    expect(seen.map(([, value]) => value)).toEqual([
      [true, true],
      [false, true],
    ])
    await run.stop()
  })

  test('does nothing in a simulated run', () => {
    const graph = new Graph()
    const x = push<number>(graph, 'nonCollapsing')
    sink('pushing', { x: constant(graph, 1) }, () => () => x.push(1))
    const seen = record(x.edge)
    simulate(graph)
    expect(seen).toEqual([])
  })

  test('is typed by its mode', () => {
    const graph = new Graph()
    expectTypeOf(push<number>(graph, 'lastValue').edge).toEqualTypeOf<Edge<number>>()
    expectTypeOf(push<number>(graph, 'burst').edge).toEqualTypeOf<Edge<readonly number[]>>()
    // @ts-expect-error numbers are pushed
    expect(() => push<number>(graph, 'burst').push('text')).toThrow()
  })
})

describe('feedback', () => {
  test('comes back in the next cycle at the same time, together with what else is due then', () => {
    const graph = new Graph()
    const { out, bind } = feedback<number>(graph)
    const x = curve(graph, [
      [10, 1],
      [20, 5],
      [20, 6],
      [30, 2],
    ])
    const sum = node('sum', { x, last: passive(out) }, ({ x, last }) => () => {
      return x.value + (last.valid ? last.value : 0)
    })
    bind(sum)
    const seen = record(merge(sum, sum))
    simulate(graph)
    expect(seen).toEqual([
      [10, 1],
      [20, 6],
      [20, 12],
      [30, 14],
    ])
  })

  test('one that never ends is ended, with its time', () => {
    const graph = new Graph()
    const { out, bind } = feedback<number>(graph)
    bind(merge(constant(graph, 1, 7), out))
    record(out)
    expect(() => simulate(graph, { maxCyclesAtOneTime: 100 })).toThrow(
      expect.objectContaining({ code: 'SPINNING', time: 7 }),
    )
  })

  test('is bound once, and before the run', () => {
    const graph = new Graph()
    const loop = feedback<number>(graph, 'loop')
    record(loop.out)
    expect(() => simulate(graph)).toThrow(expect.objectContaining({ code: 'UNBOUND_EDGE' }))
    loop.bind(constant(graph, 1))
    expect(() => loop.bind(constant(graph, 1))).toThrow(
      expect.objectContaining({ code: 'BOUND_TWICE' }),
    )
    expect(() => feedback<number>(graph).bind(constant(new Graph(), 1))).toThrow(
      expect.objectContaining({ code: 'GRAPH_MISMATCH' }),
    )
  })
})

test('a value that is replaced before a cycle comes leaves nothing behind', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heap = (): number => {
    collect()
    return process.memoryUsage().heapUsed
  }
  const graph = new Graph()
  const price = push<number>(graph, 'lastValue')
  const seen = record(price.edge)
  const run = realtime(graph, { clock: manualClock() })
  const sizes: number[] = []
  batch(() => {
    for (let i = 0; i <= 400_000; i++) {
      price.push(i)
      if (i % 200_000 === 0) sizes.push(heap())
    }
  })
  expect(seen).toEqual([[0, 400_000]])
  // A word for each would be 1.6 MB.
  expect((sizes[2] as number) - (sizes[1] as number)).toBeLessThan(800_000)
  price.push(1)
  price.push(2)
  expect(seen.map(([, value]) => value)).toEqual([400_000, 1, 2])
  await run.stop()
})
