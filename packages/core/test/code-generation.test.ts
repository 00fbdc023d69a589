import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CurveTick,
  count,
  curve,
  type Edge,
  feedback,
  Graph,
  graphOutput,
  map,
  micros,
  multiNode,
  node,
  passive,
  sample,
  simulate,
  sink,
  timer,
  unroll,
} from '@gw/core'
import { build } from 'esbuild'
import fc from 'fast-check'
import { expect, test } from 'vitest'

/** A node of a random graph; `a` and `b` choose among the edges before it. */
interface Declaration {
  readonly kind: (typeof kinds)[number]
  readonly a: number
  readonly b: number
}

const kinds = [
  'increment',
  'even',
  'sum',
  'passiveSum',
  'parity',
  'switching',
  'unroll',
  'feedback',
  'failing',
  'sample',
  'sink',
] as const

/** A source: gaps between its ticks, 0 for one at the same time. */
type Gaps = readonly number[]

interface Program {
  readonly sources: readonly Gaps[]
  readonly nodes: readonly Declaration[]
}

/** Runs a random graph. @returns what each edge ticked, what the sinks saw in order, and which nodes failed. */
function run({ sources, nodes }: Program, compileAfter: number): unknown {
  const graph = new Graph()
  const edges: Edge<number>[] = sources.map((gaps) => curve(graph, ticksOf(gaps)))
  const seen: unknown[] = []
  for (const [i, { kind, a, b }] of nodes.entries()) {
    const x = edges[a % edges.length] as Edge<number>
    const y = edges[b % edges.length] as Edge<number>
    edges.push(...declare(graph, `${kind}${i}`, kind, x, y, seen))
  }
  for (const [i, edge] of edges.entries()) graphOutput(`${i}`, edge)
  const failed: string[] = []
  const { outputs, cycles } = simulate(graph, {
    compileAfter,
    onNodeFailure: ({ time }, { name }) => {
      failed.push(`${name} at ${time}`)
      return 'continue'
    },
  })
  return { outputs, cycles, seen, failed }
}

function declare(
  graph: Graph,
  name: string,
  kind: Declaration['kind'],
  x: Edge<number>,
  y: Edge<number>,
  seen: unknown[],
): Edge<number>[] {
  switch (kind) {
    case 'increment':
      return [map(x, (x) => (x + 1) % 1_000)]
    case 'even':
      return [map(x, (x) => (x % 2 === 0 ? x : undefined))]
    case 'sum':
      return [
        node(name, { x, y }, ({ x, y }) => () => {
          return x.valid && y.valid ? (x.value + y.value) % 1_000 : undefined
        }),
      ]
    case 'passiveSum':
      return [
        node(name, { x, y: passive(y) }, ({ x, y }) => () => {
          return y.valid ? (x.value + y.value) % 1_000 : undefined
        }),
      ]
    case 'parity': {
      const { odd, even } = multiNode<{ odd: number; even: number }>()(
        name,
        { x },
        ['odd', 'even'],
        ({ x }, { odd, even }) =>
          () => {
            if (x.value % 2 === 0) even.emit(x.value)
            else odd.emit(x.value)
            if (x.value % 6 === 0) odd.emit(-x.value)
          },
      )
      return [odd, even]
    }
    case 'switching':
      return [
        node(name, { x, y }, ({ x, y }, context) => () => {
          if (x.ticked && x.value % 3 === 0) context.makePassive(y)
          if (x.ticked && x.value % 3 === 1) context.makeActive(y)
          return (x.valid ? 1 : 0) + (y.ticked ? 2 : 0)
        }),
      ]
    case 'unroll':
      return [unroll(map(x, (x) => [x, x + 1, x + 2].slice(0, Math.abs(x) % 4)))]
    case 'feedback': {
      const { out, bind } = feedback<number>(graph)
      const next = node(
        name,
        { x, last: passive(out) },
        ({ x, last }) =>
          () =>
            (x.value + (last.valid ? last.value : 0)) % 1_000,
      )
      bind(next)
      return [next]
    }
    case 'failing':
      return [
        node(name, { x }, ({ x }) => () => {
          if (x.value % 5 === 0) throw new Error('a multiple of 5')
          return x.value
        }),
      ]
    case 'sample':
      return [sample(x, y)]
    case 'sink':
      sink(name, { x, y }, ({ x, y }) => () => {
        seen.push([name, x.ticked, y.ticked])
      })
      return []
  }
}

function ticksOf(gaps: Gaps): CurveTick<number>[] {
  let time = 0
  return gaps.map((gap, i) => {
    time += gap
    return [micros(time), i]
  })
}

const programs: fc.Arbitrary<Program> = fc.record({
  sources: fc.array(fc.array(fc.nat(2), { minLength: 1, maxLength: 12 }), {
    minLength: 1,
    maxLength: 3,
  }),
  nodes: fc.array(
    fc.record({ kind: fc.constantFrom(...kinds), a: fc.nat(1_000), b: fc.nat(1_000) }),
    { minLength: 1, maxLength: 120 },
  ),
})

test('generated functions tick as the loop does, on any graph', () => {
  fc.assert(
    fc.property(programs, fc.constantFrom(1, 3), (program, compileAfter) => {
      expect(run(program, compileAfter)).toEqual(run(program, Number.POSITIVE_INFINITY))
    }),
    { numRuns: 150 },
  )
})

/** One source, mostly alone, and few nodes: the cycles run in a loop that is generated, too. */
const smallPrograms: fc.Arbitrary<Program> = fc.record({
  sources: fc.tuple(fc.array(fc.nat(2), { minLength: 5, maxLength: 40 })),
  nodes: fc.array(
    fc.record({ kind: fc.constantFrom(...kinds), a: fc.nat(1_000), b: fc.nat(1_000) }),
    { minLength: 1, maxLength: 12 },
  ),
})

test('a generated loop over the cycles of one source ticks as the other does', () => {
  fc.assert(
    fc.property(smallPrograms, fc.constantFrom(1, 3), (program, compileAfter) => {
      expect(run(program, compileAfter)).toEqual(run(program, Number.POSITIVE_INFINITY))
    }),
    { numRuns: 300 },
  )
})

test('a failing node ends a run in a generated loop, and the nodes are stopped', () => {
  const graph = new Graph()
  const n = count(timer(graph, micros(1)))
  let stops = 0
  sink('failing', { n }, ({ n }, context) => {
    context.onStop(() => stops++)
    return () => {
      if (n.value < 20) return
      expect(new Error('where').stack).toContain('OfSource')
      throw new Error('a value of 20')
    }
  })
  const end = (): void => {
    simulate(graph, { compileAfter: 2 })
  }
  expect(end).toThrow(expect.objectContaining({ code: 'NODE_FAILED', time: micros(20) }))
  expect(stops).toBe(1)
})

test('a generated loop stops for what comes between: alarms, the end of the run, and cycles without end', () => {
  const ticks = (compileAfter: number): unknown => {
    const graph = new Graph()
    const n = count(timer(graph, micros(3)))
    const seen: unknown[] = []
    sink('alarms', { n }, ({ n }, context) => {
      const alarm = context.alarm<number>()
      return () => {
        seen.push([context.now, n.ticked, alarm.ticked])
        if (n.ticked && n.value % 7 === 0) alarm.schedule(micros(n.value % 5), n.value)
      }
    })
    const { cycles, now } = simulate(graph, { duration: micros(200), compileAfter })
    return { seen, cycles, now }
  }
  expect(ticks(2)).toEqual(ticks(Number.POSITIVE_INFINITY))

  const graph = new Graph()
  const n = count(timer(graph, micros(1)))
  const { out, bind } = feedback<number>(graph)
  bind(
    node('spinning', { n, out }, ({ n, out }) => () => {
      return n.value >= 20 || (out.ticked && out.value > 0) ? n.value : undefined
    }),
  )
  const spin = (): void => {
    simulate(graph, { compileAfter: 2, maxCyclesAtOneTime: 100 })
  }
  expect(spin).toThrow(expect.objectContaining({ code: 'SPINNING', time: micros(20) }))
})

test('generated functions tick as the loop does in a graph of many words, of which few tick', () => {
  const nodes = Array.from({ length: 700 }, (_, i): Declaration => {
    // Neighbours, far ones, and the sources: chains, fan-out and marks that go over many words.
    const a = i % 7 === 0 ? i % 3 : i + (i % 2)
    return { kind: kinds[(i * 7) % kinds.length] as Declaration['kind'], a, b: (i * 31) % (i + 3) }
  })
  const sources = [[1, 0, 2, 0, 0, 3, 1, 1], [2, 2, 2, 0], [20]]
  const expected = run({ sources, nodes }, Number.POSITIVE_INFINITY)
  expect(run({ sources, nodes }, 1)).toEqual(expected)
})

/** Runs a graph of one node and tells in which runs of the node it was called from generated code. */
function generatedRuns(compileAfter?: number): readonly number[] {
  const graph = new Graph()
  const generated: number[] = []
  sink('where', { n: count(timer(graph, micros(1))) }, ({ n }) => () => {
    if (new Error('where').stack?.includes('nodes0to') === true) generated.push(n.value)
  })
  simulate(graph, {
    duration: micros(8),
    ...(compileAfter === undefined ? {} : { compileAfter }),
  })
  return generated
}

test('a function is generated when its nodes have run as often as asked, and never for Infinity', () => {
  expect(generatedRuns(3).slice(-4)).toEqual([5, 6, 7, 8])
  expect(generatedRuns(Number.POSITIVE_INFINITY)).toEqual([])
  expect(generatedRuns()).toEqual([])
})

test('where code must not be generated from strings, all runs the same', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gw-core-'))
  try {
    const program = join(folder, 'program.mjs')
    await build({
      stdin: {
        contents: `
          import { count, Graph, graphOutput, map, micros, simulate, timer, ticks } from '@gw/core'
          let evaluates = true
          try { new Function('') } catch { evaluates = false }
          const graph = new Graph()
          graphOutput('x', map(count(timer(graph, micros(1))), (n) => n * 2), { keep: ticks(1) })
          const { outputs, cycles } = simulate(graph, { duration: micros(5_000), compileAfter: 1 })
          console.log(JSON.stringify({ evaluates, cycles, last: outputs.get('x') }))`,
        resolveDir: import.meta.dirname,
      },
      bundle: true,
      format: 'esm',
      platform: 'node',
      conditions: ['@gw/source'],
      outfile: program,
    })
    const result = { cycles: 5_000, last: [[5_000, 10_000]] }
    const ran = (...flags: string[]): unknown =>
      JSON.parse(execFileSync(process.execPath, [...flags, program], { encoding: 'utf8' }))
    expect(ran()).toEqual({ evaluates: true, ...result })
    expect(ran('--disallow-code-generation-from-strings')).toEqual({ evaluates: false, ...result })
  } finally {
    rmSync(folder, { recursive: true })
  }
})
