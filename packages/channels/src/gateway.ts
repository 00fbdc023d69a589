import { isoOf, type Run, type RunResult, realtime, simulateAsync, wallClock } from '@gw/core'
import { type AnyChannels, QUERY_LIMITS } from '@gw/protocol'
import type { Channels } from './channels.js'
import type { Contract } from './contract.js'
import type { DeadLetters } from './dead-letters.js'
import type { GatewayDescription } from './description.js'
import { ChannelsError } from './errors.js'
import {
  checkObject,
  checkOptions,
  checkRunOptions,
  checkSimulationOptions,
  type GatewayOptions,
  type RunUntilOptions,
  type SimulationOptions,
  type SimulationResult,
  timeOf,
} from './gateway-options.js'
import { GatewayRun, type RunOptions } from './gateway-run.js'
import type { Health, LiveChannels, LiveGateway } from './live.js'
import { consoleLogger, type Logger } from './logger.js'
import { newIdBase } from './mint.js'
import type { Module } from './module.js'
import { ModuleLifecycle, until } from './module-lifecycle.js'
import { selectModules } from './select-modules.js'

type Phase = 'idle' | 'starting' | 'running' | 'stopping'

/**
 * Channels and modules, wired and run: in real time, until it is stopped, or in simulated time.
 * @example
 * ```ts
 * const gateway = new Gateway({ channels, modules: [totals] })
 * await gateway.start()
 * gateway.channels.send('orders', { symbol: 'AAPL', side: 'buy', quantity: 1 })
 * await gateway.stop()
 * ```
 */
export class Gateway<C extends AnyChannels> implements LiveGateway<C> {
  readonly #options: GatewayOptions<C>
  readonly #logger: Logger
  readonly #modules: readonly Module<C>[]
  readonly #disabled: readonly string[]
  readonly #lifecycle: ModuleLifecycle
  #phase: Phase = 'idle'
  #run: GatewayRun | undefined
  #engine: Run | undefined
  #isReady = false
  #starting: Promise<void> | undefined
  /** Aborted when a stop is asked for while it starts. */
  #startAbort = new AbortController()
  #stopping: Promise<void> | undefined
  #simulating = false

  /** @throws ChannelsError `UNKNOWN_MODULE`, `INVALID_OPTION`. */
  constructor(options: GatewayOptions<C>) {
    checkObject('the options of a gateway', options)
    this.#options = options
    this.#logger = options.logger ?? consoleLogger
    checkOptions(options)
    const { enabled, disabled } = selectModules(options)
    this.#modules = enabled
    this.#disabled = disabled
    this.#lifecycle = new ModuleLifecycle(enabled, this.#logger)
  }

  /** The channels of the run. @throws ChannelsError `NOT_RUNNING` before the first one. */
  get channels(): LiveChannels<C> {
    return this.#present.channels.typed<C>()
  }

  get modules(): readonly Module<never>[] {
    return this.#modules
  }

  get description(): GatewayDescription {
    return this.#present.description
  }

  get deadLetters(): DeadLetters {
    return this.#present.deadLetters
  }

  get health(): Health {
    const run = this.#run
    const engine = this.#engine
    run?.noticeEnd()
    const live = run !== undefined && run.ended === undefined && !run.isClosing
    return {
      live,
      ready: live && this.#isReady,
      lagMs: engine?.running === true ? engine.lag / 1_000 : 0,
      cycles: engine?.cycles ?? 0,
      now: isoOf(run?.now ?? 0),
      ...(run?.ended?.error === undefined ? {} : { error: run.ended.error }),
    }
  }

  /**
   * Wires the modules and runs them by the clock; fulfilled when every module has started. When one cannot, those that have
   * are stopped, and nothing is left listening.
   * @throws ChannelsError `ALREADY_STARTED`, `MISSING_PROVIDER`, `MODULE_FAILED`, `MODULE_TIMEOUT` and the other codes of
   * wiring; GraphError when the graph cannot be built.
   */
  async start(): Promise<void> {
    this.#checkIdle()
    this.#phase = 'starting'
    this.#starting = this.#startAll()
    try {
      await this.#starting
      this.#phase = 'running'
      this.#isReady = true
    } finally {
      this.#starting = undefined
    }
  }

  /**
   * Stops the modules, in reverse order, then the engine: what was sent is through, the present cycle is finished, and what
   * modules write is written. Within the time-out; twice is once.
   * @throws ChannelsError `MODULE_FAILED`, `MODULE_TIMEOUT` of the first module concerned, or GraphError `NODE_FAILED` of a node
   * that could not close what it writes to, when everything else is closed.
   */
  stop(): Promise<void> {
    if (this.#stopping !== undefined) return this.#stopping
    if (this.#phase === 'idle') return Promise.resolve()
    if (this.#starting !== undefined) {
      this.#startAbort.abort(
        new ChannelsError('NOT_RUNNING', 'the gateway was stopped while it was starting'),
      )
      return this.#starting.catch(() => undefined)
    }
    this.#phase = 'stopping'
    this.#stopping = this.#close().finally(() => {
      this.#stopping = undefined
    })
    return this.#stopping
  }

  /**
   * Starts, waits for the end, and stops: for SIGINT or SIGTERM, for the signal, for the end time, for somebody to call
   * {@link stop}, or for a failure.
   * @returns the outputs of the run, as a simulation does.
   * @throws what ended the engine, when it failed; ChannelsError `INVALID_OPTION`, and as {@link start}.
   */
  async run(options: RunUntilOptions = {}): Promise<RunResult> {
    checkRunOptions(options)
    const { signals = true, signal } = options
    const listening = new AbortController()
    const asked = new Promise<void>((resolve) => {
      const onAsked = (): void => resolve()
      if (signals && typeof process !== 'undefined') {
        for (const name of ['SIGINT', 'SIGTERM'] as const) {
          process.once(name, onAsked)
          listening.signal.addEventListener('abort', () => process.off(name, onAsked))
        }
      }
      if (signal?.aborted === true) resolve()
      signal?.addEventListener('abort', onAsked, { signal: listening.signal })
    })
    let isAsked = false
    void asked.then(() => {
      isAsked = true
      listening.abort()
      // While it starts, too: then the start is what fails.
      if (this.#starting !== undefined) void this.stop()
    })
    try {
      await this.start().catch((error: unknown) => {
        if (!isAsked || (error as Partial<ChannelsError>).code !== 'NOT_RUNNING') throw error
      })
      const engine = this.#engine as Run
      await Promise.race([asked, engine.done.catch(() => undefined)])
      const failure = engine.failure === undefined ? undefined : this.#run?.explain(engine.failure)
      await this.stop()
      if (failure !== undefined) throw failure
      return await engine.done
    } finally {
      listening.abort()
    }
  }

  /**
   * Runs the same modules in simulated time, as fast as it goes; `start` and `stop` of modules are not called, `flush` is.
   * A gateway can be simulated again and again, each time from the beginning.
   * @throws ChannelsError as {@link start}; GraphError `NODE_FAILED` and others, when the run fails.
   */
  async simulate(options: SimulationOptions = {}): Promise<SimulationResult<C>> {
    checkSimulationOptions(options)
    this.#checkIdle()
    const { limits = {} } = this.#options
    const start = timeOf(options.start) ?? timeOf(this.#options.start)
    const end =
      timeOf(options.end) ??
      (options.duration === undefined ? timeOf(this.#options.end) : undefined)
    this.#simulating = true
    try {
      const run = this.#newRun({
        isRealtime: false,
        now: undefined,
        idBase: options.idBase ?? this.#options.idBase ?? newIdBase(),
        engine: () => undefined,
      })
      this.#run = run
      this.#engine = undefined
      const running = simulateAsync(run.graph, {
        ...(start === undefined ? {} : { start }),
        ...(end === undefined ? {} : { end }),
        ...(options.duration === undefined ? {} : { duration: options.duration }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(limits.cyclesAtOneTime === undefined
          ? {}
          : { maxCyclesAtOneTime: limits.cyclesAtOneTime }),
        onNodeFailure: run.onNodeFailure,
      })
      const outcome = await running.then(
        (result) => ({ result, error: undefined }),
        (cause: unknown) => ({ result: undefined, error: run.explain(cause) }),
      )
      run.end(outcome.result === undefined ? { error: outcome.error } : {})
      const errors = await this.#lifecycle.flush(this.#stopDeadline)
      if (outcome.result === undefined) throw outcome.error
      if (errors.length > 0) throw errors[0]
      return { ...outcome.result, channels: run.channels.typed<C>() }
    } finally {
      this.#simulating = false
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  get #present(): GatewayRun {
    if (this.#run === undefined) {
      throw new ChannelsError('NOT_RUNNING', 'the gateway has not been started: call start() first')
    }
    return this.#run
  }

  #checkIdle(): void {
    if (this.#phase === 'idle' && !this.#simulating) return
    throw new ChannelsError(
      'ALREADY_STARTED',
      this.#simulating
        ? 'the gateway is being simulated: wait for the end of it'
        : 'the gateway has been started: stop it first',
    )
  }

  #newRun(of: Pick<RunOptions, 'isRealtime' | 'now' | 'idBase' | 'engine'>): GatewayRun {
    const { channels, graph, limits = {}, blockSetChannelsUntil } = this.#options
    const logger = this.#logger
    return new GatewayRun({
      ...of,
      contract: channels as unknown as Contract<AnyChannels>,
      modules: graph === undefined ? this.#modules : [...this.#modules, graphModule(graph)],
      disabledModules: this.#disabled,
      epoch: newEpoch(),
      blockUntil: timeOf(blockSetChannelsUntil),
      history: of.isRealtime
        ? { maxTicks: limits.historyTicks ?? 1_000, maxBytes: limits.historyBytes ?? 4 * 2 ** 20 }
        : undefined,
      maxLookup: limits.lookupRecords ?? 100_000,
      maxKeys: limits.basketKeys ?? 100_000,
      maxPendingSends: limits.pendingSends ?? 10_000,
      maxLag: limits.lagMs === undefined ? undefined : limits.lagMs * 1_000,
      maxDeadLetters: limits.deadLetters ?? 1_000,
      staging: {
        maxStagings: limits.stagings ?? 10_000,
        maxRecords: limits.stagedRecords ?? 100_000,
      },
      messageIds: {
        maxIds: limits.messageIds ?? 100_000,
        maxAgeMs: limits.messageIdMs ?? 600_000,
        maxBytes: limits.messageIdBytes ?? 64 * 2 ** 20,
      },
      queryLimits: limits.query === undefined ? undefined : { ...QUERY_LIMITS, ...limits.query },
      onProblem: (message, error) => logger.error({ err: error }, message),
    })
  }

  #failed(run: GatewayRun, cause: unknown): void {
    const error = run.explain(cause)
    run.end({ error })
    // What a run that was left alone says at last is no failure of the one after it.
    if (run !== this.#run) return
    this.#isReady = false
    // A failed start is told by start() itself.
    if (this.#phase === 'running') this.#logger.error({ err: error }, 'the gateway has failed')
  }

  async #startAll(): Promise<void> {
    this.#startAbort = new AbortController()
    const { signal } = this.#startAbort
    try {
      const run = this.#startEngine()
      const check = (): void => {
        run.noticeEnd()
        if (run.ended?.error !== undefined) throw run.ended.error
        signal.throwIfAborted()
      }
      const { startTimeoutMs = 30_000 } = this.#options
      await this.#lifecycle.start(this as never, startTimeoutMs, check, signal)
    } catch (error) {
      this.#run?.end({ error })
      await this.#close().catch((late: unknown) =>
        this.#logger.error({ err: late }, 'a module could not be stopped after a failed start'),
      )
      throw error
    }
  }

  #startEngine(): GatewayRun {
    const { start, end, speed, budgetMs, limits = {} } = this.#options
    const startTime = timeOf(start)
    const endTime = timeOf(end)
    const clock =
      this.#options.clock ??
      wallClock({
        ...(startTime === undefined ? {} : { start: startTime }),
        ...(speed === undefined ? {} : { speed }),
      })
    this.#run = undefined
    this.#engine = undefined
    const run = this.#newRun({
      isRealtime: true,
      now: () => clock.now(),
      idBase: this.#options.idBase ?? newIdBase(),
      engine: () => this.#engine,
    })
    this.#run = run
    const engine = realtime(run.graph, {
      clock,
      ...(startTime === undefined ? {} : { start: startTime }),
      ...(endTime === undefined ? {} : { end: endTime }),
      ...(budgetMs === undefined ? {} : { budgetMs }),
      ...(limits.cyclesAtOneTime === undefined
        ? {}
        : { maxCyclesAtOneTime: limits.cyclesAtOneTime }),
      onNodeFailure: run.onNodeFailure,
    })
    this.#engine = engine
    engine.done.then(
      () => run.end({}),
      (error: unknown) => this.#failed(run, error),
    )
    return run
  }

  async #close(): Promise<void> {
    this.#isReady = false
    const deadline = this.#stopDeadline
    // What hangs at the stop must leave time to write what is left.
    const stopDeadline = deadline - (deadline - performance.now()) / 4
    const errors: unknown[] = [...(await this.#lifecycle.stop(stopDeadline))]
    const run = this.#run
    if (run !== undefined) {
      run.isClosing = true
      // What was accepted goes through; the engine takes it when I/O has had its turn.
      while (run.ended === undefined && run.border.pending > 0 && performance.now() < deadline) {
        await new Promise<void>((resolve) => setTimeout(resolve))
      }
    }
    const endedBefore = run?.ended
    const late = new ChannelsError(
      'MODULE_TIMEOUT',
      'an adapter of the graph was not closed in time, and was left alone',
    )
    await until(deadline, () => this.#engine?.stop(), late).catch((cause: unknown) => {
      // What ended the run before has been told; what could not be closed has not.
      if (endedBefore !== undefined) return
      const error = run?.explain(cause) ?? cause
      this.#logger.error({ err: error }, 'the run could not be ended as it should')
      errors.push(error)
    })
    run?.end({})
    errors.push(...(await this.#lifecycle.flush(deadline)))
    this.#phase = 'idle'
    if (errors.length > 0) throw errors[0]
  }

  get #stopDeadline(): number {
    return performance.now() + (this.#options.stopTimeoutMs ?? 20_000)
  }
}

/** The user's own graph is wired as a module that comes last. */
function graphModule<C extends AnyChannels>(connect: (channels: Channels<C>) => void): Module<C> {
  return { name: 'graph', connect }
}

/** Differs from that of every other run. */
function newEpoch(): string {
  const random = Math.floor(Math.random() * 36 ** 6)
  return `${Date.now().toString(36)}${random.toString(36).padStart(6, '0')}`
}
