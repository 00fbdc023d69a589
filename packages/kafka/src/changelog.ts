import {
  applyRecord,
  type Entries,
  recordKeyOf,
  SCHEMA_HEADER,
  UNFIT,
  type UnfitRecord,
} from './changelog-record.js'
import type { Checkpoints, Entry } from './checkpoint.js'
import { KafkaError } from './errors.js'
import type {
  KafkaClient,
  KafkaReader,
  KafkaRecord,
  Progress,
  ReceivedRecord,
} from './kafka-client.js'
import { type Attribution, KeyedStore, UNIT } from './store.js'

export interface ChangelogOptions {
  readonly client: KafkaClient
  readonly topic: string
  /** Whether the topic is made where it is not there. */
  readonly createTopics: boolean
  /** Topics whose partitions it follows. */
  readonly inputs: readonly string[]
  readonly stores: readonly KeyedStore[]
  readonly checkpoints: Checkpoints | undefined
  readonly signal: AbortSignal
  /** Told what has come into a store from elsewhere. */
  readonly onLoaded: (store: KeyedStore, partition: number) => void
  /** Told which keys of a store have gone to elsewhere. */
  readonly onDropped: (store: KeyedStore, keys: readonly string[]) => void
  /** Told that there are other records than before that do not fit. */
  readonly onUnfit: () => void
  /** What is kept of a record that does not fit when another takes its place. */
  readonly bury: (record: ReceivedRecord, error: KafkaError) => KafkaRecord
}

const PROGRESS = `${UNIT}progress`
const PROGRESS_KEYS = recordKeyOf(PROGRESS, '').slice(0, -2)

interface KeptProgress {
  readonly offsets: Readonly<Record<string, string>>
  readonly mark: string
}

/** A copy of a partition of the changelog, up to an offset: by store and key. */
interface Copy {
  next: bigint
  readonly stores: Map<string, Map<string, unknown>>
}

/** A restore that comes no further for so long is begun anew; its reader has been built anew before. */
const SILENT_MS = 30_000

/** As brokers have it where nothing else is said. */
const DELETE_RETENTION_MS = 86_400_000

const SETTINGS = {
  'cleanup.policy': 'compact',
  'min.cleanable.dirty.ratio': '0.1',
  'segment.bytes': String(64 * 2 ** 20),
  // What the broker refuses for its size would be missing later: of a key there would be what it had before.
  'max.message.bytes': String(16 * 2 ** 20),
}

/**
 * The stores of a cluster on a compacted topic: a record for each key that changed, on the partition whose work changed it. Who
 * gets a partition reads it to its end, from a copy that it holds for others, or from its last checkpoint on.
 */
export class Changelog {
  readonly #options: ChangelogOptions
  readonly #stores: ReadonlyMap<string, KeyedStore>
  /** Of the partitions that are ours: the offset up to which the stores have it, where that is known. */
  readonly #next = new Map<number, bigint>()
  readonly #copies = new Map<number, Copy>()
  /** With the state of a partition, how far the group had come: what a broker that was started anew says of it may be old. */
  readonly #progress = new KeyedStore<KeptProgress>(PROGRESS)
  /** Of the partitions that are ours, by key: what does not fit its store, and is not there. */
  readonly #unfit = new Map<number, Map<string, UnfitRecord>>()
  #reader: KafkaReader | undefined
  #ready: Promise<void> | undefined
  /** Beyond it a checkpoint may miss that something was deleted. */
  #maxAgeMs = 0
  /** Records that were read to keep copies. */
  copied = 0
  /** Partitions of the inputs, once known. */
  partitions = 1

  constructor(options: ChangelogOptions) {
    this.#options = options
    const stores = [...options.stores, this.#progress as KeyedStore]
    this.#stores = new Map(stores.map((store) => [store.name, store]))
  }

  attach(attribution: Attribution): void {
    this.#unfit.clear()
    for (const store of this.#stores.values()) store.attach(attribution)
  }

  /** Partitions of others of which a copy is held here. */
  get copies(): readonly number[] {
    return [...this.#copies.keys()]
  }

  /** How many records of our partitions do not fit their stores: they are not there, and stay in the changelog. */
  get unfit(): number {
    let count = 0
    for (const records of this.#unfit.values()) count += records.size
    return count
  }

  /** What is wrong with each of them. */
  *unfitErrors(): IterableIterator<KafkaError> {
    for (const [partition, records] of this.#unfit) {
      for (const [key, record] of records) yield this.#errorOf(partition, key, record)
    }
  }

  /** How far the group had come with the state of a partition, where that is known. */
  keptProgress(partition: number): Progress | undefined {
    const kept = this.#progress.get(String(partition))
    if (kept === undefined) return undefined
    const offsets = Object.entries(kept.offsets).map(
      ([topic, next]) => [topic, BigInt(next)] as const,
    )
    return { offsets: new Map(offsets), mark: kept.mark }
  }

  /** Keeps how far the group will have come with the state of a partition. @returns that, as a record. */
  keepProgress(partition: number, { offsets, mark }: Progress): KafkaRecord {
    const key = String(partition)
    const kept: KeptProgress = {
      offsets: Object.fromEntries([...offsets].map(([topic, next]) => [topic, String(next)])),
      mark,
    }
    this.#progress.load(key, kept, partition)
    const { topic } = this.#options
    return {
      topic,
      partition,
      key: recordKeyOf(this.#progress.name, key),
      value: JSON.stringify(kept),
    }
  }

  /** What has changed in a partition since this was asked last, as records; those of which nothing else would be left come along. */
  takeChanges(partition: number): readonly KafkaRecord[] {
    const { topic, bury } = this.#options
    const records: KafkaRecord[] = []
    for (const [name, store] of this.#stores) {
      const headers =
        store.rule === undefined ? {} : { headers: { [SCHEMA_HEADER]: store.rule.id } }
      for (const { key: own, value } of store.takeChanges(partition)) {
        const key = recordKeyOf(name, own)
        const unfit = this.#unfit.get(partition)?.get(key)
        if (unfit !== undefined) {
          const error = this.#errorOf(partition, key, unfit)
          records.push(bury(receivedOf(topic, partition, key, unfit), error))
          this.#unfit.get(partition)?.delete(key)
          this.#options.onUnfit()
        }
        if (value === undefined) records.push({ topic, partition, key, value: null })
        else records.push({ topic, partition, key, value: JSON.stringify(value), ...headers })
      }
    }
    return records
  }

  /** Partitions with changes that nobody has taken. */
  get changedPartitions(): ReadonlySet<number> {
    return new Set([...this.#stores.values()].flatMap((store) => [...store.changedPartitions]))
  }

  /** A unit has been committed; `undefined` when it is not known where. */
  committed(partition: number, produced: ReadonlyMap<string, bigint> | undefined): void {
    if (produced === undefined) {
      this.#next.delete(partition)
      return
    }
    const next = produced.get(`${this.#options.topic}/${partition}`)
    if (next !== undefined) this.#next.set(partition, next)
  }

  /**
   * Makes the topic if it is not there.
   * @throws KafkaError `UNKNOWN_TOPIC` where it is not made; `INVALID_OPTIONS` when topics do not have equally many partitions; what Kafka says when it is not there.
   */
  ready(): Promise<void> {
    this.#ready ??= this.#prepare().catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  async #prepare(): Promise<void> {
    const { client, topic, inputs, createTopics } = this.#options
    const counts = await Promise.all(
      inputs.map(async (input) => [input, (await client.bounds(input)).size] as const),
    )
    const [first] = counts
    if (first === undefined) return
    const odd = counts.find(([, count]) => count !== first[1])
    if (odd !== undefined) {
      throw new KafkaError(
        'INVALID_OPTIONS',
        `topics of a cluster have equally many partitions: "${first[0]}" has ${first[1]}, "${odd[0]}" ${odd[1]}`,
        { topic: odd[0] },
      )
    }
    const missing = await client.ensureTopics(
      [{ topic, partitions: first[1], settings: SETTINGS }],
      createTopics,
    )
    if (missing.length > 0) {
      throw new KafkaError(
        'UNKNOWN_TOPIC',
        `the changelog "${topic}" does not exist: create it with ${first[1]} partitions and cleanup.policy=compact, or set createTopics`,
        { topic },
      )
    }
    const { size } = await client.bounds(topic)
    if (size !== first[1]) {
      throw new KafkaError(
        'INVALID_OPTIONS',
        `the changelog "${topic}" has ${size} partitions, its inputs ${first[1]}: give the group another name, or remove the topic and begin anew`,
        { topic },
      )
    }
    this.partitions = size
    if (this.#options.checkpoints !== undefined) this.#maxAgeMs = await maxAgeOf(client, topic)
  }

  /** Has the stores hold a partition as the changelog has it. @returns how many records were read for it. */
  async restore(partition: number): Promise<number> {
    await this.ready()
    this.drop(partition)
    const { client, topic, checkpoints } = this.#options
    const entries = this.#entriesIn(partition)
    const copy = this.#copies.get(partition)
    let next: bigint | undefined
    if (copy === undefined) {
      next = await checkpoints?.read(partition, this.#maxAgeMs, entries.put)
      if (next === undefined) this.drop(partition)
    } else {
      // It is read no further: what is missing is read below.
      this.#copies.delete(partition)
      for (const entry of entriesOf(copy.stores)) entries.put(...entry)
      next = copy.next
    }
    const { low, high } = (await client.bounds(topic)).get(partition) ?? { low: 0n, high: 0n }
    if (next === undefined || next < low || next > high) {
      // Somebody has made the topic anew.
      if (next !== undefined) this.drop(partition)
      next = low
    }
    const read = await this.#readTo(partition, next, high, entries)
    this.#next.set(partition, high)
    if ((this.#unfit.get(partition)?.size ?? 0) > 0) this.#options.onUnfit()
    for (const store of this.#stores.values()) this.#options.onLoaded(store, partition)
    return read
  }

  /** Forgets a partition. */
  drop(partition: number): void {
    this.#next.delete(partition)
    if (this.#unfit.delete(partition)) this.#options.onUnfit()
    for (const store of this.#stores.values()) {
      const keys = store.drop(partition)
      if (keys.length > 0) this.#options.onDropped(store, keys)
    }
  }

  /** Writes what the stores hold of a partition to its checkpoint. No unit may change it meanwhile; when it is dropped, nothing is written. */
  async checkpoint(partition: number): Promise<void> {
    const next = this.#next.get(partition)
    if (next === undefined) return
    const isValid = (): boolean => this.#next.get(partition) === next
    await this.#options.checkpoints?.write(partition, next, this.#entriesOf(partition), isValid)
  }

  /** Holds copies of these partitions, and of no others. */
  async follow(partitions: readonly number[]): Promise<void> {
    const wanted = new Set(partitions)
    const isSame = wanted.size === this.#copies.size && partitions.every((p) => this.#copies.has(p))
    if (isSame) return
    await this.#unfollow()
    for (const partition of this.#copies.keys()) {
      if (!wanted.has(partition)) this.#copies.delete(partition)
    }
    const { client, topic, checkpoints } = this.#options
    const bounds = await client.bounds(topic)
    for (const partition of wanted) {
      if (this.#copies.has(partition)) continue
      const stores: Copy['stores'] = new Map()
      const { low, high } = bounds.get(partition) ?? { low: 0n, high: 0n }
      let next = await checkpoints?.read(partition, this.#maxAgeMs, (store, key, value) => {
        copyOf(stores, store).set(key, value)
      })
      if (next === undefined || next < low || next > high) {
        stores.clear()
        next = low
      }
      this.#copies.set(partition, { next, stores })
    }
    if (wanted.size === 0 || this.#options.signal.aborted) return
    this.#reader = client.reader({
      from: new Map([
        [topic, new Map([...this.#copies].map(([partition, { next }]) => [partition, next]))],
      ]),
      onRecords: (records) => {
        for (const record of records) this.#copy(record)
      },
      onPosition: (_, partition, next) => {
        const copy = this.#copies.get(partition)
        if (copy !== undefined) copy.next = next
      },
    })
  }

  async close(): Promise<void> {
    await this.#unfollow()
    const { checkpoints } = this.#options
    if (checkpoints === undefined) return
    for (const [partition, { next, stores }] of this.#copies) {
      await checkpoints.write(partition, next, entriesOf(stores))
    }
    this.#copies.clear()
  }

  async #unfollow(): Promise<void> {
    const reader = this.#reader
    this.#reader = undefined
    await reader?.close()
  }

  #copy(record: ReceivedRecord): void {
    const { partition, offset } = record
    const copy = this.#copies.get(partition)
    // One that was read before it is not wanted any more, or twice, changes nothing.
    if (copy === undefined || record.key === null || BigInt(offset) < copy.next) return
    applyRecord(record, this.#stores, {
      put: (store, key, value) => {
        const entries = copyOf(copy.stores, store)
        // What changed last comes last.
        entries.delete(key)
        entries.set(key, value)
      },
      remove: (store, key) => copy.stores.get(store)?.delete(key),
    })
    copy.next = BigInt(offset) + 1n
    if (isOfState(record)) this.copied++
  }

  /** The entries of a partition that is ours. */
  #entriesIn(partition: number): Entries {
    return {
      put: (store, key, value) => {
        if (store !== UNFIT) {
          this.#stores.get(store)?.load(key, value, partition)
          return
        }
        const records = this.#unfit.get(partition) ?? new Map<string, UnfitRecord>()
        this.#unfit.set(partition, records.set(key, value as UnfitRecord))
      },
      remove: (store, key) => {
        if (store === UNFIT) this.#unfit.get(partition)?.delete(key)
        else this.#stores.get(store)?.unload(key)
      },
    }
  }

  #errorOf(partition: number, key: string, { offset, why }: UnfitRecord): KafkaError {
    const { topic } = this.#options
    return new KafkaError(
      'INVALID_RECORD',
      `record ${topic}/${partition}@${offset} does not fit what its key ${key} is now: ${why}`,
      { topic, partition, offset },
    )
  }

  async #readTo(partition: number, from: bigint, end: bigint, entries: Entries): Promise<number> {
    if (from >= end) return 0
    const { client, topic, signal } = this.#options
    let count = 0
    let reader: KafkaReader | undefined
    let stopped: () => void = () => undefined
    let watchdog: ReturnType<typeof setInterval> | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        stopped = (): void =>
          reject(new KafkaError('CLOSED', 'the Kafka module is stopped', { topic, partition }))
        if (signal.aborted) return stopped()
        signal.addEventListener('abort', stopped, { once: true })
        let lastSign = performance.now()
        watchdog = setInterval(() => {
          if (performance.now() - lastSign < SILENT_MS) return
          const message = `the changelog "${topic}" gave nothing of partition ${partition} for ${SILENT_MS} ms`
          reject(new KafkaError('TIMED_OUT', message, { topic, partition }))
        }, SILENT_MS / 10)
        reader = client.reader({
          from: new Map([[topic, new Map([[partition, from]])]]),
          onRecords: (records) => {
            lastSign = performance.now()
            for (const record of records) {
              applyRecord(record, this.#stores, entries)
              if (isOfState(record)) count++
            }
          },
          onPosition: (_, _partition, next) => {
            lastSign = performance.now()
            if (next >= end) resolve()
          },
        })
      })
    } finally {
      clearInterval(watchdog)
      signal.removeEventListener('abort', stopped)
      await reader?.close()
    }
    return count
  }

  *#entriesOf(partition: number): IterableIterator<Entry> {
    for (const [name, store] of this.#stores) {
      for (const [key, value] of store.of(partition)) yield [name, key, value]
    }
    for (const [key, record] of this.#unfit.get(partition) ?? []) yield [UNFIT, key, record]
  }
}

/**
 * The topic keeps a mark of what was deleted for so long; a checkpoint from before, which does not know of it, is not to be used any
 * more. Half of it is left for reading the tail, and for clocks that differ.
 */
async function maxAgeOf(client: KafkaClient, topic: string): Promise<number> {
  const settings = await client.topicSettings(topic)
  return Number(settings.get('delete.retention.ms') ?? DELETE_RETENTION_MS) / 2
}

/** What the beginning of its key says: not how far the group had come. */
function isOfState({ key }: ReceivedRecord): boolean {
  return key?.startsWith(PROGRESS_KEYS) !== true
}

function receivedOf(
  topic: string,
  partition: number,
  key: string,
  { offset, value }: UnfitRecord,
): ReceivedRecord {
  const bytes = Buffer.from(value)
  return { topic, partition, offset, key, value: bytes, headers: {}, timestampMs: 0 }
}

function copyOf(stores: Copy['stores'], name: string): Map<string, unknown> {
  let entries = stores.get(name)
  if (entries === undefined) {
    entries = new Map()
    stores.set(name, entries)
  }
  return entries
}

function* entriesOf(stores: Copy['stores']): IterableIterator<Entry> {
  for (const [name, entries] of stores) {
    for (const [key, value] of entries) yield [name, key, value]
  }
}
