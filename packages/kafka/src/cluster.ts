import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import {
  ChannelsError,
  type LiveChannels,
  type LiveGateway,
  type Module,
  type ModuleMetric,
  type SharedChannels,
} from '@gw/channels'
import type { AnyChannels, Query } from '@gw/protocol'
import { every, within } from './backoff.js'
import { Changelog } from './changelog.js'
import { checkClusterChannels, checkClusterOptions } from './check-options.js'
import { Checkpoints } from './checkpoint.js'
import type { ClusterCalls } from './cluster-calls.js'
import type { ClusterChannels } from './cluster-channels.js'
import { type ClusterMember, clusterAssignor } from './cluster-members.js'
import type { ClusterModule } from './cluster-module.js'
import type { ClusterOptions } from './cluster-options.js'
import { ClusterView } from './cluster-view.js'
import { Connection, type KafkaModule } from './connection.js'
import { KafkaError, messageOf } from './errors.js'
import { Misplaced } from './misplaced.js'
import { topicsOf } from './options.js'
import { OwnedPartitions } from './owned-partitions.js'
import { javaPartitioner } from './partition-of-key.js'
import type { Peers } from './peers.js'
import { Relay } from './relay.js'
import { channelsOfEach, shareChannels } from './share-channels.js'
import { StagingMirror } from './staging-mirror.js'
import { StagingRequests } from './staging-requests.js'
import { StateMirror } from './state-mirror.js'
import type { Attribution, KeyedStore } from './store.js'

const FLUSH_MS = 200
const LOOK_ANEW_MS = 5_000
const CHECKPOINT_MS = 30_000
/** Records that a message names. */
const SHOWN = 3
/** How long a stop waits for what nodes have asked of the stagings. */
const REQUESTS_MS = 2_000

/**
 * One of several gateways that share the partitions of their topics and look like one. Each runs the same modules over its keys. Their
 * stores and states are on a compacted topic, from which whoever gets a partition restores them. Units of work are
 * transactions: with `exactlyOnce` the offsets are part of them, and each record counts once, whatever is killed.
 * @throws KafkaError `INVALID_OPTIONS` naming the option that is wrong.
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
  checkClusterOptions(options as unknown as ClusterOptions<AnyChannels>)
  return new ClusteredGateway(options)
}

class ClusteredGateway<C extends AnyChannels> implements ClusterModule<C> {
  readonly id: string = randomUUID()
  readonly name: string
  readonly requires: readonly never[] = []
  readonly #options: ClusterOptions<C>
  readonly #connection: Connection<C>
  readonly #attribution: Attribution
  readonly #relay: Relay
  readonly #partitions: OwnedPartitions
  readonly #view: ClusterView
  #stop = new AbortController()
  #changelog: Changelog | undefined
  #mirrors: readonly Mirror[] = []
  #stagings: readonly StagingMirror[] = []
  #requests: StagingRequests | undefined
  #peers: Peers | undefined
  #calls: ClusterCalls | undefined
  #shared: ClusterChannels | undefined
  #address = ''
  readonly #misplaced: Misplaced

  constructor(options: ClusterOptions<C>) {
    this.#options = options
    this.name = options.name ?? 'cluster'
    this.#attribution = {
      partition: undefined,
      partitionOf: (key) => this.#partitionOf(key),
    }
    const owned = topicsOf(options.subscribe).filter(([name]) => Object.hasOwn(options.by, name))
    this.#misplaced = new Misplaced(
      new Set(owned.flatMap(([, topics]) => Object.keys(topics))),
      (key) => this.#partitionOf(key),
    )
    this.#relay = new Relay(options.relay ?? {}, () => this.#connection.tellAnew())
    this.#partitions = new OwnedPartitions({
      units: () => this.#connection.units,
      onTrouble: () => this.#connection.tellAnew(),
    })
    this.#view = new ClusterView({
      id: this.id,
      standbys: options.standbys ?? 0,
      group: async () => (await this.#connection.consumer?.members()) ?? [],
      owned: () => this.#partitions.owned,
      signal: () => this.#stop.signal,
      onSeen: (others, me) => {
        if (this.#peers !== undefined) this.#relay.follow(others, this.#peers)
        this.#shared?.follow(others)
        void this.#partitions.standBy(me.standsBy)
      },
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
        keep: ({ partition }, after) => {
          const kept =
            options.exactlyOnce === true && this.#changelog?.keepProgress(partition, after)
          return kept ? [kept] : []
        },
        undo: ({ partition }) => {
          this.#attribution.partition = undefined
          this.#partitions.undo(partition)
        },
        onCommitted: (partition, produced) => this.#changelog?.committed(partition, produced),
        onAssigned: (assignment, gone) => {
          this.#partitions.assigned(assignment, gone)
          void this.#view.look()
        },
        onLeft: () => this.#partitions.checkpoint(),
        onTaken: ([record]) => {
          if (this.#misplaced.look(record)) this.#connection.tellAnew()
        },
        notice: () =>
          [
            this.#partitions.trouble,
            this.#misplaced.message,
            this.#relay.message,
            this.#noticeOfUnfit(),
          ]
            .filter((text) => text !== '')
            .join('; '),
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

  get copied(): number {
    return this.#changelog?.copied ?? 0
  }

  get unrestored(): number {
    return this.#changelog?.unfit ?? 0
  }

  *unrestoredRecords(): IterableIterator<KafkaError> {
    yield* this.#changelog?.unfitErrors() ?? []
  }

  get members(): readonly ClusterMember[] {
    return this.#view.members
  }

  get shared(): SharedChannels | undefined {
    return this.#shared
  }

  get waitingMs(): number {
    return this.#connection.waitingMs
  }

  metrics(): readonly ModuleMetric[] {
    return [
      ...this.#connection.metrics(),
      {
        name: 'gateway_kafka_owned_partitions',
        help: 'Partitions that the group gave this gateway.',
        kind: 'gauge',
        value: () => this.#partitions.owned.length,
      },
      {
        name: 'gateway_kafka_ready_partitions',
        help: 'Partitions whose state is here.',
        kind: 'gauge',
        value: () => this.ready.length,
      },
      {
        name: 'gateway_kafka_unrestored_records',
        help: 'Records of state that do not fit the contract as it is now, and are not restored.',
        kind: 'gauge',
        value: () => this.unrestored,
      },
    ]
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
    checkClusterChannels(channels as never, this.#options as never)
    this.#relay.connect(channels as never)
  }

  /** Shows who has what on a web server's `/cluster`. */
  rest(app: RouteApp): void {
    app.get('/cluster', (c) => {
      const { id, ready, unrestored, members } = this
      return c.json({ id, ready, unrestored, members })
    })
  }

  async start(gateway: LiveGateway<C>): Promise<void> {
    const options = this.#options
    this.#stop = new AbortController()
    this.#misplaced.message = ''
    const { signal } = this.#stop
    // Each call that waits hears of the end.
    setMaxListeners(0, signal)
    const live = gateway.channels as unknown as LiveChannels<AnyChannels>
    const ofEach = channelsOfEach(options as never, gateway as never)
    this.#stagings = live.info
      .filter(({ name, staged }) => staged && !ofEach.has(name))
      .map((info) => new StagingMirror(live, info, () => this.#changelog?.partitions ?? 1))
    this.#changelog = this.#openChangelog(live)
    this.#partitions.open(this.#changelog, signal)
    const onTrouble = (message: string): void =>
      options.onStatus?.('consumer', { ...this.status.consumer, message })
    const { peers, calls, shared } = shareChannels({
      id: this.id,
      gateway: gateway as never,
      options: options as never,
      partitions: this.#partitions,
      view: this.#view,
      signal,
      partitionOf: (key) => this.#partitionOf(key),
      countPartitions: () => this.#countPartitions(),
      get: (question) => this.#getHere(question as GetQuestion),
      stagings: new Map(this.#stagings.map((mirror) => [mirror.channel, mirror])),
      onTrouble,
    })
    const requests = new StagingRequests({ stagings: () => this.#shared, signal, onTrouble })
    for (const { channel, stagings } of this.#stagings) {
      stagings.takeRequests((request) => requests.take(channel, request))
    }
    this.#requests = requests
    this.#peers = peers
    this.#calls = calls
    this.#address = await peers.listen()
    this.#shared = shared
    this.#connection.start(gateway)
    every(FLUSH_MS, signal, () => this.#partitions.flush())
    every(LOOK_ANEW_MS, signal, async () => {
      shared.tidy()
      await this.#view.look()
    })
    const { everyMs = CHECKPOINT_MS } = options.checkpoints ?? {}
    if (options.checkpoints !== undefined) {
      every(everyMs, signal, () => this.#partitions.checkpoint())
    }
  }

  async stop(): Promise<void> {
    await within(this.#requests?.done() ?? Promise.resolve(), REQUESTS_MS)
    await this.#connection.stop().finally(async () => {
      this.#stop.abort()
      this.#relay.stop()
      this.#shared?.close()
      await this.#peers?.close()
      for (const mirror of this.#mirrors) mirror.stop()
      await this.#partitions.close()
      this.#shared = undefined
      this.#view.members = []
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
    await calls.counted()
    const question: GetQuestion = { store, key }
    const here = async (): Promise<unknown> => ({ value: await this.#getHere(question) })
    const answer = await calls.atOwner(this.#partitionOf(key), 'get', () => question, here)
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
    this.#mirrors = [
      ...live.states
        .filter(({ channel }) => !relayed.has(channel))
        .map((state) => new StateMirror(live, state)),
      ...this.#stagings,
    ]
    const mirrorOf = new Map(this.#mirrors.map((mirror) => [mirror.store as KeyedStore, mirror]))
    const stores = [...((options.stores ?? []) as unknown as KeyedStore[]), ...mirrorOf.keys()]
    const rules = JSON.stringify(stores.map(({ name, rule }) => [name, rule?.id]))
    const changelog = new Changelog({
      client: this.#connection.client,
      topic,
      createTopics: options.createTopics ?? true,
      inputs: [...new Set(topicsOf(options.subscribe).flatMap(([, keys]) => Object.keys(keys)))],
      stores,
      checkpoints:
        options.checkpoints === undefined
          ? undefined
          : new Checkpoints(options.checkpoints.folder, topic, rules),
      signal: this.#stop.signal,
      onLoaded: (store, partition) => mirrorOf.get(store)?.restore(partition),
      onDropped: (store, keys) => mirrorOf.get(store)?.forget(keys),
      onUnfit: () => this.#connection.tellAnew(),
      bury: (record, error) => this.#connection.letterOf(record, error),
    })
    changelog.attach(this.#attribution)
    return changelog
  }

  /** What is not restored, for as long as that is so: whoever runs this may want the release that could. */
  #noticeOfUnfit(): string {
    const { unrestored } = this
    if (unrestored === 0) return ''
    const some = [...first(this.unrestoredRecords(), SHOWN)].map(messageOf)
    const more = unrestored > some.length ? `; and ${unrestored - some.length} more` : ''
    return `records of state that are not restored, and stay in the changelog: ${unrestored}: ${some.join('; ')}${more}`
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
    const found = this.#options.stores?.find(({ name }) => name === store)
    if (found === undefined) throw new KafkaError('INVALID_OPTIONS', `there is no store "${store}"`)
    return task.exclusively(async () => {
      await units.prepare(task)
      return found.get(key) ?? null
    })
  }
}

type Mirror = StateMirror | StagingMirror

/** What is used of a web server's app. */
interface RouteApp {
  get(path: string, handler: (c: { json(body: unknown): Response }) => Response): unknown
}

interface GetQuestion {
  readonly store: string
  readonly key: string
}

function* first<T>(values: Iterable<T>, count: number): IterableIterator<T> {
  let left = count
  for (const value of values) {
    if (left-- === 0) return
    yield value
  }
}
