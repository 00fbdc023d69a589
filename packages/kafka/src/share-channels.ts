import type { LiveChannels, LiveGateway } from '@gw/channels'
import type { AnyChannels, Position } from '@gw/protocol'
import { ClusterCalls } from './cluster-calls.js'
import { ClusterChannels } from './cluster-channels.js'
import type { ClusterOptions } from './cluster-options.js'
import type { ClusterView } from './cluster-view.js'
import type { OwnedPartitions } from './owned-partitions.js'
import { type PeerHandlers, Peers } from './peers.js'
import { SharedQueries } from './shared-queries.js'
import { SharedSends } from './shared-sends.js'
import { SharedStagings } from './shared-stagings.js'
import type { StagingMirror } from './staging-mirror.js'
import { sendTicks } from './tick-stream.js'

const PEER_MS = 10_000
const OWNER_MS = 15_000

export interface ShareOptions {
  /** This gateway among those of the cluster. */
  readonly id: string
  readonly gateway: LiveGateway
  readonly options: ClusterOptions<AnyChannels>
  readonly partitions: OwnedPartitions
  readonly view: ClusterView
  readonly signal: AbortSignal
  readonly partitionOf: (key: string) => number
  readonly countPartitions: () => Promise<number>
  /** A value of a store of this gateway. */
  readonly get: (question: unknown) => Promise<unknown>
  /** Of the channels whose stagings are those of all gateways. */
  readonly stagings: ReadonlyMap<string, StagingMirror>
  readonly onTrouble: (message: string) => void
}

/** What a gateway shares its channels with: its peers, the calls to them, and the channels of all as one. */
export interface Share {
  readonly peers: Peers
  readonly calls: ClusterCalls
  readonly shared: ClusterChannels
}

/** Channels that each gateway has for itself: those that modules add, and those of `relay`. */
export function channelsOfEach(
  { relay = {} }: Pick<ClusterOptions<AnyChannels>, 'relay'>,
  { modules }: LiveGateway,
): ReadonlySet<string> {
  return new Set([
    ...Object.values(relay as Readonly<Record<string, string>>),
    ...modules.flatMap((module) => Object.keys(module.dynamicChannels?.() ?? {})),
  ])
}

/** Puts together what asks other gateways, and what answers them. */
export function shareChannels({
  id,
  gateway,
  options,
  partitions,
  view,
  signal,
  partitionOf,
  countPartitions,
  get,
  stagings: mirrors,
  onTrouble,
}: ShareOptions): Share {
  const channels = gateway.channels as unknown as LiveChannels<AnyChannels>
  const { listen, secret, groupId, by } = options
  const { ownerTimeoutMs = OWNER_MS, peerTimeoutMs = PEER_MS } = options
  const peers = new Peers(
    {
      host: listen?.host ?? '127.0.0.1',
      port: listen?.port ?? 0,
      secret: secret ?? groupId,
      timeoutMs: peerTimeoutMs,
    },
    () => handlers,
    { ticks: (question, send) => sendTicks(channels, question, send) },
  )
  const calls = new ClusterCalls({
    id,
    peers,
    signal,
    ownerTimeoutMs,
    members: () => view.members,
    look: () => view.look(),
    partitions: countPartitions,
    ready: () => partitions.ready,
  })
  const ofThisAlone = channelsOfEach(options, gateway)
  const isShared = (channel: string): boolean => !ofThisAlone.has(channel)
  const queries = new SharedQueries({
    channels,
    calls,
    isShared,
    by: by as Readonly<Record<string, string>>,
  })
  const sends: SharedSends = new SharedSends({
    channels,
    calls,
    by: by as Readonly<Record<string, string>>,
    partitionOf,
    ownerTimeoutMs,
    placeAt: (channel, key, position, whose) => shared.placeAt(channel, key, position, whose),
    inUnit: async (partition, work) => {
      const { units, task } = partitions.task(partition)
      await units.run(task, work)
    },
    checkOwned: (partition) => void partitions.task(partition),
  })
  const stagings = new SharedStagings({
    channels,
    calls,
    sends,
    mirrors,
    waitMs: Math.min(peerTimeoutMs, ownerTimeoutMs),
    ownerTimeoutMs,
    prepared: async (partition) => {
      const { units, task } = partitions.task(partition)
      await task.exclusively(() => units.prepare(task))
    },
    inUnit: async (partition, work) => {
      const { units, task } = partitions.task(partition)
      await units.run(task, async () => {
        work()
        await units.idle()
      })
    },
  })
  const shared: ClusterChannels = new ClusterChannels({
    channels,
    peers,
    calls,
    sends,
    queries,
    stagings,
    isShared,
    ownerTimeoutMs,
    onListenerFailed: (channel, error) =>
      onTrouble(`who watches "${channel}" failed: ${String(error)}`),
  })
  /** Answers to questions to all are about the partitions that are ready when they are made. */
  const ofAll = Object.entries<(question: never) => unknown>({
    ...queries.answers,
    ...shared.answers,
  }).map(([name, answer]) => [
    name,
    async (question: unknown) => ({ ready: partitions.ready, answer: answer(question as never) }),
  ])
  const handlers: PeerHandlers = {
    ...sends.answers,
    get: async (question) => ({ value: await get(question) }),
    atLeast: async (question) => {
      const { channel, key, position, timeoutMs } = question as AtLeastQuestion
      await channels.atLeast(channel, key, position, { timeoutMs })
      return {}
    },
    module: async (question) => {
      const { module: name, question: asked } = question as ModuleQuestion
      for (const module of gateway.modules) {
        if (module.name !== name) continue
        const answer = await module.answerModule?.(asked)
        if (answer !== undefined) return { answer }
      }
      return {}
    },
    ...(stagings.answers as unknown as PeerHandlers),
    ...Object.fromEntries(ofAll),
  }
  return { peers, calls, shared }
}

interface AtLeastQuestion {
  readonly channel: string
  readonly key?: string
  readonly position: Position
  readonly timeoutMs: number
}

interface ModuleQuestion {
  readonly module: string
  readonly question: unknown
}
