import { count, type Edge, Graph, map, micros, node, simulate, sink, timer } from '@gw/core'
import { computed, effect, signal } from 'alien-signals'
import { type Observable, map as rxMap, Subject } from 'rxjs'
import type { Scenario } from '../measure.js'

const addOne = (value: number): number => value + 1

/** Counts 1, 2, ... n, sends that through `build`, and returns the last value that comes out. */
function gw(n: number, build: (x: Edge<number>) => Edge<number>): number {
  const graph = new Graph()
  let last = 0
  sink('last', { x: build(count(timer(graph, micros(1)))) }, ({ x }) => () => {
    last = x.value
  })
  simulate(graph, { duration: micros(n) })
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
    unit: 'evaluations',
    unitsPerTick: length,
    expected: (n) => n + length,
    sides: {
      gw: (n) => gw(n, (x) => repeated(length, x, (it) => map(it, addOne))),
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

/** What `pnpm bench:engine` measures. */
export const scenarios: readonly Scenario[] = [chain(1), chain(100), diamond(64)]
