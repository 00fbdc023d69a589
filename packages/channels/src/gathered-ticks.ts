import { randomUUID } from 'node:crypto'
import type { Position } from '@gw/protocol'
import { ChannelLog, LogBook } from './channel-log.js'
import { type HistoryLimits, MemoryHistory } from './history.js'
import type {
  ChannelInfo,
  ChannelTick,
  NextOptions,
  WaitOptions,
  Watch,
  WatchOptions,
} from './live.js'
import { nextTicks, reachedPosition } from './log-waits.js'
import { watchLog } from './watch-log.js'

/** Where a tick happened, and what it was. */
export type GatheredTick = Pick<ChannelTick, 'key' | 'value' | 'time' | 'removed'>

/**
 * The ticks of a channel of several gateways, one after the other as they come in: for those who read it as if there were one
 * gateway. Positions are its own, of an epoch of its own.
 */
export class GatheredTicks {
  readonly epoch: string = randomUUID().slice(0, 8)
  readonly #log: ChannelLog

  constructor(
    { name, kind, schema }: Pick<ChannelInfo, 'name' | 'kind' | 'schema'>,
    limits: HistoryLimits,
    onListenerFailed: (error: unknown) => void,
  ) {
    const book = new LogBook({
      epoch: this.epoch,
      openHistory: () => new MemoryHistory(limits),
      lookup: undefined,
      onListenerFailed: (_, error) => onListenerFailed(error),
    })
    this.#log = new ChannelLog(name, kind, schema, book)
  }

  /** Takes a tick in; who watches hears it at once. */
  add({ key, value, time, removed }: GatheredTick): void {
    const log = this.#log
    if (removed && log.find(key) === undefined) return
    const keyLog = log.keyLog(key)
    keyLog.offset++
    keyLog.value = value
    keyLog.time = time
    log.total++
    let tell: () => void = () => undefined
    log.observe(keyLog, value, time, removed, (callback) => {
      tell = callback
    })
    if (removed) log.remove(keyLog)
    tell()
  }

  /** Leaves out positions of ticks that were lost on the way: who resumes from before them is told. */
  skip(count: number): void {
    const log = this.#log
    log.total += count
    const keyLog = log.find(undefined)
    if (keyLog !== undefined) keyLog.offset += count
  }

  /** The last tick of a key, or of each key of a whole basket. */
  lastTicks(key?: string): readonly ChannelTick[] {
    return this.#log.lastTicks(key)
  }

  /** The ticks of the recent past, as far as the history holds them, the oldest first. */
  recentTicks(key?: string): readonly ChannelTick[] {
    return this.#log.recent(key)
  }

  positionOf(key?: string): Position {
    return this.#log.positionOf(key)
  }

  atLeast(key: string | undefined, position: Position, options?: WaitOptions): Promise<void> {
    return reachedPosition(this.#log, key, position, options)
  }

  nextTicks(key: string | undefined, options?: NextOptions): Promise<readonly ChannelTick[]> {
    return nextTicks(this.#log, key, options)
  }

  watch(
    key: string | undefined,
    listener: (tick: ChannelTick) => void,
    options?: WatchOptions,
  ): Watch {
    return watchLog(this.#log, key, listener, options)
  }

  /** Ends all waits and watches. */
  close(error: unknown): void {
    this.#log.close(error)
  }
}
