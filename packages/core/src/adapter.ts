import { checkTimeoutMs } from './check-number.js'
import { GraphError, messageOf } from './errors.js'
import type { Edge, Graph } from './graph.js'
import { type InstanceNodeContext, instanceOf } from './instance-node-context.js'
import { sink } from './node.js'
import { push } from './push.js'
import type { Timestamp } from './time.js'
import { within } from './within.js'

/** How much a status matters. */
export type StatusLevel = 'debug' | 'info' | 'warn' | 'error' | 'critical'

/** What an adapter says about itself. */
export interface AdapterStatus {
  readonly level: StatusLevel
  /** Stable, for programs. */
  readonly code: string
  /** For people. */
  readonly message: string
}

/** What an adapter can ask of the run, from its start until its stop. */
export interface AdapterContext {
  /** Start and end of the run, both inclusive. */
  readonly start: Timestamp
  readonly end: Timestamp
  /** Whether the run follows a clock. A simulated one takes no pushes. */
  readonly realtime: boolean
  /** Aborted when the run ends. */
  readonly signal: AbortSignal
  /** Ticks on the adapter's `status`, in a realtime run. Of those that wait for a cycle the last 1000 are kept. */
  status(level: StatusLevel, code: string, message: string): void
  /** Ends the run after the current cycle, with an error `ADAPTER_FAILED` whose cause is `error`. */
  fail(error: unknown): void
}

/** Undoes what the start of an adapter did. */
export type StopAdapter = () => void | Promise<void>

type Started = StopAdapter | undefined | Promise<StopAdapter | undefined>

/** Options of {@link adapter}. */
export interface AdapterOptions {
  /** How long the end of the run waits for the stop, or for a start that has not finished. @defaultValue 10_000 */
  readonly stopTimeoutMs?: number
}

/** Connects a graph with something outside. Made by {@link adapter}. */
export interface Adapter {
  /** Ticks what the adapter says about itself. Nothing in a simulated run. */
  readonly status: Edge<AdapterStatus>
  /** Calls `send` once in each cycle in which `edge` ticks; what it throws ends the run as `NODE_FAILED`. */
  output<T>(edge: Edge<T>, send: (value: T, time: Timestamp) => void): void
}

/**
 * Declares an adapter: `start` is called when all nodes have been set up and before the first cycle, and returns what to
 * call when the run ends, however it ends. What comes in goes through `push` sources; what goes out, through `output`.
 *
 * Either may be asynchronous: cycles go on while an adapter starts, and a run that has ended is `done` when its adapters
 * have stopped. The synchronous `simulate` waits for neither.
 *
 * @throws GraphError at run time: `ADAPTER_FAILED` when the start or stop throws or rejects, and on `fail`; `TIMED_OUT`
 * when the stop takes too long.
 * @example
 * ```ts
 * const quotes = push<Quote>(graph, 'nonCollapsing')
 * const feed = adapter(graph, 'feed', (context) => {
 *   const socket = new WebSocket(url)
 *   socket.onmessage = ({ data }) => quotes.push(JSON.parse(data))
 *   socket.onerror = () => context.fail(new Error('the feed is gone'))
 *   return () => socket.close()
 * })
 * feed.output(orders, (order) => socket.send(JSON.stringify(order)))
 * ```
 */
export function adapter(
  graph: Graph,
  name: string,
  start: (context: AdapterContext) => Started,
  options: AdapterOptions = {},
): Adapter {
  const { stopTimeoutMs = 10_000 } = options
  checkTimeoutMs(name, 'stopTimeoutMs', stopTimeoutMs, 0)
  const statuses = push<AdapterStatus>(graph, 'nonCollapsing', {
    name: `${name}.status`,
    maxPending: 1_000,
    overflow: 'dropOldest',
    insideCycle: 'queue',
  })
  graph.add({
    name,
    outputs: 0,
    setup: (_inputs, _outputs, context) => {
      const instance = instanceOf(context)
      const { engine } = instance
      const { path } = context as InstanceNodeContext
      const abort = new AbortController()
      const failed = (what: string, cause: unknown): GraphError => {
        return new GraphError('ADAPTER_FAILED', `adapter "${name}" ${what}: ${messageOf(cause)}`, {
          node: name,
          path,
          time: engine.now,
          cause,
        })
      }
      let starting: Started
      instance.onStart(() => {
        try {
          starting = start({
            start: context.start,
            end: context.end,
            realtime: context.realtime,
            signal: abort.signal,
            status: (level, code, message) => {
              if (statuses.running) statuses.push({ level, code, message })
            },
            fail: (error) => engine.fail(failed('failed', error)),
          })
        } catch (error) {
          throw failed('did not start', error)
        }
        if (starting instanceof Promise) {
          starting.catch((error) => engine.fail(failed('did not start', error)))
        }
      })
      context.onStop(() => {
        abort.abort()
        if (!(starting instanceof Promise)) {
          let stopping: unknown
          try {
            stopping = starting?.()
          } catch (error) {
            throw failed('did not stop', error)
          }
          if (!(stopping instanceof Promise)) return
          starting = stopping.then(() => undefined)
        } else {
          // A start that failed has been told already.
          const started = starting.catch(() => undefined)
          starting = started.then((stop) => stop?.()).then(() => undefined)
        }
        const stopped = starting.catch((error) => {
          throw failed('did not stop', error)
        })
        engine.closing.push(
          within(stopTimeoutMs, stopped, () => {
            return new GraphError(
              'TIMED_OUT',
              `adapter "${name}" did not stop within ${stopTimeoutMs} ms`,
              { node: name },
            )
          }),
        )
      })
      return undefined
    },
  })
  return {
    status: statuses.edge,
    output: (edge, send) => {
      sink(`${name}.output`, { edge }, ({ edge }, context) => {
        return () => send(edge.value, context.now)
      })
    },
  }
}
