import { checkCount } from './check-number.js'
import type { Engine, PushQueue } from './engine.js'
import { GraphError } from './errors.js'
import { type Edge, type Graph, outputOf } from './graph.js'
import type { Instance } from './instance.js'
import { instanceOf } from './instance-node-context.js'
import type { Series } from './series.js'

/** How values that were pushed since the last cycle enter the graph. */
export type PushMode = 'lastValue' | 'nonCollapsing' | 'burst'

/** Options of {@link push}. */
export interface PushOptions {
  readonly name?: string
  /** Values that wait for a cycle, at most. @defaultValue 100_000 */
  readonly maxPending?: number
  /** What happens beyond `maxPending`: the push throws, or the oldest or the newest value is dropped. @defaultValue 'throw' */
  readonly overflow?: 'throw' | 'dropOldest' | 'dropNewest'
  /** Keeps the order of its pushes with those of the other sources of the group. */
  readonly group?: PushGroup
  /**
   * What happens to a push from inside a cycle, by a node that runs: it throws, since what a node computes comes back
   * by feedback and what it plans by an alarm; or it waits for the next cycle. @defaultValue 'throw'
   */
  readonly insideCycle?: 'throw' | 'queue'
}

/** Puts values from outside into a realtime run. */
export interface PushSource<In, Out = In> {
  readonly edge: Edge<Out>
  /**
   * Hands `value` to the graph: an idle engine runs its cycle before this returns, a busy one in a later cycle.
   * A simulated run takes no pushes: there it does nothing.
   * @throws GraphError `NOT_RUNNING` before the start and after the end, `PUSH_OVERFLOW` beyond the bound,
   * `PUSH_IN_CYCLE` from inside a cycle.
   */
  push(value: In): void
  /** Whether its graph is running, so that values may be pushed. */
  readonly running: boolean
  /** Values that wait for a cycle. */
  readonly pending: number
  /** Values dropped by the overflow policy in this run. */
  readonly dropped: number
}

/** Sources whose pushes keep their order among each other. Made by {@link pushGroup}. */
export class PushGroup {
  /** @internal Of each run that goes on. */
  readonly queues: WeakMap<Engine, SharedQueue> = new WeakMap()
}

/**
 * Makes a group of push sources that keep the order of their pushes: once a `nonCollapsing` source of the group has
 * ticked in a cycle, what was pushed to the group after it, or after its batch, waits for the next cycle.
 * @example
 * ```ts
 * const book = pushGroup()
 * const bid = push<number>(graph, 'lastValue', { group: book })
 * const trade = push<number>(graph, 'nonCollapsing', { group: book })
 * ```
 */
export function pushGroup(): PushGroup {
  return new PushGroup()
}

/**
 * Lets all pushes that `pushes` makes take part in one cycle, as far as their modes allow, whichever sources they go to.
 * @example `batch(() => { bid.push(100); ask.push(101) })`
 */
export function batch(pushes: () => void): void {
  if (openBatch !== undefined) {
    pushes()
    return
  }
  const engines = new Set<Engine>()
  openBatch = engines
  batches++
  try {
    pushes()
  } finally {
    openBatch = undefined
    batches++
    for (const engine of engines) engine.onWork()
  }
}

/** The engines that were pushed to in the batch that is open. */
let openBatch: Set<Engine> | undefined
/** Changes with each batch; pushes outside of batches count as one each. */
let batches = 0

/**
 * Declares a source for values from outside.
 *
 * - `nonCollapsing`: each value ticks, one a cycle, in order.
 * - `lastValue`: a cycle takes the last value; those before it are dropped.
 * - `burst`: a cycle takes all values as one list.
 * @throws GraphError `INVALID_OPTION` when `maxPending` is not a whole number of 1 or more.
 */
export function push<T>(
  graph: Graph,
  mode: 'lastValue' | 'nonCollapsing',
  options?: PushOptions,
): PushSource<T>
export function push<T>(
  graph: Graph,
  mode: 'burst',
  options?: PushOptions,
): PushSource<T, readonly T[]>
export function push(graph: Graph, mode: PushMode, options: PushOptions = {}): PushSource<unknown> {
  const { name = 'push', maxPending = 100_000 } = options
  checkCount(name, 'maxPending', maxPending, 1)
  let source: RunningSource | undefined
  const edge = outputOf<unknown>(
    graph.add({
      name,
      setup: (_inputs, [output], context) => {
        const running = new RunningSource(
          instanceOf(context),
          output as Series,
          name,
          mode,
          options,
        )
        source = running
        context.onStop(() => {
          running.isOpen = false
        })
        return undefined
      },
    }),
  )
  return {
    edge,
    push: (value) => {
      if (source === undefined || !source.isOpen) {
        throw new GraphError(
          'NOT_RUNNING',
          `push "${name}": its graph is not running; push between the start and the end of a run, to an edge that is used`,
          { node: name },
        )
      }
      source.push(value)
    },
    get running() {
      return source?.isOpen === true
    },
    get pending() {
      return source?.pending ?? 0
    },
    get dropped() {
      return source?.dropped ?? 0
    },
  }
}

/** A push source in a run. */
class RunningSource {
  isOpen = true
  pending = 0
  dropped = 0
  readonly instance: Instance
  readonly series: Series
  readonly mode: PushMode
  readonly #name: string
  readonly #maxPending: number
  readonly #options: PushOptions
  readonly #queue: SharedQueue

  constructor(
    instance: Instance,
    series: Series,
    name: string,
    mode: PushMode,
    options: PushOptions,
  ) {
    this.instance = instance
    this.series = series
    this.mode = mode
    this.#name = name
    // Of a lone source that passes on the last value, no other is ever needed.
    const isReplaced = mode === 'lastValue' && options.group === undefined
    this.#maxPending = isReplaced ? 1 : (options.maxPending ?? 100_000)
    this.#options = options
    this.#queue = queueOf(instance.engine, options.group)
  }

  push(value: unknown): void {
    const { engine } = this.instance
    if (!engine.isRealtime) return
    if (engine.cycle.isRunning && this.#options.insideCycle !== 'queue') {
      throw new GraphError(
        'PUSH_IN_CYCLE',
        `push "${this.#name}" from inside a cycle: use feedback or an alarm, push from afterCycle, or set insideCycle to 'queue'`,
        { node: this.#name, time: engine.now },
      )
    }
    if (this.pending >= this.#maxPending && !this.#makeRoom()) return
    this.pending++
    const batch = openBatch === undefined ? ++batches : batches
    if (this.#queue.add(this, value, batch)) engine.pushPending(this.#queue)
    if (openBatch === undefined) engine.onWork()
    else openBatch.add(engine)
  }

  /** @returns whether there is room for a value now. */
  #makeRoom(): boolean {
    if (this.mode === 'lastValue') {
      // Only the last value counts: the one that waits is not lost, it is replaced.
      this.#queue.dropOldestOf(this)
      return true
    }
    const { overflow } = this.#options
    if (overflow === 'dropNewest' || overflow === 'dropOldest') this.dropped++
    if (overflow === 'dropNewest') return false
    if (overflow === 'dropOldest') {
      this.#queue.dropOldestOf(this)
      return true
    }
    throw new GraphError(
      'PUSH_OVERFLOW',
      `push "${this.#name}": ${this.#maxPending} values wait for the engine already; push slower, or choose an overflow policy`,
      { node: this.#name },
    )
  }
}

function queueOf(engine: Engine, group: PushGroup | undefined): SharedQueue {
  const queue = group?.queues.get(engine) ?? new SharedQueue()
  group?.queues.set(engine, queue)
  return queue
}

interface Pushed {
  readonly source: RunningSource
  readonly value: unknown
  readonly batch: number
  /** What was pushed after it. */
  next: Pushed | undefined
}

/** The values that wait, in the order in which they came: of one source, or of all sources of a group. */
class SharedQueue implements PushQueue {
  #first: Pushed | undefined
  #last: Pushed | undefined
  /** Whether a cycle will call {@link takeInto}, also when all that waited has been dropped since. */
  #isAwaited = false

  /** @returns whether the engine has to be told. */
  add(source: RunningSource, value: unknown, batch: number): boolean {
    const pushed: Pushed = { source, value, batch, next: undefined }
    if (this.#first === undefined) this.#first = pushed
    else (this.#last as Pushed).next = pushed
    this.#last = pushed
    const isNews = !this.#isAwaited
    this.#isAwaited = true
    return isNews
  }

  dropOldestOf(source: RunningSource): void {
    let before: Pushed | undefined
    for (let at = this.#first; at !== undefined; before = at, at = at.next) {
      if (at.source !== source) continue
      if (before === undefined) this.#first = at.next
      else before.next = at.next
      if (this.#last === at) this.#last = before
      source.pending--
      return
    }
  }

  takeInto(): boolean {
    /** The batch of the first value that lets nothing of later batches into this cycle. */
    let last: number | undefined
    let bursts: Map<RunningSource, unknown[]> | undefined
    for (let pushed = this.#first; pushed !== undefined; pushed = this.#first) {
      const { source, value, batch } = pushed
      if (last !== undefined && batch !== last) break
      if (source.mode === 'nonCollapsing') {
        if (source.series.ticked) break
        last = batch
      }
      this.#first = pushed.next
      // What is old garbage already keeps nothing alive that came after it.
      pushed.next = undefined
      source.pending--
      if (source.mode === 'burst') {
        bursts ??= new Map()
        const burst = bursts.get(source)
        if (burst === undefined) bursts.set(source, [value])
        else burst.push(value)
      } else {
        source.instance.tick(source.series, value)
      }
    }
    if (bursts !== undefined) {
      for (const [source, values] of bursts) source.instance.tick(source.series, values)
    }
    if (this.#first === undefined) this.#last = undefined
    this.#isAwaited = this.#first !== undefined
    return this.#isAwaited
  }
}
