import type { Identity } from '@gw/protocol'
import { WebServerError } from '../errors.js'
import type { Service } from '../service.js'
import { isRevokedBy } from './identity.js'

/** The longest time that a timer can run. */
const MAX_TIMER_MS = 2_147_483_647

/**
 * Lets a request wait for as long as its key is good. `wait` is given a signal that aborts with one of `signals`, or with
 * `UNAUTHORIZED` when the key is revoked, expires, or is said to be good no more.
 */
export async function whileValid<T>(
  { settings, stillGood }: Service,
  identity: Identity,
  signals: readonly AbortSignal[],
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ended = new AbortController()
  const end = (): void => ended.abort(new WebServerError('UNAUTHORIZED', 'unauthorized'))
  const stops = settings.authenticators.map((authenticator) =>
    authenticator.onRevoked?.((name, credential) => {
      if (isRevokedBy(identity, name, credential)) end()
    }),
  )
  stops.push(stillGood.watch(identity, end))
  const leftMs = (identity.expiresAtMs ?? Number.POSITIVE_INFINITY) - Date.now()
  const timer = leftMs <= MAX_TIMER_MS ? setTimeout(end, leftMs) : undefined
  try {
    return await wait(AbortSignal.any([...signals, ended.signal]))
  } finally {
    clearTimeout(timer)
    for (const stop of stops) stop?.()
  }
}
