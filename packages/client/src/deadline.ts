import { GatewayClientError, type RequestInfo } from './errors.js'

/** How long a call may take, and who may end it. */
export interface CallOptions {
  /** Ends the call with `ABORTED`. */
  readonly signal?: AbortSignal
  /** Ends the call with `TIMEOUT`. */
  readonly timeoutMs?: number | undefined
}

/** Calls `onEnd` once when the signal is aborted or the time is over. @returns what calls it off */
export function watchDeadline(
  { signal, timeoutMs }: CallOptions,
  request: RequestInfo,
  onEnd: (error: GatewayClientError) => void,
): () => void {
  const end = (error: GatewayClientError): void => {
    release()
    onEnd(error)
  }
  const onAbort = (): void =>
    end(new GatewayClientError('ABORTED', 'aborted', { request, cause: signal?.reason }))
  const onTimeout = (): void =>
    end(new GatewayClientError('TIMEOUT', `no answer within ${timeoutMs} ms`, { request }))
  const timer = timeoutMs === undefined ? undefined : setTimeout(onTimeout, timeoutMs)
  const release = (): void => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
  if (signal?.aborted) onAbort()
  else signal?.addEventListener('abort', onAbort)
  return release
}
