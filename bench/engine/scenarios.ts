import {
  add,
  type CurveTick,
  count,
  curve,
  dynamic,
  dynamicCollect,
  dynamicDemultiplex,
  type Edge,
  feedback,
  flatten,
  Graph,
  map,
  micros,
  node,
  passive,
  type SimulateOptions,
  simulate,
  sink,
  stats,
  ticks,
  timer,
} from '@gw/core'
import { computed, effect, signal } from 'alien-signals'
import {
  from,
  groupBy,
  mergeMap,
  type Observable,
  map as rxMap,
  Subject,
  scan,
  withLatestFrom,
} from 'rxjs'
import type { Scenario } from '../measure.js'
import { START } from './start.js'

const addOne = (value: number): number => value + 1

/** Counts 1, 2, ... n, sends that through `build`, and returns the last value that comes out. */
function gw(
  n: number,
  build: (x: Edge<number>) => Edge<number>,
  options: SimulateOptions = {},
): number {
  return lastOf(n, (graph) => build(count(timer(graph, micros(1)))), options)
}

/** Without generated functions. */
const loop: SimulateOptions = { compileAfter: Number.POSITIVE_INFINITY }

/** Runs what `build` makes for `n` microseconds, and returns the last value that comes out. */
function lastOf(
  n: number,
  build: (graph: Graph) => Edge<number>,
  options: SimulateOptions = {},
): number {
  const graph = new Graph()
  let last = 0
  sink('last', { x: build(graph) }, ({ x }) => () => {
    last = x.value
  })
  simulate(graph, { ...options, start: START, duration: micros(n) })
  return last
}

function rxjs(n: number, build: (x: Observable<number>) => Observable<number>): number {
  const source = new Subject<number>()
  let last = 0
  build(source).subscribe((value) => {
    last = value
  })
  for (let i = 1; i <= n; i++) source.next(i)
  return last
}

function alien(n: number, build: (x: () => number) => () => number): number {
  const source = signal(0)
  const end = build(source)
  let last = 0
  const stop = effect(() => {
    last = end()
  })
  for (let i = 1; i <= n; i++) source(i)
  stop()
  return last
}

function chain(length: number): Scenario {
  return {
    name: `chain${length}`,
    unit: length === 1 ? 'ticks' : 'evaluations',
    unitsPerTick: length,
    expected: (n) => n + length,
    sides: {
      gw: (n) => gw(n, (x) => repeated(length, x, (it) => map(it, addOne))),
      gwLoop: (n) => gw(n, (x) => repeated(length, x, (it) => map(it, addOne)), loop),
      rxjs: (n) => rxjs(n, (x) => repeated(length, x, (it) => it.pipe(rxMap(addOne)))),
      alien: (n) => alien(n, (x) => repeated(length, x, (it) => computed(() => it() + 1))),
    },
  }
}

/** One source, `width` nodes that read it, one that adds them up: once a tick, or the sum is of two ticks. */
function diamond(width: number): Scenario {
  const middle = Array.from({ length: width }, (_, i) => i)
  return {
    name: `diamond${width}`,
    unit: 'evaluations',
    unitsPerTick: width + 1,
    expected: (n) => width * n + (width * (width - 1)) / 2,
    sides: {
      gw: (n) => gw(n, (x) => sumOf(middle.map((i) => map(x, (value) => value + i)))),
      gwLoop: (n) => gw(n, (x) => sumOf(middle.map((i) => map(x, (value) => value + i))), loop),
      // RxJS has no atomic join: left out, since it would do other work.
      alien: (n) =>
        alien(n, (x) => {
          const edges = middle.map((i) => computed(() => x() + i))
          return computed(() => {
            let sum = 0
            for (const edge of edges) sum += edge()
            return sum
          })
        }),
    },
  }
}

function sumOf(edges: readonly Edge<number>[]): Edge<number> {
  return node('sum', { edges }, ({ edges }) => () => {
    let sum = 0
    for (const edge of edges) sum += edge.value
    return sum
  })
}

function repeated<T>(times: number, start: T, step: (x: T) => T): T {
  let end = start
  for (let i = 0; i < times; i++) end = step(end)
  return end
}

/** Timers that are due together, their ticks put in a row. RxJS and signals have no simulated time. */
const timers1000: Scenario = {
  name: 'timers1000',
  unit: 'ticks',
  unitsPerTick: 1_000,
  expected: (n) => n * 1_000,
  sides: {
    gw: (n) =>
      lastOf(n, (graph) => {
        const timers = Array.from({ length: 1_000 }, () => timer(graph, micros(1)))
        return count(flatten(timers))
      }),
  },
}

/** A counter whose state goes round through a feedback: two cycles a tick. */
const throughFeedback: Scenario = {
  name: 'feedback',
  unit: 'ticks',
  unitsPerTick: 1,
  expected: (n) => n,
  sides: {
    gw: (n) =>
      lastOf(n, (graph) => {
        const state = feedback<number>(graph)
        const inputs = { tick: timer(graph, micros(1)), state: passive(state.out) }
        const next = node(
          'next',
          inputs,
          ({ state }) =>
            () =>
              (state.valid ? state.value : 0) + 1,
        )
        state.bind(next)
        return next
      }),
    rxjs: (n) =>
      rxjs(n, (x) => {
        const state = new Subject<number>()
        const next = new Subject<number>()
        x.pipe(
          withLatestFrom(state),
          rxMap(([, last]) => last + 1),
        ).subscribe((value) => {
          next.next(value)
          state.next(value)
        })
        state.next(0)
        return next
      }),
  },
}

/** Recorded data: the points are there before the clock starts. */
const points: CurveTick<number>[] = []

function pointsOf(n: number): readonly CurveTick<number>[] {
  for (let i = points.length + 1; i <= n; i++) points.push([START + micros(i), i])
  return points
}

const curvePoints: Scenario = {
  name: 'curve',
  unit: 'ticks',
  unitsPerTick: 1,
  expected: (n) => n,
  sides: {
    gw: (n) => lastOf(n, (graph) => curve(graph, pointsOf(n))),
    rxjs: (n) => {
      let last = 0
      from(pointsOf(n).slice(0, n)).subscribe(([, value]) => {
        last = value
      })
      return last
    },
  },
}

interface Quote {
  readonly id: number
  readonly price: number
}

const quoteOf = (id: number): Quote => ({ id, price: id * 2 })
const raised = ({ id, price }: Quote): Quote => ({ id, price: price + 1 })

/** A new object from each of two nodes of the user's own. */
const struct2: Scenario = {
  name: 'struct2',
  unit: 'ticks',
  unitsPerTick: 1,
  expected: (n) => n * 2 + 1,
  sides: {
    gw: (n) =>
      gw(n, (x) => {
        const quotes = node(
          'quotes',
          { x },
          ({ x }) =>
            () =>
              quoteOf(x.value),
        )
        const raises = node(
          'raises',
          { quotes },
          ({ quotes }) =>
            () =>
              raised(quotes.value),
        )
        return map(raises, ({ price }) => price)
      }),
    rxjs: (n) =>
      rxjs(n, (x) =>
        x.pipe(
          rxMap(quoteOf),
          rxMap(raised),
          rxMap(({ price }) => price),
        ),
      ),
    alien: (n) =>
      alien(n, (x) => {
        const quotes = computed(() => quoteOf(x()))
        const raises = computed(() => raised(quotes()))
        return computed(() => raises().price)
      }),
  },
}

/** Rolling statistics; the peers have none, and doing them by hand would measure the hand. */
const meanStddev100: Scenario = {
  name: 'meanStddev100',
  unit: 'ticks',
  unitsPerTick: 1,
  expected: (n) => {
    const window = Math.min(n, 100)
    return Math.round(1_000 * (n - (window - 1) / 2 + Math.sqrt((window * (window + 1)) / 12)))
  },
  sides: {
    gw: (n) => {
      const options = { interval: ticks(100), minWindow: ticks(1) }
      const result = gw(n, (x) => add(stats.mean(x, options), stats.stddev(x, options)))
      return Math.round(1_000 * result)
    },
  },
}

const KEYS = 10_000
const keyOf = (value: number): number => value % KEYS

/** A counter for each key, made when the key first comes; all of them live on. */
const dynamicKeys: Scenario = {
  name: 'dynamicKeys',
  unit: 'ticks',
  unitsPerTick: 1,
  expected: (n) => Math.floor((n - 1) / KEYS) + 1,
  sides: {
    gw: (n) =>
      gw(n, (x) => {
        const byKey = dynamicDemultiplex(x, map(x, keyOf))
        const counts = dynamic(byKey, {}, ({ edge }) => count(edge))
        return map(dynamicCollect(counts), (ticked) => [...ticked.values()][0] as number)
      }),
    rxjs: (n) =>
      rxjs(n, (x) =>
        x.pipe(
          groupBy(keyOf),
          mergeMap((each) => each.pipe(scan((count) => count + 1, 0))),
        ),
      ),
  },
}

const WIDTH = 10_000

/** One edge that 10,000 nodes read. */
const fanout: Scenario = {
  name: 'fanout',
  unit: 'evaluations',
  unitsPerTick: WIDTH,
  expected: (n) => (WIDTH * n * (n + 1)) / 2,
  sides: {
    gw: (n) => {
      const graph = new Graph()
      const x = count(timer(graph, micros(1)))
      let total = 0
      for (let i = 0; i < WIDTH; i++) {
        sink('total', { x }, ({ x }) => () => {
          total += x.value
        })
      }
      simulate(graph, { start: START, duration: micros(n) })
      return total
    },
    rxjs: (n) => {
      const x = new Subject<number>()
      let total = 0
      for (let i = 0; i < WIDTH; i++) {
        x.subscribe((value) => {
          total += value
        })
      }
      for (let i = 1; i <= n; i++) x.next(i)
      return total
    },
    alien: (n) => {
      const x = signal(0)
      let total = 0
      const stops = Array.from({ length: WIDTH }, () =>
        effect(() => {
          total += x()
        }),
      )
      for (let i = 1; i <= n; i++) x(i)
      for (const stop of stops) stop()
      return total
    },
  },
}

/** What `pnpm bench:engine` measures. */
export const scenarios: readonly Scenario[] = [
  chain(100),
  chain(1),
  diamond(64),
  timers1000,
  throughFeedback,
  curvePoints,
  struct2,
  meanStddev100,
  dynamicKeys,
  fanout,
]
