import type { Channels } from '@gw/channels'
import { type PushSource, push } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import type { ClusterMember } from './cluster-members.js'
import type { Peers } from './peers.js'
import { TickStream } from './tick-stream.js'

const MAX_PENDING = 10_000

/** Has the ticks of channels, of all gateways of a cluster, tick on channels of this one. */
export class Relay {
  readonly #channels: ReadonlyMap<string, string>
  readonly #sources = new Map<string, PushSource<unknown>>()
  /** By gateway. */
  readonly #streams = new Map<string, readonly TickStream[]>()
  #hasFollowed = false

  constructor(channels: Readonly<Record<string, string | undefined>>) {
    this.#channels = new Map(
      Object.entries(channels).filter((pair): pair is [string, string] => pair[1] !== undefined),
    )
  }

  connect(channels: Channels<AnyChannels>): void {
    for (const [from, to] of this.#channels) {
      channels.setChannel(to as never, channels.getChannel(from as never) as never)
      const source = push<unknown>(channels.graph, 'nonCollapsing', {
        name: `relay ${from}`,
        maxPending: MAX_PENDING,
        overflow: 'dropOldest',
        insideCycle: 'queue',
      })
      this.#sources.set(from, source)
      channels.setChannel(to as never, source.edge as never)
    }
  }

  /** These are the other gateways now. Of those that come later all ticks are relayed, of the first those from now on. */
  follow(members: readonly ClusterMember[], peers: Peers): void {
    const ids = new Set(members.map(({ id }) => id))
    for (const [id, streams] of this.#streams) {
      if (ids.has(id)) continue
      for (const stream of streams) stream.close()
      this.#streams.delete(id)
    }
    const begin = this.#hasFollowed ? 'start' : 'now'
    this.#hasFollowed = true
    for (const { id, address } of members) {
      if (this.#streams.has(id)) continue
      const streams = [...this.#sources].map(([channel, source]) => {
        const onTick = ({ value, removed }: { value: unknown; removed: boolean }): void => {
          if (!removed) pushTo(source, value)
        }
        return new TickStream({
          peers,
          address,
          channel,
          begin,
          onBegun: (ticks) => ticks.forEach(onTick),
          onTick,
        })
      })
      this.#streams.set(id, streams)
    }
  }

  stop(): void {
    for (const streams of this.#streams.values()) for (const stream of streams) stream.close()
    this.#streams.clear()
    this.#hasFollowed = false
  }
}

function pushTo(source: PushSource<unknown>, value: unknown): void {
  try {
    source.push(value)
  } catch {
    // The engine has ended.
  }
}
