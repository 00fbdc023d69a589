import { BasketEdge, type BasketView, type DynamicBasket, LiveBasket } from './basket.js'
import { GraphError } from './errors.js'
import { type Edge, Graph, outputOf } from './graph.js'
import { Instance, type InstanceHost } from './instance.js'
import { type InstanceNodeContext, instanceOf } from './instance-node-context.js'
import { NextCycle } from './next-cycle.js'
import type { NodeContext } from './node-context.js'
import { LONG_AGO, NEVER, type Series } from './series.js'

/** A value of an outer edge, taken when a sub-graph is made. Made by {@link snap}. */
export class Snap<out T> {
  readonly edge: Edge<T>

  /** @internal */
  constructor(edge: Edge<T>) {
    this.edge = edge
  }
}

/** Gives a sub-graph the value that `edge` has when it is made, as a plain value; later ticks do not change it. */
export function snap<T>(edge: Edge<T>): Snap<T> {
  return new Snap(edge)
}

/** What sub-graphs get from the graph around them: edges, or the values of edges at their making. */
export interface DynamicInputs {
  readonly [name: string]: Edge<unknown> | Snap<unknown>
}

/** The inputs as a sub-graph sees them: edges of its own that tick with the outer ones, and plain values. */
export type SubGraphInputs<I extends DynamicInputs> = {
  readonly [N in keyof I]: I[N] extends Snap<infer T>
    ? T
    : I[N] extends Edge<infer T>
      ? Edge<T>
      : never
}

/** What the builder of a sub-graph gets. */
export interface SubGraph<K, T> {
  /** The graph to build in. */
  readonly graph: Graph
  /** The key for which the sub-graph is made. */
  readonly key: K
  /** The element of that key. */
  readonly edge: Edge<T>
}

/**
 * Runs a graph of its own for each key of a basket: `build` is called when a key is added, and what it built is run
 * from that very cycle on, until the key is removed. The result is a basket of what the edges that `build` returned
 * tick; a key is in it from its first tick on.
 *
 * Sources inside start when the sub-graph is made: a constant ticks in the same cycle, a timer first one interval
 * later. When a key is removed its sub-graph still runs in that cycle, without the element; then its nodes are stopped.
 * A key that comes again gets a new sub-graph. A node that throws inside ends the run.
 *
 * @throws GraphError at run time, `SNAP_NOT_VALID`, when an edge to take a value from has none yet.
 * @example
 * ```ts
 * const totals = dynamic(ordersBySymbol, { rate: fx, base: snap(opening) }, ({ edge }, { rate, base }) =>
 *   accum(mul(edge, rate), base))
 * ```
 */
export function dynamic<K, T, U, I extends DynamicInputs>(
  basket: DynamicBasket<K, T>,
  inputs: I,
  build: (sub: SubGraph<K, T>, inputs: SubGraphInputs<I>) => Edge<U>,
): DynamicBasket<K, U> {
  const [result] = declare(basket, inputs, 1, (sub, inputs) => [
    build(sub, inputs as SubGraphInputs<I>),
  ])
  return result as DynamicBasket<K, U>
}

/**
 * As {@link dynamic}, for sub-graphs with several outputs, named in `outputs`; each is a basket.
 * @example `dynamicOutputs<{ bid: number; ask: number }>()(quotes, {}, ['bid', 'ask'], ({ edge }) => ({ bid: ..., ask: ... }))`
 */
export function dynamicOutputs<O extends object>(): <K, T, I extends DynamicInputs>(
  basket: DynamicBasket<K, T>,
  inputs: I,
  outputs: readonly (keyof O & string)[],
  build: (
    sub: SubGraph<K, T>,
    inputs: SubGraphInputs<I>,
  ) => { readonly [N in keyof O]: Edge<O[N]> },
) => { readonly [N in keyof O]: DynamicBasket<K, O[N]> } {
  return (basket, inputs, outputs, build) => {
    const baskets = declare(basket, inputs, outputs.length, (sub, inputs) => {
      const edges = build(sub, inputs as never)
      return outputs.map((name) => edges[name])
    })
    return Object.fromEntries(outputs.map((name, i) => [name, baskets[i]])) as never
  }
}

function declare<K, T>(
  basket: DynamicBasket<K, T>,
  inputs: DynamicInputs,
  outputs: number,
  build: (sub: SubGraph<K, T>, inputs: unknown) => readonly Edge<unknown>[],
): readonly DynamicBasket<K, unknown>[] {
  const names = Object.keys(inputs)
  const declared = Object.values(inputs)
  const spec = basket.graph.add({
    name: 'dynamic',
    inputs: [basket, ...declared.map((input) => (input instanceof Snap ? input.edge : input))],
    passive: [false, ...declared.map((input) => input instanceof Snap)],
    outputs,
    // What is built inside may have effects of its own.
    sink: true,
    setup: ([basket, ...series], results, context) => {
      const outer = names.map((name, i) => {
        const isSnap = declared[i] instanceof Snap
        return { name, isSnap, series: series[i] as Series }
      })
      const view = basket as Series<BasketView<K, T>>
      const node = new DynamicNode<K, T>(view, outer, results, context, build)
      return () => node.step()
    },
  })
  return Array.from({ length: outputs }, (_, i) => new BasketEdge<K, unknown>(spec, i))
}

/** An edge around the sub-graphs. */
interface Outer {
  readonly name: string
  readonly isSnap: boolean
  readonly series: Series
}

/** The sub-graph of one key, while it runs. */
class Living<K> implements InstanceHost {
  readonly key: K
  readonly instance: Instance
  /** The series of the element, and of the outer edges; `undefined` where nothing inside reads them. */
  readonly element: Series | undefined
  readonly imports: readonly (Series | undefined)[]
  /** Whether it has something to run in this cycle. */
  isAwake = false
  /** Whether its ticks still count: not after its key was removed. */
  isHeard = true
  readonly #node: DynamicNode<K, unknown>

  constructor(
    node: DynamicNode<K, unknown>,
    key: K,
    graph: Graph,
    element: Edge<unknown>,
    imported: readonly (Edge<unknown> | undefined)[],
  ) {
    this.#node = node
    this.key = key
    this.instance = new Instance(node.parent.engine, graph, this)
    this.element = this.instance.seriesOf(element)
    this.imports = imported.map((edge) => edge && this.instance.seriesOf(edge))
  }

  get sharedPath(): string {
    return this.#node.context.sharedPath
  }

  get path(): string {
    return `${this.#node.context.path}[${String(this.key)}]`
  }

  wake(): void {
    if (!this.isAwake) this.#node.wake(this)
  }

  release(): void {
    this.#node.release(this)
  }
}

class DynamicNode<K, T> {
  readonly #basket: Series<BasketView<K, T>>
  readonly #outer: readonly Outer[]
  readonly #baskets: readonly LiveBasket<K, unknown>[]
  readonly context: InstanceNodeContext
  readonly parent: Instance
  readonly #build: (sub: SubGraph<K, T>, inputs: unknown) => readonly Edge<unknown>[]
  readonly #living = new Map<K, Living<K>>()
  /** Those, and the ones that end after this cycle. */
  readonly #all = new Set<Living<K>>()
  /** Those that have something to run in this cycle, in the order in which they were woken. */
  #awake: Living<K>[] = []
  #spare: Living<K>[] = []
  /** Keys whose sub-graph has ended itself, until the baskets have said so. */
  #ended: K[] = []
  readonly #nextCycle: NextCycle
  #isRunning = false

  constructor(
    basket: Series<BasketView<K, T>>,
    outer: readonly Outer[],
    results: readonly Series[],
    context: NodeContext,
    build: (sub: SubGraph<K, T>, inputs: unknown) => readonly Edge<unknown>[],
  ) {
    this.#basket = basket
    this.#outer = outer
    this.context = context as InstanceNodeContext
    this.parent = instanceOf(context)
    this.#baskets = results.map((series) => new LiveBasket(this.parent, series))
    this.#build = build
    this.#nextCycle = new NextCycle(context)
    context.onStop(() => this.#stopAll())
  }

  step(): void {
    this.#isRunning = true
    if (this.#ended.length > 0) this.#announceEnded()
    if (this.#basket.ticked) this.#followBasket(this.#basket.value)
    for (let i = 0; i < this.#outer.length; i++) {
      const { isSnap, series } = this.#outer[i] as Outer
      if (!isSnap && series.ticked) this.#tickAll(i, series.value)
    }
    const awake = this.#awake
    this.#awake = this.#spare
    this.#spare = awake
    for (const each of awake) {
      each.isAwake = false
      each.instance.propagate()
    }
    // One by one: to set the length leaves optimised code.
    while (awake.length > 0) awake.pop()
    this.#isRunning = false
  }

  /** A sub-graph has something to run in this cycle. */
  wake(living: Living<K>): void {
    if (living.instance.hasStopped) return
    living.isAwake = true
    this.#awake.push(living)
    if (!this.#isRunning) this.context.run()
  }

  /** A sub-graph wants to end after this cycle. */
  release(living: Living<K>): void {
    // It may have ended itself in this cycle already, or its key may have gone.
    if (this.#living.get(living.key) !== living) return
    this.#living.delete(living.key)
    if (this.#ended.push(living.key) === 1) this.#nextCycle.schedule(undefined)
    this.#stopAfterCycle(living)
  }

  #followBasket(view: BasketView<K, T>): void {
    for (const key of view.removed) {
      const living = this.#living.get(key)
      if (living === undefined) continue
      this.#living.delete(key)
      if (living.element !== undefined) living.element.stamp = NEVER
      for (const basket of this.#baskets) if (basket.has(key)) basket.remove(key)
      living.isHeard = false
      this.#stopAfterCycle(living)
    }
    for (const key of view.added) this.#make(key)
    const { ticked, tickedValues } = view
    for (let i = 0; i < ticked.length; i++) {
      const living = this.#living.get(ticked[i] as K)
      if (living?.element !== undefined) living.instance.tick(living.element, tickedValues[i])
    }
  }

  /** The keys of sub-graphs that ended themselves leave the baskets a cycle later, where consumers can see it. */
  #announceEnded(): void {
    const keys = this.#ended
    this.#ended = []
    for (const key of keys) {
      for (const basket of this.#baskets) if (basket.has(key)) basket.remove(key)
    }
  }

  #tickAll(outer: number, value: unknown): void {
    for (const { instance, imports } of this.#all) {
      const series = imports[outer]
      // In the cycle of the making, the making itself has done it.
      if (series !== undefined && !series.ticked) instance.tick(series, value)
    }
  }

  #make(key: K): void {
    const graph = new Graph()
    const element = importedEdge<T>(graph, 'element')
    const imported = this.#outer.map(({ name, isSnap }) =>
      isSnap ? undefined : importedEdge<unknown>(graph, name),
    )
    const edges = this.#build({ graph, key, edge: element }, this.#inputsOf(imported))
    for (let i = 0; i < edges.length; i++) {
      graph.add({
        name: 'dynamic.output',
        inputs: [edges[i] as Edge<unknown>],
        outputs: 0,
        setup: ([result]) => {
          const basket = this.#baskets[i] as LiveBasket<K, unknown>
          const entry = basket.entry(key)
          return () => {
            if (living.isHeard) basket.emitAt(entry, (result as Series).value)
          }
        },
      })
    }
    const living = new Living(this as DynamicNode<K, unknown>, key, graph, element, imported)
    const { instance } = living
    this.#living.set(key, living)
    this.#all.add(living)
    for (let i = 0; i < this.#outer.length; i++) {
      const { series } = this.#outer[i] as Outer
      if (series.valid) showAsValid(living.imports[i], series)
    }
    instance.start()
    for (let i = 0; i < this.#outer.length; i++) {
      const { series } = this.#outer[i] as Outer
      const inside = living.imports[i]
      if (inside !== undefined && series.ticked) instance.tick(inside, series.value)
    }
  }

  #inputsOf(imported: readonly (Edge<unknown> | undefined)[]): unknown {
    return Object.fromEntries(
      this.#outer.map(({ name, series }, i) => {
        const edge = imported[i]
        if (edge !== undefined) return [name, edge]
        if (!series.valid) {
          throw new GraphError(
            'SNAP_NOT_VALID',
            `the edge to take "${name}" from has no value yet when a sub-graph is made: give it one with withDefault()`,
          )
        }
        return [name, series.value]
      }),
    )
  }

  #stopAfterCycle(living: Living<K>): void {
    this.context.afterCycle(() => {
      this.#all.delete(living)
      living.instance.stop()
    })
  }

  #stopAll(): void {
    let failure: { readonly error: unknown } | undefined
    for (const { instance } of this.#all) {
      try {
        instance.stop()
      } catch (error) {
        failure ??= { error }
      }
    }
    this.#all.clear()
    this.#living.clear()
    if (failure !== undefined) throw failure.error
  }
}

/** An edge of a sub-graph that the node around it ticks. */
function importedEdge<T>(graph: Graph, name: string): Edge<T> {
  return outputOf<T>(graph.add({ name, setup: () => undefined }))
}

/** Lets a series of a sub-graph read as the outer one did before this cycle. */
function showAsValid(inside: Series | undefined, outer: Series): void {
  if (inside === undefined) return
  inside.value = outer.value
  inside.time = outer.time
  inside.stamp = LONG_AGO
}
