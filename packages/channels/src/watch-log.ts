import { type Timestamp, timestampOf } from '@gw/core'
import { isPosition } from './call-options.js'
import type { ChannelLog } from './channel-log.js'
import { ChannelsError } from './errors.js'
import { isObject } from './filter.js'
import type { ChannelTick, Watch, WatchOptions } from './live.js'
import { shown } from './shown.js'

/** Watches a log, or one key of it: what the options ask for comes first, the listener gets what follows. */
export function watchLog(
  log: ChannelLog,
  key: string | undefined,
  listener: (tick: ChannelTick) => void,
  { from = 'now' }: WatchOptions = {},
): Watch {
  const position = log.positionOf(key)
  let initial: readonly ChannelTick[] = []
  let recovered = true
  if (from !== 'now') {
    if (from !== 'snapshot' && !(isObject(from) && ('time' in from || isPosition(from)))) {
      throw new ChannelsError(
        'BAD_REQUEST',
        `a subscription is from 'now', 'snapshot', a position or { time }, not from ${shown(from)}`,
      )
    }
    const missed =
      from === 'snapshot'
        ? log.lastTicks(key)
        : 'time' in from
          ? log.sinceTime(key, timeOf(from.time))
          : log.since(key, from)
    recovered = missed !== undefined
    initial = missed ?? log.lastTicks(key)
  }
  const stop = log.listen(key, listener)
  return { recovered, initial, position, stop }
}

function timeOf(text: string): Timestamp {
  try {
    return timestampOf(text)
  } catch (cause) {
    throw new ChannelsError('BAD_REQUEST', `${shown(text)} is no ISO 8601 time`, { cause })
  }
}
