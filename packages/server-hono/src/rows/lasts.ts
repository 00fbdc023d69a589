import type { ChannelTick } from '@gw/channels'
import type { PlainChannels } from '../service.js'
import type { Rows } from './rows.js'

/** Ticks of a channel that not everybody who asked for its last has looked at yet. */
interface Recent {
  ticks: ChannelTick[]
  /** Ticks before the first of them. */
  before: number
}

/** What one identity has seen of a channel. */
interface Sight {
  readonly rows: Rows
  readonly byKey: Map<string | undefined, ChannelTick>
  /** Ticks that it has looked at. */
  upTo: number
}

const MAX_SIGHTS = 10_000
/** Ticks that may wait to be looked at, for each channel. */
const MAX_RECENT = 256

/**
 * The last tick of each channel and key that an identity may see, where the very last is another's. It is exact from
 * the time an identity first asks on; what came before is looked for in the channel's history.
 */
export class Lasts {
  readonly #channels: PlainChannels
  readonly #recent = new Map<string, Recent>()
  /** By channel and identity, the one used longest ago first. */
  readonly #sights = new Map<string, Sight>()

  constructor(channels: PlainChannels) {
    this.#channels = channels
  }

  /** What an identity sees last. @throws ChannelsError as `lastTicks` does. */
  of(rows: Rows, channel: string, key: string | undefined): readonly ChannelTick[] {
    const sight = this.#sightOf(rows, channel)
    const ticks: ChannelTick[] = []
    for (const last of this.#channels.lastTicks(channel, key)) {
      let seen = rows.seen(last)
      if (seen === undefined) {
        this.#look(sight, this.#recentOf(channel))
        const earlier = sight.byKey.get(last.key)
        // A key that has gone and come again begins anew; and the rule is asked again, since it may have changed its mind.
        if (earlier?.position.epoch === last.position.epoch) seen = rows.seen(earlier)
      }
      if (seen !== undefined) ticks.push(seen)
    }
    return ticks
  }

  #sightOf(rows: Rows, channel: string): Sight {
    const id = `${channel}\n${rows.id}`
    let sight = this.#sights.get(id)
    if (sight === undefined) {
      const { before, ticks } = this.#recentOf(channel)
      sight = { rows, byKey: new Map(), upTo: before + ticks.length }
      takeNewest(sight, this.#channels.recentTicks(channel))
    } else this.#sights.delete(id)
    this.#sights.set(id, sight)
    if (this.#sights.size > MAX_SIGHTS) {
      this.#sights.delete(this.#sights.keys().next().value as string)
    }
    return sight
  }

  #recentOf(channel: string): Recent {
    const known = this.#recent.get(channel)
    if (known !== undefined) return known
    const recent: Recent = { ticks: [], before: 0 }
    this.#recent.set(channel, recent)
    this.#channels.watch(channel, undefined, (tick) => {
      recent.ticks.push(tick)
      if (recent.ticks.length >= MAX_RECENT) this.#clear(channel, recent)
    })
    return recent
  }

  /** Has everybody look at what is there, so that it need not be kept. */
  #clear(channel: string, recent: Recent): void {
    for (const [id, sight] of this.#sights) {
      if (id.startsWith(`${channel}\n`)) this.#look(sight, recent)
    }
    recent.before += recent.ticks.length
    recent.ticks = []
  }

  #look(sight: Sight, { before, ticks }: Recent): void {
    takeNewest(sight, ticks.slice(Math.max(0, sight.upTo - before)))
    sight.upTo = before + ticks.length
  }
}

/** Takes in the newest tick of each key that is seen. */
function takeNewest({ rows, byKey }: Sight, ticks: readonly ChannelTick[]): void {
  const done = new Set<string | undefined>()
  for (let i = ticks.length - 1; i >= 0; i--) {
    const tick = ticks[i] as ChannelTick
    if (tick.removed || done.has(tick.key) || rows.seen(tick) === undefined) continue
    byKey.set(tick.key, tick)
    if (tick.key === undefined) return
    done.add(tick.key)
  }
}
