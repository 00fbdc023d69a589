import { randomUUID } from 'node:crypto'
import type { LiveChannels, LiveGateway, Module, StateInfo } from '@gw/channels'
import { planQuery } from '@gw/channels'
import type { AnyChannels, Query } from '@gw/protocol'
import { Backoff, pause } from './backoff.js'
import { Changelog } from './changelog.js'
import { Checkpoints } from './checkpoint.js'
import { type ClusterMember, clusterAssignor, membersOf } from './cluster-members.js'
import type { ClusterOptions } from './cluster-options.js'
import { Connection, type KafkaModule } from './connection.js'
import { KafkaError, messageOf } from './errors.js'
import { checkOptions } from './kafka.js'
import type { Assignment } from './kafka-client.js'
import { topicsOf } from './options.js'
import { javaPartitioner } from './partition-of-key.js'
import { Peers } from './peers.js'
import { attributeOf } from './publisher.js'
import { Relay } from './relay.js'
import { StateMirror } from './state-mirror.js'
import type { Attribution, KeyedStore } from './store.js'
import type { Task } from './task.js'
import type { Units } from './units.js'

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
   * @throws KafkaError `INVALID_OPTIONS` for a channel without `by`, `INVALID_RECORD`, `TIMED_OUT`, `NOT_OWNED`; ChannelsError as `send` does.
   */
  send(channel: string, input: unknown): Promise<unknown>
  /** The value of a key in a store, wherever it is. @throws KafkaError `TIMED_OUT`, `NOT_OWNED`. */
  get(store: string, key: string): Promise<unknown>
  /** Records of a state that match, of all gateways, as one would answer. @throws KafkaError `TIMED_OUT` when one does not answer: never a part of the answer. */
  query(state: string, query?: Query): Promise<readonly unknown[]>
}

const FLUSH_MS = 200
const LOOK_MS = 250
const CHECKPOINT_MS = 30_000
const ROUTE_MS = 15_000

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
  return new ClusteredGateway(options)
}

class ClusteredGateway<C extends AnyChannels> implements ClusterModule<C> {
  readonly id: string = randomUUID()
  readonly name: string
  readonly requires: readonly never[] = []
  members: readonly ClusterMember[] = []
  restored = 0
  readonly #options: ClusterOptions<C>
  readonly #connection: Connection<C>
  readonly #attribution: Attribution
  readonly #relay: Relay
  readonly #ready = new Set<number>()
  #owned: readonly number[] = []
  #stop = new AbortController()
  #gateway: LiveGateway<C> | undefined
  #changelog: Changelog | undefined
  #mirrors: readonly StateMirror[] = []
  #peers: Peers | undefined
  #address = ''
  #looking: Promise<void> = Promise.resolve()
  #housekeeping: Promise<void> = Promise.resolve()

  constructor(options: ClusterOptions<C>) {
    this.#options = options
    this.name = options.name ?? 'cluster'
    this.#attribution = {
      partition: undefined,
      partitionOf: (key) => this.#partitionOf(key),
    }
    this.#relay = new Relay(options.relay ?? {})
    this.#connection = new Connection(
      { ...options, name: this.name },
      {
        assignor: clusterAssignor(() => ({
          id: this.id,
          address: this.#options.advertise ?? this.#address,
          web: this.#options.web?.(),
          owned: this.#owned,
          copies: this.#changelog?.copies ?? [],
        })),
        prepare: (task) => this.#prepare(task),
        begin: ({ partition }) => {
          this.#attribution.partition = partition
        },
        finish: ({ partition }) => {
          this.#attribution.partition = undefined
          return this.#changelog?.takeChanges(partition) ?? []
        },
        undo: ({ partition }) => {
          this.#attribution.partition = undefined
          this.#ready.delete(partition)
          this.#changelog?.drop(partition)
        },
        onCommitted: (partition, produced) => this.#changelog?.committed(partition, produced),
        onAssigned: (assignment, gone) => this.#assigned(assignment, gone),
        onLeft: () => this.#checkpoint(),
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
    return [...this.#ready].sort((a, b) => a - b)
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

  async start(gateway: LiveGateway<C>): Promise<void> {
    const options = this.#options
    this.#gateway = gateway
    this.#stop = new AbortController()
    const topic = options.changelogTopic ?? `${options.groupId}-changelog`
    const live = gateway.channels as unknown as LiveChannels<AnyChannels>
    const relayed = new Set(Object.values(options.relay ?? {}))
    this.#mirrors = live.states
      .filter(({ channel }) => !relayed.has(channel))
      .map((state) => new StateMirror(live, state))
    const mirrorOf = new Map(this.#mirrors.map((mirror) => [mirror.store as KeyedStore, mirror]))
    this.#changelog = new Changelog({
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
    this.#changelog.attach(this.#attribution)
    this.#peers = new Peers(
      {
        host: options.listen?.host ?? '127.0.0.1',
        port: options.listen?.port ?? 0,
        secret: options.secret,
        timeoutMs: options.peerTimeoutMs ?? 10_000,
      },
      {
        cluster: async () => ({ id: this.id, members: this.members }),
        send: async (question) => this.#sendHere(question as SendQuestion),
        get: async (question) => ({ value: await this.#getHere(question as GetQuestion) }),
        query: async (question) => {
          const { state, query } = question as QueryQuestion
          return { records: live.query(state as never, query as never) }
        },
      },
      { ticks: (_, send) => this.#relay.listen(live, send) },
    )
    this.#address = await this.#peers.listen()
    this.#relay.start(this.#peers, this.#stop.signal)
    this.#connection.start(gateway)
    this.#every(FLUSH_MS, () => this.#flush())
    const { everyMs = CHECKPOINT_MS } = options.checkpoints ?? {}
    if (options.checkpoints !== undefined) this.#every(everyMs, () => this.#checkpoint())
  }

  async stop(): Promise<void> {
    await this.#connection.stop().finally(async () => {
      this.#stop.abort()
      this.#relay.stop()
      await this.#peers?.close()
      await this.#housekeeping
      for (const mirror of this.#mirrors) mirror.stop()
      await this.#changelog?.close()
      this.members = []
      this.#owned = []
      this.#ready.clear()
    })
  }

  ownerOf(key: string): ClusterMember | undefined {
    const partition = this.#partitionOf(key)
    return this.members.find(({ owns }) => owns.includes(partition))
  }

  async send(channel: string, input: unknown): Promise<unknown> {
    const attribute = (this.#options.by as Readonly<Record<string, string>>)[channel]
    if (attribute === undefined) {
      throw new KafkaError(
        'INVALID_OPTIONS',
        `say in "by" to whom records of "${channel}" belong`,
        {
          channel,
        },
      )
    }
    const key = attributeOf(input, attribute)
    if (key === undefined) {
      throw new KafkaError(
        'INVALID_RECORD',
        `a record of channel "${channel}" has no attribute "${attribute}" to find its owner by`,
        { channel },
      )
    }
    const question: SendQuestion = { channel, key, input, messageId: randomUUID() }
    return this.#route(key, 'send', question, () => this.#sendHere(question))
  }

  async get(store: string, key: string): Promise<unknown> {
    const question: GetQuestion = { store, key }
    const answer = await this.#route(key, 'get', question, async () => ({
      value: await this.#getHere(question),
    }))
    return (answer as { readonly value?: unknown }).value
  }

  async query(state: string, query: Query = {}): Promise<readonly unknown[]> {
    const live = this.#live
    const info = live.states.find(({ name }) => name === state)
    const schema = live.info.find(({ name }) => name === info?.channel)?.recordSchema
    const mine = live.query(state as never, query as never) as readonly unknown[]
    if (info === undefined || schema === undefined) return mine
    const others = this.members.filter(({ id }) => id !== this.id)
    if (others.length === 0) return mine
    // Each answers all that can be in the whole answer; what is shown of it is chosen when it is together.
    const { offset: _offset, select: _select, ...all } = query as Record<string, unknown>
    const sort = (query as { readonly sort?: unknown }).sort ?? [...info.by]
    const plan = planQuery({ ...query, sort } as Query, schema)
    const limit = plan.offset + plan.limit
    const asked = Number.isFinite(limit) ? { ...all, limit } : all
    const question: QueryQuestion = { state, query: asked as Query }
    const answers = await Promise.all([
      live.query(state as never, question.query as never) as readonly unknown[],
      ...others.map(async ({ address }) => {
        const answer = await (this.#peers as Peers).ask(address, 'query', question)
        return (answer as { readonly records: readonly unknown[] }).records
      }),
    ])
    const byKey = new Map<string, unknown>()
    for (const record of answers.flat()) byKey.set(keyOfRecord(record, info), record)
    const merged = [...byKey.values()].sort(plan.compare)
    const page = merged.slice(plan.offset, plan.offset + plan.limit)
    return plan.project === undefined ? page : page.map(plan.project)
  }

  get #live(): LiveChannels<AnyChannels> {
    if (this.#gateway === undefined) throw new KafkaError('CLOSED', 'the gateway does not run')
    return this.#gateway.channels as unknown as LiveChannels<AnyChannels>
  }

  #partitionOf(key: string): number {
    const { partitioner = javaPartitioner } = this.#options
    return partitioner(key, this.#changelog?.partitions ?? 1)
  }

  /** Does something where a key is; when that changes meanwhile, there. */
  async #route(
    key: string,
    name: string,
    question: unknown,
    here: () => Promise<unknown>,
  ): Promise<unknown> {
    const deadline = performance.now() + ROUTE_MS
    for (;;) {
      await this.#changelog?.ready()
      const owner = this.ownerOf(key)
      try {
        if (owner?.id === this.id) return await here()
        if (owner !== undefined) {
          return await (this.#peers as Peers).ask(owner.address, name, question)
        }
        throw new KafkaError('NOT_OWNED', `nobody owns the key "${key}" now`)
      } catch (error) {
        const { code } = error as { readonly code?: unknown }
        const isMoving = code === 'NOT_OWNED' || code === 'FENCED' || code === 'TIMED_OUT'
        if (!isMoving || performance.now() > deadline || this.#stop.signal.aborted) throw error
      }
      await pause(LOOK_MS, this.#stop.signal)
      await this.#look()
    }
  }

  async #sendHere({ channel, key, input, messageId }: SendQuestion): Promise<unknown> {
    const { units, task } = this.#ownTask(key)
    let record: unknown
    await units.run(task, async () => {
      const { records } = await this.#live.sendAllAndWait(channel, [input], undefined, {
        messageId,
      })
      record = records[0]
    })
    return record
  }

  async #getHere({ store, key }: GetQuestion): Promise<unknown> {
    const { units, task } = this.#ownTask(key)
    await task.exclusively(() => units.prepare(task))
    const found = this.#options.stores?.find(({ name }) => name === store)
    if (found === undefined) throw new KafkaError('INVALID_OPTIONS', `there is no store "${store}"`)
    return found.get(key) ?? null
  }

  #ownTask(key: string): { readonly units: Units; readonly task: Task } {
    const partition = this.#partitionOf(key)
    const { units } = this.#connection
    if (units === undefined || !this.#owned.includes(partition)) {
      throw new KafkaError(
        'NOT_OWNED',
        `the key "${key}" is of partition ${partition}, which is not here`,
        {
          partition,
        },
      )
    }
    return { units, task: units.task(partition) }
  }

  async #prepare(task: Task): Promise<void> {
    const { partition } = task
    const read = (await this.#changelog?.restore(partition)) ?? 0
    this.restored += read
    if (!task.isOwned) {
      // It went to somebody else while it was read.
      this.#changelog?.drop(partition)
      throw new KafkaError('FENCED', `partition ${partition} is somebody else's now`, { partition })
    }
    this.#ready.add(partition)
  }

  #assigned(assignment: Assignment, gone: readonly number[]): void {
    this.#owned = [...new Set(Object.values(assignment).flat())].sort((a, b) => a - b)
    for (const partition of gone) {
      this.#ready.delete(partition)
      this.#changelog?.drop(partition)
    }
    for (const partition of this.#owned) void this.#makeReady(partition)
    void this.#look().then(() => this.#follow())
  }

  /** Restores a partition at once, not only with its first record; tries again while it is ours. */
  async #makeReady(partition: number): Promise<void> {
    const task = this.#connection.units?.task(partition)
    const backoff = new Backoff()
    while (task?.isOwned === true && !this.#stop.signal.aborted) {
      try {
        await task.exclusively(async () => this.#connection.units?.prepare(task))
        return
      } catch {
        await backoff.wait(this.#stop.signal)
      }
    }
  }

  /** Asks who has what, until everybody has been given something to do. */
  #look(): Promise<void> {
    const look = async (): Promise<void> => {
      for (let tries = 0; tries < 20 && !this.#stop.signal.aborted; tries++) {
        try {
          const members = membersOf(
            (await this.#connection.consumer?.members()) ?? [],
            this.#options.standbys ?? 0,
          )
          const me = members.find(({ id }) => id === this.id)
          if (me !== undefined && String(me.owns) === String(this.#owned)) {
            this.members = members
            this.#relay.follow(members.filter(({ id }) => id !== this.id))
            return
          }
        } catch {
          // The broker is not there, or the group is changing.
        }
        await pause(LOOK_MS, this.#stop.signal)
      }
    }
    this.#looking = this.#looking.then(look)
    return this.#looking
  }

  #follow(): Promise<void> {
    const mine = this.members.find(({ id }) => id === this.id)?.standsBy ?? []
    return this.#keepHouse(async () => {
      await this.#changelog?.ready()
      await this.#changelog?.follow(mine.filter((partition) => !this.#owned.includes(partition)))
    })
  }

  /** Commits what timers and others have changed outside of units. */
  async #flush(): Promise<void> {
    const { units } = this.#connection
    for (const partition of this.#changelog?.changedPartitions ?? []) {
      if (!this.#ready.has(partition) || units === undefined) continue
      await units.run(units.task(partition), () => Promise.resolve()).catch(() => undefined)
    }
  }

  #checkpoint(): Promise<void> {
    const { units } = this.#connection
    return this.#keepHouse(async () => {
      for (const partition of this.ready) {
        await units?.task(partition).exclusively(async () => {
          if (this.#ready.has(partition)) await this.#changelog?.checkpoint(partition)
        })
      }
    })
  }

  /** Work on copies, one after the other; what fails is told, and tried again in time. */
  #keepHouse(work: () => Promise<void>): Promise<void> {
    this.#housekeeping = this.#housekeeping.then(work).catch((error: unknown) => {
      this.#options.onStatus?.('consumer', {
        ...this.status.consumer,
        message: `copies of the state: ${messageOf(error)}`,
      })
    })
    return this.#housekeeping
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

interface SendQuestion {
  readonly channel: string
  readonly key: string
  readonly input: unknown
  readonly messageId: string
}

interface GetQuestion {
  readonly store: string
  readonly key: string
}

interface QueryQuestion {
  readonly state: string
  readonly query: Query
}

function keyOfRecord(record: unknown, { by }: StateInfo): string {
  return JSON.stringify(by.map((path) => attributeOf(record, path) ?? null))
}
