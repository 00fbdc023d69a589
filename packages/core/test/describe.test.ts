import {
  accum,
  add,
  count,
  curve,
  delayedCollect,
  delayedEdge,
  describe,
  empty,
  feedback,
  filter,
  Graph,
  graphOutput,
  gt,
  node,
  passive,
  sample,
  split,
  timer,
  toDot,
  toMermaid,
} from '@gw/core'
import { expect, expectTypeOf, test } from 'vitest'

function example(): Graph {
  const graph = new Graph()
  const clock = timer(graph, 10)
  const total = graph.scope('totals', () => {
    const n = count(clock)
    return graph.scope('inner', () => accum(n))
  })
  const { true: big } = split(gt(total, 3), total)
  graphOutput('big "one"', sample(clock, big))
  count(total)
  return graph
}

test('says which nodes there are, in the order in which they run, and where they were declared', () => {
  const { nodes, names, longestPath } = describe(example())
  expect(nodes.map(({ path, kind, rank }) => [path, kind, rank])).toEqual([
    ['timer', 'source', 0],
    ['totals/count', 'node', 1],
    ['totals/inner/accum', 'node', 2],
    ['gt', 'node', 3],
    ['split', 'node', 4],
    ['sample', 'node', 5],
    ['output big "one"', 'sink', 6],
  ])
  expect(nodes[2]?.scopes).toEqual(['totals', 'inner'])
  expect(names).toMatchObject({ timer: 1, split: 1 })
  expect(longestPath).toBe(7)
})

test('says which output is which input, and whether it runs the node', () => {
  const { nodes, edges } = describe(example())
  const name = (id: number) => nodes.find((node) => node.id === id)?.name
  expect(
    edges.map(({ from, output, to, input, kind }) => [name(from), output, name(to), input, kind]),
  ).toEqual([
    ['timer', 0, 'count', 0, 'active'],
    ['count', 0, 'accum', 0, 'active'],
    ['accum', 0, 'gt', 0, 'active'],
    ['gt', 0, 'split', 0, 'passive'],
    ['accum', 0, 'split', 1, 'active'],
    ['timer', 0, 'sample', 0, 'active'],
    ['split', 0, 'sample', 1, 'passive'],
    ['sample', 0, 'output big "one"', 0, 'active'],
  ])
})

test('leaves out what no sink needs, unless asked', () => {
  const graph = example()
  expect(describe(graph).names).toMatchObject({ count: 1 })
  expect(describe(graph, { all: true }).names).toMatchObject({ count: 2 })
  expect(describe(new Graph())).toEqual({ nodes: [], edges: [], names: {}, longestPath: 0 })
})

test('shows feedback from where it is bound to where it comes out', () => {
  const graph = new Graph()
  const loop = feedback<number>(graph, 'loop')
  const sum = node('sum', { x: curve(graph, [[1, 1]]), last: passive(loop.out) }, ({ x, last }) => {
    return () => x.value + (last.valid ? last.value : 0)
  })
  loop.bind(sum)
  const { nodes, edges } = describe(graph)
  const id = (name: string) => nodes.find((node) => node.name === name)?.id
  expect(edges).toContainEqual({
    from: id('loop.bind'),
    output: 0,
    to: id('loop'),
    input: 0,
    kind: 'feedback',
  })
})

test('declares what waits for the first run', () => {
  const graph = new Graph()
  const all = delayedCollect<number>(graph)
  all.add(empty(graph))
  graphOutput('all', all.output)
  expect(describe(graph).names).toEqual({ empty: 1, collect: 1, 'output all': 1 })
})

test('refuses a graph with a cycle', () => {
  const graph = new Graph()
  const later = delayedEdge<number>(graph)
  const sum = add(curve(graph, [[1, 1]]), later)
  later.bind(sum)
  graphOutput('sum', sum)
  expect(() => describe(graph)).toThrow('add -> add')
})

test('is plain data', () => {
  const description = describe(example())
  expect(JSON.parse(JSON.stringify(description))).toEqual(description)
  expectTypeOf(description.edges[0]?.kind).toEqualTypeOf<
    'active' | 'passive' | 'feedback' | undefined
  >()
})

test('draws a Mermaid flowchart', () => {
  expect(toMermaid(describe(example()))).toBe(`flowchart LR
  n0(["timer"])
  n3["gt"]
  n4["split"]
  n5["sample"]
  n6[["output big #34;one#34;"]]
  subgraph g0["totals"]
    n1["count"]
    subgraph g1["inner"]
      n2["accum"]
    end
  end
  n0 --> n1
  n1 --> n2
  n2 --> n3
  n3 -.-> n4
  n2 --> n4
  n0 --> n5
  n4 -.->|0| n5
  n5 --> n6
`)
})

test('draws a DOT graph', () => {
  const graph = new Graph()
  const loop = feedback<number>(graph, 'loop')
  const even = graph.scope('a "scope"', () => filter(loop.out, (n) => n % 2 === 0))
  loop.bind(even)
  expect(toDot(describe(graph), { direction: 'TB' })).toBe(`digraph {
  rankdir=TB
  node [shape=box]
  n0 [label="loop" shape=ellipse]
  n2 [label="loop.bind" peripheries=2]
  subgraph cluster_0 {
    label="a \\"scope\\""
    n1 [label="filter"]
  }
  n0 -> n1
  n1 -> n2
  n2 -> n0 [style=bold constraint=false]
}
`)
})
