import { isoOf, type Timestamp } from './time.js'

/** Every code, those of building a graph first: `docs/engine-errors.md` of the repository lists them in this order. */
export const GRAPH_ERRORS = [
  'INVALID_OPTION',
  'NOT_AN_EDGE',
  'GRAPH_MISMATCH',
  'CYCLE',
  'UNBOUND_EDGE',
  'BOUND_TWICE',
  'ALREADY_BUILT',
  'DUPLICATE_OUTPUT',
  'REENTRANT_RUN',
  'NODE_FAILED',
  'RETURNED_PROMISE',
  'OUTPUT_TWICE',
  'SPINNING',
  'TIME_WENT_BACK',
  'ALARM_EXPIRED',
  'HISTORY_EXCEEDED',
  'NOT_TICKED',
  'DIVISION_BY_ZERO',
  'OUT_OF_STEP',
  'UNKNOWN_KEY',
  'SNAP_NOT_VALID',
  'SOURCE_FAILED',
  'ASYNC_SOURCE',
  'NOT_RUNNING',
  'PUSH_IN_CYCLE',
  'PUSH_OVERFLOW',
  'CALL_OVERFLOW',
  'ADAPTER_FAILED',
  'TIMED_OUT',
] as const

/** Why a graph could not be built or run. Stable: callers may switch on it. */
export type GraphErrorCode = (typeof GRAPH_ERRORS)[number]

/** What a {@link GraphError} knows beside its message. */
export interface GraphErrorDetails {
  /** Name of the node concerned. */
  readonly node?: string
  /** Path of the node: the names of the scopes that it was declared in, then its own. */
  readonly path?: string
  /** Engine time at which it happened. */
  readonly time?: Timestamp
  readonly cause?: unknown
}

/** Every error that the engine itself raises; `code` is stable, `message` says what to do. */
export class GraphError extends Error {
  override readonly name = 'GraphError'
  readonly code: GraphErrorCode
  readonly node: string | undefined
  readonly path: string | undefined
  readonly time: Timestamp | undefined

  constructor(code: GraphErrorCode, message: string, details: GraphErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.node = details.node
    this.path = details.path
    this.time = details.time
  }
}

/**
 * The error of a node that threw: it names the node, its path and the engine time, and keeps the original as `cause`.
 * What the engine itself found fault with keeps its code; all else is `NODE_FAILED`.
 */
export function nodeFailed(
  node: string,
  path: string,
  time: Timestamp,
  cause: unknown,
): GraphError {
  if (cause instanceof GraphError && cause.path !== undefined) return cause
  const code = cause instanceof GraphError ? cause.code : 'NODE_FAILED'
  return new GraphError(code, `node "${path}" failed at ${isoOf(time)}: ${messageOf(cause)}`, {
    node,
    path,
    time,
    cause,
  })
}

/** What an error of any kind says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** @throws GraphError `RETURNED_PROMISE` when a step, or `what` else has to be done when it returns, returned a promise. */
export function refusePromise(returned: unknown, what: 'step' | 'setup' = 'step'): void {
  if (returned === undefined || !(returned instanceof Promise)) return
  // Nobody will listen to it any more.
  returned.catch(() => undefined)
  throw new GraphError(
    'RETURNED_PROMISE',
    `the ${what} of a node returned a promise: a cycle does not wait; use mapAsync(), which ticks the result when it is there`,
  )
}
