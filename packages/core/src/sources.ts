import type { PushQueue } from './engine.js'
import { GraphError } from './errors.js'
import { type Refill, ScheduledEvent, WAITING } from './event-queue.js'
import { type Edge, type Graph, outputOf } from './graph.js'
import type { Instance } from './instance.js'
import { instanceOf } from './instance-node-context.js'
import type { NodeContext } from './node-context.js'
import type { Series } from './series.js'
import { type Duration, isoOf, type Timestamp } from './time.js'

/**
 * Declares a source: a node without inputs, which its own alarms run.
 * `setup` gets the context to make alarms with and returns the step, as in `node`.
 */
export function source<T>(
  graph: Graph,
  name: string,
  setup: (context: NodeContext) => () => T | undefined,
): Edge<T> {
  return outputOf<T>(graph.add({ name, setup: (_inputs, _outputs, context) => setup(context) }))
}

/**
 * Ticks `value` at start + interval, start + 2 x interval and so on, up to the end; not at the start itself.
 * In realtime late ticks all come, each with its own time.
 * @throws GraphError `INVALID_OPTION` when the interval is not a positive whole number of microseconds.
 */
export function timer(graph: Graph, interval: Duration): Edge<true>
export function timer<T>(graph: Graph, interval: Duration, value: T): Edge<T>
export function timer(graph: Graph, interval: Duration, value: unknown = true): Edge<unknown> {
  if (!(interval > 0) || !Number.isSafeInteger(interval)) {
    throw new GraphError(
      'INVALID_OPTION',
      `the interval of a timer is a whole number of microseconds above 0, not ${interval}`,
      { node: 'timer' },
    )
  }
  return outputOf(
    graph.add({
      name: 'timer',
      setup: (_inputs, [output], context) => {
        const instance = instanceOf(context)
        const event = new ScheduledEvent(instance, output as Series, value)
        event.interval = interval
        instance.schedule(event, context.now + interval)
        return undefined
      },
    }),
  )
}

/**
 * Ticks `value` once, `delay` after the start.
 * @throws GraphError `INVALID_OPTION` when the delay is negative or NaN.
 */
export function constant<T>(graph: Graph, value: T, delay: Duration = 0): Edge<T> {
  if (!(delay >= 0)) {
    throw new GraphError('INVALID_OPTION', `the delay of a constant is 0 or more, not ${delay}`, {
      node: 'constant',
    })
  }
  return outputOf(
    graph.add({
      name: 'constant',
      setup: (_inputs, [output], context) => {
        const instance = instanceOf(context)
        const event = new ScheduledEvent(instance, output as Series, value)
        instance.schedule(event, context.now + delay)
        return undefined
      },
    }),
  )
}

/** An edge that never ticks. */
export function empty<T>(graph: Graph): Edge<T> {
  return outputOf<T>(graph.add({ name: 'empty', setup: () => undefined }))
}

/**
 * Rows in the order of time, read one at a time without an object for each: `next` moves to the next row and puts
 * it into `time` and `value`.
 */
export interface Cursor<T> {
  /** Engine time of the row, integer microseconds. Never decreases. */
  readonly time: Timestamp
  readonly value: T
  /** @returns true when there is a row, false at the end, a promise of either while the data is still to come. */
  next(): boolean | Promise<boolean>
  /** Called when the run ends, also early. */
  close?(): void
}

/**
 * Ticks the rows of a cursor, each at its own time; rows of one time tick in successive cycles, rows before the start
 * are skipped. The engine reads one row ahead. A promise from the cursor holds simulated time still until it is kept.
 *
 * `open` makes a new cursor for each run.
 * @throws GraphError at run time: `TIME_WENT_BACK` when a row is older than the one before, `SOURCE_FAILED` when the cursor throws.
 */
export function pull<T>(
  graph: Graph,
  name: string,
  open: (context: NodeContext) => Cursor<T>,
): Edge<T> {
  return outputOf<T>(
    graph.add({
      name,
      setup: (_inputs, [output], context) => {
        const instance = instanceOf(context)
        const { engine } = instance
        const cursor = open(context)
        context.onStop(() => cursor.close?.())
        const first = context.now
        let lastTime = Number.NEGATIVE_INFINITY

        const read = (event: ScheduledEvent, has: boolean): Timestamp => {
          let more = has
          for (;;) {
            if (!more) return Number.POSITIVE_INFINITY
            const { time } = cursor
            if (!(time >= lastTime)) {
              throw new GraphError(
                'TIME_WENT_BACK',
                `source "${name}" went back in time, from ${isoOf(lastTime)} to ${isoOf(time)}: sort its rows by time`,
                { node: name, time: engine.now },
              )
            }
            lastTime = time
            if (time >= first) {
              event.value = cursor.value
              return time
            }
            const next = step()
            if (typeof next !== 'boolean') {
              wait(event, next)
              return WAITING
            }
            more = next
          }
        }
        const step = (): boolean | Promise<boolean> => {
          try {
            return cursor.next()
          } catch (error) {
            throw failed(error)
          }
        }
        const failed = (error: unknown): GraphError =>
          new GraphError('SOURCE_FAILED', `source "${name}" failed: ${messageOf(error)}`, {
            node: name,
            time: engine.now,
            cause: error,
          })
        const wait = (event: ScheduledEvent, next: Promise<boolean>): void => {
          next.then(
            (has) => engine.resume(event, () => read(event, has)),
            (error) =>
              engine.resume(event, () => {
                throw failed(error)
              }),
          )
        }
        const refill: Refill = {
          advance: (event) => {
            const next = step()
            if (typeof next === 'boolean') return read(event, next)
            wait(event, next)
            return WAITING
          },
        }
        const event = new ScheduledEvent(instance, output as Series, undefined, refill)
        engine.scheduleRefilled(event, refill.advance(event))
        return undefined
      },
    }),
  )
}

/** One tick of a {@link curve}: its time, or its offset from the start, and its value. */
export type CurveTick<T> = readonly [time: Timestamp, value: T]

/** Options of {@link curve}. */
export interface CurveOptions {
  /** Times count from the start of the run. @defaultValue false */
  readonly relative?: boolean
}

/**
 * Ticks the given values at the given times, which must not decrease; ticks before the start are dropped, several of
 * one time tick in successive cycles.
 */
export function curve<T>(
  graph: Graph,
  ticks: readonly CurveTick<T>[],
  options: CurveOptions = {},
): Edge<T> {
  return pull(graph, 'curve', (context) => {
    const offset = options.relative === true ? context.now : 0
    let at = -1
    return {
      get time() {
        return (ticks[at] as CurveTick<T>)[0] + offset
      },
      get value() {
        return (ticks[at] as CurveTick<T>)[1]
      },
      next: () => ++at < ticks.length,
    }
  })
}

/** How values that were pushed since the last cycle enter the graph. */
export type PushMode = 'lastValue' | 'nonCollapsing' | 'burst'

/** Options of {@link push}. */
export interface PushOptions {
  readonly name?: string
  /** Values that wait for a cycle, at most. @defaultValue 100_000 */
  readonly maxPending?: number
  /** What happens beyond `maxPending`: the push throws, or the oldest or the newest value is dropped. @defaultValue 'throw' */
  readonly overflow?: 'throw' | 'dropOldest' | 'dropNewest'
}

/** Puts values from outside into a realtime run. */
export interface PushSource<In, Out = In> {
  readonly edge: Edge<Out>
  /**
   * Hands `value` to the graph: an idle engine runs its cycle before this returns, a busy one in a later cycle.
   * A simulated run takes no pushes: there it does nothing.
   * @throws GraphError `NOT_RUNNING` before the start and after the end, `PUSH_OVERFLOW` beyond the bound.
   */
  push(value: In): void
  /** Values that wait for a cycle. */
  readonly pending: number
  /** Values dropped by the overflow policy in this run. */
  readonly dropped: number
}

/**
 * Declares a source for values from outside.
 *
 * - `nonCollapsing`: each value ticks, one a cycle, in order.
 * - `lastValue`: a cycle takes the last value; those before it are dropped.
 * - `burst`: a cycle takes all values as one list.
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
  const { name = 'push', maxPending = 100_000, overflow = 'throw' } = options
  if (!(maxPending >= 1)) {
    throw new GraphError(
      'INVALID_OPTION',
      `maxPending of push "${name}" is 1 or more, not ${maxPending}`,
      {
        node: name,
      },
    )
  }
  let queue: Pending | undefined
  const edge = outputOf<unknown>(
    graph.add({
      name,
      setup: (_inputs, [output], context) => {
        const mine = new Pending(
          instanceOf(context),
          output as Series,
          name,
          mode,
          maxPending,
          overflow,
        )
        queue = mine
        context.onStop(() => {
          mine.isOpen = false
        })
        return undefined
      },
    }),
  )
  return {
    edge,
    push: (value) => {
      if (queue === undefined || !queue.isOpen) {
        throw new GraphError('NOT_RUNNING', `push "${name}": its graph is not running`, {
          node: name,
        })
      }
      queue.add(value)
    },
    get pending() {
      return queue?.size ?? 0
    },
    get dropped() {
      return queue?.dropped ?? 0
    },
  }
}

/** The values of one push source that wait, as a queue that is compacted now and then. */
class Pending implements PushQueue {
  isOpen = true
  dropped = 0
  #values: unknown[] = []
  #head = 0
  readonly #instance: Instance
  readonly #series: Series
  readonly #name: string
  readonly #mode: PushMode
  readonly #max: number
  readonly #overflow: PushOptions['overflow']

  constructor(
    instance: Instance,
    series: Series,
    name: string,
    mode: PushMode,
    max: number,
    overflow: PushOptions['overflow'],
  ) {
    this.#instance = instance
    this.#series = series
    this.#name = name
    this.#mode = mode
    this.#max = max
    this.#overflow = overflow
  }

  get size(): number {
    return this.#values.length - this.#head
  }

  add(value: unknown): void {
    const { engine } = this.#instance
    if (!engine.isRealtime) return
    const wasEmpty = this.size === 0
    if (this.#mode === 'lastValue') {
      this.#values[0] = value
    } else if (this.size >= this.#max) {
      this.dropped++
      if (this.#overflow === 'dropNewest') return
      if (this.#overflow !== 'dropOldest') {
        throw new GraphError(
          'PUSH_OVERFLOW',
          `push "${this.#name}": ${this.#max} values wait for the engine already; push slower, or choose an overflow policy`,
          { node: this.#name },
        )
      }
      this.#shift()
      this.#values.push(value)
    } else {
      this.#values.push(value)
    }
    if (wasEmpty) engine.pushPending(this)
    else engine.onWork()
  }

  takeInto(): boolean {
    if (this.#mode === 'burst') {
      const values = this.#values
      this.#values = []
      this.#instance.tick(this.#series, values)
      return false
    }
    this.#instance.tick(this.#series, this.#shift())
    return this.size > 0
  }

  #shift(): unknown {
    const value = this.#values[this.#head]
    this.#values[this.#head++] = undefined
    if (this.#head === this.#values.length) {
      this.#values.length = 0
      this.#head = 0
    } else if (this.#head > 1_024 && this.#head * 2 > this.#values.length) {
      this.#values.splice(0, this.#head)
      this.#head = 0
    }
    return value
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
