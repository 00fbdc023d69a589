import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import {
  ChannelsError,
  type LiveChannels,
  type LiveGateway,
  type Module,
  type SharedChannels,
} from '@gw/channels'
import type { AnyChannels, Position, Query } from '@gw/protocol'
import { pause } from './backoff.js'
import { Changelog } from './changelog.js'
import { Checkpoints } from './checkpoint.js'
import { ClusterCalls } from './cluster-calls.js'
import { ClusterChannels } from './cluster-channels.js'
import { type ClusterMember, clusterAssignor, membersOf } from './cluster-members.js'
import type { ClusterOptions } from './cluster-options.js'
import { Connection, type KafkaModule } from './connection.js'
import { KafkaError, messageOf } from './errors.js'
import { checkOptions } from './kafka.js'
import { topicsOf } from './options.js'
import { OwnedPartitions } from './owned-partitions.js'
import { javaPartitioner } from './partition-of-key.js'
import { type PeerHandlers, Peers } from './peers.js'
import { Relay } from './relay.js'
import { SharedQueries } from './shared-queries.js'
import { SharedSends } from './shared-sends.js'
import { StateMirror } from './state-mirror.js'
import type { Attribution, KeyedStore } from './store.js'
import { sendTicks } from './tick-stream.js'

/** One gateway of a cluster. */
export interface ClusterModule<C extends AnyChannels> extends KafkaModule<C> {
  /** The gateways of the cluster, as this one sees them now. */
  readonly members: readonly ClusterMember[]
  /** This gateway among {@link members}. */
  readonly id: string
  /** Partitions whose state is here, restored. */
  readonly ready: readonly number[]
  /** Records that were read to restore state, in this run. */
  readonly restored: number
  /** Who works on a key now; `undefined` while nobody does. */
  ownerOf(key: string): ClusterMember | undefined
  /**
   * Sends a record to whoever owns its key; fulfilled with the completed record when what it changed is committed.
   * @throws KafkaError `INVALID_OPTIONS` for a channel without `by`; ChannelsError `OWNER_AWAY`, and as `send` does.
   */
  send(channel: string, input: unknown): Promise<unknown>
  /** The value of a key in a store, wherever it is. @throws ChannelsError `OWNER_AWAY`. */
  get(store: string, key: string): Promise<unknown>
  /** Records of a state that match, of all gateways, as one would answer. @throws ChannelsError `OWNER_AWAY` when one does not: never a part of the answer. */
  query(state: string, query?: Query): Promise<readonly unknown[]>
}

const FLUSH_MS = 200
const LOOK_MS = 250
const LOOK_ANEW_MS = 5_000
const CHECKPOINT_MS = 30_000
const PEER_MS = 10_000
const OWNER_MS = 15_000

/**
 * One of several gateways that share the partitions of their topics and look like one. Each runs the same modules over its keys. Their
 * stores and states are on a compacted topic, from which whoever gets a partition restores them. Units of work are
 * transactions: with `exactlyOnce` the offsets are part of them, and each record counts once, whatever is killed.
 * @throws KafkaError `INVALID_OPTIONS`.
 * @example
 * ```ts
 * const sums = store<number>('sums')
 * cluster<typeof channels.channels>({
 *   brokers, groupId: 'totals', by: { orders: 'symbol' }, stores: [sums], exactlyOnce: true,
 *   subscribe: { orders: { orders: '' } },
 * })
 * ```
 */
export function cluster<C extends AnyChannels>(options: ClusterOptions<C>): ClusterModule<C> {
  checkOptions(options as ClusterOptions<AnyChannels>)
  const names = (options.stores ?? []).map(({ name }) => name)
  if (new Set(names).size < names.length) {
    throw new KafkaError(
      'INVALID_OPTIONS',
      `stores have names of their own, not ${names.join(', ')}`,
    )
  }
  if (topicsOf(options.subscribe).length === 0) {
    throw new KafkaError('INVALID_OPTIONS', 'a cluster shares what it subscribes: say what')
  }
  const { listen, secret } = options
  if (secret === undefined && listen?.host !== undefined && !LOOPBACK.test(listen.host)) {
    throw new KafkaError(
      'INVALID_OPTIONS',
      `others reach ${listen.host}: give the gateways of the cluster a "secret"`,
    )
  }
  return new ClusteredGateway(options)
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/

class ClusteredGateway<C extends AnyChannels> implements ClusterModule<C> {
  readonly id: string = randomUUID()
  readonly name: string
  readonly requires: readonly never[] = []
  members: readonly ClusterMember[] = []
  readonly #options: ClusterOptions<C>
  readonly #connection: Connection<C>
  readonly #attribution: Attribution
  readonly #relay: Relay
  readonly #partitions: OwnedPartitions
  #stop = new AbortController()
  #changelog: Changelog | undefined
  #mirrors: readonly StateMirror[] = []
  #peers: Peers | undefined
  #calls: ClusterCalls | undefined
  #shared: ClusterChannels | undefined
  #address = ''
  #looking: Promise<void> | undefined

  constructor(options: ClusterOptions<C>) {
    this.#options = options
    this.name = options.name ?? 'cluster'
    this.#attribution = {
      partition: undefined,
      partitionOf: (key) => this.#partitionOf(key),
    }
    this.#relay = new Relay(options.relay ?? {})
    this.#partitions = new OwnedPartitions({
      units: () => this.#connection.units,
      onTrouble: (message) => options.onStatus?.('consumer', { ...this.status.consumer, message }),
    })
    this.#connection = new Connection(
      { ...options, name: this.name },
      {
        assignor: clusterAssignor(() => ({
          id: this.id,
          address: this.#options.advertise ?? this.#address,
          web: this.#options.web?.(),
          owned: this.#partitions.owned,
          copies: this.#changelog?.copies ?? [],
        })),
        prepare: (task) => this.#partitions.prepare(task),
        begin: ({ partition }) => {
          this.#attribution.partition = partition
        },
        finish: ({ partition }) => {
          this.#attribution.partition = undefined
          return this.#changelog?.takeChanges(partition) ?? []
        },
        undo: ({ partition }) => {
          this.#attribution.partition = undefined
          this.#partitions.undo(partition)
        },
        onCommitted: (partition, produced) => this.#changelog?.committed(partition, produced),
        onAssigned: (assignment, gone) => {
          this.#partitions.assigned(assignment, gone)
          void this.#look()
        },
        onLeft: () => this.#partitions.checkpoint(),
      },
    )
  }

  get status(): KafkaModule<C>['status'] {
    return this.#connection.status
  }

  get deadLetters(): number {
    return this.#connection.deadLetters
  }

  get unpublished(): number {
    return this.#connection.unpublished
  }

  get received(): number {
    return this.#connection.received
  }

  get pending(): number {
    return this.#connection.pending
  }

  get uncommitted(): number {
    return this.#connection.uncommitted
  }

  get ready(): readonly number[] {
    return this.#partitions.ready
  }

  get restored(): number {
    return this.#partitions.restored
  }

  get shared(): SharedChannels | undefined {
    return this.#shared
  }

  pause(topic: string, partitions?: readonly number[]): void {
    this.#connection.pause(topic, partitions)
  }

  resume(topic: string, partitions?: readonly number[]): void {
    this.#connection.resume(topic, partitions)
  }

  refusesSends(): string | undefined {
    return this.#connection.refusesSends()
  }

  dynamicChannels(): AnyChannels {
    return this.#connection.dynamicChannels()
  }

  readonly connect: NonNullable<Module<C>['connect']> = (channels) => {
    this.#connection.connect(channels)
    this.#relay.connect(channels as never)
  }

  /** Shows who has what on a web server's `/cluster`. */
  rest(app: RouteApp): void {
    app.get('/cluster', (c) => c.json({ id: this.id, ready: this.ready, members: this.members }))
  }

  async start(gateway: LiveGateway<C>): Promise<void> {
    const options = this.#options
    this.#stop = new AbortController()
    const { signal } = this.#stop
    // Each call that waits hears of the end.
    setMaxListeners(0, signal)
    const live = gateway.channels as unknown as LiveChannels<AnyChannels>
    this.#changelog = this.#openChangelog(live)
    this.#partitions.open(this.#changelog, signal)
    const peers = new Peers(
      {
        host: options.listen?.host ?? '127.0.0.1',
        port: options.listen?.port ?? 0,
        secret: options.secret ?? options.groupId,
        timeoutMs: options.peerTimeoutMs ?? PEER_MS,
      },
      () => handlers,
      { ticks: (question, send) => sendTicks(live, question, send) },
    )
    const { ownerTimeoutMs = OWNER_MS } = options
    const calls = new ClusterCalls({
      id: this.id,
      peers,
      signal,
      ownerTimeoutMs,
      members: () => this.members,
      look: () => this.#look(),
      partitions: () => this.#countPartitions(),
      ready: () => this.ready,
    })
    const ofThisAlone = new Set([
      ...Object.values(options.relay ?? {}),
      ...gateway.modules.flatMap((module) => Object.keys(module.dynamicChannels?.() ?? {})),
    ])
    const isShared = (channel: string): boolean => !ofThisAlone.has(channel)
    const queries = new SharedQueries({ channels: live, calls, isShared })
    const sends = new SharedSends({
      channels: live,
      calls,
      by: options.by as Readonly<Record<string, string>>,
      partitionOf: async (key) => {
        await this.#countPartitions()
        return this.#partitionOf(key)
      },
      inUnit: async (partition, work) => {
        const { units, task } = this.#partitions.task(partition)
        await units.run(task, work)
      },
    })
    const shared = new ClusterChannels({
      channels: live,
      peers,
      calls,
      sends,
      queries,
      isShared,
      ownerTimeoutMs,
      onListenerFailed: (channel, error) =>
        options.onStatus?.('consumer', {
          ...this.status.consumer,
          message: `who watches "${channel}" failed: ${messageOf(error)}`,
        }),
    })
    const handlers: PeerHandlers = {
      send: (question) => sends.take(question),
      get: async (question) => ({ value: await this.#getHere(question as GetQuestion) }),
      atLeast: async (question) => {
        const { channel, key, position, timeoutMs } = question as AtLeastQuestion
        await live.atLeast(channel, key, position, { timeoutMs })
        return {}
      },
      ...this.#partsOf({ ...queries.answers, ...shared.answers }),
    }
    this.#peers = peers
    this.#calls = calls
    this.#address = await peers.listen()
    this.#shared = shared
    this.#connection.start(gateway)
    this.#every(FLUSH_MS, () => this.#partitions.flush())
    this.#every(LOOK_ANEW_MS, async () => {
      shared.tidy()
      await this.#look()
    })
    const { everyMs = CHECKPOINT_MS } = options.checkpoints ?? {}
    if (options.checkpoints !== undefined) {
      this.#every(everyMs, () => this.#partitions.checkpoint())
    }
  }

  async stop(): Promise<void> {
    await this.#connection.stop().finally(async () => {
      this.#stop.abort()
      this.#relay.stop()
      this.#shared?.close()
      await this.#peers?.close()
      for (const mirror of this.#mirrors) mirror.stop()
      await this.#partitions.close()
      this.#shared = undefined
      this.members = []
    })
  }

  ownerOf(key: string): ClusterMember | undefined {
    const partition = this.#partitionOf(key)
    return this.members.find(({ owns }) => owns.includes(partition))
  }

  async send(channel: string, input: unknown): Promise<unknown> {
    if (!Object.hasOwn(this.#options.by, channel)) {
      throw new KafkaError(
        'INVALID_OPTIONS',
        `say in "by" to whom records of "${channel}" belong`,
        { channel },
      )
    }
    const { records } = await this.#running.sendAllAndWait(channel, [input])
    return records[0]
  }

  async get(store: string, key: string): Promise<unknown> {
    const calls = this.#calls
    if (calls === undefined) throw new ChannelsError('NOT_RUNNING', 'the gateway does not run')
    await this.#countPartitions()
    const question: GetQuestion = { store, key }
    const here = async (): Promise<unknown> => ({ value: await this.#getHere(question) })
    const answer = await calls.atOwner(this.#partitionOf(key), 'get', question, here)
    return (answer as { readonly value?: unknown }).value
  }

  async query(state: string, query: Query = {}): Promise<readonly unknown[]> {
    return this.#running.query(state, query)
  }

  get #running(): ClusterChannels {
    if (this.#shared === undefined) {
      throw new ChannelsError('NOT_RUNNING', 'the gateway does not run')
    }
    return this.#shared
  }

  #openChangelog(live: LiveChannels<AnyChannels>): Changelog {
    const options = this.#options
    const topic = options.changelogTopic ?? `${options.groupId}-changelog`
    const relayed = new Set(Object.values(options.relay ?? {}))
    this.#mirrors = live.states
      .filter(({ channel }) => !relayed.has(channel))
      .map((state) => new StateMirror(live, state))
    const mirrorOf = new Map(this.#mirrors.map((mirror) => [mirror.store as KeyedStore, mirror]))
    const changelog = new Changelog({
      client: this.#connection.client,
      topic,
      inputs: [...new Set(topicsOf(options.subscribe).flatMap(([, keys]) => Object.keys(keys)))],
      stores: [...((options.stores ?? []) as unknown as KeyedStore[]), ...mirrorOf.keys()],
      checkpoints:
        options.checkpoints === undefined
          ? undefined
          : new Checkpoints(options.checkpoints.folder, topic),
      signal: this.#stop.signal,
      onLoaded: (store, partition) => mirrorOf.get(store)?.restore(partition),
      onDropped: (store, keys) => mirrorOf.get(store)?.forget(keys),
    })
    changelog.attach(this.#attribution)
    return changelog
  }

  /** Answers with the partitions that they are about. */
  #partsOf(answers: Readonly<Record<string, (question: never) => unknown>>): PeerHandlers {
    return Object.fromEntries(
      Object.entries(answers).map(([name, answer]) => [
        name,
        async (question) => ({ ready: this.ready, answer: answer(question as never) }),
      ]),
    )
  }

  #partitionOf(key: string): number {
    const { partitioner = javaPartitioner } = this.#options
    return partitioner(key, this.#changelog?.partitions ?? 1)
  }

  /** @throws KafkaError `TIMED_OUT` while the broker does not say; `INVALID_OPTIONS`. */
  async #countPartitions(): Promise<number> {
    try {
      await this.#changelog?.ready()
    } catch (error) {
      if (error instanceof KafkaError && error.code === 'INVALID_OPTIONS') throw error
      throw new KafkaError('TIMED_OUT', `the topics are not known: ${messageOf(error)}`, {
        cause: error,
      })
    }
    return this.#changelog?.partitions ?? 0
  }

  async #getHere({ store, key }: GetQuestion): Promise<unknown> {
    const { units, task } = this.#partitions.task(this.#partitionOf(key))
    await task.exclusively(() => units.prepare(task))
    const found = this.#options.stores?.find(({ name }) => name === store)
    if (found === undefined) throw new KafkaError('INVALID_OPTIONS', `there is no store "${store}"`)
    return found.get(key) ?? null
  }

  /** Asks who has what, until everybody has been given something to do; who asks meanwhile is told with the rest. */
  #look(): Promise<void> {
    this.#looking ??= this.#lookAnew().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #lookAnew(): Promise<void> {
    const { signal } = this.#stop
    for (let tries = 0; tries < 20 && !signal.aborted; tries++) {
      try {
        const members = membersOf(
          (await this.#connection.consumer?.members()) ?? [],
          this.#options.standbys ?? 0,
        )
        const me = members.find(({ id }) => id === this.id)
        if (me !== undefined && String(me.owns) === String(this.#partitions.owned)) {
          if (!signal.aborted) this.#follow(members, me)
          return
        }
      } catch {
        // The broker is not there, or the group is changing.
      }
      await pause(LOOK_MS, signal)
    }
  }

  #follow(members: readonly ClusterMember[], me: ClusterMember): void {
    this.members = members
    const others = members.filter(({ id }) => id !== this.id)
    if (this.#peers !== undefined) this.#relay.follow(others, this.#peers)
    this.#shared?.follow(others)
    void this.#partitions.standBy(me.standsBy)
  }

  #every(ms: number, work: () => Promise<void>): void {
    const { signal } = this.#stop
    void (async () => {
      while (!signal.aborted) {
        await pause(ms, signal)
        if (!signal.aborted) await work()
      }
    })()
  }
}

/** What is used of a web server's app. */
interface RouteApp {
  get(path: string, handler: (c: { json(body: unknown): Response }) => Response): unknown
}

interface GetQuestion {
  readonly store: string
  readonly key: string
}

interface AtLeastQuestion {
  readonly channel: string
  readonly key?: string
  readonly position: Position
  readonly timeoutMs: number
}
