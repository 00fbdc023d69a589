import type { Position } from '@gw/protocol'
import type { ChannelLog } from './channel-log.js'
import { ChannelsError } from './errors.js'
import type { ChannelTick, NextOptions, WaitOptions } from './live.js'
import type { Tick } from './tick.js'
import { timed } from './timed.js'

/** Waits until a log, or one key of it, has reached a position. @throws ChannelsError `POSITION_TIMEOUT`, `POSITION_MISMATCH`. */
export async function reachedPosition(
  log: ChannelLog,
  key: string | undefined,
  position: Position,
  options: WaitOptions = {},
): Promise<void> {
  const { epoch } = log.positionOf(key)
  if (epoch !== position.epoch) {
    throw new ChannelsError(
      'POSITION_MISMATCH',
      `"${log.name}" has begun anew since ${position.epoch}:${position.offset}: read it again`,
      { channel: log.name },
    )
  }
  const isReached = (): boolean => log.positionOf(key).offset >= position.offset
  if (isReached()) return
  await wait(log, key, options, 'POSITION_TIMEOUT', () => (isReached() ? true : undefined))
}

/** Waits for the next tick; of a whole basket for the next cycle, and then the last tick of each key. @throws ChannelsError `NEXT_TIMEOUT`. */
export function nextTicks(
  log: ChannelLog,
  key: string | undefined,
  options: NextOptions = {},
): Promise<readonly ChannelTick[]> {
  const isWhole = log.isBasket && key === undefined
  const { matches } = options
  return wait(log, key, options, 'NEXT_TIMEOUT', (ticks) => {
    if (isWhole) {
      const isMeant = matches === undefined || ticks.some(matches)
      return isMeant ? log.lastTicks(undefined) : undefined
    }
    const come = ticks.find((tick) => !tick.removed && matches?.(tick) !== false)
    return come === undefined ? undefined : [come]
  })
}

function wait<R>(
  log: ChannelLog,
  key: string | undefined,
  options: WaitOptions,
  code: 'NEXT_TIMEOUT' | 'POSITION_TIMEOUT',
  check: (ticks: readonly Tick[]) => R | undefined,
): Promise<R> {
  return timed(options, code, log.name, (done, fail) =>
    log.wait({
      key,
      check: (ticks) => {
        const result = check(ticks)
        if (result !== undefined) done(result)
        return result !== undefined
      },
      fail,
    }),
  )
}
