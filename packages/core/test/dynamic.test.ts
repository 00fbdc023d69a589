import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  accum,
  basketNode,
  constant,
  count,
  curve,
  type DynamicBasket,
  delay,
  dynamic,
  dynamicCollect,
  dynamicDemultiplex,
  dynamicOutputs,
  type Edge,
  Graph,
  type Graph as GraphType,
  graphOutput,
  map,
  merge,
  micros,
  mul,
  node,
  pull,
  simulate,
  simulateAsync,
  sink,
  snap,
  stopEngine,
  timer,
} from '@gw/core'
import { record } from '@gw/core/testing'
import { expect, expectTypeOf, test } from 'vitest'

type Step = {
  readonly set?: { readonly [key: string]: number }
  readonly remove?: readonly string[]
}

/** A basket that follows steps, each at its time: removals, then ticks. */
function keyed(
  graph: GraphType,
  steps: readonly (readonly [number, Step])[],
): DynamicBasket<string, number> {
  return basketNode<string, number>()(
    'keyed',
    { x: curve(graph, steps) },
    ({ x }, basket) =>
      () => {
        for (const key of x.value.remove ?? []) basket.remove(key)
        for (const [key, value] of Object.entries(x.value.set ?? {})) basket.emit(key, value)
      },
  )
}

/** What each cycle of a basket brought. */
function changes<T>(basket: DynamicBasket<string, T>) {
  return record(
    node('changes', { basket }, ({ basket }) => () => {
      const { value: view } = basket
      expect(view.tickedValues).toEqual(view.ticked.map((key) => view.get(key)))
      return {
        ticked: Object.fromEntries(view.ticked.map((key, i) => [key, view.tickedValues[i]])),
        added: [...view.added],
        removed: [...view.removed],
        keys: [...view.keys()],
      }
    }),
  )
}

test('a basket tells which keys ticked, came and went', () => {
  const graph = new Graph()
  const seen = changes(
    keyed(graph, [
      [1, { set: { a: 1, b: 2 } }],
      [2, { set: { a: 3 } }],
      [3, { remove: ['a'] }],
      [4, { remove: ['b'], set: { b: 4, c: 5 } }],
    ]),
  )
  simulate(graph)
  expect(seen.map(([, change]) => change)).toEqual([
    { ticked: { a: 1, b: 2 }, added: ['a', 'b'], removed: [], keys: ['a', 'b'] },
    { ticked: { a: 3 }, added: [], removed: [], keys: ['a', 'b'] },
    { ticked: {}, added: [], removed: ['a'], keys: ['b'] },
    { ticked: { b: 4, c: 5 }, added: ['b', 'c'], removed: ['b'], keys: ['b', 'c'] },
  ])
})

test.each<[string, Step, string]>([
  ['a key that is not there is removed', { remove: ['x'] }, 'UNKNOWN_KEY'],
  ['a key is removed twice', { remove: ['a', 'a'] }, 'UNKNOWN_KEY'],
])('the run fails when %s', (_what, step, code) => {
  const graph = new Graph()
  changes(
    keyed(graph, [
      [1, { set: { a: 1 } }],
      [2, step],
    ]),
  )
  expect(() => simulate(graph)).toThrow(expect.objectContaining({ code, path: 'keyed' }))
})

test('a key that has ticked in a cycle cannot be removed or tick again in it', () => {
  for (const again of ['remove', 'emit'] as const) {
    const graph = new Graph()
    const basket = basketNode<string, number>()(
      'twice',
      { x: constant(graph, 1) },
      (_inputs, basket) => () => {
        basket.emit('a', 1)
        if (again === 'remove') basket.remove('a')
        else basket.emit('a', 2)
      },
    )
    changes(basket)
    expect(() => simulate(graph)).toThrow(expect.objectContaining({ code: 'OUTPUT_TWICE' }))
  }
})

test('a sub-graph starts in the cycle of its key: constants tick at once, timers one interval later', () => {
  const graph = new Graph()
  const basket = keyed(graph, [[15, { set: { a: 1 } }]])
  const seen = record(
    dynamicCollect(
      dynamic(basket, {}, ({ graph }) => merge(constant(graph, 100), count(timer(graph, 10)))),
    ),
  )
  simulate(graph, { end: 36 })
  expect(seen.map(([time, map]) => [time, map.get('a')])).toEqual([
    [15, 100],
    [25, 1],
    [35, 2],
  ])
})

test('a sub-graph gets its key and element, edges around it, and values of them at its making', () => {
  const graph = new Graph()
  const basket = keyed(graph, [
    [10, { set: { a: 1 } }],
    [20, { set: { b: 2 } }],
    [30, { set: { a: 3, b: 4 } }],
    [40, { remove: ['a'] }],
    [50, { set: { a: 5 } }],
  ])
  const factor = curve(graph, [
    [5, 10],
    [25, 100],
  ])
  const sums = dynamic(
    basket,
    { factor, first: snap(factor) },
    ({ edge, key }, { factor, first }) =>
      map(accum(mul(edge, factor), first), (sum) => `${key}${sum}`),
  )
  const seen = changes(sums)
  simulate(graph)
  expect(seen.map(([time, { ticked, removed }]) => [time, ticked, removed])).toEqual([
    [10, { a: 'a20' }, []],
    [20, { b: 'b30' }, []],
    // The factor ticks for all that live.
    [25, { a: 'a120', b: 'b230' }, []],
    [30, { a: 'a420', b: 'b630' }, []],
    [40, {}, ['a']],
    [50, { a: 'a600' }, []],
  ])
})

test('a value to be taken that is not there fails the run', () => {
  const graph = new Graph()
  const later = constant(graph, 1, 100)
  const basket = keyed(graph, [[10, { set: { a: 1 } }]])
  record(dynamic(basket, { later: snap(later) }, ({ edge }) => edge))
  expect(() => simulate(graph)).toThrow(
    expect.objectContaining({ code: 'SNAP_NOT_VALID', path: 'dynamic', time: 10 }),
  )
})

test('a removed key takes its sub-graph with it, after the cycle; alarms are dropped', () => {
  const graph = new Graph()
  const log: string[] = []
  const basket = keyed(graph, [
    [10, { set: { a: 1 } }],
    [20, { remove: ['a'] }],
  ])
  const results = dynamic(basket, { clock: timer(graph, 10) }, ({ edge }, { clock }) => {
    sink('inside', { clock }, (_inputs, context) => {
      context.onStop(() => log.push(`stopped ${context.now}`))
      return () => {
        log.push(`ran ${context.now}`)
      }
    })
    return delay(edge, micros(15))
  })
  const seen = changes(results)
  simulate(graph, { end: 40 })
  expect(log).toEqual(['ran 10', 'ran 20', 'stopped 20'])
  expect(seen).toEqual([])
})

test('all that live are stopped at the end of the run, and when it fails', () => {
  for (const fails of [false, true]) {
    const graph = new Graph()
    const stopped: string[] = []
    const basket = keyed(graph, [[10, { set: { a: 1, b: 2 } }]])
    record(
      dynamic(basket, {}, ({ edge, key }) =>
        node('inner', { edge }, ({ edge }, context) => {
          context.onStop(() => stopped.push(key))
          return () => {
            if (fails && edge.value === 2) throw new Error('two')
            return edge.value
          }
        }),
      ),
    )
    const run = () => simulate(graph)
    if (fails) {
      expect(run).toThrow(
        expect.objectContaining({ code: 'NODE_FAILED', path: 'dynamic[b]/inner', node: 'inner' }),
      )
    } else {
      run()
    }
    expect(stopped.sort()).toEqual(['a', 'b'])
  }
})

test('a sub-graph can end itself; its key leaves the result', () => {
  const graph = new Graph()
  const basket = keyed(graph, [
    [10, { set: { a: 1, b: 1 } }],
    [20, { set: { a: 2, b: 1 } }],
    [30, { set: { a: 3, b: 1 } }],
  ])
  const results = dynamic(basket, {}, ({ edge }) => {
    stopEngine(
      map(edge, (x) => (x === 2 ? x : undefined)),
      { dynamic: true },
    )
    return edge
  })
  const seen = changes(results)
  simulate(graph)
  expect(seen.map(([time, { ticked, removed }]) => [time, ticked, removed])).toEqual([
    [10, { a: 1, b: 1 }, []],
    [20, { a: 2, b: 1 }, []],
    [20, {}, ['a']],
    [30, { b: 1 }, []],
  ])
})

test('a sub-graph has several outputs, outputs of the run, and sub-graphs of its own', () => {
  const graph = new Graph()
  const basket = keyed(graph, [
    [10, { set: { a: 1 } }],
    [20, { set: { a: 2, b: 3 } }],
    [30, { remove: ['a'] }],
  ])
  const { sum, n } = dynamicOutputs<{ sum: number; n: number }>()(
    basket,
    {},
    ['sum', 'n'],
    ({ edge, key }) => {
      graphOutput(`seen ${key}`, edge)
      const parity = map(edge, (x) => (x % 2 === 0 ? 'even' : 'odd'))
      const counts = dynamic(dynamicDemultiplex(edge, parity), {}, ({ edge }) => count(edge))
      graphOutput(
        `parities ${key}`,
        map(dynamicCollect(counts), (map) => [...map]),
      )
      return { sum: accum(edge), n: count(edge) }
    },
  )
  expectTypeOf(sum).toEqualTypeOf<DynamicBasket<string, number>>()
  const seen = [changes(sum), changes(n)].map((each) => each)
  const { outputs } = simulate(graph)
  expect(seen.map((each) => each.map(([, { ticked }]) => ticked))).toEqual([
    [{ a: 1 }, { a: 3, b: 3 }, {}],
    [{ a: 1 }, { a: 2, b: 1 }, {}],
  ])
  expect(outputs.get('seen a')).toEqual([
    [10, 1],
    [20, 2],
  ])
  expect(outputs.get('parities a')).toEqual([
    [10, [['odd', 1]]],
    [20, [['even', 1]]],
  ])
})

test('sub-graphs are typed by what they get and give', () => {
  const graph = new Graph()
  const basket = dynamicDemultiplex(constant(graph, 1), constant(graph, 'key'))
  expectTypeOf(basket).toEqualTypeOf<DynamicBasket<string, number>>()
  const text = constant(graph, 'text')
  const results = dynamic(basket, { text, now: snap(text) }, ({ edge, key }, { text, now }) => {
    expectTypeOf(edge).toEqualTypeOf<Edge<number>>()
    expectTypeOf(key).toEqualTypeOf<string>()
    expectTypeOf(text).toEqualTypeOf<Edge<string>>()
    expectTypeOf(now).toEqualTypeOf<string>()
    return map(edge, (x) => x > 0)
  })
  expectTypeOf(results).toEqualTypeOf<DynamicBasket<string, boolean>>()
  expectTypeOf(dynamicCollect(results)).toEqualTypeOf<Edge<ReadonlyMap<string, boolean>>>()
})

test('memory is as it was when ten thousands of keys have come and gone', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heap = (): number => {
    collect()
    return process.memoryUsage().heapUsed
  }
  const graph = new Graph()
  const x = pull(graph, 'x', function* () {
    for (let i = 0; i < 30_000; i++) yield [i, i] as const
  })
  const basket = basketNode<number, number>()('keyed', { x }, ({ x }, basket) => () => {
    const { value } = x
    if (value >= 50) basket.remove(value - 50)
    basket.emit(value, value)
  })
  record(
    map(
      dynamic(basket, {}, ({ edge }) => accum(delay(edge, micros(5)))),
      () => undefined,
    ),
  )
  const sizes: number[] = []
  sink('measure', { x }, ({ x }) => () => {
    if (x.value % 10_000 === 9_999) sizes.push(heap())
  })
  simulate(graph)
  // A sub-graph that stayed would hold some kilobytes, an entry of a map some tens of bytes: of 10,000 half a megabyte.
  expect((sizes[2] as number) - (sizes[1] as number)).toBeLessThan(300_000)
})

test('a sub-graph that ends while one of its sources waits for a row holds nothing up', async () => {
  const graph = new Graph()
  const x = curve(graph, [
    [1, 'a'],
    [2, 'b'],
  ])
  let deliver: (hasRow: boolean) => void = () => undefined
  const delivered = new Promise<boolean>((resolve) => {
    deliver = resolve
  })
  let isClosed = false
  const results = dynamic(dynamicDemultiplex(x, x), {}, ({ graph, edge, key }) => {
    if (key !== 'a') return edge
    stopEngine(edge, { dynamic: true })
    return pull(graph, 'rows', () => ({
      time: 9,
      value: 'late',
      next: () => delivered,
      close: () => {
        isClosed = true
      },
    }))
  })
  const seen = record(dynamicCollect(results))
  await simulateAsync(graph)
  expect(seen.map(([time, map]) => [time, [...map]])).toEqual([[2, [['b', 'b']]]])
  expect(isClosed).toBe(true)
  // A row that comes when nobody waits for it any more changes nothing.
  deliver(true)
  await delivered
  expect(seen).toHaveLength(1)
})
