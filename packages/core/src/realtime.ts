import { type Clock, wallClock } from './clock.js'
import { Engine } from './engine.js'
import { GraphError } from './errors.js'
import type { Graph } from './graph.js'
import { END_OF_TIME, endOf, type RunOptions, type RunResult, throwFirst } from './simulate.js'
import type { Duration, Timestamp } from './time.js'

/** Cycles between two looks at the clocks, at most, and only while those are so quick: a look takes as long as a small cycle. */
const CYCLES_A_LOOK = 16
const QUICK_MS = 0.1

/** Options of {@link realtime}. */
export interface RealtimeOptions extends RunOptions {
  /** The time that the run follows. @defaultValue the wall's */
  readonly clock?: Clock
  /** Engine time of the first cycle; what lies in the past is caught up first. @defaultValue the clock's now */
  readonly start?: Timestamp
  /** Engine time after which the run ends. @defaultValue no end */
  readonly end?: Timestamp
  /** Span after which to end, in place of `end`. */
  readonly duration?: Duration
  /** Ends the run after the current cycle when aborted. */
  readonly signal?: AbortSignal
  /** How long cycles may run on end before I/O gets its turn; `Infinity` for as long as there are any. @defaultValue 8 */
  readonly budgetMs?: number
}

/** A run that follows a clock. */
export interface Run {
  /** Engine time of the cycle that ran last. */
  readonly now: Timestamp
  /** Whether the run has not ended. */
  readonly running: boolean
  /** Whether a cycle runs at this moment. */
  readonly inCycle: boolean
  /** Cycles run so far. */
  readonly cycles: number
  /** How far the engine is behind its clock: the age of the oldest scheduled event that has not run. */
  readonly lag: Duration
  /** What ended the run, when it failed: known at once, before {@link done} is rejected with it. */
  readonly failure: unknown
  /** Fulfilled when the run has ended, rejected with the error that ended it. */
  readonly done: Promise<RunResult>
  /** Ends the run after the current cycle. */
  stop(): Promise<RunResult>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Runs a graph by a clock, sharing the event loop: due cycles run until the budget is used up, then I/O has its turn.
 * The first cycle has run when this returns. Scheduled events come at their own times, late ones too; a value pushed
 * into an idle engine runs its cycle at once; each budget serves at least one push, so timers never starve them.
 * @throws GraphError when the graph cannot be built, a setup fails, or an option is out of bounds (`INVALID_OPTION`).
 */
export function realtime(graph: Graph, options: RealtimeOptions = {}): Run {
  return new RealtimeRun(graph, options)
}

class RealtimeRun implements Run {
  failure: unknown
  readonly done: Promise<RunResult>
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #budgetMs: number
  readonly #signal: AbortSignal | undefined
  #resolve: (result: RunResult) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined
  #isPumping = false
  #hasEnded = false
  #cancelWake: (() => void) | undefined
  #wakeTime = Number.POSITIVE_INFINITY

  constructor(graph: Graph, options: RealtimeOptions) {
    const { clock = wallClock(), budgetMs = 8, signal } = options
    if (!(budgetMs >= 0)) {
      throw new GraphError('INVALID_OPTION', `budgetMs is 0 or more, not ${budgetMs}`)
    }
    const start = options.start ?? clock.now()
    const end = endOf(start, options)
    this.#clock = clock
    this.#budgetMs = budgetMs
    this.#signal = signal
    const present = (): Timestamp => clock.now()
    this.#engine = new Engine(graph, { ...options, start, end, realtime: true, present })
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever wants to know listens to `done`; nobody listening is no reason to end the process.
    this.done.catch(() => undefined)
    this.#engine.onWork = () => this.#pump()
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (signal?.aborted === true) this.#engine.requestStop()
    this.#pump()
  }

  get now(): Timestamp {
    return this.#engine.now
  }

  get running(): boolean {
    return !this.#hasEnded
  }

  get inCycle(): boolean {
    return this.#isPumping
  }

  get cycles(): number {
    return this.#engine.cycles
  }

  get lag(): Duration {
    return Math.max(0, this.#clock.now() - this.#engine.agenda.nextTime)
  }

  stop(): Promise<RunResult> {
    this.#engine.requestStop()
    this.#pump()
    return this.done
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  readonly #onAbort = (): void => {
    void this.stop().catch(() => undefined)
  }

  /** Runs what is due, then arranges to be called again. A call from inside a cycle leaves it to the call that runs. */
  readonly #pump = (): void => {
    if (this.#isPumping || this.#hasEnded) return
    this.#isPumping = true
    try {
      this.#runDue()
    } catch (error) {
      this.#end({ error })
    } finally {
      this.#isPumping = false
    }
  }

  #runDue(): void {
    const engine = this.#engine
    let deadline: number | undefined
    let lookedMs = Number.NEGATIVE_INFINITY
    let pushServed = false
    let cycles = 1
    for (;;) {
      const present = this.#clock.now()
      for (let left = cycles; left > 0; left--) {
        if (engine.failure !== undefined) throw engine.failure.error
        if (engine.stopRequested) return this.#end()
        const next = engine.agenda.nextTime
        if (next <= present && next <= engine.end) {
          engine.runCycle()
        } else if (engine.hasPushed && engine.now <= engine.end) {
          engine.runPushCycle(Math.min(Math.max(present, engine.now), engine.end))
          pushServed = true
        } else if (left < cycles) {
          break
        } else if (present >= engine.end) {
          return this.#end()
        } else {
          return this.#wakeAt(Math.min(next, engine.end))
        }
      }
      // After a lone push, as most are, the clocks need not be read to see that nothing is left.
      if (this.#hasNothingLeft) return this.#wakeAt(END_OF_TIME)
      const wallMs = performance.now()
      deadline ??= wallMs + this.#budgetMs
      if (wallMs >= deadline) {
        if (engine.hasPushed && !pushServed && !engine.stopRequested) {
          engine.runPushCycle(
            Math.max(engine.now, Math.min(engine.agenda.nextTime, this.#clock.now())),
          )
        }
        afterIo(this.#pump)
        return
      }
      cycles = wallMs - lookedMs < QUICK_MS ? Math.min(2 * cycles, CYCLES_A_LOOK) : 1
      lookedMs = wallMs
    }
  }

  /** Whether there is nothing to run now, nor later unless something is pushed. */
  get #hasNothingLeft(): boolean {
    const { agenda, end, failure, hasPushed, stopRequested } = this.#engine
    return (
      !hasPushed &&
      agenda.nextTime === Number.POSITIVE_INFINITY &&
      end >= END_OF_TIME &&
      !stopRequested &&
      failure === undefined
    )
  }

  #wakeAt(time: Timestamp): void {
    if (time === this.#wakeTime) return
    this.#cancelWake?.()
    this.#wakeTime = time
    this.#cancelWake =
      time >= END_OF_TIME
        ? keepAlive()
        : this.#clock.wakeAt(time, () => {
            this.#wakeTime = Number.POSITIVE_INFINITY
            this.#cancelWake = undefined
            this.#pump()
          })
  }

  #end(failure?: { readonly error: unknown }): void {
    this.#hasEnded = true
    this.#cancelWake?.()
    this.#signal?.removeEventListener('abort', this.#onAbort)
    let first = failure
    try {
      this.#engine.stop()
    } catch (error) {
      first ??= { error }
    }
    this.failure = first?.error
    const { outputs, cycles, now, closing } = this.#engine
    const settle = (): void => {
      if (first === undefined) return this.#resolve({ outputs, cycles, now })
      this.failure = first.error
      this.#reject(first.error)
    }
    if (closing.length === 0) return settle()
    Promise.allSettled(closing)
      .then(throwFirst)
      .catch((error) => {
        first ??= { error }
      })
      .then(settle)
  }
}

/** A running engine without a next event waits for pushes: the process goes on for it. */
function keepAlive(): () => void {
  const timeout = setInterval(() => undefined, 2 ** 30)
  return () => clearInterval(timeout)
}

/** Calls `callback` when pending I/O has been handled. */
const afterIo: (callback: () => void) => void =
  typeof setImmediate === 'function' ? setImmediate : viaMessageChannel()

/** Browsers have no `setImmediate`, and their timeouts wait for 4 ms. */
function viaMessageChannel(): (callback: () => void) => void {
  const callbacks: (() => void)[] = []
  const { port1, port2 } = new MessageChannel()
  port1.onmessage = () => callbacks.shift()?.()
  return (callback) => {
    callbacks.push(callback)
    port2.postMessage(undefined)
  }
}
