import {
  ChannelsError,
  type ChannelTick,
  type LiveChannels,
  type NextOptions,
  type SharedChannels,
  type WaitOptions,
  type Watch,
  type WatchOptions,
} from '@gw/channels'
import type { AnyChannels, Position } from '@gw/protocol'
import type { AnswerOfMember, ClusterCalls } from './cluster-calls.js'
import type { ClusterMember } from './cluster-members.js'
import { messageOf } from './errors.js'
import { HeardChannel } from './heard-channel.js'
import type { Peers } from './peers.js'
import type { SharedQueries } from './shared-queries.js'
import type { SharedSends } from './shared-sends.js'
import type { SharedStagings } from './shared-stagings.js'

/** How long a channel is heard after somebody wanted it. */
const LINGER_MS = 60_000
const TEN_MINUTES_MS = 600_000

export interface ClusterChannelsOptions {
  readonly channels: LiveChannels<AnyChannels>
  readonly peers: Peers
  readonly calls: ClusterCalls
  readonly sends: SharedSends
  readonly queries: SharedQueries
  readonly stagings: SharedStagings
  readonly isShared: (channel: string) => boolean
  readonly ownerTimeoutMs: number
  readonly onListenerFailed: (channel: string, error: unknown) => void
}

/** The channels of all gateways of a cluster as one. */
export class ClusterChannels implements SharedChannels {
  readonly query: SharedQueries['query']
  readonly count: SharedQueries['count']
  readonly stateRevision: SharedQueries['stateRevision']
  readonly lookup: SharedQueries['lookup']
  readonly sendAllAndWait: SharedSends['sendAllAndWait']
  readonly sendBasketAndWait: SharedSends['sendBasketAndWait']
  readonly sendBatchAndWait: SharedSends['sendBatchAndWait']
  readonly stageAdd: SharedStagings['stageAdd']
  readonly stageRemove: SharedStagings['stageRemove']
  readonly stageRelease: SharedStagings['stageRelease']
  readonly stageList: SharedStagings['stageList']
  readonly stageLookup: SharedStagings['stageLookup']
  readonly #options: ClusterChannelsOptions
  readonly #heard = new Map<string, HeardChannel>()

  constructor(options: ClusterChannelsOptions) {
    this.#options = options
    const { queries, sends, stagings } = options
    this.query = queries.query.bind(queries)
    this.count = queries.count.bind(queries)
    this.stateRevision = queries.stateRevision.bind(queries)
    this.lookup = queries.lookup.bind(queries)
    this.sendAllAndWait = sends.sendAllAndWait.bind(sends)
    this.sendBasketAndWait = sends.sendBasketAndWait.bind(sends)
    this.sendBatchAndWait = sends.sendBatchAndWait.bind(sends)
    this.stageAdd = stagings.stageAdd.bind(stagings)
    this.stageRemove = stagings.stageRemove.bind(stagings)
    this.stageRelease = stagings.stageRelease.bind(stagings)
    this.stageList = stagings.stageList.bind(stagings)
    this.stageLookup = stagings.stageLookup.bind(stagings)
  }

  get id(): string {
    return this.#options.calls.id
  }

  async askModule(gatewayId: string, module: string, question: unknown): Promise<unknown> {
    const { calls, peers } = this.#options
    const other = calls.others.find(({ id }) => id === gatewayId)
    if (other === undefined) return undefined
    try {
      const { answer } = (await peers.ask(other.address, 'module', { module, question })) as {
        readonly answer?: unknown
      }
      return answer
    } catch (error) {
      if (error instanceof ChannelsError) throw error
      throw new ChannelsError('OWNER_AWAY', messageOf(error), { cause: error })
    }
  }

  hear(channel: string): Promise<void> | undefined {
    const { channels, isShared } = this.#options
    if (!isShared(channel)) return undefined
    // What cannot be read is refused, whoever has it.
    channels.positionOf(channel)
    return this.#bringUpToDate(channel)
  }

  lastTicks(channel: string, key?: string): readonly ChannelTick[] {
    const own = this.#options.channels.lastTicks(channel, key)
    return this.#heard.get(channel)?.ticks.lastTicks(key) ?? own
  }

  recentTicks(channel: string, key?: string): readonly ChannelTick[] {
    const own = this.#options.channels.recentTicks(channel, key)
    return this.#heard.get(channel)?.ticks.recentTicks(key) ?? own
  }

  positionOf(channel: string, key?: string): Position {
    const own = this.#options.channels.positionOf(channel, key)
    if (!this.#options.isShared(channel)) return own
    return this.#heard.get(channel)?.ticks.positionOf(key) ?? NOWHERE
  }

  /** Of any gateway's positions, and of those that are told here. */
  async atLeast(
    channel: string,
    key: string | undefined,
    position: Position,
    options: WaitOptions = {},
  ): Promise<void> {
    const { channels, peers, calls, isShared } = this.#options
    const heard = this.#heard.get(channel)
    if (!isShared(channel)) return channels.atLeast(channel, key, position, options)
    if (heard !== undefined && isOf(position, heard.ticks.epoch)) {
      return heard.ticks.atLeast(key, position, options)
    }
    const whose = (await this.#positions(channel)).find(({ answer }) =>
      isOf(position, answer.epoch),
    )
    const other = calls.others.find(({ id }) => id === whose?.id)
    if (other === undefined) return channels.atLeast(channel, key, position, options)
    const { timeoutMs = TEN_MINUTES_MS } = options
    const question = { channel, key, position, timeoutMs }
    // The other keeps to the time; ours is for one that does not answer.
    await peers.ask(other.address, 'atLeast', question, timeoutMs + peers.timeoutMs)
  }

  /**
   * How far a gateway had come at a position: at one that was told here, else the position itself is taken for one of its own.
   * @throws ChannelsError `POSITION_MISMATCH` when more has come in since, `BAD_REQUEST`; KafkaError `NOT_OWNED` when it is not known.
   */
  placeAt(channel: string, key: string | undefined, position: Position, id: string): Position {
    if (position.epoch === NOWHERE.epoch) {
      throw new ChannelsError(
        'BAD_REQUEST',
        `nobody has read "${channel}" here, so the answer of a state says no position of it: expect that of a "last", a subscription or a send`,
        { channel },
      )
    }
    const heard = this.#heard.get(channel)
    if (heard === undefined || !isOf(position, heard.ticks.epoch)) return position
    return heard.placeAt(position, key, id)
  }

  nextTicks(
    channel: string,
    key: string | undefined,
    options?: NextOptions,
  ): Promise<readonly ChannelTick[]> {
    const { channels, isShared } = this.#options
    if (!isShared(channel)) return channels.nextTicks(channel, key, options)
    const heard = this.#wanted(channel)
    heard.users++
    return heard.ticks.nextTicks(key, options).finally(() => {
      heard.users--
      heard.wantedAtMs = performance.now()
    })
  }

  watch(
    channel: string,
    key: string | undefined,
    listener: (tick: ChannelTick) => void,
    options?: WatchOptions,
  ): Watch {
    const { channels, isShared } = this.#options
    if (!isShared(channel)) return channels.watch(channel, key, listener, options)
    const heard = this.#wanted(channel)
    const watch = heard.ticks.watch(key, listener, options)
    heard.users++
    let isOver = false
    const stop = (): void => {
      watch.stop()
      if (isOver) return
      isOver = true
      heard.users--
      heard.wantedAtMs = performance.now()
    }
    return { ...watch, stop }
  }

  /** What this gateway answers to another that asks. */
  readonly answers: Readonly<Record<'positions', (question: { channel: string }) => Position>> = {
    positions: ({ channel }) => this.#options.channels.positionOf(channel),
  }

  /** The gateways have changed. */
  follow(others: readonly ClusterMember[]): void {
    for (const heard of this.#heard.values()) heard.follow(others)
  }

  /** Ends the hearing of channels that nobody wants any more. */
  tidy(): void {
    for (const [channel, heard] of this.#heard) {
      if (heard.users > 0 || performance.now() - heard.wantedAtMs < LINGER_MS) continue
      this.#heard.delete(channel)
      heard.close(new ChannelsError('NOT_RUNNING', `nobody wants "${channel}" any more`))
    }
  }

  close(): void {
    const error = new ChannelsError('NOT_RUNNING', 'the gateway has stopped')
    for (const heard of this.#heard.values()) heard.close(error)
    this.#heard.clear()
  }

  async #bringUpToDate(channel: string): Promise<void> {
    const heard = this.#wanted(channel)
    const positions = await this.#positions(channel)
    const places = new Map(positions.map(({ id, answer }) => [id, answer]))
    await heard.reached(places, this.#options.ownerTimeoutMs)
  }

  #positions(channel: string): Promise<AnswerOfMember<Position>[]> {
    const { calls } = this.#options
    return calls.everywhere('positions', { channel }, () => this.answers.positions({ channel }))
  }

  #wanted(channel: string): HeardChannel {
    const { channels, peers, calls, onListenerFailed } = this.#options
    let heard = this.#heard.get(channel)
    if (heard === undefined) {
      const info = channels.info.find(({ name }) => name === channel)
      if (info === undefined) {
        throw new ChannelsError('UNKNOWN_CHANNEL', `no channel is named ${channel}`, { channel })
      }
      heard = new HeardChannel(
        {
          id: calls.id,
          channels,
          info,
          peers,
          onListenerFailed: (error) => onListenerFailed(channel, error),
        },
        calls.others,
      )
      this.#heard.set(channel, heard)
    }
    heard.wantedAtMs = performance.now()
    return heard
  }
}

/** A position of a channel whose ticks do not come in: who resumes from it begins anew. */
const NOWHERE: Position = { epoch: 'none', offset: 0 }

/** Keys of dynamic baskets that come again have epochs of their own. */
function isOf({ epoch }: Position, run: string): boolean {
  return epoch === run || epoch.startsWith(`${run}-`)
}
