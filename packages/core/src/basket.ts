import { GraphError } from './errors.js'
import { DelayedEdge, Edge } from './graph.js'
import { flatten, type InputDeclarations, type InputsOf, viewOf } from './inputs.js'
import type { Instance } from './instance.js'
import { instanceOf } from './instance-node-context.js'
import { withoutValue } from './node.js'
import type { NodeContext } from './node-context.js'
import { NEVER, type Series } from './series.js'

/**
 * A basket whose keys come and go while the graph runs, as its consumers see it in a cycle. It is live: keep what you
 * copy out of it, not the view. Every living key has a value, since a key is added by its first tick.
 */
export interface BasketView<K, out T> {
  /** Number of living keys. */
  readonly size: number
  has(key: K): boolean
  /** Last value of a living key, `undefined` for any other. */
  get(key: K): T | undefined
  /** The living keys, oldest first. */
  keys(): IterableIterator<K>
  /** The living keys that ticked in this cycle, in the order of their ticks. */
  readonly ticked: readonly K[]
  /** Their values, in the same order: at hand without a look-up of each. */
  readonly tickedValues: readonly T[]
  /** The keys that were added in this cycle; all of them ticked. */
  readonly added: readonly K[]
  /** The keys that were removed in this cycle. One that was removed and added anew is in both lists. */
  readonly removed: readonly K[]
}

/** An edge that carries a basket of changing keys; it ticks when a key ticks, is added or is removed. */
export type DynamicBasket<K, T> = Edge<BasketView<K, T>>

/** @internal An edge that is known to carry a basket. */
export class BasketEdge<K, T> extends Edge<BasketView<K, T>> {}

/**
 * Whether an edge carries a basket: whether a basket node or dynamic sub-graphs tick it. What other nodes pass on does not, as it would
 * miss what is removed. `undefined` of a delayed edge that is not bound yet.
 */
export function carriesBasket(edge: Edge<unknown>): boolean | undefined {
  if (!(edge instanceof DelayedEdge)) return edge instanceof BasketEdge
  return edge.target === undefined ? undefined : carriesBasket(edge.target)
}

/** The producing side of a {@link DynamicBasket}. */
export interface BasketOutput<K, T> extends BasketView<K, T> {
  /**
   * Ticks `key`, which is added if it is new.
   * @throws GraphError `OUTPUT_TWICE` when the key has ticked in this cycle already.
   */
  emit(key: K, value: T): void
  /**
   * Removes `key`: consumers see it in `removed` in this cycle.
   * @throws GraphError `UNKNOWN_KEY` when it does not live, `OUTPUT_TWICE` when it has ticked in this cycle.
   */
  remove(key: K): void
}

/**
 * Declares a custom node whose output is a basket of changing keys: the step emits and removes keys, as often as it
 * likes in a cycle, each key once.
 * @example
 * ```ts
 * const bySymbol = basketNode<string, number>()('bySymbol', { orders }, ({ orders }, basket) => () => {
 *   basket.emit(orders.value.symbol, orders.value.quantity)
 * })
 * ```
 */
export function basketNode<K, T>(): <I extends InputDeclarations>(
  name: string,
  inputs: I,
  setup: (inputs: InputsOf<I>, basket: BasketOutput<K, T>, context: NodeContext) => () => void,
) => DynamicBasket<K, T> {
  return (name, inputs, setup) => {
    const { graph, edges, shape } = flatten(name, inputs)
    return new BasketEdge<K, T>(
      graph.add({
        name,
        inputs: edges,
        ...(shape.passive === undefined ? {} : { passive: shape.passive }),
        setup: (series, [output], context) => {
          const basket = new LiveBasket<K, T>(instanceOf(context), output as Series)
          return withoutValue(setup(viewOf(shape, series) as never, basket, context))
        },
      }),
      0,
    )
  }
}

/** @internal A key of a basket, with its last value. */
export interface BasketEntry<K, T> {
  readonly key: K
  value: T
  /** Cycle of the last tick. */
  stamp: number
  /** Whether the key lives. */
  isIn: boolean
}

const NONE: readonly never[] = []

/** @internal */
export class LiveBasket<K, T> implements BasketOutput<K, T> {
  readonly #instance: Instance
  readonly #series: Series
  readonly #entries = new Map<K, BasketEntry<K, T>>()
  // What happened in the cycle of the last change; the arrays are used again.
  readonly #ticked: K[] = []
  readonly #values: T[] = []
  readonly #added: K[] = []
  readonly #removed: K[] = []

  constructor(instance: Instance, series: Series) {
    this.#instance = instance
    this.#series = series
  }

  get size(): number {
    return this.#entries.size
  }

  has(key: K): boolean {
    return this.#entries.has(key)
  }

  get(key: K): T | undefined {
    return this.#entries.get(key)?.value
  }

  keys(): IterableIterator<K> {
    return this.#entries.keys()
  }

  get ticked(): readonly K[] {
    return this.#series.ticked ? this.#ticked : NONE
  }

  get tickedValues(): readonly T[] {
    return this.#series.ticked ? this.#values : NONE
  }

  get added(): readonly K[] {
    return this.#series.ticked ? this.#added : NONE
  }

  get removed(): readonly K[] {
    return this.#series.ticked ? this.#removed : NONE
  }

  emit(key: K, value: T): void {
    this.emitAt(this.entry(key), value)
  }

  /** The entry of a key, to emit by: whoever ticks it often need not look it up. It is new when the key does not live. */
  entry(key: K): BasketEntry<K, T> {
    return this.#entries.get(key) ?? { key, value: undefined as T, stamp: NEVER, isIn: false }
  }

  /** Ticks the key of an entry, as {@link emit} does. */
  emitAt(entry: BasketEntry<K, T>, value: T): void {
    const { key } = entry
    this.#change()
    const { stamp } = this.#series
    if (!entry.isIn) {
      entry.isIn = true
      this.#entries.set(key, entry)
      this.#added.push(key)
    } else if (entry.stamp === stamp) {
      throw new GraphError(
        'OUTPUT_TWICE',
        `key ${textOf(key)} of the basket has ticked in this cycle already: emit each key once a cycle`,
      )
    }
    entry.value = value
    entry.stamp = stamp
    this.#ticked.push(key)
    this.#values.push(value)
  }

  remove(key: K): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      throw new GraphError(
        'UNKNOWN_KEY',
        `the basket has no key ${textOf(key)}: check has() before remove()`,
      )
    }
    this.#change()
    if (entry.stamp === this.#series.stamp) {
      throw new GraphError(
        'OUTPUT_TWICE',
        `key ${textOf(key)} of the basket has ticked in this cycle: remove it in a later one`,
      )
    }
    this.#entries.delete(key)
    entry.isIn = false
    this.#removed.push(key)
  }

  /** Ticks the edge at the first change in a cycle. */
  #change(): void {
    if (this.#series.ticked) return
    clear(this.#ticked)
    clear(this.#values)
    clear(this.#added)
    clear(this.#removed)
    this.#instance.emit(this.#series, this)
  }
}

function textOf(key: unknown): string {
  return typeof key === 'string' ? JSON.stringify(key) : String(key)
}

/** Setting `length` leaves optimised code, which shows at one tick a cycle. */
function clear(list: unknown[]): void {
  while (list.length > 0) list.pop()
}
