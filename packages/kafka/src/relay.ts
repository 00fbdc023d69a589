import type { Channels, ChannelTick, LiveChannels } from '@gw/channels'
import { type PushSource, push } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import { Backoff } from './backoff.js'
import type { ClusterMember } from './cluster-members.js'
import type { Peers } from './peers.js'

const MAX_PENDING = 10_000

/** Has the ticks of channels, of all gateways of a cluster, tick on channels of this one. */
export class Relay {
  readonly #channels: ReadonlyMap<string, string>
  readonly #sources = new Map<string, PushSource<unknown>>()
  readonly #heard = new Map<string, AbortController>()
  #peers: Peers | undefined
  #signal: AbortSignal = AbortSignal.abort()
  #watches: { stop(): void }[] = []

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

  start(peers: Peers, signal: AbortSignal): void {
    this.#peers = peers
    this.#signal = signal
  }

  /** Sends the ticks of this gateway to one that listens. @returns what ends it. */
  listen(live: LiveChannels<AnyChannels>, send: (line: string) => void): () => void {
    const watches = [...this.#channels.keys()].map((name) =>
      live.watch(name, undefined, (tick: ChannelTick) => {
        if (!tick.removed) send(JSON.stringify([name, tick.value]))
      }),
    )
    this.#watches.push(...watches)
    return () => {
      for (const watch of watches) watch.stop()
    }
  }

  /** The others, from now on, and this one itself. */
  follow(members: readonly ClusterMember[]): void {
    if (this.#channels.size === 0) return
    const wanted = new Map(members.map(({ id, address }) => [id, address]))
    for (const [id, controller] of this.#heard) if (!wanted.has(id)) controller.abort()
    for (const [id, address] of wanted) {
      if (this.#heard.has(id)) continue
      const controller = new AbortController()
      this.#heard.set(id, controller)
      void this.#hear(address, AbortSignal.any([controller.signal, this.#signal])).finally(() =>
        this.#heard.delete(id),
      )
    }
  }

  stop(): void {
    for (const watch of this.#watches.splice(0)) watch.stop()
    for (const controller of this.#heard.values()) controller.abort()
  }

  async #hear(address: string, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff()
    while (!signal.aborted) {
      try {
        await this.#peers?.hear(address, 'ticks', {}, (line) => this.#tick(line), signal)
      } catch {
        // It is gone, or comes back: then the members say so.
      }
      await backoff.wait(signal)
    }
  }

  #tick(line: string): void {
    const [name, value] = JSON.parse(line) as [string, unknown]
    try {
      this.#sources.get(name)?.push(value)
    } catch {
      // The engine has ended.
    }
  }
}
