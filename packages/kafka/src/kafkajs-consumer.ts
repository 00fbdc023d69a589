import type {
  Batch,
  Consumer,
  EachBatchPayload,
  Kafka,
  KafkaMessage,
  OffsetsByTopicPartition,
  PartitionOffset,
} from 'kafkajs'
import { Backoff, within } from './backoff.js'
import { ChunkSize } from './chunk-size.js'
import { KafkaError, messageOf } from './errors.js'
import type { Assignment, ConsumerOptions, GroupMember, KafkaConsumer } from './kafka-client.js'
import { boundsOf, ensureTopics, withAdmin } from './kafkajs-admin.js'
import { kafkajsAssigner, memberOf } from './kafkajs-assigner.js'
import { HEARTBEAT_MS } from './kafkajs-heartbeats.js'
import { fetchedFrom, Losses } from './kafkajs-losses.js'
import { whenOutOfRange } from './kafkajs-out-of-range.js'
import { placesOf } from './kafkajs-places.js'
import { KafkajsRecord } from './kafkajs-records.js'
import { OffsetCommits, type Taken } from './offset-commits.js'
import { PausedPartitions } from './paused-partitions.js'

/** How often what was taken is committed: so much is taken again when the process is killed. */
const COMMIT_MS = 100
const CHUNK_OF_TRANSACTION = 10_000
/** Partitions whose records are handed on in turns, so that none waits for all of another. */
const CONCURRENCY = 6
/** kafkajs can hang here; the connection is given up then. */
const DISCONNECT_MS = 5_000
/** How long a leave waits for the last commit. */
const LAST_COMMIT_MS = 2_000
/** How long it waits for a join that is under way: only a member can leave. */
const JOIN_MS = 3_000

/** What kafkajs tells of a join. */
interface GroupJoin {
  readonly memberId: string
  readonly memberAssignment: Assignment
}

/** A broker that has records, or none, answers much sooner. */
const SLOW_FETCH_MS = 3_000
/** How long after the last such answer it is told. */
const SLOW_TOLD_MS = 30_000
const SLOW = 'the broker is slow to give records, as it is beyond a quota of this client'

/** Session time-outs without any sign of life, after which a consumer counts as stopped without a word. */
const SILENT_SESSIONS = 3

/**
 * A kafkajs consumer that is built anew, with longer and longer waits, whenever it fails to start, ends by itself or falls
 * silent, until it is closed. Offsets are committed by us, after the records were taken.
 */
export class KafkajsConsumer implements KafkaConsumer {
  readonly #kafka: Kafka
  readonly #options: ConsumerOptions
  readonly #sessionTimeoutMs: number
  readonly #stop = new AbortController()
  readonly #backoff = new Backoff()
  readonly #running: Promise<void>
  readonly #paused = new PausedPartitions()
  #hasBegun = false
  readonly #losses = new Losses()
  /** By partition, the offset behind what was read since this member was given it. */
  #next = new Map<string, bigint>()
  /** Broken while it is not known where to begin. */
  #begun: Promise<void> = Promise.resolve()
  #consumer: Consumer | undefined
  #memberId: string | undefined
  #unlisten: () => void = () => undefined
  /** Of this consumer; none where a transactor commits. */
  #commits: OffsetCommits | undefined
  /** Unlike that of the consumer, this one commits also while kafkajs ends. */
  #commitOffsets: EachBatchPayload['commitOffsetsIfNecessary'] | undefined
  /** The join that is under way. */
  #joining: Promise<void> = Promise.resolve()
  #lastSign = 0
  /** While the broker has this client wait. */
  #slowUntilMs: number | undefined
  readonly #chunk = new ChunkSize()

  constructor(kafka: Kafka, options: ConsumerOptions) {
    this.#kafka = kafka
    this.#options = options
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? 10_000
    this.#running = this.#supervise()
  }

  pause(topic: string, partitions?: readonly number[]): void {
    this.#paused.pause(topic, partitions)
    this.#applyPauses()
  }

  resume(topic: string, partitions?: readonly number[]): void {
    this.#paused.resume(topic, partitions)
    this.#applyPauses()
  }

  async members(): Promise<readonly GroupMember[]> {
    const { groupId } = this.#options
    const { groups } = await withAdmin(this.#kafka, (admin) => admin.describeGroups([groupId]))
    return groups[0]?.members.map(memberOf) ?? []
  }

  async close(timeoutMs: number): Promise<void> {
    this.#stop.abort()
    await within(this.#running, timeoutMs)
    this.#options.onStatus({ state: 'closed', message: '' })
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      let reason = 'the consumer ended'
      try {
        this.#options.onStatus({ state: 'connecting', message: '' })
        reason = await this.#runOnce()
      } catch (error) {
        reason = messageOf(error)
      }
      const consumer = this.#consumer
      const commits = this.#commits
      this.#consumer = undefined
      this.#commits = undefined
      this.#unlisten()
      // What is still being taken is committed by who takes it, before kafkajs leaves the group.
      if (signal.aborted) await lastCommit(commits)
      else commits?.assigned({})
      // Who is given partitions and is not there keeps them from everybody, until the session has timed out.
      await within(this.#joining, JOIN_MS)
      if (consumer !== undefined) await disconnect(consumer)
      commits?.assigned({})
      if (signal.aborted) return
      this.#options.onStatus({ state: 'recovering', message: reason })
      await this.#backoff.wait(signal)
    }
  }

  /** Runs a consumer until it ends. @returns why. */
  async #runOnce(): Promise<string> {
    const { topics, createTopics } = this.#options
    const missing = await ensureTopics(
      this.#kafka,
      topics.map((topic) => ({ topic })),
      createTopics,
    )
    if (missing.length > 0) {
      throw new KafkaError(
        'UNKNOWN_TOPIC',
        `topic ${missing.join(', ')} does not exist, or the login may not see it: create it, or set createTopics`,
        { topic: missing[0] as string },
      )
    }
    if (this.#stop.signal.aborted) return 'closed'
    const consumer = this.#newConsumer()
    this.#consumer = consumer
    this.#memberId = undefined
    this.#commits =
      this.#options.commits === 'transactor'
        ? undefined
        : new OffsetCommits(async (taken) => this.#commitOffsets?.(offsetsOf(taken)), COMMIT_MS)
    const closed = new AbortController()
    const ended = this.#endOf(consumer, closed.signal)
    try {
      // Joining too can fall silent.
      return await Promise.race([ended, this.#join(consumer).then(() => ended)])
    } finally {
      closed.abort()
    }
  }

  async #join(consumer: Consumer): Promise<void> {
    const { topics, concurrency = CONCURRENCY } = this.#options
    const isGivenUp = (): boolean => this.#consumer !== consumer
    await consumer.connect()
    if (isGivenUp()) return disconnect(consumer)
    // This also decides what happens when an offset has been deleted: from the beginning loses nothing.
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    if (isGivenUp()) return disconnect(consumer)
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      if (!isGivenUp()) this.#joined(consumer, payload)
    })
    // What holds no records, such as the mark of a transaction, is told only here.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize > 0 || isGivenUp()) return
      const { topic, partition, lastOffset } = payload
      this.#next.set(`${topic}/${partition}`, BigInt(lastOffset) + 1n)
    })
    // The group takes commits of this member until it joins anew, which kafkajs does next.
    consumer.on(consumer.events.REBALANCING, () => this.#commits?.flush().catch(() => undefined))
    const joined = consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: concurrency,
      eachBatch: (payload) => this.#take(payload),
    })
    this.#joining = joined.catch(() => undefined)
    await joined
    // kafkajs joins although it was disconnected meanwhile, and would keep its partitions from everybody.
    if (isGivenUp()) return disconnect(consumer)
    this.#applyPauses()
  }

  #newConsumer(): Consumer {
    const { groupId, assignor } = this.#options
    return this.#kafka.consumer({
      groupId,
      sessionTimeout: this.#sessionTimeoutMs,
      heartbeatInterval: HEARTBEAT_MS,
      // The default of 5 s is what joining, leaving and ending wait for.
      maxWaitTimeInMs: 200,
      // Partitions that a topic gets are read after so long; the default is five minutes.
      metadataMaxAge: 5_000,
      allowAutoTopicCreation: false,
      ...(assignor === undefined ? {} : { partitionAssigners: [kafkajsAssigner(assignor)] }),
      retry: {
        initialRetryTime: 100,
        maxRetryTime: 1_000,
        retries: 5,
        restartOnFailure: async () => false,
      },
    })
  }

  /** Why a consumer ended: it says so, it says nothing any more, or we want it. */
  #endOf(consumer: Consumer, closed: AbortSignal): Promise<string> {
    const { CRASH, FETCH, HEARTBEAT } = consumer.events
    const sign = (): void => {
      this.#lastSign = performance.now()
    }
    sign()
    consumer.on(FETCH, ({ payload }) => {
      sign()
      if (this.#consumer === consumer) this.#tellSlow(payload.duration)
    })
    consumer.on(HEARTBEAT, sign)
    return new Promise((resolve) => {
      consumer.on(CRASH, ({ payload }) => resolve(messageOf(payload.error)))
      this.#stop.signal.addEventListener('abort', () => resolve('closed'), { signal: closed })
      const silentMs = SILENT_SESSIONS * this.#sessionTimeoutMs
      const watchdog = setInterval(() => {
        if (performance.now() - this.#lastSign < silentMs) return
        resolve(`the consumer gave no sign of life for ${silentMs} ms`)
      }, this.#sessionTimeoutMs)
      closed.addEventListener('abort', () => clearInterval(watchdog))
    })
  }

  #joined(consumer: Consumer, { memberId, memberAssignment }: GroupJoin): void {
    this.#lastSign = performance.now()
    this.#goOn(consumer, memberId, memberAssignment)
    this.#options.onAssigned?.(memberAssignment)
    const { from, onStatus } = this.#options
    // Others may have read on meanwhile, and what is still being taken is of the time before.
    this.#next = new Map()
    const isRunning = (): void => {
      this.#backoff.reset()
      this.#tellRunning()
    }
    // Reading begins at once; only those who begin at the latest must know first where that is.
    if (from !== 'latest' || this.#hasBegun) return isRunning()
    this.#begun = this.#beginAtLatest(consumer, memberAssignment)
    this.#begun.then(isRunning, (error: unknown) =>
      onStatus({ state: 'recovering', message: messageOf(error) }),
    )
  }

  #tellRunning(): void {
    const slow = this.#slowUntilMs === undefined ? '' : SLOW
    const message = [this.#losses.message, slow].filter((text) => text !== '').join('; ')
    this.#options.onStatus({ state: 'running', message })
  }

  /** Tells of a broker that has this client wait, until it has not done so for a while. */
  #tellSlow(fetchMs: number): void {
    const wasSlow = this.#slowUntilMs !== undefined
    const nowMs = performance.now()
    if (fetchMs > SLOW_FETCH_MS) this.#slowUntilMs = nowMs + SLOW_TOLD_MS
    else if ((this.#slowUntilMs ?? nowMs) < nowMs) this.#slowUntilMs = undefined
    if (wasSlow !== (this.#slowUntilMs !== undefined)) this.#tellRunning()
  }

  /** kafkajs begins where the group is, as Kafka knows it: who has been a member all the time has come further. */
  #goOn(consumer: Consumer, memberId: string, assignment: Assignment): void {
    if (this.#memberId !== memberId) {
      this.#commits?.assigned({})
      this.#unlisten()
      this.#unlisten = whenOutOfRange(memberId, (...place) => this.#outOfRange(...place))
    }
    this.#memberId = memberId
    for (const taken of this.#commits?.assigned(assignment) ?? []) consumer.seek(taken)
  }

  /** The broker has the offset no more at which this member was, which comes of a commit or of reading. */
  #outOfRange(topic: string, partition: number, offset: bigint): void {
    const read = this.#next
    const name = `${topic}/${partition}`
    const next = read.get(name) ?? offset
    read.set(name, next)
    // What comes next tells where that is; it may be long in coming.
    boundsOf(this.#kafka, topic).then(
      (bounds) => {
        const low = bounds.get(partition)?.low ?? 0n
        const isPast = this.#next !== read || read.get(name) !== next || this.#stop.signal.aborted
        if (isPast || low <= next) return
        read.set(name, low)
        this.#losses.add(topic, partition, next, low)
        this.#tellRunning()
      },
      () => undefined,
    )
  }

  /** Where reading goes on elsewhere than where it had come to, the broker has that no more. */
  async #tellJump(batch: Batch, read: Map<string, bigint>): Promise<void> {
    const { topic, partition } = batch
    const from = fetchedFrom(batch)
    const name = `${topic}/${partition}`
    const next = read.get(name)
    if (next === undefined || from === next) return
    read.set(name, from)
    if (from > next) {
      this.#losses.add(topic, partition, next, from)
    } else {
      this.#losses.addAnew(topic, partition, from)
      await this.#options.onBegunAnew?.(partition)
    }
    this.#tellRunning()
  }

  /**
   * Has the group begin at the ends of the partitions that it never committed on; that is committed at once, so that a restart
   * goes on from there. What is found later, such as a new partition, is read from its beginning.
   */
  async #beginAtLatest(consumer: Consumer, assignment: Assignment): Promise<void> {
    const topics = Object.keys(assignment)
    if (topics.length === 0) return
    const starts = (await placesOf(this.#kafka, this.#options.groupId, topics))
      .filter(({ topic, partition, offset }) => {
        return offset === '-1' && assignment[topic]?.includes(partition) === true
      })
      .map(({ topic, partition, high }) => ({ topic, partition, offset: String(high) }))
    if (starts.length > 0) await consumer.commitOffsets(starts)
    for (const start of starts) consumer.seek(start)
    this.#hasBegun = true
  }

  async #take(payload: EachBatchPayload): Promise<void> {
    const { batch, heartbeat, isRunning, isStale, resolveOffset } = payload
    const { topic, partition, messages } = batch
    const alive = async (): Promise<void> => {
      this.#lastSign = performance.now()
      await heartbeat()
    }
    const commits = this.#commits
    this.#commitOffsets = payload.commitOffsetsIfNecessary
    await this.#begun
    // Who stood still for longer than its session takes nothing of what others may have by now.
    await alive()
    const read = this.#next
    await this.#tellJump(batch, read)
    // Behind the last record may be the mark of its transaction.
    const behind = BigInt(batch.lastOffset()) + 1n
    try {
      for (let at = 0; at < messages.length; ) {
        if (!isRunning() || isStale() || this.#stop.signal.aborted) return
        if (this.#paused.has(topic, partition)) return
        const size =
          this.#options.commits === 'transactor' ? CHUNK_OF_TRANSACTION : this.#chunk.records
        const chunk = messages.slice(at, at + size)
        at += chunk.length
        const beganMs = performance.now()
        await this.#options.onRecords(
          chunk.map((message) => new KafkajsRecord(topic, partition, message)),
          alive,
          at < messages.length ? undefined : behind,
        )
        this.#chunk.adapt(chunk.length, performance.now() - beganMs)
        const last = (chunk[chunk.length - 1] as KafkaMessage).offset
        resolveOffset(last)
        const next = BigInt(last) + 1n
        read.set(`${topic}/${partition}`, next)
        commits?.add({ topic, partition, offset: String(next) })
        await alive()
        // What is awaited here mostly is there already: the rest of the process gets its turn, too.
        await new Promise(setImmediate)
      }
      read.set(`${topic}/${partition}`, behind)
      commits?.add({ topic, partition, offset: String(behind) })
    } finally {
      // The group is left when this is over.
      if (this.#stop.signal.aborted) await lastCommit(commits)
    }
  }

  #applyPauses(): void {
    try {
      if (this.#consumer !== undefined) this.#paused.applyTo(this.#consumer)
    } catch {
      // It does not run yet: applied when it does.
    }
  }
}

function offsetsOf(taken: readonly Taken[]): OffsetsByTopicPartition {
  const byTopic = new Map<string, PartitionOffset[]>()
  for (const { topic, partition, offset } of taken) {
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), { partition, offset }])
  }
  return { topics: [...byTopic].map(([topic, partitions]) => ({ topic, partitions })) }
}

async function lastCommit(commits: OffsetCommits | undefined): Promise<void> {
  await within(commits?.flush().catch(() => undefined) ?? Promise.resolve(), LAST_COMMIT_MS)
}

async function disconnect(consumer: Consumer): Promise<void> {
  await within(
    consumer.disconnect().catch(() => undefined),
    DISCONNECT_MS,
  )
}
