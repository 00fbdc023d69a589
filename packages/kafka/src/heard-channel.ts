import {
  type ChannelInfo,
  ChannelsError,
  type GatheredTick,
  GatheredTicks,
  type LiveChannels,
  type Watch,
} from '@gw/channels'
import type { AnyChannels, Position } from '@gw/protocol'
import type { ClusterMember } from './cluster-members.js'
import { KafkaError } from './errors.js'
import { MemberStreams } from './member-streams.js'
import type { Peers } from './peers.js'
import { type Begin, TickStream } from './tick-stream.js'

const HISTORY = { maxTicks: 10_000, maxBytes: 8 * 2 ** 20 }

export interface HeardChannelOptions {
  /** This gateway among those of the cluster. */
  readonly id: string
  readonly channels: LiveChannels<AnyChannels>
  readonly info: ChannelInfo
  readonly peers: Peers
  readonly onListenerFailed: (error: unknown) => void
}

/** A channel whose ticks come in from all gateways, and from this one. */
export class HeardChannel {
  readonly ticks: GatheredTicks
  /** Those who watch it, or wait for it. */
  users = 0
  /** When somebody last wanted it, by `performance.now()`. */
  wantedAtMs = 0
  readonly #options: HeardChannelOptions
  readonly #streams: MemberStreams
  /** Of those that are there at first, what ticked last; of those that come later, all. */
  #beginWith: Begin = 'snapshot'
  readonly #own: Watch
  /** What comes in before all have told what ticked last there. */
  #early: GatheredTick[] | undefined = []
  #snapshot: GatheredTick[]
  #checks = new Set<() => void>()

  constructor(options: HeardChannelOptions, members: readonly ClusterMember[]) {
    this.#options = options
    const { channels, info, onListenerFailed } = options
    this.ticks = new GatheredTicks(info, HISTORY, onListenerFailed)
    this.#own = channels.watch(info.name, undefined, (tick) => this.#take(tick), {
      from: 'snapshot',
    })
    this.#snapshot = [...this.#own.initial]
    this.#streams = new MemberStreams((member) => this.#open(member, this.#beginWith))
    this.#streams.follow(members)
    this.#beginWith = 'start'
    this.#begin()
  }

  /** These are the other gateways now: of those that are new, all ticks come in. */
  follow(members: readonly ClusterMember[]): void {
    this.#streams.follow(members)
    this.#begin()
    this.#check()
  }

  /**
   * How far a gateway had come on the channel, or on a key, at a position that was told here.
   * @throws ChannelsError `POSITION_MISMATCH` when more has come in since; KafkaError `NOT_OWNED` while its ticks do not come in.
   */
  placeAt(position: Position, key: string | undefined, id: string): Position {
    const { channels, info } = this.#options
    const now = this.ticks.positionOf(key)
    if (now.epoch !== position.epoch || now.offset !== position.offset) {
      throw new ChannelsError(
        'POSITION_MISMATCH',
        `"${info.name}" is at ${now.epoch}:${now.offset}, not at ${position.epoch}:${position.offset}: read it again and decide anew`,
        { channel: info.name },
      )
    }
    if (id === this.#options.id) return channels.positionOf(info.name, key)
    const place = this.#streams.get(id)?.placeOf(key)
    if (place !== undefined) return place
    throw new KafkaError('NOT_OWNED', `the ticks of "${info.name}" of ${id} do not come in yet`)
  }

  /** Fulfilled when all has come in that had happened at these places of other gateways. @throws ChannelsError `OWNER_AWAY`. */
  async reached(places: ReadonlyMap<string, Position>, timeoutMs: number): Promise<void> {
    const isThere = (): boolean =>
      this.#early === undefined &&
      [...places].every(([id, { epoch, offset }]) => {
        const stream = this.#streams.get(id)
        if (stream === undefined) return true
        return stream.place?.epoch === epoch && stream.place.offset >= offset
      })
    if (isThere()) return
    const { name } = this.#options.info
    await new Promise<void>((resolve, reject) => {
      const timeout = setTimeout(() => {
        this.#checks.delete(check)
        reject(
          new ChannelsError(
            'OWNER_AWAY',
            `the ticks of "${name}" of other gateways did not come in ${timeoutMs} ms`,
            { channel: name },
          ),
        )
      }, timeoutMs)
      const check = (): void => {
        if (!isThere()) return
        clearTimeout(timeout)
        this.#checks.delete(check)
        resolve()
      }
      this.#checks.add(check)
    })
  }

  close(error: unknown): void {
    this.#own.stop()
    this.#streams.close()
    this.ticks.close(error)
  }

  #open({ address }: ClusterMember, begin: Begin): TickStream {
    const { peers, info } = this.#options
    return new TickStream({
      peers,
      address,
      channel: info.name,
      begin,
      onBegun: (ticks) => {
        if (begin === 'snapshot') this.#snapshot.push(...ticks)
        else for (const tick of ticks) this.#take(tick)
      },
      onTick: (tick) => this.#take(tick),
      onLost: (count) => this.ticks.skip(count),
      onPlace: () => {
        this.#begin()
        this.#check()
      },
    })
  }

  #take(tick: GatheredTick): void {
    if (this.#early === undefined) this.ticks.add(tick)
    else this.#early.push(tick)
  }

  /** Begins when all have told what ticked last: of a channel, the latest of them is what did. */
  #begin(): void {
    const early = this.#early
    if (early === undefined) return
    for (const { place } of this.#streams.values()) if (place === undefined) return
    this.#early = undefined
    for (const tick of this.#snapshot.sort((a, b) => a.time - b.time)) this.ticks.add(tick)
    for (const tick of early) this.ticks.add(tick)
    this.#snapshot = []
  }

  #check(): void {
    for (const check of [...this.#checks]) check()
  }
}
