import { checkCount, checkTimeoutMs } from '../check-number.js'
import type { Engine } from '../engine.js'
import { GraphError } from '../errors.js'
import { ScheduledEvent } from '../event-queue.js'
import { type Edge, outputOf } from '../graph.js'
import type { InstanceNodeContext } from '../instance-node-context.js'
import type { Series } from '../series.js'

/** Options of {@link mapAsync}. */
export interface MapAsyncOptions<T, U> {
  readonly name?: string
  /** Calls that are under way at one time, at most. @defaultValue 16 */
  readonly concurrency?: number
  /** Results tick in the order of the values that they are of, or as they come. @defaultValue 'input' */
  readonly order?: 'input' | 'completion'
  /** After how long a call has failed; its signal is aborted then. @defaultValue 30_000 */
  readonly timeoutMs?: number
  /** Values that wait for a call, at most. @defaultValue 10_000 */
  readonly maxPending?: number
  /** What happens beyond `maxPending`: the run fails, or the oldest or the newest value is dropped. @defaultValue 'throw' */
  readonly overflow?: 'throw' | 'dropOldest' | 'dropNewest'
  /** Gives what to tick in place of a result that failed, or `undefined` for nothing. @defaultValue the run fails */
  readonly onError?: (error: unknown, value: T) => U | undefined
}

/**
 * Calls something asynchronous with each tick of `x` and ticks what it gives, or nothing for `undefined`: the one way
 * for a graph to wait for something. A cycle never waits: a result ticks in a cycle of its own, when it is there.
 *
 * In a realtime run that is later than the value; calls that are under way when the run ends are aborted. In a simulated
 * run time stands still until the result is there, so that a run gives the same ticks each time; `simulate` refuses to
 * wait (`ASYNC_SOURCE`), `simulateAsync` does.
 *
 * @throws GraphError `INVALID_OPTION`; at run time, `NODE_FAILED` when a call throws or rejects, `TIMED_OUT` when it
 * takes too long, `CALL_OVERFLOW` when too many values wait.
 * @example
 * ```ts
 * const priced = mapAsync(orders, (order, signal) => fetchPrice(order.symbol, { signal }), {
 *   concurrency: 4,
 *   timeoutMs: 500,
 *   onError: () => undefined,
 * })
 * ```
 */
export function mapAsync<T, U>(
  x: Edge<T>,
  call: (value: T, signal: AbortSignal) => PromiseLike<U | undefined> | U | undefined,
  options: MapAsyncOptions<T, U> = {},
): Edge<U> {
  const { name = 'mapAsync' } = options
  checkOptions(name, options)
  return outputOf<U>(
    x.graph.add({
      name,
      inputs: [x],
      setup: ([input], [output], context) => {
        const calls = new Calls<T, U>(
          context as InstanceNodeContext,
          output as Series,
          name,
          call,
          options,
        )
        context.onStop(() => calls.close())
        return () => calls.take((input as Series<T>).value)
      },
    }),
  )
}

function checkOptions(name: string, options: MapAsyncOptions<never, unknown>): void {
  const { concurrency = 1, timeoutMs = 1, maxPending = 0 } = options
  checkCount(name, 'concurrency', concurrency, 1)
  checkCount(name, 'maxPending', maxPending, 0)
  checkTimeoutMs(name, 'timeoutMs', timeoutMs, 1)
}

/** A value that is being worked on, and in the end its result. */
interface Slot<U> {
  readonly abort: AbortController
  isSettled: boolean
  result: U | undefined
}

/** The calls of one node in one run. */
class Calls<T, U> {
  readonly #context: InstanceNodeContext
  readonly #engine: Engine
  readonly #output: Series
  readonly #name: string
  readonly #call: (value: T, signal: AbortSignal) => PromiseLike<U | undefined> | U | undefined
  readonly #options: MapAsyncOptions<T, U>
  readonly #concurrency: number
  /** Values without a call yet. */
  #waiting: T[] = []
  /** Calls without a result that has ticked, in the order of their values. */
  #slots: Slot<U>[] = []
  #underWay = 0
  #isClosed = false

  constructor(
    context: InstanceNodeContext,
    output: Series,
    name: string,
    call: (value: T, signal: AbortSignal) => PromiseLike<U | undefined> | U | undefined,
    options: MapAsyncOptions<T, U>,
  ) {
    this.#context = context
    this.#engine = context.instance.engine
    this.#output = output
    this.#name = name
    this.#call = call
    this.#options = options
    this.#concurrency = options.concurrency ?? 16
  }

  take(value: T): undefined {
    if (this.#underWay < this.#concurrency) {
      this.#engine.agenda.hold()
      this.#start(value)
      return undefined
    }
    const { maxPending = 10_000, overflow = 'throw' } = this.#options
    if (this.#waiting.length >= maxPending) {
      if (overflow === 'throw') {
        throw new GraphError(
          'CALL_OVERFLOW',
          `"${this.#name}": ${this.#underWay} calls are under way and ${maxPending} values wait for one; send fewer, raise concurrency, or choose an overflow policy`,
        )
      }
      if (overflow === 'dropNewest' || maxPending === 0) return undefined
      this.#waiting.shift()
    } else {
      this.#engine.agenda.hold()
    }
    this.#waiting.push(value)
    return undefined
  }

  close(): void {
    this.#isClosed = true
    // In a run that goes on without this sub-graph, nothing is to be waited for any more.
    const held = this.#underWay + this.#waiting.length
    for (let i = 0; i < held; i++) this.#engine.release(this.#context.instance, () => undefined)
    this.#waiting = []
    for (const { abort, isSettled } of this.#slots) if (!isSettled) abort.abort()
    this.#slots = []
  }

  #start(value: T): void {
    const { timeoutMs = 30_000 } = this.#options
    const slot: Slot<U> = { abort: new AbortController(), isSettled: false, result: undefined }
    this.#slots.push(slot)
    this.#underWay++
    const timeout = setTimeout(() => {
      const late = new GraphError(
        'TIMED_OUT',
        `"${this.#name}": a call took longer than ${timeoutMs} ms; raise timeoutMs, or give onError`,
      )
      this.#failed(slot, value, late)
      slot.abort.abort(late)
    }, timeoutMs)
    slot.abort.signal.addEventListener('abort', () => clearTimeout(timeout))
    // A call that throws at once is one that rejects.
    new Promise<U | undefined>((resolve) => resolve(this.#call(value, slot.abort.signal)))
      .then(
        (result) => this.#settle(slot, () => result),
        (error) => this.#failed(slot, value, error),
      )
      .finally(() => clearTimeout(timeout))
  }

  #failed(slot: Slot<U>, value: T, error: unknown): void {
    this.#settle(slot, () => {
      try {
        if (this.#options.onError !== undefined) return this.#options.onError(error, value)
        throw error
      } catch (cause) {
        const failure = this.#context.failureOf(cause)
        if (failure !== undefined) throw failure
        return undefined
      }
    })
  }

  #settle(slot: Slot<U>, result: () => U | undefined): void {
    if (slot.isSettled || this.#isClosed) return
    slot.isSettled = true
    this.#underWay--
    this.#engine.release(this.#context.instance, () => {
      slot.result = result()
      this.#tickReady(slot)
      const next = this.#waiting
      if (next.length > 0) this.#start(next.shift() as T)
    })
  }

  /** Ticks the results whose turn it is. */
  #tickReady(settled: Slot<U>): void {
    const slots = this.#slots
    if (this.#options.order === 'completion') {
      slots.splice(slots.indexOf(settled), 1)
      this.#tick(settled.result)
    } else {
      while (slots[0]?.isSettled === true) this.#tick((slots.shift() as Slot<U>).result)
    }
  }

  #tick(result: U | undefined): void {
    if (result === undefined) return
    const { instance } = this.#context
    const event = new ScheduledEvent(instance, this.#output, result)
    instance.schedule(event, Math.max(this.#engine.present, this.#engine.now))
  }
}
