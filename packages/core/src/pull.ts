import { type Cursor, collapsed, cursorOf, type Rows } from './cursor.js'
import { GraphError, type GraphErrorCode, messageOf } from './errors.js'
import { type Refill, ScheduledEvent, WAITING } from './event-queue.js'
import { type Edge, type Graph, outputOf } from './graph.js'
import type { Instance } from './instance.js'
import { type InstanceNodeContext, instanceOf } from './instance-node-context.js'
import type { NodeContext } from './node-context.js'
import type { PushMode } from './push.js'
import type { Series } from './series.js'
import { isoOf, type Timestamp } from './time.js'

/** Options of {@link pull}. */
export interface PullOptions {
  /**
   * How rows of one time tick: each in a cycle, in order; only the last; or all as one list.
   * @defaultValue 'nonCollapsing'
   */
  readonly mode?: PushMode
}

/**
 * Ticks rows of a time and a value, each at its own time: from a cursor, an iterable or an async iterable that `open`
 * gives for each run. Rows before the start are skipped, those after the end are not reached. The engine reads one row
 * ahead; rows that are still to come hold simulated time still, and are late in realtime.
 * @throws GraphError at run time: `TIME_WENT_BACK` when a row is older than the one before, or its time is no whole number
 * of microseconds, `SOURCE_FAILED` when reading throws, `ASYNC_SOURCE` when `simulate` meets rows that are still to come.
 * @example `const rows = pull(graph, 'rows', () => readCsv('prices.csv'))`
 */
export function pull<T>(
  graph: Graph,
  name: string,
  open: (context: NodeContext) => Rows<T>,
  options?: PullOptions & { readonly mode?: 'lastValue' | 'nonCollapsing' },
): Edge<T>
export function pull<T>(
  graph: Graph,
  name: string,
  open: (context: NodeContext) => Rows<T>,
  options: PullOptions & { readonly mode: 'burst' },
): Edge<readonly T[]>
export function pull(
  graph: Graph,
  name: string,
  open: (context: NodeContext) => Rows<unknown>,
  options: PullOptions = {},
): Edge<unknown> {
  const { mode = 'nonCollapsing' } = options
  return outputOf(
    graph.add({
      name,
      setup: (_inputs, [output], context) => {
        const instance = instanceOf(context)
        const cursor = collapsed(cursorOf(open(context)), mode)
        const refill = new CursorRefill(name, cursor, instance, context as InstanceNodeContext)
        context.onStop(() => refill.close())
        const event = new ScheduledEvent(instance, output as Series, undefined, refill)
        refill.advance(event)
        instance.engine.agenda.scheduleRefilled(event)
        return undefined
      },
    }),
  )
}

/** One tick of a {@link curve}: its time, or its offset from the start, and its value. */
export type CurveTick<T> = readonly [time: Timestamp, value: T]

/** Options of {@link curve}. */
export interface CurveOptions extends PullOptions {
  /** Times count from the start of the run. @defaultValue false */
  readonly relative?: boolean
}

/**
 * Ticks the given values at the given times, which must not decrease; ticks before the start are dropped, several of
 * one time tick in successive cycles unless `mode` says otherwise.
 * @throws GraphError at run time: `TIME_WENT_BACK`, when the earlier tick, or one whose time is no whole number of
 * microseconds, is read.
 */
export function curve<T>(
  graph: Graph,
  ticks: readonly CurveTick<T>[],
  options?: CurveOptions & { readonly mode?: 'lastValue' | 'nonCollapsing' },
): Edge<T>
export function curve<T>(
  graph: Graph,
  ticks: readonly CurveTick<T>[],
  options: CurveOptions & { readonly mode: 'burst' },
): Edge<readonly T[]>
export function curve(
  graph: Graph,
  ticks: readonly CurveTick<unknown>[],
  options: CurveOptions = {},
): Edge<unknown> {
  const { relative = false, ...rest } = options
  const open = (context: NodeContext): Cursor<unknown> => {
    return new TicksCursor(ticks, relative ? context.now : 0)
  }
  return pull(graph, 'curve', open, rest as PullOptions & { readonly mode?: 'lastValue' })
}

class TicksCursor<T> implements Cursor<T> {
  time: Timestamp = Number.NaN
  value: T = undefined as T
  readonly #ticks: readonly CurveTick<T>[]
  readonly #offset: Timestamp
  #next = 0

  constructor(ticks: readonly CurveTick<T>[], offset: Timestamp) {
    this.#ticks = ticks
    this.#offset = offset
  }

  next(): boolean {
    if (this.#next >= this.#ticks.length) return false
    const tick = this.#ticks[this.#next++] as CurveTick<T>
    this.time = tick[0] + this.#offset
    this.value = tick[1]
    return true
  }
}

/** Reads a cursor into the one event of its source. */
class CursorRefill implements Refill {
  readonly #name: string
  readonly #cursor: Cursor<unknown>
  readonly #instance: Instance
  readonly #path: string
  readonly #start: Timestamp
  /** Whether the engine is held until a row comes. */
  #isWaiting = false
  #lastTime = Number.NEGATIVE_INFINITY

  constructor(
    name: string,
    cursor: Cursor<unknown>,
    instance: Instance,
    { path, now }: InstanceNodeContext,
  ) {
    this.#name = name
    this.#cursor = cursor
    this.#instance = instance
    this.#path = path
    this.#start = now
  }

  advance(event: ScheduledEvent): void {
    const next = this.#next()
    if (typeof next === 'boolean') this.#read(event, next)
    else this.#wait(event, next)
  }

  close(): void {
    // In a run that goes on without this sub-graph, its rows are not to be waited for any more.
    if (this.#isWaiting) this.#instance.engine.release(this.#instance, () => undefined)
    this.#isWaiting = false
    this.#cursor.close?.()
  }

  #next(): boolean | Promise<boolean> {
    try {
      return this.#cursor.next()
    } catch (error) {
      throw this.#failed(error)
    }
  }

  #read(event: ScheduledEvent, hasRow: boolean): void {
    for (let has = hasRow; has; ) {
      const { time } = this.#cursor
      if (!(time >= this.#lastTime && Number.isSafeInteger(time))) throw this.#refused(time)
      this.#lastTime = time
      if (time >= this.#start) {
        event.value = this.#cursor.value
        event.time = time
        return
      }
      const next = this.#next()
      if (typeof next !== 'boolean') return this.#wait(event, next)
      has = next
    }
    event.time = Number.POSITIVE_INFINITY
  }

  #wait(event: ScheduledEvent, next: Promise<boolean>): void {
    const resume = (read: () => void): void => {
      if (!this.#isWaiting) return
      this.#isWaiting = false
      this.#instance.engine.resume(event, read)
    }
    next.then(
      (has) => resume(() => this.#read(event, has)),
      (error) =>
        resume(() => {
          throw this.#failed(error)
        }),
    )
    this.#isWaiting = true
    event.time = WAITING
  }

  #refused(time: Timestamp): GraphError {
    return this.#error(
      'TIME_WENT_BACK',
      Number.isSafeInteger(time)
        ? `went back in time, from ${isoOf(this.#lastTime)} to ${isoOf(time)}: sort its rows by time`
        : `gave a row at ${time}, which is no time: give integer microseconds`,
    )
  }

  #failed(cause: unknown): GraphError {
    return this.#error('SOURCE_FAILED', `failed: ${messageOf(cause)}`, cause)
  }

  #error(code: GraphErrorCode, message: string, cause?: unknown): GraphError {
    return new GraphError(code, `source "${this.#path}" ${message}`, {
      node: this.#name,
      path: this.#path,
      time: this.#instance.engine.now,
      cause,
    })
  }
}
