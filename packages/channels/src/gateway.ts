import {
  type Clock,
  type Duration,
  isoOf,
  type Run,
  type RunResult,
  realtime,
  simulateAsync,
  type Timestamp,
  timestampOf,
  wallClock,
} from '@gw/core'
import { type AnyChannels, QUERY_LIMITS } from '@gw/protocol'
import type { Channels } from './channels.js'
import type { Contract } from './contract.js'
import type { DeadLetters } from './dead-letters.js'
import type { GatewayDescription } from './description.js'
import { ChannelsError } from './errors.js'
import { GatewayRun, type RunOptions } from './gateway-run.js'
import type { Health, LiveChannels, LiveGateway } from './live.js'
import { consoleLogger, type Logger } from './logger.js'
import { isIdBase, newIdBase } from './mint.js'
import type { Module } from './module.js'
import type { QueryLimits } from './query.js'

/** Bounds of a gateway; each has a default. */
export interface GatewayLimits {
  /** Ticks of each channel that are kept to resume from. @defaultValue 1_000 */
  readonly historyTicks?: number
  /** Their size as JSON, estimated. @defaultValue 4 MiB */
  readonly historyBytes?: number
  /** Records that `lookup` finds. @defaultValue 100_000 */
  readonly lookupRecords?: number
  /** Sends that wait for the engine; beyond it they are refused. @defaultValue 10_000 */
  readonly pendingSends?: number
  /** How far the engine may be behind before sends are refused. @defaultValue no limit */
  readonly lagMs?: number
  /** Message ids that are remembered. @defaultValue 100_000 */
  readonly messageIds?: number
  /** How long they are remembered. @defaultValue 10 minutes */
  readonly messageIdMs?: number
  /** @defaultValue 1_000 */
  readonly deadLetters?: number
  /** Stagings of one channel. @defaultValue 10_000 */
  readonly stagings?: number
  /** Staged records of one channel. @defaultValue 100_000 */
  readonly stagedRecords?: number
  /** Cycles at one engine time, before the run is ended as spinning. @defaultValue 1_000_000 */
  readonly cyclesAtOneTime?: number
  /** Bounds of queries. @defaultValue depth 8, 64 terms, limit 100_000 */
  readonly query?: Partial<QueryLimits>
}

/** Options of {@link Gateway}. */
export interface GatewayOptions<C extends AnyChannels> {
  readonly channels: Contract<C>
  /** In the order in which they are connected and started. */
  readonly modules?: readonly Module<C>[]
  /** A graph of one's own beside the modules, connected last. */
  readonly graph?: (channels: Channels<C>) => void
  /** The time that a realtime run follows. @defaultValue the wall's, from `start` on at `speed` */
  readonly clock?: Clock
  /** Engine time of the first cycle. @defaultValue the clock's now */
  readonly start?: Timestamp | string
  /** Engine time after which a realtime run ends. @defaultValue no end */
  readonly end?: Timestamp | string
  /** Seconds of engine time in a second. @defaultValue 1 */
  readonly speed?: number
  /** Names of modules that are left out. */
  readonly disable?: readonly string[]
  /** Names of modules that take part although they say `enabled: false`. */
  readonly enable?: readonly string[]
  /** Ticks that modules set, and sends, before this engine time are dropped or refused. */
  readonly blockSetChannelsUntil?: Timestamp | string
  /** Where ids begin: 18 digits, as the ids of a run that is replayed begin. @defaultValue of the time and at random */
  readonly idBase?: string
  readonly limits?: GatewayLimits
  /** How long one module may take to start. @defaultValue 30_000 */
  readonly startTimeoutMs?: number
  /** How long all may take to stop. @defaultValue 10_000 */
  readonly stopTimeoutMs?: number
  /** @defaultValue warnings and errors on the console */
  readonly logger?: Logger
}

/** Options of {@link Gateway.run}. */
export interface RunUntilOptions {
  /** Whether SIGINT and SIGTERM end it; the second one kills, as usual. @defaultValue true */
  readonly signals?: boolean
  readonly signal?: AbortSignal
}

/** Options of {@link Gateway.simulate}. */
export interface SimulationOptions {
  /** Engine time of the first cycle. @defaultValue that of the gateway, else 1970 */
  readonly start?: Timestamp | string
  /** Engine time of the last cycle. @defaultValue no end */
  readonly end?: Timestamp | string
  /** Span after which to end, in place of `end`. */
  readonly duration?: Duration
  /** Ends it after the present cycle. */
  readonly signal?: AbortSignal
  /** As in the options of the gateway. */
  readonly idBase?: string
}

/** What a simulation leaves. */
export interface SimulationResult<C extends AnyChannels> extends RunResult {
  /** The channels as they are at the end: `last`, `query`, `lookup` and stagings can be read. */
  readonly channels: LiveChannels<C>
}

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
  #phase: Phase = 'idle'
  #run: GatewayRun | undefined
  #engine: Run | undefined
  #isReady = false
  /** Modules that have been started, or begun to, in order. */
  #started: Module<C>[] = []
  #starting: Promise<void> | undefined
  #isStopRequested = false
  #stopping: Promise<void> | undefined
  #simulating = false

  /** @throws ChannelsError `UNKNOWN_MODULE`, `INVALID_OPTION`. */
  constructor(options: GatewayOptions<C>) {
    this.#options = options
    this.#logger = options.logger ?? consoleLogger
    const { enabled, disabled } = selectModules(options)
    this.#modules = enabled
    this.#disabled = disabled
    if (options.idBase !== undefined && !isIdBase(options.idBase)) {
      throw new ChannelsError(
        'INVALID_OPTION',
        `idBase is 18 digits, not ${JSON.stringify(options.idBase)}`,
      )
    }
    checkLimits(options)
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
    const live =
      run !== undefined && run.ended === undefined && !run.isClosing && engine?.running !== false
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
   * @throws ChannelsError `MODULE_FAILED`, `MODULE_TIMEOUT` of the first module concerned, when everything else is closed.
   */
  stop(): Promise<void> {
    if (this.#stopping !== undefined) return this.#stopping
    if (this.#phase === 'idle') return Promise.resolve()
    if (this.#starting !== undefined) {
      this.#isStopRequested = true
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
   * @throws what ended the engine, when it failed.
   */
  async run(options: RunUntilOptions = {}): Promise<void> {
    const { signals = true, signal } = options
    await this.start()
    const engine = this.#engine as Run
    const stopListening = new AbortController()
    const asked = new Promise<void>((resolve) => {
      const onAsked = (): void => resolve()
      if (signals && typeof process !== 'undefined') {
        for (const name of ['SIGINT', 'SIGTERM'] as const) {
          process.once(name, onAsked)
          stopListening.signal.addEventListener('abort', () => process.off(name, onAsked))
        }
      }
      if (signal?.aborted === true) resolve()
      signal?.addEventListener('abort', onAsked, { signal: stopListening.signal })
    })
    const ended = engine.done.then(
      () => undefined,
      () => undefined,
    )
    await Promise.race([asked, ended])
    stopListening.abort()
    const error = this.#run?.ended?.error
    await this.stop()
    if (error !== undefined) throw error
  }

  /**
   * Runs the same modules in simulated time, as fast as it goes; `start` and `stop` of modules are not called, `flush` is.
   * A gateway can be simulated again and again, each time from the beginning.
   * @throws ChannelsError as {@link start}; GraphError `NODE_FAILED` and others, when the run fails.
   */
  async simulate(options: SimulationOptions = {}): Promise<SimulationResult<C>> {
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
        isEngineRunning: () => true,
        lag: () => 0,
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
      const errors: unknown[] = []
      await this.#flush(performance.now() + (this.#options.stopTimeoutMs ?? 10_000), errors)
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

  #newRun(
    of: Pick<RunOptions, 'isRealtime' | 'now' | 'idBase' | 'isEngineRunning' | 'lag'>,
  ): GatewayRun {
    const { channels, graph, limits = {}, blockSetChannelsUntil } = this.#options
    const logger = this.#logger
    return new GatewayRun({
      ...of,
      contract: channels as unknown as Contract<AnyChannels>,
      modules: this.#modules,
      disabledModules: this.#disabled,
      userGraph: graph === undefined ? undefined : (own) => graph(own.typed<C>()),
      epoch: newEpoch(),
      blockUntil: timeOf(blockSetChannelsUntil),
      history: of.isRealtime
        ? { maxTicks: limits.historyTicks ?? 1_000, maxBytes: limits.historyBytes ?? 4 * 2 ** 20 }
        : undefined,
      maxLookup: limits.lookupRecords ?? 100_000,
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
      },
      queryLimits: limits.query === undefined ? undefined : { ...QUERY_LIMITS, ...limits.query },
      onProblem: (message, error) => logger.error({ error }, message),
    })
  }

  #failed(run: GatewayRun, cause: unknown): void {
    const error = run.explain(cause)
    run.end({ error })
    this.#isReady = false
    // A failed start is told by start() itself.
    if (this.#phase === 'running') this.#logger.error({ error }, 'the gateway has failed')
  }

  async #startAll(): Promise<void> {
    this.#isStopRequested = false
    try {
      const run = this.#startEngine()
      for (const module of this.#modules) {
        this.#started.push(module)
        if (module.start !== undefined) await this.#startModule(module)
        if (run.ended?.error !== undefined) throw run.ended.error
        if (this.#isStopRequested) {
          throw new ChannelsError('NOT_RUNNING', 'the gateway was stopped while it was starting')
        }
      }
    } catch (error) {
      this.#run?.end({ error })
      await this.#close().catch((late: unknown) =>
        this.#logger.error({ error: late }, 'a module could not be stopped after a failed start'),
      )
      throw error
    }
  }

  #startEngine(): GatewayRun {
    const { start, end, speed, limits = {} } = this.#options
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
      isEngineRunning: () => this.#engine?.running !== false,
      lag: () => this.#engine?.lag ?? 0,
    })
    this.#run = run
    const engine = realtime(run.graph, {
      clock,
      ...(startTime === undefined ? {} : { start: startTime }),
      ...(endTime === undefined ? {} : { end: endTime }),
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

  async #startModule(module: Module<C>): Promise<void> {
    const timeoutMs = this.#options.startTimeoutMs ?? 30_000
    try {
      await within(timeoutMs, Promise.resolve(module.start?.(this)), () =>
        moduleError('MODULE_TIMEOUT', module.name, `has not started within ${timeoutMs} ms`),
      )
    } catch (cause) {
      if (cause instanceof ChannelsError && cause.module === module.name) throw cause
      throw moduleError(
        'MODULE_FAILED',
        module.name,
        `could not be started: ${reasonOf(cause)}`,
        cause,
      )
    }
  }

  async #close(): Promise<void> {
    this.#isReady = false
    const deadline = performance.now() + (this.#options.stopTimeoutMs ?? 10_000)
    const errors: unknown[] = []
    for (const module of this.#started.reverse()) {
      if (module.stop !== undefined) {
        await this.#attempt(module, 'stopped', deadline, errors, () => module.stop?.())
      }
    }
    this.#started = []
    const run = this.#run
    if (run !== undefined) {
      run.isClosing = true
      // What was accepted goes through; the engine takes it when I/O has had its turn.
      while (run.ended === undefined && run.border.pending > 0 && performance.now() < deadline) {
        await new Promise<void>((resolve) => setTimeout(resolve))
      }
    }
    await this.#engine?.stop().catch((error: unknown) => {
      if (run?.ended === undefined) errors.push(run?.explain(error) ?? error)
    })
    run?.end({})
    await this.#flush(deadline, errors)
    this.#phase = 'idle'
    if (errors.length > 0) throw errors[0]
  }

  /** Has every module write what is left. */
  async #flush(deadline: number, errors: unknown[]): Promise<void> {
    for (const module of [...this.#modules].reverse()) {
      if (module.flush !== undefined) {
        await this.#attempt(module, 'flushed', deadline, errors, () => module.flush?.())
      }
    }
  }

  async #attempt(
    module: Module<C>,
    what: string,
    deadline: number,
    errors: unknown[],
    work: () => void | Promise<void> | undefined,
  ): Promise<void> {
    const leftMs = Math.max(1, deadline - performance.now())
    try {
      await within(leftMs, Promise.resolve().then(work), () =>
        moduleError('MODULE_TIMEOUT', module.name, `was not ${what} in time, and was left alone`),
      )
    } catch (cause) {
      const error =
        cause instanceof ChannelsError && cause.code === 'MODULE_TIMEOUT'
          ? cause
          : moduleError(
              'MODULE_FAILED',
              module.name,
              `could not be ${what}: ${reasonOf(cause)}`,
              cause,
            )
      this.#logger.error({ error }, error.message)
      errors.push(error)
    }
  }
}

function selectModules<C extends AnyChannels>({
  modules = [],
  disable = [],
  enable = [],
}: GatewayOptions<C>): {
  readonly enabled: readonly Module<C>[]
  readonly disabled: readonly string[]
} {
  const names = new Set(modules.map(({ name }) => name))
  for (const name of [...disable, ...enable]) {
    if (names.has(name)) continue
    const known = [...names].map((other) => `"${other}"`).join(', ')
    throw new ChannelsError(
      'UNKNOWN_MODULE',
      `there is no module "${name}" to enable or disable: there are ${known}`,
      {
        module: name,
      },
    )
  }
  const both = disable.find((name) => enable.includes(name))
  if (both !== undefined) {
    throw new ChannelsError(
      'INVALID_OPTION',
      `module "${both}" is both enabled and disabled: choose one`,
      {
        module: both,
      },
    )
  }
  const isEnabled = ({ name, enabled = true }: Module<C>): boolean =>
    enable.includes(name) || (enabled && !disable.includes(name))
  for (const { name } of modules) {
    if (typeof name !== 'string' || name === '' || name.includes('/')) {
      throw new ChannelsError(
        'INVALID_OPTION',
        `a module has a name without "/", not ${JSON.stringify(name)}`,
      )
    }
  }
  return {
    enabled: modules.filter(isEnabled),
    disabled: modules.filter((module) => !isEnabled(module)).map(({ name }) => name),
  }
}

function checkLimits<C extends AnyChannels>(options: GatewayOptions<C>): void {
  const { limits = {}, startTimeoutMs, stopTimeoutMs } = options
  const { query = {}, ...rest } = limits
  for (const [name, value] of Object.entries({
    ...rest,
    ...query,
    startTimeoutMs,
    stopTimeoutMs,
  })) {
    if (value !== undefined && !(typeof value === 'number' && value >= 1)) {
      throw new ChannelsError(
        'INVALID_OPTION',
        `${name} is a number from 1 on, not ${JSON.stringify(value)}`,
      )
    }
  }
}

/** Fulfilled as `work` is, unless that takes too long. */
function within<R>(timeoutMs: number, work: Promise<R>, onTimeout: () => Error): Promise<R> {
  return new Promise<R>((resolve, reject) => {
    const timeout = setTimeout(() => reject(onTimeout()), timeoutMs)
    work.then(resolve, reject).finally(() => clearTimeout(timeout))
  })
}

function moduleError(
  code: 'MODULE_FAILED' | 'MODULE_TIMEOUT',
  module: string,
  what: string,
  cause?: unknown,
): ChannelsError {
  return new ChannelsError(code, `module "${module}" ${what}`, {
    module,
    ...(cause === undefined ? {} : { cause }),
  })
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function timeOf(time: Timestamp | string | undefined): Timestamp | undefined {
  if (typeof time !== 'string') return time
  try {
    return timestampOf(time)
  } catch (cause) {
    throw new ChannelsError('INVALID_OPTION', `${JSON.stringify(time)} is no ISO 8601 time`, {
      cause,
    })
  }
}

/** Differs from that of every other run. */
function newEpoch(): string {
  const random = Math.floor(Math.random() * 36 ** 6)
  return `${Date.now().toString(36)}${random.toString(36).padStart(6, '0')}`
}
