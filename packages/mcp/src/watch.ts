import { GatewayClientError } from '@gw/client'
import { keyed, type UntypedChannel } from './untyped-channel.js'

/** What is to be watched, and for how long. */
export interface WatchArguments {
  readonly key?: unknown
  readonly where?: unknown
  readonly select?: unknown
  readonly maxTicks?: unknown
  readonly timeoutSeconds?: unknown
}

/** Gathers ticks until there are enough, or the time is over; gaps are counted, not hidden. */
export async function watch(
  channel: UntypedChannel,
  { key, where, select, maxTicks = 10, timeoutSeconds = 10 }: WatchArguments,
  signal: AbortSignal,
): Promise<{ readonly ticks: readonly unknown[]; readonly gaps: number }> {
  const timeoutMs = Number(timeoutSeconds) * 1000
  const subscription = channel.subscribe(
    ...keyed(key, {
      signal,
      timeoutMs,
      ...(where === undefined ? {} : { where: where as object }),
      ...(select === undefined ? {} : { select: select as readonly string[] }),
    }),
  )
  const timer = setTimeout(() => subscription.close(), timeoutMs)
  const ticks: unknown[] = []
  let gaps = 0
  try {
    for await (const event of subscription.events()) {
      if (event.type === 'gap') gaps++
      if (event.type !== 'data') continue
      const isOfBasket = key === undefined && event.key !== undefined
      const ofTick = ticks.push(isOfBasket ? { key: event.key, value: event.value } : event.value)
      if (ofTick === maxTicks) break
    }
  } finally {
    clearTimeout(timer)
    subscription.close()
  }
  if (ticks.length === 0) await subscription.ready.catch(refused)
  return { ticks, gaps }
}

/** Closed in time is no refusal. */
function refused(error: unknown): void {
  if (!(error instanceof GatewayClientError) || error.code !== 'CLOSED') throw error
}
