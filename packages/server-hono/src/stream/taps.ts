import type { ChannelTick, Watch } from '@gw/channels'
import type { Position } from '@gw/protocol'
import type { PlainChannels } from '../service.js'

/** Hears a tick, with its place among all ticks of the channel. */
type Listener = (tick: ChannelTick, place: Position) => void

interface Tapped {
  readonly watch: Watch
  readonly all: Set<Listener>
  readonly byKey: Map<string, Set<Listener>>
  /** Ticks of the channel so far, over all keys. */
  offset: number
}

/**
 * One watch for each channel that somebody listens to, from which ticks go to those who want their key: many
 * listeners to many keys cost a tick no more than those to its own.
 */
export class Taps {
  readonly #channels: PlainChannels
  readonly #tapped = new Map<string, Tapped>()

  constructor(channels: PlainChannels) {
    this.#channels = channels
  }

  /** Calls `listener` for the ticks of a channel, or of one key, from now on. @returns what ends it. */
  tap(channel: string, key: string | undefined, listener: Listener): () => void {
    const tapped = this.#tapped.get(channel) ?? this.#open(channel)
    const listeners = key === undefined ? tapped.all : setOf(tapped.byKey, key)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (key !== undefined && listeners.size === 0) tapped.byKey.delete(key)
      if (tapped.all.size > 0 || tapped.byKey.size > 0) return
      tapped.watch.stop()
      this.#tapped.delete(channel)
    }
  }

  #open(channel: string): Tapped {
    const all = new Set<Listener>()
    const byKey = new Map<string, Set<Listener>>()
    const watch = this.#channels.watch(channel, undefined, (tick) => {
      const place = { epoch: tapped.watch.position.epoch, offset: ++tapped.offset }
      for (const listener of all) listener(tick, place)
      if (tick.key === undefined) return
      for (const listener of byKey.get(tick.key) ?? NOBODY) listener(tick, place)
    })
    const tapped: Tapped = { watch, all, byKey, offset: watch.position.offset }
    this.#tapped.set(channel, tapped)
    return tapped
  }
}

const NOBODY: ReadonlySet<Listener> = new Set()

function setOf(sets: Map<string, Set<Listener>>, key: string): Set<Listener> {
  let set = sets.get(key)
  if (set === undefined) {
    set = new Set()
    sets.set(key, set)
  }
  return set
}
