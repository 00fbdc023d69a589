import { Edge } from './graph.js'

/**
 * Makes a function that builds a part of a graph give the same result for the same arguments, so that the part is
 * there once, however many ask for it. Arguments are edges, or the graph, and plain values, compared as the keys of a `Map`;
 * one of them is an edge or the graph. What is remembered lives as long as the graph.
 * @example `const vwap = memoize((trades: Edge<Trade>, window: Duration) => ...)`
 */
export function memoize<A extends readonly unknown[], R>(
  build: (...args: A) => R,
): (...args: A) => R {
  const results = new WeakMap<object, Branch<R>>()
  return (...args) => {
    const anchor = args.find((arg) => typeof arg === 'object' && arg !== null) as object | undefined
    if (anchor === undefined) return build(...args)
    const graph: object = anchor instanceof Edge ? anchor.graph : anchor
    let branch = results.get(graph)
    if (branch === undefined) {
      branch = new Map()
      results.set(graph, branch)
    }
    return resultAt(branch, args, () => build(...args))
  }
}

type Branch<R> = Map<unknown, Branch<R> | { readonly result: R }>

const END = Symbol('end of the arguments')

function resultAt<R>(root: Branch<R>, args: readonly unknown[], build: () => R): R {
  let branch = root
  for (const arg of args) {
    const key = arg instanceof Edge ? keyOf(arg) : arg
    let next = branch.get(key) as Branch<R> | undefined
    if (next === undefined) {
      next = new Map()
      branch.set(key, next)
    }
    branch = next
  }
  const known = branch.get(END) as { readonly result: R } | undefined
  if (known !== undefined) return known.result
  const result = build()
  branch.set(END, { result })
  return result
}

const keys = new WeakMap<object, object[]>()

/** One object for each output of a node: several `Edge` objects may stand for it. */
function keyOf(edge: Edge<unknown>): object {
  const ports = keys.get(edge.node) ?? []
  keys.set(edge.node, ports)
  ports[edge.port] ??= edge
  return ports[edge.port] as object
}
