import type { Channels } from '@gw/channels'
import { type PushSource, push } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import type { ClusterMember } from './cluster-members.js'
import { MemberStreams } from './member-streams.js'
import type { Peers } from './peers.js'
import { type Begin, TickStream } from './tick-stream.js'

const MAX_PENDING = 10_000

/** Has the ticks of channels, of all gateways of a cluster, tick on channels of this one. */
export class Relay {
  readonly #channels: ReadonlyMap<string, string>
  /** One a channel. */
  #streams: readonly MemberStreams[] = []
  #peers: Peers | undefined
  #begin: Begin = 'now'
  /** By channel, ticks of others that were lost: more than they remember came while they were not heard. */
  readonly #lost = new Map<string, number>()
  readonly #onLost: () => void

  constructor(channels: Readonly<Record<string, string | undefined>>, onLost: () => void) {
    this.#onLost = onLost
    this.#channels = new Map(
      Object.entries(channels).filter((pair): pair is [string, string] => pair[1] !== undefined),
    )
  }

  connect(channels: Channels<AnyChannels>): void {
    this.#lost.clear()
    this.#streams = [...this.#channels].map(([from, to]) => {
      channels.setChannel(to as never, channels.getChannel(from as never) as never)
      const source = push<unknown>(channels.graph, 'nonCollapsing', {
        name: `relay ${from}`,
        maxPending: MAX_PENDING,
        overflow: 'dropOldest',
        insideCycle: 'queue',
      })
      channels.setChannel(to as never, source.edge as never)
      return new MemberStreams((member) => this.#open(from, source, member))
    })
  }

  /** These are the other gateways now. Of those that come later all ticks are relayed, of the first those from now on. */
  follow(members: readonly ClusterMember[], peers: Peers): void {
    this.#peers = peers
    for (const streams of this.#streams) streams.follow(members)
    this.#begin = 'start'
  }

  /** What was lost, in words; empty while nothing was. */
  get message(): string {
    return [...this.#lost]
      .map(
        ([channel, count]) =>
          `relay of "${channel}": ${count} ticks of other gateways were lost: they remember no more than the historyTicks of their limits`,
      )
      .join('; ')
  }

  stop(): void {
    for (const streams of this.#streams) streams.close()
    this.#begin = 'now'
  }

  #open(channel: string, source: PushSource<unknown>, { address }: ClusterMember): TickStream {
    const onTick = ({ value, removed }: { value: unknown; removed: boolean }): void => {
      if (!removed) pushTo(source, value)
    }
    return new TickStream({
      peers: this.#peers as Peers,
      address,
      channel,
      begin: this.#begin,
      onBegun: (ticks) => ticks.forEach(onTick),
      onTick,
      onLost: (count) => {
        if (count === 0) return
        this.#lost.set(channel, (this.#lost.get(channel) ?? 0) + count)
        this.#onLost()
      },
    })
  }
}

function pushTo(source: PushSource<unknown>, value: unknown): void {
  try {
    source.push(value)
  } catch {
    // The engine has ended.
  }
}
