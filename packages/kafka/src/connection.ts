import { setMaxListeners } from 'node:events'
import type { ChannelTick, LiveGateway, Module, ModuleMetric } from '@gw/channels'
import { type PushSource, push } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import { within } from './backoff.js'
import { byPartition } from './by-partition.js'
import { checkTopicsOf } from './check-options.js'
import { deadLetterOf, truncatedLetterOf, unpublishedLetterOf } from './dead-letter.js'
import { KafkaError, messageOf } from './errors.js'
import { Intake } from './intake.js'
import type {
  Assignment,
  KafkaClient,
  KafkaConsumer,
  KafkaProducer,
  KafkaRecord,
  KafkaStatus,
  PartitionAssignor,
  ReceivedRecord,
} from './kafka-client.js'
import { KafkajsClient } from './kafkajs-client.js'
import { metricsOf } from './metrics.js'
import { DEAD_LETTERS, type KafkaOptions, topicsOf } from './options.js'
import { publish } from './publisher.js'
import { statusChannel } from './status-channel.js'
import { Subscriber } from './subscriber.js'
import { Task } from './task.js'
import { Units, type UnitsOptions } from './units.js'

/** The module, and how its connections do. */
export interface KafkaModule<C extends AnyChannels> extends Module<C> {
  readonly status: { readonly producer: KafkaStatus; readonly consumer: KafkaStatus }
  /** Records, and ticks of which no record could be made, that were sent to the dead-letter topic, or that the broker refused. */
  readonly deadLetters: number
  /** Ticks that found no room in the queue to the broker, and were not published. */
  readonly unpublished: number
  /** Records that the engine took. */
  readonly received: number
  /** Records that wait for the broker. */
  readonly pending: number
  /** Records that were read and whose transaction is not committed; only with `exactlyOnce`. */
  readonly uncommitted: number
  /** How long what was read has been waiting for the engine, or the broker, in milliseconds; a stall beyond 15 s is in the status. */
  readonly waitingMs: number
  /** Stops reading partitions of a topic, all of them where none are named, until {@link resume}. */
  pause(topic: string, partitions?: readonly number[]): void
  resume(topic: string, partitions?: readonly number[]): void
}

/** What a cluster does beside consuming and producing. */
export interface ConnectionHooks
  extends Pick<UnitsOptions, 'prepare' | 'begin' | 'finish' | 'keep' | 'undo'> {
  readonly assignor: PartitionAssignor
  readonly onCommitted: (
    partition: number,
    produced: ReadonlyMap<string, bigint> | undefined,
  ) => void
  readonly onAssigned: (assignment: Assignment, gone: readonly number[]) => void
  /** Called when the group has been left, before the last work ends. */
  readonly onLeft: () => Promise<void>
  /** Called when records of one partition have been taken and committed. */
  readonly onTaken: (records: readonly ReceivedRecord[]) => void
  /** What is to be told for as long as it is so, beside how the consumer does; empty when that is nothing. */
  readonly notice: () => string
}

const MAX_PENDING_RECORDS = 100_000
const DEAD_LETTER_MS = 30_000
/** From here on sends are refused: those that are under way still find room. */
const FULL = 0.9
/** Partitions whose units are under way at the same time. */
const CONCURRENT_UNITS = 4
/** What was read and is not taken for so long is a stall, and told. */
const STALL_MS = 15_000
/** What each step of a stop has when the time is over. */
const LAST_MS = 500
const CLOSED: KafkaStatus = { state: 'closed', message: '' }

/** Channels of a gateway, connected to topics both ways. */
export class Connection<C extends AnyChannels> implements KafkaModule<C> {
  readonly name: string
  readonly requires: readonly never[] = []
  status: { producer: KafkaStatus; consumer: KafkaStatus } = { producer: CLOSED, consumer: CLOSED }
  deadLetters = 0
  unpublished = 0
  readonly connect: NonNullable<Module<C>['connect']>
  readonly #options: KafkaOptions<C>
  readonly #hooks: ConnectionHooks | undefined
  readonly #subscriber: Subscriber<C>
  readonly #owned = new Set<number>()
  /** How the consumer does, without what there is to notice. */
  #consumerStatus: KafkaStatus = CLOSED
  #statuses: PushSource<unknown> | undefined
  #stop = new AbortController()
  #client: KafkaClient | undefined
  #intake: Intake | undefined
  #units: Units | undefined
  #producer: KafkaProducer | undefined
  #consumer: KafkaConsumer | undefined
  #stopPublishing: (() => void) | undefined

  constructor(options: KafkaOptions<C>, hooks?: ConnectionHooks) {
    this.name = options.name ?? 'kafka'
    this.#options = options
    this.#hooks = hooks
    this.#subscriber = new Subscriber(options)
    this.connect = (channels) => {
      checkTopicsOf(channels as never, options as never)
      this.#subscriber.connect(channels)
      // Getting a channel keeps it in the graph.
      for (const [channel] of topicsOf(options.publish)) channels.getChannel(channel as never)
      if (options.statusChannel === undefined) return
      this.#statuses = push(channels.graph, 'nonCollapsing', {
        name: options.statusChannel,
        maxPending: 1_000,
        overflow: 'dropOldest',
        insideCycle: 'queue',
      })
      channels.setChannel(options.statusChannel as never, this.#statuses.edge as never)
    }
  }

  get received(): number {
    return this.#subscriber.taken
  }

  get pending(): number {
    return (this.#producer?.pending ?? 0) + (this.#units?.pending ?? 0)
  }

  get uncommitted(): number {
    return this.#units?.uncommitted ?? 0
  }

  get groupId(): string {
    return this.#options.groupId ?? `gw-${this.#options.clientId ?? 'gw'}`
  }

  get client(): KafkaClient {
    this.#client ??= this.#options.client ?? new KafkajsClient(this.#options)
    return this.#client
  }

  get consumer(): KafkaConsumer | undefined {
    return this.#consumer
  }

  get units(): Units | undefined {
    return this.#units
  }

  get intake(): Intake | undefined {
    return this.#intake
  }

  /** How long what was read has been waiting to be taken and committed, in milliseconds. */
  get waitingMs(): number {
    return this.#intake?.waitingMs ?? 0
  }

  metrics(): readonly ModuleMetric[] {
    const isReading = this.#subscriber.topics.length > 0
    return metricsOf(this, isReading ? ['producer', 'consumer'] : ['producer'])
  }

  dynamicChannels(): AnyChannels {
    const { statusChannel: name } = this.#options
    return name === undefined ? {} : { [name]: statusChannel }
  }

  /** Sends are refused while the broker does not take what they make. */
  refusesSends(): string | undefined {
    const fill = this.#producer?.fill ?? 0
    if (fill < FULL) return undefined
    return `Kafka does not take what is published (${this.#producer?.pending} records wait): send later`
  }

  pause(topic: string, partitions?: readonly number[]): void {
    this.#consumer?.pause(topic, partitions)
  }

  resume(topic: string, partitions?: readonly number[]): void {
    this.#consumer?.resume(topic, partitions)
  }

  start(gateway: LiveGateway<C>): void {
    const options = this.#options
    this.#stop = new AbortController()
    // Each partition that waits hears of the end.
    setMaxListeners(0, this.#stop.signal)
    const { client } = this
    const { topics } = this.#subscriber
    this.#producer = client.producer({
      maxPendingRecords: options.maxPendingRecords ?? MAX_PENDING_RECORDS,
      maxPendingBytes: options.maxPendingBytes ?? 64 * 2 ** 20,
      createTopics: options.createTopics ?? true,
      onStatus: (status) => this.#report('producer', status),
      onRefused: (record, error) => {
        const instead = this.#refused(record, error)
        if (instead !== undefined) this.#sent(instead)
      },
    })
    const intake = new Intake({
      signal: this.#stop.signal,
      take: (records) => this.#subscriber.take(records),
      hasRoom: () => this.#subscriber.hasRoom,
      isIdle: () => this.#subscriber.pending === 0 && gateway.health.lagMs === 0,
      bury: (record, error, alive) => this.#bury(record, error, alive),
    })
    this.#intake = intake
    this.#watchStalls(this.#stop.signal)
    const inUnits = this.#hooks !== undefined || options.exactlyOnce === true
    this.#units = inUnits ? this.#newUnits(intake) : undefined
    this.#stopPublishing = publish(
      gateway,
      (record) => this.#send(record),
      options,
      (tick, topic, error) => this.#notPublished(tick, topic, error),
    )
    if (topics.length === 0) return
    this.#consumer = client.consumer({
      groupId: this.groupId,
      topics,
      from: options.from ?? 'earliest',
      createTopics: options.createTopics ?? true,
      ...(options.sessionTimeoutMs === undefined
        ? {}
        : { sessionTimeoutMs: options.sessionTimeoutMs }),
      ...(inUnits
        ? {
            assignor: this.#hooks?.assignor ?? byPartition(() => ({ owned: [...this.#owned] })),
            concurrency: CONCURRENT_UNITS,
            commits: options.exactlyOnce === true ? 'transactor' : 'consumer',
          }
        : {}),
      onStatus: (status) => this.#report('consumer', status),
      onAssigned: (assignment) => this.#assigned(assignment),
      onBegunAnew: (partition) => this.#units?.begunAnew(partition) ?? Promise.resolve(),
      onRecords: (records, alive, next) => this.#take(records, alive, next),
    })
  }

  async stop(): Promise<void> {
    const { drainTimeoutMs = 5_000 } = this.#options
    const deadline = performance.now() + drainTimeoutMs
    const lastMs = Math.min(LAST_MS, drainTimeoutMs)
    const leftMs = (): number => Math.max(deadline - performance.now(), lastMs)
    // The consumer ends while the engine still takes what was read: only that is committed.
    await this.#consumer?.close(drainTimeoutMs)
    this.#consumer = undefined
    await within(this.#hooks?.onLeft() ?? Promise.resolve(), leftMs())
    this.#stop.abort()
    await this.#units?.close(leftMs())
    this.#stopPublishing?.()
    await this.#producer?.close(leftMs())
  }

  /** Tells of records that wait for too long, until they move again. */
  #watchStalls(signal: AbortSignal): void {
    let isStalled = false
    const watchdog = setInterval(() => {
      const { waitingMs } = this
      if (waitingMs > STALL_MS) {
        isStalled = true
        const seconds = Math.floor(waitingMs / 1_000)
        this.#report('consumer', {
          state: 'recovering',
          message: `what was read has waited ${seconds} s to be taken: the engine, or the broker that takes what it makes, does not go on`,
        })
      } else if (isStalled) {
        isStalled = false
        if (this.status.consumer.state === 'recovering') {
          this.#report('consumer', { state: 'running', message: '' })
        }
      }
    }, STALL_MS / 3).unref()
    signal.addEventListener('abort', () => clearInterval(watchdog), { once: true })
  }

  #newUnits(intake: Intake): Units {
    const { client, groupId } = this
    const { exactlyOnce = false } = this.#options
    const { topics } = this.#subscriber
    let trouble: string | undefined
    return new Units({
      ...this.#hooks,
      intake,
      sendLoose: (record) => this.#producer?.send(record),
      newTask: (partition) =>
        new Task({
          partition,
          signal: this.#stop.signal,
          onTrouble: (message) => {
            if (message === trouble) return
            trouble = message
            this.#report('producer', { state: message === '' ? 'running' : 'recovering', message })
          },
          isExact: exactlyOnce,
          onCommitted: (produced) => this.#hooks?.onCommitted(partition, produced),
          transactor: client.transactor({
            transactionalId: `${groupId}-${partition}`,
            groupId,
            topics,
            partition,
            commitsOffsets: exactlyOnce,
            createTopics: this.#options.createTopics ?? true,
            onRefused: (record, error) => this.#refused(record, error),
          }),
        }),
    })
  }

  #assigned(assignment: Assignment): void {
    const gone = this.#units?.assigned(assignment) ?? []
    this.#owned.clear()
    for (const partition of Object.values(assignment).flat()) this.#owned.add(partition)
    this.#hooks?.onAssigned(assignment, gone)
  }

  async #take(
    records: readonly ReceivedRecord[],
    alive: () => Promise<void>,
    next?: bigint,
  ): Promise<void> {
    const intake = this.#intake as Intake
    if (this.#units !== undefined) {
      await this.#units.take(records, alive, next)
      this.#hooks?.onTaken(records)
    } else {
      const buried = await intake.take(records, alive)
      // Committed is what the graph has taken, and what the broker has of the dead letters.
      if (buried > 0) {
        await intake.during(this.#producer?.flush(DEAD_LETTER_MS) ?? Promise.resolve(), alive)
      }
    }
    try {
      // A broker that is slow to take what the graph makes of the records slows their intake.
      await intake.until(() => (this.#producer?.fill ?? 0) <= 0.5, alive)
    } catch {
      // They are taken all the same, and committed.
    }
  }

  /** What the graph makes. @throws KafkaError `QUEUE_FULL`, `CLOSED`. */
  #send(record: KafkaRecord): void {
    if (this.#units === undefined) this.#producer?.send(record)
    else this.#units.send(record)
  }

  /** A record that cannot be taken, as one for the dead-letter topic. */
  letterOf(record: ReceivedRecord, error: KafkaError): KafkaRecord {
    this.deadLetters++
    return deadLetterOf(record, error, this.#deadLetterTopic)
  }

  /** Tells how the consumer does, with what there is to notice now. */
  tellAnew(): void {
    this.#report('consumer', this.#consumerStatus)
  }

  async #bury(
    record: ReceivedRecord,
    error: KafkaError,
    alive: () => Promise<void>,
  ): Promise<void> {
    const letter = this.letterOf(record, error)
    if (this.#units === undefined) {
      await this.#intake?.until(() => this.#sent(letter), alive)
    } else {
      this.#units.send(letter)
    }
  }

  /** Whether there was room for a record. */
  #sent(record: KafkaRecord): boolean {
    try {
      this.#producer?.send(record)
      return true
    } catch (error) {
      if (error instanceof KafkaError && error.code === 'QUEUE_FULL') return false
      if (!isTooLarge(error)) throw error
      const instead = this.#refused(record, error)
      return instead === undefined || this.#sent(instead)
    }
  }

  get #deadLetterTopic(): string {
    return this.#options.deadLetterTopic ?? DEAD_LETTERS
  }

  /** What the broker will never take becomes a dead letter that fits. */
  #refused(record: KafkaRecord, error: Error): KafkaRecord | undefined {
    const message = `topic "${record.topic}" refused a record: ${error.message}`
    this.#report('producer', { state: 'running', message })
    if (record.topic !== this.#deadLetterTopic) this.deadLetters++
    return truncatedLetterOf(record, message, this.#deadLetterTopic)
  }

  /** A tick of which no record can be made becomes a dead letter; one for which there is no room is lost, and told. */
  #notPublished(tick: ChannelTick, topic: string, error: unknown): void {
    let failure = error
    if (!isOfQueue(error)) {
      try {
        this.#sendLetter(unpublishedLetterOf(tick, topic, error, this.#deadLetterTopic))
        this.deadLetters++
        const message = `channel "${tick.channel}", topic "${topic}": a tick is a dead letter: ${messageOf(error)}`
        this.#report('producer', { ...this.status.producer, message })
        return
      } catch (noRoom) {
        failure = noRoom
      }
    }
    this.unpublished++
    const message = `channel "${tick.channel}", topic "${topic}": ${this.unpublished} ticks were not published: ${messageOf(failure)}`
    this.#report('producer', { state: 'recovering', message })
  }

  /** A letter, or of one that is too large what fits. @throws KafkaError as {@link #send}. */
  #sendLetter(letter: KafkaRecord): void {
    try {
      this.#send(letter)
    } catch (error) {
      const instead = isTooLarge(error)
        ? truncatedLetterOf(letter, error.message, this.#deadLetterTopic)
        : undefined
      if (instead === undefined) throw error
      this.#send(instead)
    }
  }

  #report(connection: 'producer' | 'consumer', reported: KafkaStatus): void {
    const before = this.status[connection]
    let status = reported
    if (connection === 'consumer') {
      this.#consumerStatus = reported
      const notice = reported.state === 'running' ? (this.#hooks?.notice() ?? '') : ''
      const message = [reported.message, notice].filter((text) => text !== '').join('; ')
      status = { ...reported, message }
    }
    this.status = { ...this.status, [connection]: status }
    try {
      this.#options.onStatus?.(connection, status)
    } catch (error) {
      // What listens to a connection must not end it.
      const message = `${status.message} onStatus failed: ${messageOf(error)}`.trim()
      this.status = { ...this.status, [connection]: { ...status, message } }
    }
    this.#tell(connection, before)
  }

  #tell(connection: 'producer' | 'consumer', before: KafkaStatus): void {
    const status = this.status[connection]
    if (before.state === status.state && before.message === status.message) return
    try {
      this.#statuses?.push({ connection, ...status })
    } catch {
      // The engine has ended; those who ask the module still hear it.
    }
  }
}

/** Whether a record is larger than all that may wait. */
function isTooLarge(error: unknown): error is KafkaError {
  return error instanceof KafkaError && error.code === 'RECORD_REFUSED'
}

/** Whether a record was made, and there was no room for it. */
function isOfQueue(error: unknown): boolean {
  return error instanceof KafkaError && (error.code === 'QUEUE_FULL' || error.code === 'CLOSED')
}
