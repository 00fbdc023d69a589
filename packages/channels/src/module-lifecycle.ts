import { ChannelsError } from './errors.js'
import type { LiveGateway } from './live.js'
import type { Logger } from './logger.js'
import type { Module } from './module.js'

const LONGEST_TIMEOUT_MS = 2 ** 31 - 1
/** What a module gets after others have used up the time. */
const GRACE_MS = 50

/** Starts, stops and flushes the modules of a gateway, each within a bound. */
export class ModuleLifecycle {
  readonly #modules: readonly Module<never>[]
  readonly #logger: Logger
  /** Modules that have been started, or begun to, in order. */
  #started: Module<never>[] = []

  constructor(modules: readonly Module<never>[], logger: Logger) {
    this.#modules = modules
    this.#logger = logger
  }

  /**
   * Starts the modules in order; `check` may end it between two of them by throwing, the signal at any time.
   * @throws ChannelsError `MODULE_FAILED`, `MODULE_TIMEOUT`; the reason of the signal.
   */
  async start(
    gateway: LiveGateway,
    timeoutMs: number,
    check: () => void,
    signal: AbortSignal,
  ): Promise<void> {
    for (const module of this.#modules) {
      check()
      this.#started.push(module)
      await this.#startOne(module, gateway, timeoutMs, signal)
    }
    check()
  }

  /** Stops those that were started, in reverse order. @returns what went wrong. */
  async stop(deadline: number): Promise<readonly ChannelsError[]> {
    const started = this.#started
    this.#started = []
    return this.#reversed(started, 'stopped', deadline, (module, signal) => module.stop?.(signal))
  }

  /** Has every module write what is left, in reverse order. @returns what went wrong. */
  async flush(deadline: number): Promise<readonly ChannelsError[]> {
    return this.#reversed(this.#modules, 'flushed', deadline, (module, signal) =>
      module.flush?.(signal),
    )
  }

  async #startOne(
    module: Module<never>,
    gateway: LiveGateway,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const late = moduleError(
      'MODULE_TIMEOUT',
      module,
      `has not started within ${timeoutMs} ms: it was stopped`,
    )
    const { work, inTime } = bounded(
      (own) => module.start?.(gateway as never, own),
      timeoutMs,
      late,
      signal,
    )
    try {
      await inTime
    } catch (cause) {
      // What comes up after it was given up must not stay.
      if (cause === late || signal.aborted) {
        work.then(() => module.stop?.(AbortSignal.abort())).catch(() => undefined)
      }
      signal.throwIfAborted()
      if (cause instanceof ChannelsError && cause.module === module.name) throw cause
      throw moduleError('MODULE_FAILED', module, `could not be started: ${reasonOf(cause)}`, cause)
    }
  }

  async #reversed(
    modules: readonly Module<never>[],
    what: 'stopped' | 'flushed',
    deadline: number,
    act: (module: Module<never>, signal: AbortSignal) => void | Promise<void> | undefined,
  ): Promise<readonly ChannelsError[]> {
    const errors: ChannelsError[] = []
    for (const module of [...modules].reverse()) {
      const late = moduleError(
        'MODULE_TIMEOUT',
        module,
        `was not ${what} in time, and was left alone`,
      )
      try {
        const leftMs = Math.max(GRACE_MS, deadline - performance.now())
        await bounded((signal) => act(module, signal), leftMs, late).inTime
      } catch (cause) {
        const error =
          cause === late
            ? late
            : moduleError(
                'MODULE_FAILED',
                module,
                `could not be ${what}: ${reasonOf(cause)}`,
                cause,
              )
        this.#logger.error({ err: error }, error.message)
        errors.push(error)
      }
    }
    return errors
  }
}

/** Waits for some work, not beyond a deadline but for a moment. @throws `late` when that takes too long. */
export async function until(
  deadline: number,
  work: () => Promise<unknown> | undefined,
  late: ChannelsError,
): Promise<void> {
  const leftMs = Math.max(GRACE_MS, deadline - performance.now())
  await bounded(async () => void (await work()), leftMs, late).inTime
}

/**
 * Begins some work: `inTime` is fulfilled as it is, or rejected, with the work's own signal aborted, when that takes too long or
 * `signal` is aborted.
 */
function bounded(
  act: (signal: AbortSignal) => void | Promise<void> | undefined,
  timeoutMs: number,
  late: ChannelsError,
  signal?: AbortSignal,
): { readonly work: Promise<void>; readonly inTime: Promise<void> } {
  const own = new AbortController()
  const work = Promise.resolve(own.signal).then(act)
  const inTime = new Promise<void>((resolve, reject) => {
    const giveUp = (reason: unknown): void => {
      reject(reason)
      own.abort(reason)
    }
    const onAbort = (): void => giveUp(signal?.reason)
    const timeout = setTimeout(() => giveUp(late), Math.min(timeoutMs, LONGEST_TIMEOUT_MS))
    signal?.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => {
      clearTimeout(timeout)
      signal?.removeEventListener('abort', onAbort)
    })
  })
  return { work, inTime }
}

function moduleError(
  code: 'MODULE_FAILED' | 'MODULE_TIMEOUT',
  { name }: Module<never>,
  what: string,
  cause?: unknown,
): ChannelsError {
  return new ChannelsError(code, `module "${name}" ${what}`, {
    module: name,
    ...(cause === undefined ? {} : { cause }),
  })
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
