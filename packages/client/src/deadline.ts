import type { ClientConnection } from './connection.js'
import { GatewayClientError, type RequestInfo } from './errors.js'

/** How long a call may take, and who may end it. */
export interface CallOptions {
  /** Ends the call with `ABORTED`. */
  readonly signal?: AbortSignal | undefined
  /** Ends the call with `TIMEOUT`. */
  readonly timeoutMs?: number | undefined
}

/** Timers that are longer than this go off at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Calls `onEnd` once when the signal is aborted or the time is over. @returns what calls it off */
export function watchDeadline(
  { signal, timeoutMs = MAX_TIMER_MS + 1 }: CallOptions,
  request: RequestInfo,
  onEnd: (error: GatewayClientError) => void,
  /** What an answer may be waiting for. */
  connection?: Pick<ClientConnection, 'state' | 'error'>,
): () => void {
  const end = (error: GatewayClientError): void => {
    release()
    onEnd(error)
  }
  const onAbort = (): void =>
    end(new GatewayClientError('ABORTED', 'aborted', { request, cause: signal?.reason }))
  const onTimeout = (): void => {
    const phase = connection === undefined ? '' : `, ${connection.state}`
    const text = `no answer within ${timeoutMs} ms${phase}`
    end(new GatewayClientError('TIMEOUT', text, { request, cause: connection?.error }))
  }
  const timer = timeoutMs <= MAX_TIMER_MS ? setTimeout(onTimeout, timeoutMs) : undefined
  const release = (): void => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
  if (signal?.aborted) onAbort()
  else signal?.addEventListener('abort', onAbort)
  return release
}
