import { randomUUID } from 'node:crypto'
import type { Consumer, Kafka } from 'kafkajs'
import { Backoff, within } from './backoff.js'
import { messageOf } from './errors.js'
import type { KafkaReader, PartitionAssignor, ReaderOptions } from './kafka-client.js'
import { kafkajsAssigner } from './kafkajs-assigner.js'
import { HEARTBEAT_MS } from './kafkajs-heartbeats.js'
import { fetchedFrom, Losses } from './kafkajs-losses.js'
import { KafkajsRecord } from './kafkajs-records.js'
import { PausedPartitions } from './paused-partitions.js'

const DISCONNECT_MS = 5_000
/** Without any sign of life for so long, a reader counts as stopped without a word. */
const SILENT_MS = 15_000
const BYTES_PER_PARTITION = 4 * 2 ** 20

/**
 * Reads chosen partitions with kafkajs, which knows only groups: as the one member of a group of its own that commits nothing
 * and leaves nothing behind. Built anew when it fails, where it was.
 */
export class KafkajsReader implements KafkaReader {
  readonly #kafka: Kafka
  readonly #options: ReaderOptions
  readonly #next: Map<string, Map<number, bigint>>
  readonly #stop = new AbortController()
  readonly #backoff = new Backoff()
  readonly #losses = new Losses()
  readonly #paused = new PausedPartitions()
  readonly #running: Promise<void>
  #consumer: Consumer | undefined

  constructor(kafka: Kafka, options: ReaderOptions) {
    this.#kafka = kafka
    this.#options = options
    this.#next = new Map([...options.from].map(([topic, from]) => [topic, new Map(from)]))
    this.#running = this.#supervise()
  }

  pause(topic: string, partition: number): void {
    this.#paused.pause(topic, [partition])
    this.#applyPauses()
  }

  resume(topic: string, partition: number): void {
    this.#paused.resume(topic, [partition])
    this.#applyPauses()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await within(this.#running, DISCONNECT_MS)
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#stop
    const { onStatus } = this.#options
    while (!signal.aborted) {
      let reason: string
      try {
        reason = await this.#runOnce()
      } catch (error) {
        reason = messageOf(error)
      }
      const consumer = this.#consumer
      this.#consumer = undefined
      if (consumer !== undefined) await disconnect(consumer)
      if (signal.aborted) return
      onStatus?.({ state: 'recovering', message: reason })
      await this.#backoff.wait(signal)
    }
  }

  async #runOnce(): Promise<string> {
    const consumer = this.#kafka.consumer({
      groupId: `gw-reader-${randomUUID()}`,
      partitionAssigners: [kafkajsAssigner(this.#assignor)],
      sessionTimeout: 10_000,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: 100,
      maxBytesPerPartition: BYTES_PER_PARTITION,
      allowAutoTopicCreation: false,
      retry: { initialRetryTime: 100, retries: 5, restartOnFailure: async () => false },
    })
    this.#consumer = consumer
    const { CRASH, FETCH, HEARTBEAT } = consumer.events
    let lastSign = performance.now()
    const sign = (): void => {
      lastSign = performance.now()
    }
    consumer.on(FETCH, sign)
    consumer.on(HEARTBEAT, sign)
    const over = new AbortController()
    const ended = new Promise<string>((resolve) => {
      consumer.on(CRASH, ({ payload }) => resolve(messageOf(payload.error)))
      this.#stop.signal.addEventListener('abort', () => resolve('closed'), { signal: over.signal })
      const watchdog = setInterval(() => {
        if (isTaking || performance.now() - lastSign < SILENT_MS) return
        resolve(`the reader gave no sign of life for ${SILENT_MS} ms`)
      }, SILENT_MS / 10)
      over.signal.addEventListener('abort', () => clearInterval(watchdog))
    })
    // Taking records may last as long as it wants: that is no silence of the broker.
    let isTaking = false
    try {
      return await Promise.race([
        ended,
        this.#read(consumer, (taking) => {
          isTaking = taking
          sign()
        }).then(() => ended),
      ])
    } finally {
      over.abort()
    }
  }

  /** Joins and begins to read. */
  async #read(consumer: Consumer, onTaking: (taking: boolean) => void): Promise<void> {
    const { onStatus, onPosition, onRecords } = this.#options
    const isGivenUp = (): boolean => this.#consumer !== consumer
    await consumer.connect()
    if (isGivenUp()) return disconnect(consumer)
    await consumer.subscribe({ topics: [...this.#next.keys()], fromBeginning: true })
    if (isGivenUp()) return disconnect(consumer)
    consumer.on(consumer.events.GROUP_JOIN, () => {
      for (const [topic, partitions] of this.#next) {
        for (const [partition, next] of partitions) {
          consumer.seek({ topic, partition, offset: String(next) })
        }
      }
      this.#applyPauses()
      this.#backoff.reset()
      onStatus?.({ state: 'running', message: this.#losses.message })
    })
    const read = (topic: string, partition: number, last: string): void => {
      const next = BigInt(last) + 1n
      this.#next.get(topic)?.set(partition, next)
      onPosition?.(topic, partition, next)
    }
    // What holds no records, such as the mark of a transaction, is told only here.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize === 0 && this.#consumer === consumer)
        read(payload.topic, payload.partition, payload.lastOffset)
    })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, heartbeat, isRunning, isStale, resolveOffset }) => {
        // One that was given up, but still runs, would bring back what is old.
        if (this.#consumer !== consumer || this.#stop.signal.aborted) return
        if (!isRunning() || isStale()) return
        const { topic, partition, messages } = batch
        const next = this.#next.get(topic)?.get(partition) ?? 0n
        const from = fetchedFrom(batch)
        if (from > next) {
          this.#losses.add(topic, partition, next, from)
          onStatus?.({ state: 'running', message: this.#losses.message })
        }
        onTaking(true)
        try {
          await onRecords(messages.map((message) => new KafkajsRecord(topic, partition, message)))
        } finally {
          onTaking(false)
        }
        resolveOffset(messages.at(-1)?.offset ?? batch.lastOffset())
        read(topic, partition, batch.lastOffset())
        await heartbeat()
      },
    })
    // kafkajs joins although it was disconnected meanwhile.
    if (isGivenUp()) await disconnect(consumer)
  }

  #applyPauses(): void {
    try {
      if (this.#consumer !== undefined) this.#paused.applyTo(this.#consumer)
    } catch {
      // It does not run yet: applied when it joins.
    }
  }

  get #assignor(): PartitionAssignor {
    return {
      name: 'gw-reader',
      tell: () => undefined,
      assign: ([member]) =>
        member === undefined
          ? {}
          : {
              [member.memberId]: Object.fromEntries(
                [...this.#next].map(([topic, partitions]) => [topic, [...partitions.keys()]]),
              ),
            },
    }
  }
}

async function disconnect(consumer: Consumer): Promise<void> {
  await within(
    consumer.disconnect().catch(() => undefined),
    DISCONNECT_MS,
  )
}
