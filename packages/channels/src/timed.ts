import { ChannelsError } from './errors.js'
import type { WaitOptions } from './live.js'

const TEN_MINUTES_MS = 600_000

/** Waits for `begin` to report, at most as long as the options say. */
export function timed<R>(
  { timeoutMs = TEN_MINUTES_MS, signal }: WaitOptions,
  code: 'NEXT_TIMEOUT' | 'POSITION_TIMEOUT',
  channel: string,
  begin: (done: (result: R) => void, fail: (error: unknown) => void) => () => void,
): Promise<R> {
  return new Promise<R>((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason)
      return
    }
    let stop: () => void = () => undefined
    const end = (): void => {
      clearTimeout(timeout)
      signal?.removeEventListener('abort', onAbort)
      stop()
    }
    const fail = (error: unknown): void => {
      end()
      reject(error)
    }
    const onAbort = (): void => fail(signal?.reason)
    const timeout = setTimeout(
      () =>
        fail(
          new ChannelsError(code, `"${channel}" did not tick within ${timeoutMs} ms`, { channel }),
        ),
      Math.min(timeoutMs, 2 ** 31 - 1),
    )
    // A wait is no reason to keep the process: the engine is one, while it runs.
    timeout.unref?.()
    signal?.addEventListener('abort', onAbort, { once: true })
    stop = begin((result) => {
      end()
      resolve(result)
    }, fail)
  })
}
