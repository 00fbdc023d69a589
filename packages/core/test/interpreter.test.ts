import {
  accum,
  add,
  type CurveTick,
  count,
  curve,
  delay,
  dropDups,
  type Edge,
  feedback,
  filter,
  firstN,
  Graph,
  graphOutput,
  lt,
  map,
  merge,
  micros,
  node,
  passive,
  sample,
  simulate,
  ticks,
  withDefault,
} from '@gw/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { interpret, type NaiveNode } from './support/interpreter.js'

type Numbers = Edge<number>

interface Kind {
  readonly build: (x: Numbers, y: Numbers, n: number) => Numbers
  /** The same for the interpreter; it reads `x` and `y`. */
  readonly naive: (n: number) => Pick<NaiveNode, 'start' | 'passive'>
}

/** Keeps numbers small, so that sums stay exact. */
const wrap = (x: number): number => x % 1_000

/** Each operator twice: as the engine has it, and as its one-line definition. */
const kinds: { readonly [kind: string]: Kind } = {
  add: {
    build: (x, y) => map(add(x, y), wrap),
    naive: () => ({
      start:
        () =>
        ([x, y]) =>
          x?.valid && y?.valid ? wrap(x.value + y.value) : undefined,
    }),
  },
  merge: {
    build: (x, y) => merge(x, y),
    naive: () => ({
      start:
        () =>
        ([x, y]) =>
          x?.ticked ? x.value : y?.value,
    }),
  },
  sample: {
    build: (x, y) => sample(x, y),
    naive: () => ({
      passive: [1],
      start:
        () =>
        ([, y]) =>
          y?.valid ? y.value : undefined,
    }),
  },
  filter: {
    build: (x, y) => filter(lt(y, 5), x),
    // The comparison has ticked once `y` has, and is passive.
    naive: () => ({
      passive: [1],
      start:
        () =>
        ([x, y]) =>
          y?.valid && y.value < 5 ? x?.value : undefined,
    }),
  },
  count: {
    build: (x) => count(x),
    naive: () => {
      return {
        passive: [1],
        start:
          (n = 0) =>
          () =>
            ++n,
      }
    },
  },
  accum: {
    build: (x) => map(accum(x), wrap),
    naive: () => ({
      passive: [1],
      start: () => {
        let sum = 0
        return ([x]) => {
          sum += x?.value ?? 0
          return wrap(sum)
        }
      },
    }),
  },
  firstN: {
    build: (x, _y, n) => firstN(x, n),
    naive: (n) => ({
      passive: [1],
      start:
        (seen = 0) =>
        ([x]) =>
          seen++ < n ? x?.value : undefined,
    }),
  },
  dropDups: {
    build: (x) => dropDups(map(x, (x) => x % 3)),
    naive: () => ({
      passive: [1],
      start: () => {
        let last: number | undefined
        return ([x]) => {
          const value = (x?.value ?? 0) % 3
          if (value === last) return undefined
          last = value
          return value
        }
      },
    }),
  },
  delayByTicks: {
    build: (x, _y, n) => delay(x, ticks(n + 1)),
    naive: (n) => ({
      passive: [1],
      start: () => {
        const all: number[] = []
        return ([x]) => all[all.push(x?.value ?? 0) - n - 2]
      },
    }),
  },
  delayByTime: {
    build: (x, _y, n) => delay(x, micros(n)),
    naive: (n) => ({
      passive: [1],
      start:
        () =>
        ([x], alarm) => {
          if (x?.ticked) alarm.schedule(n, x.value)
          return alarm.ticked ? alarm.value : undefined
        },
    }),
  },
  ticked: {
    build: (x, y) =>
      node('ticked', { x, y }, ({ x, y }) => () => {
        return (x.ticked ? 1 : 0) + (y.ticked ? 2 : 0) + (x.valid ? 4 : 0) + (y.valid ? 8 : 0)
      }),
    naive: () => ({
      start:
        () =>
        ([x, y]) =>
          (x?.ticked ? 1 : 0) + (y?.ticked ? 2 : 0) + (x?.valid ? 4 : 0) + (y?.valid ? 8 : 0),
    }),
  },
  feedback: {
    build: (x) => {
      const { out, bind } = feedback<number>(x.graph)
      const sum = node('sum', { x, last: passive(out) }, ({ x, last }) => () => {
        return wrap(x.value + (last.valid ? last.value : 0))
      })
      bind(sum)
      return sum
    },
    naive: () => ({
      passive: [1, 2],
      start:
        () =>
        ([x, , last]) =>
          wrap((x?.value ?? 0) + (last?.valid ? last.value : 0)),
    }),
  },
  countdown: {
    build: (x) => {
      const { out, bind } = feedback<number>(x.graph)
      const down = node('countdown', { x, last: out }, ({ x, last }) => () => {
        if (x.ticked) return x.value
        return last.value > 5 ? last.value - 2 : undefined
      })
      bind(down)
      return down
    },
    naive: () => ({
      passive: [1],
      start:
        () =>
        ([x, , last]) => {
          if (x?.ticked) return x.value
          return last !== undefined && last.value > 5 ? last.value - 2 : undefined
        },
    }),
  },
}

const names = Object.keys(kinds)
const hasFeedback = (kind: string): boolean => kind === 'feedback' || kind === 'countdown'

const ticksOfSource = fc
  .array(fc.tuple(fc.nat({ max: 3 }), fc.integer({ min: -9, max: 9 })), { maxLength: 10 })
  .map((steps) => {
    let time = 0
    return steps.map(([gap, value]): CurveTick<number> => {
      time += gap
      return [time, value]
    })
  })

const program = fc.record({
  sources: fc.array(ticksOfSource, { minLength: 1, maxLength: 4 }),
  nodes: fc.array(
    fc.record({
      kind: fc.constantFrom(...names),
      a: fc.nat(),
      b: fc.nat(),
      n: fc.nat({ max: 4 }),
    }),
    { maxLength: 12 },
  ),
})

const END = 25

test('random graphs tick what a slow and obvious interpreter makes of them', () => {
  fc.assert(
    fc.property(program, fc.boolean(), ({ sources, nodes }, compiles) => {
      const graph = new Graph()
      const built: Numbers[] = sources.map((ticks) => curve(graph, ticks))
      for (const { kind, a, b, n } of nodes) {
        const x = built[a % built.length] as Numbers
        const y = built[b % built.length] as Numbers
        built.push((kinds[kind] as Kind).build(x, y, n))
      }
      for (const [i, edge] of built.entries()) graphOutput(`${i}`, edge)
      const { outputs } = simulate(graph, {
        end: END,
        compileAfter: compiles ? 1 : Number.POSITIVE_INFINITY,
      })

      const loops = nodes.filter(({ kind }) => hasFeedback(kind)).length
      // For the interpreter a feedback is a source of its own, which nothing but its node ticks.
      const naiveSources = [...sources, ...Array.from({ length: loops }, () => [])]
      /** Place of the edge that the engine has at `at`. */
      const place = (at: number): number => (at < sources.length ? at : at + loops)
      let loop = sources.length
      const naive = nodes.map(({ kind, a, b, n }, i): NaiveNode => {
        const before = sources.length + i
        const reads = [place(a % before), place(b % before)]
        const node = { ...(kinds[kind] as Kind).naive(n), reads }
        return hasFeedback(kind) ? { ...node, reads: [...reads, loop], feeds: loop++ } : node
      })
      const expected = interpret(naiveSources, naive, END)
      for (const i of built.keys()) {
        expect(outputs.get(`${i}`)).toEqual(expected[place(i)])
      }
    }),
    { numRuns: 500 },
  )
})

test('a delayed start drops what was before it, and a default fills in', () => {
  fc.assert(
    fc.property(ticksOfSource, fc.nat({ max: 20 }), (rows, start) => {
      const graph = new Graph()
      const x = curve(graph, rows)
      graphOutput('x', x)
      graphOutput('default', withDefault(x, 100))
      const { outputs } = simulate(graph, { start, end: END })
      const expected = rows.filter(([time]) => time >= start && time <= END)
      expect(outputs.get('x')).toEqual(expected)
      const isThere = expected[0]?.[0] === start
      expect(outputs.get('default')).toEqual(isThere ? expected : [[start, 100], ...expected])
    }),
  )
})
