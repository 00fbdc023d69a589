import {
  type AdapterContext,
  type AdapterStatus,
  adapter,
  constant,
  type Edge,
  Graph,
  GraphError,
  graphOutput,
  manualClock,
  map,
  push,
  realtime,
  simulate,
  simulateAsync,
  sink,
  timer,
} from '@gw/core'
import { record } from '@gw/core/testing'
import { expect, expectTypeOf, test } from 'vitest'
import { patient } from './support/patient.js'

test('starts when all nodes are set up, before the first cycle, and stops at the end', () => {
  const graph = new Graph()
  const log: string[] = []
  const feed = adapter(graph, 'feed', ({ start, end, realtime }) => {
    log.push(`start ${start} ${end} ${realtime}`)
    return () => {
      log.push('stop')
    }
  })
  feed.output(timer(graph, 10, 'tick'), (value, time) => log.push(`${value} ${time}`))
  sink('late', { x: constant(graph, 1) }, () => {
    log.push('set up')
    return () => {
      log.push('cycle')
    }
  })
  simulate(graph, { start: 5, duration: 20 })
  expect(log).toEqual(['set up', 'start 5 25 false', 'cycle', 'tick 15', 'tick 25', 'stop'])
})

test('pushes from its start on, and is told of the end by its signal', async () => {
  const graph = new Graph()
  const numbers = push<number>(graph, 'nonCollapsing')
  let context: AdapterContext | undefined
  adapter(graph, 'feed', (given) => {
    context = given
    numbers.push(1)
    return undefined
  })
  const seen = record(numbers.edge)
  const run = realtime(graph, { clock: manualClock(7), ...patient })
  expect(seen).toEqual([[7, 1]])
  expect(context?.signal.aborted).toBe(false)
  await run.stop()
  expect(context?.signal.aborted).toBe(true)
})

test('says how it is on an edge', async () => {
  const graph = new Graph()
  let context: AdapterContext | undefined
  const feed = adapter(graph, 'feed', (given) => {
    context = given
    given.status('info', 'CONNECTED', 'to the feed')
    return undefined
  })
  const levels = record(map(feed.status, ({ level, code }) => `${level} ${code}`))
  const run = realtime(graph, { clock: manualClock(), ...patient })
  context?.status('error', 'STALE', 'nothing for a minute')
  expect(levels.map(([, text]) => text)).toEqual(['info CONNECTED', 'error STALE'])
  await run.stop()
  expect(() => context?.status('info', 'LATE', 'after the end')).not.toThrow()
})

test('may say how it is where nobody listens, and in a simulated run', () => {
  const graph = new Graph()
  const feed = adapter(graph, 'feed', (context) => context.status('info', 'A', 'b') as undefined)
  expect(() => simulate(graph)).not.toThrow()
  graphOutput('status', feed.status)
  expect(simulate(graph).outputs.get('status')).toEqual([])
})

test('ends a simulated run after the current cycle when it fails', () => {
  const graph = new Graph()
  const ticks: number[] = []
  let context: AdapterContext | undefined
  adapter(graph, 'disk', (given) => {
    context = given
    return undefined
  }).output(timer(graph, 10), (_value, time) => {
    if (time === 20) context?.fail(new Error('full'))
    ticks.push(time)
  })
  let thrown: unknown
  try {
    simulate(graph, { duration: 100 })
  } catch (error) {
    thrown = error
  }
  expect(thrown).toMatchObject({ code: 'ADAPTER_FAILED', node: 'disk', time: 20 })
  expect((thrown as GraphError).message).toContain('"disk" failed: full')
  expect((thrown as GraphError).cause).toEqual(new Error('full'))
  expect(ticks).toEqual([10, 20])
})

test('ends a realtime run from outside of a cycle when it fails, and is still stopped', async () => {
  const graph = new Graph()
  let isStopped = false
  let context: AdapterContext | undefined
  adapter(graph, 'feed', (given) => {
    context = given
    return () => {
      isStopped = true
    }
  })
  const run = realtime(graph, { clock: manualClock(), ...patient })
  context?.fail(new Error('gone'))
  await expect(run.done).rejects.toMatchObject({ code: 'ADAPTER_FAILED' })
  expect(isStopped).toBe(true)
  expect(() => context?.fail(new Error('again'))).not.toThrow()
})

test('a start that throws lets no cycle run, and stops what had started', () => {
  const graph = new Graph()
  const log: string[] = []
  adapter(graph, 'first', () => () => {
    log.push('first stopped')
  })
  adapter(graph, 'second', () => {
    throw new Error('refused')
  })
  sink('x', { x: constant(graph, 1) }, () => () => {
    log.push('cycle')
  })
  expect(() => simulate(graph)).toThrow(
    expect.objectContaining({ code: 'ADAPTER_FAILED', node: 'second' }),
  )
  expect(log).toEqual(['first stopped'])
})

test('an output that throws is a node that failed', () => {
  const graph = new Graph()
  adapter(graph, 'disk', () => undefined).output(constant(graph, 1), () => {
    throw new Error('full')
  })
  expect(() => simulate(graph)).toThrow(
    expect.objectContaining({ code: 'NODE_FAILED', path: 'disk.output' }),
  )
})

test('a stop that throws fails the run; all others are stopped nevertheless', () => {
  const graph = new Graph()
  let stopped = 0
  for (const name of ['a', 'b', 'c']) {
    adapter(graph, name, () => () => {
      stopped++
      if (name === 'b') throw new Error('stuck')
    })
  }
  expect(() => simulate(graph)).toThrow(
    expect.objectContaining({ code: 'ADAPTER_FAILED', node: 'b' }),
  )
  expect(stopped).toBe(3)
})

test('cycles go on while it starts; the end waits for its start and its stop', async () => {
  const graph = new Graph()
  const log: string[] = []
  let connect: () => void = () => undefined
  adapter(graph, 'slow', async () => {
    await new Promise<void>((resolve) => {
      connect = resolve
    })
    log.push('started')
    return async () => {
      await Promise.resolve()
      log.push('stopped')
    }
  })
  const clock = manualClock()
  const seen = record(timer(graph, 10))
  const run = realtime(graph, { clock, ...patient })
  clock.advance(20)
  expect(seen).toHaveLength(2)
  const done = run.stop().then(() => log.push('done'))
  connect()
  await done
  expect(log).toEqual(['started', 'stopped', 'done'])
})

test('a start that rejects ends the run', async () => {
  const graph = new Graph()
  adapter(graph, 'feed', async () => {
    throw new Error('no such host')
  })
  const run = realtime(graph, { clock: manualClock(), ...patient })
  await expect(run.done).rejects.toMatchObject({
    code: 'ADAPTER_FAILED',
    message: 'adapter "feed" did not start: no such host',
  })
})

test('a stop that takes too long, or rejects, fails the run', async () => {
  const outcome = (stop: () => Promise<void>) => {
    const graph = new Graph()
    adapter(graph, 'feed', () => stop, { stopTimeoutMs: 1 })
    return simulateAsync(graph)
  }
  await expect(outcome(() => new Promise(() => undefined))).rejects.toMatchObject({
    code: 'TIMED_OUT',
    node: 'feed',
  })
  await expect(outcome(() => Promise.reject(new Error('stuck')))).rejects.toMatchObject({
    code: 'ADAPTER_FAILED',
  })
  await expect(outcome(() => Promise.resolve())).resolves.toMatchObject({ cycles: 0 })
})

test('starts and stops with each run', () => {
  const graph = new Graph()
  let started = 0
  adapter(graph, 'feed', () => {
    started++
    return undefined
  })
  simulate(graph)
  simulate(graph)
  expect(started).toBe(2)
})

test('is typed', () => {
  const graph = new Graph()
  const feed = adapter(graph, 'feed', () => undefined)
  expectTypeOf(feed.status).toEqualTypeOf<Edge<AdapterStatus>>()
  feed.output(constant(graph, 'text'), (value) => expectTypeOf(value).toEqualTypeOf<string>())
  expect(() => adapter(graph, 'x', () => undefined, { stopTimeoutMs: Number.NaN })).toThrow(
    GraphError,
  )
})
