import { setMaxListeners } from 'node:events'
import type { Channels, Module, ModuleMetric } from '@gw/channels'
import {
  basketNode,
  type Clock,
  type Edge,
  map,
  node,
  pull,
  type Timestamp,
  timestampOf,
  wallNow,
} from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import { Backoff, pause } from './backoff.js'
import { checkNamedChannels, checkReplayOptions } from './check-options.js'
import { KafkaError, messageOf } from './errors.js'
import { eventTimeOf } from './event-time.js'
import type { KafkaClient, KafkaReader, KafkaStatus, ReceivedRecord } from './kafka-client.js'
import { KafkajsClient } from './kafkajs-client.js'
import { Losses } from './kafkajs-losses.js'
import { replayMetrics } from './metrics.js'
import { type KafkaOptions, topicsOf } from './options.js'
import { type ParsedRecord, parseRecord, targetOf } from './records.js'
import { ReplayClock } from './replay-clock.js'
import {
  crowded,
  idleIn,
  type Lane,
  Listening,
  LOOK_MS,
  laneName,
  laneOf,
  resumeIn,
  silence,
  takenOf,
} from './replay-lanes.js'
import { TimeMerge } from './time-merge.js'

/** A place in a topic: a time, which is that of the records themselves, or by topic the offsets of its partitions. */
export type ReplayPlace =
  | { readonly time: Timestamp | string }
  | { readonly offsets: Readonly<Record<string, Readonly<Record<number, number | string>>>> }

/** Options of {@link replayKafka}. */
export interface ReplayOptions<C extends AnyChannels>
  extends Pick<
    KafkaOptions<C>,
    | 'brokers'
    | 'clientId'
    | 'ssl'
    | 'sasl'
    | 'client'
    | 'name'
    | 'subscribe'
    | 'subscribeProcessors'
    | 'serde'
  > {
  /** The first record of each partition. @defaultValue what there is first */
  readonly from?: ReplayPlace
  /**
   * The first record of each partition that is not replayed; `live` goes on with what comes. @defaultValue the end, as it is when
   * the replay begins
   */
  readonly to?: ReplayPlace | 'live'
  /**
   * When a record happened: an attribute that is a time, ISO 8601 or whole microseconds, of a list that of its first record; or the
   * record's own time, which an envelope's goes before. A record that says no such time ticks at the one that its partition has
   * reached, and so does, when live, one that is more than an hour ahead of now. @defaultValue 'record'
   */
  readonly eventTime?: 'record' | { readonly attribute: string }
  /** How far records of a partition may be out of order: so long each waits for those before it. @defaultValue 0 */
  readonly latenessMs?: number
  /** How long a partition on which nothing comes holds up the others, when live. @defaultValue 1_000 */
  readonly idleMs?: number
  /**
   * Records of one partition that wait for the others before it is read no further. Where as many are within the lateness of each
   * other, a simulation fails, and one that goes live does not wait for all of that. @defaultValue 20_000
   */
  readonly maxWaiting?: number
  /**
   * How long a simulation waits for brokers that give nothing of what there is, before it fails. One that goes live waits until
   * they are back: `status` tells.
   * @defaultValue 60_000
   */
  readonly brokerTimeoutMs?: number
}

/** A replay, and how far it has come. */
export interface ReplayModule<C extends AnyChannels> extends Module<C> {
  /** For a gateway that goes live: it begins at the time of `from`, or in 1970, and shows the times of the records until they are caught up with. */
  readonly clock: Clock
  /** Times before this one are over; `undefined` before the first record. */
  readonly watermark: Timestamp | undefined
  readonly replayed: number
  /** Records that came later than the lateness allows; they tick at the watermark. */
  readonly late: number
  /** Records that said no time that can be; they tick at the time that their partition had reached. */
  readonly untimed: number
  /** Of the last of them, topic, partition, offset and reason. */
  readonly lastUntimed: string
  /** Records that could not be read, or do not fit the contract, and are left out. */
  readonly invalid: number
  /** Of the last of them, topic, partition, offset and reason. */
  readonly lastInvalid: string
  /** Whether everything up to the end, as it was when the replay began, has been replayed. */
  readonly isCaughtUp: boolean
  /** How the connection does. */
  readonly status: KafkaStatus
}

/**
 * Runs a graph over what topics hold: partitions are merged in the order of event time, and channels tick at those times. In
 * simulation it goes as fast as it can and ends at `to`. With `to: 'live'` in a gateway that is started with this module's clock, the
 * same run goes on with what comes: nothing is missed in between, and nothing comes twice. Partitions that a topic gets meanwhile are
 * read, too.
 * @throws KafkaError `INVALID_OPTIONS`; while it runs, the engine's `SOURCE_FAILED` with a KafkaError `UNKNOWN_TOPIC`,
 * `TIMED_OUT` or `QUEUE_FULL` as cause.
 * @example
 * ```ts
 * const replay = replayKafka<typeof channels.channels>({ brokers, subscribe: { orders: { orders: '' } } })
 * await new Gateway({ channels, modules: [totals, replay] }).simulate()
 * ```
 */
export function replayKafka<C extends AnyChannels>(options: ReplayOptions<C>): ReplayModule<C> {
  checkReplayOptions(options as unknown as ReplayOptions<AnyChannels>)
  return new Replay(options)
}

type Row = readonly [time: Timestamp, record: ReceivedRecord]

const WAIT_MS = 1_000
/** How often a live replay looks whether its topics have got partitions. */
const PARTITIONS_MS = 5_000
const CLOSED: KafkaStatus = { state: 'closed', message: '' }

class Replay<C extends AnyChannels> implements ReplayModule<C> {
  readonly name: string
  readonly requires: readonly never[] = []
  readonly #options: ReplayOptions<C>
  readonly #clock: ReplayClock
  #merge: TimeMerge<ReceivedRecord> | undefined
  replayed = 0
  untimed = 0
  lastUntimed = ''
  invalid = 0
  lastInvalid = ''
  isCaughtUp = false
  status: KafkaStatus = CLOSED

  constructor(options: ReplayOptions<C>) {
    this.#options = options
    this.name = options.name ?? 'replay'
    const { from } = options
    const start = from !== undefined && 'time' in from ? timeOf(from.time) : 0
    this.#clock = new ReplayClock(start)
  }

  get clock(): Clock {
    return this.#clock
  }

  get watermark(): Timestamp | undefined {
    const { watermark } = this.#merge ?? {}
    return watermark !== undefined && Number.isFinite(watermark) ? watermark : undefined
  }

  get late(): number {
    return this.#merge?.late ?? 0
  }

  metrics(): readonly ModuleMetric[] {
    return replayMetrics(this)
  }

  readonly connect: NonNullable<Module<C>['connect']> = (typed) => {
    const channels = typed as unknown as Channels<AnyChannels>
    this.#clock.reset()
    const subscribed = topicsOf(this.#options.subscribe).map(([name]) => name)
    checkNamedChannels(channels, 'subscribe', subscribed)
    const rows = pull<ReceivedRecord>(channels.graph, 'kafka replay', (context) => {
      const stop = new AbortController()
      // Each wait that is still to end hears of it.
      setMaxListeners(0, stop.signal)
      context.onStop(() => stop.abort())
      return this.#rows(context.now, stop.signal)
    })
    for (const [name, topics] of topicsOf<string>(this.#options.subscribe)) {
      const target = targetOf(channels, name)
      const parsed = node(`replay ${name}`, { rows }, ({ rows }) => () => {
        const record = rows.value
        const wanted = topics[record.topic]
        if (wanted === undefined || (wanted !== '' && wanted !== record.key)) return undefined
        try {
          return parseRecord(target, record, this.#options)
        } catch (error) {
          this.invalid++
          this.lastInvalid = messageOf(error)
          return undefined
        }
      }) as Edge<ParsedRecord>
      if (target.shape === 'dynamicBasket') {
        channels.setChannel(name as never, dynamicOf(name, parsed) as never)
      } else if (target.shape === 'basket') {
        for (const key of target.keys) {
          const edge = node(
            `replay ${name} ${key}`,
            { parsed },
            ({ parsed }) =>
              () =>
                parsed.value.key === key ? parsed.value.value : undefined,
          )
          channels.setChannel(name as never, edge as never, key as never)
        }
      } else {
        channels.setChannel(name as never, map(parsed, ({ value }) => value) as never)
      }
    }
  }

  /** The records in the order of their times. */
  async *#rows(start: Timestamp, signal: AbortSignal): AsyncGenerator<Row> {
    const { to, latenessMs = 0, idleMs = 1_000, maxWaiting = 20_000 } = this.#options
    const { brokerTimeoutMs = 60_000 } = this.#options
    this.replayed = 0
    this.untimed = 0
    this.lastUntimed = ''
    this.invalid = 0
    this.lastInvalid = ''
    this.isCaughtUp = false
    const client: KafkaClient = this.#options.client ?? new KafkajsClient(this.#options)
    this.status = { state: 'connecting', message: '' }
    const isLive = to === 'live'
    const lanes = await this.#whenThere(
      signal,
      isLive ? Number.POSITIVE_INFINITY : brokerTimeoutMs,
      () => this.#lanes(client),
    )
    if (lanes === undefined) return
    // What is before the start would be skipped: live, it is late.
    const earliest = isLive ? start : undefined
    const lateness = Math.round(latenessMs * 1_000)
    const merge = new TimeMerge<ReceivedRecord>(lanes.keys(), lateness, earliest)
    this.#merge = merge
    for (const [name, lane] of lanes) if (lane.next >= lane.end) merge.idle(name)
    let wake: () => void = () => undefined
    let heardAt = 0
    const listening = new Listening()
    const read = (some: ReadonlyMap<string, Lane>): KafkaReader | undefined =>
      this.#read(client, some, merge, start, listening, () => {
        heardAt = performance.now()
        wake()
      })
    const readers = [read(lanes)]
    let isOver = false
    let lookAt = performance.now() + PARTITIONS_MS
    const readNew = async (): Promise<void> => {
      const fresh = await this.#newLanes(client, lanes)
      if (isOver || fresh.size === 0) return
      for (const [name, lane] of fresh) {
        lanes.set(name, lane)
        merge.open(name)
      }
      readers.push(read(fresh))
    }
    try {
      for (;;) {
        for (let row = merge.take(); row !== undefined; row = merge.take()) {
          this.replayed++
          this.#clock.reach(row.time)
          yield [row.time, row.value]
          // Meanwhile it was the graph that took its time.
          heardAt = performance.now()
          resumeIn(lanes, merge, maxWaiting)
          // Where records keep coming, there is always one that waits.
          if (!this.isCaughtUp && takenOf(lanes.get(row.lane), row.value)) this.#look(lanes)
        }
        this.#look(lanes)
        if (signal.aborted || (this.isCaughtUp && !isLive)) return
        const slowest = lanes.get(merge.slowest ?? '')
        if (slowest?.isPaused === true) {
          // It waits for nobody but itself, and is read no further.
          if (!isLive) throw crowded(slowest, maxWaiting)
          merge.hurry()
          continue
        }
        const came = new Promise<void>((resolve) => {
          wake = resolve
        })
        heardAt ||= performance.now()
        await Promise.race([
          came,
          pause(isLive ? LOOK_MS : Math.min(WAIT_MS, brokerTimeoutMs), signal),
        ])
        if (isLive) {
          listening.look(this.status.state === 'running')
          idleIn(lanes, merge, listening.ms - idleMs)
          if (performance.now() > lookAt) {
            lookAt = Number.POSITIVE_INFINITY
            readNew()
              .catch(() => undefined)
              .finally(() => {
                lookAt = performance.now() + PARTITIONS_MS
              })
          }
        } else if (performance.now() - heardAt > brokerTimeoutMs) {
          const isGone = await this.#passDeleted(client, lanes, merge)
          if (!isGone) throw silence(lanes, brokerTimeoutMs, this.status)
          heardAt = performance.now()
        }
      }
    } finally {
      isOver = true
      await Promise.all(readers.map((reader) => reader?.close()))
      // The next run may have begun.
      if (this.#merge === merge) {
        const { state, message } = this.status
        // What was lost stays told.
        this.status = { state: 'closed', message: state === 'running' ? message : '' }
      }
    }
  }

  #read(
    client: KafkaClient,
    lanes: ReadonlyMap<string, Lane>,
    merge: TimeMerge<ReceivedRecord>,
    start: Timestamp,
    listening: Listening,
    wake: () => void,
  ): KafkaReader | undefined {
    const { to, maxWaiting = 20_000 } = this.#options
    const isLive = to === 'live'
    const from = new Map<string, Map<number, bigint>>()
    for (const { topic, partition, next, end } of lanes.values()) {
      if (!isLive && next >= end) continue
      from.set(topic, (from.get(topic) ?? new Map()).set(partition, next))
    }
    if (from.size === 0) return undefined
    const reader = client.reader({
      from,
      onRecords: (records) => {
        for (const record of records) {
          const name = laneName(record)
          const lane = lanes.get(name)
          if (lane === undefined || (!isLive && BigInt(record.offset) >= lane.end)) continue
          if (BigInt(record.offset) < lane.seen) continue
          lane.seen = BigInt(record.offset) + 1n
          lane.heardAtMs = listening.ms
          if (lane.seen <= lane.end) lane.behind++
          const time = this.#timeOf(record, isLive)
          if (time === undefined) merge.addUntimed(name, start, record)
          else merge.add(name, time, record)
        }
        wake()
      },
      onPosition: (topic, partition, next) => {
        const name = laneName({ topic, partition })
        const lane = lanes.get(name)
        if (lane === undefined) return
        lane.next = next
        if (next >= lane.end && !isLive) {
          merge.idle(name)
          reader.pause(topic, partition)
        } else if (!lane.isPaused && merge.waitingOf(name) >= maxWaiting) {
          lane.isPaused = true
          reader.pause(topic, partition)
        }
        wake()
      },
      onStatus: (status) => {
        this.status = status
        if (status.state !== 'running') return
        // What came while it was away is on its way.
        for (const lane of lanes.values()) lane.heardAtMs = listening.ms
      },
    })
    for (const lane of lanes.values()) lane.reader = reader
    return reader
  }

  /** Looks whether it has caught up. */
  #look(lanes: ReadonlyMap<string, Lane>): void {
    if (this.isCaughtUp) return
    for (const { next, end, behind } of lanes.values()) if (next < end || behind > 0) return
    this.isCaughtUp = true
    if (this.#options.to === 'live') this.#clock.goLive()
  }

  /** What was deleted up to the end of a partition never comes. @returns whether there is such a partition. */
  async #passDeleted(
    client: KafkaClient,
    lanes: ReadonlyMap<string, Lane>,
    merge: TimeMerge<ReceivedRecord>,
  ): Promise<boolean> {
    const losses = new Losses()
    const silent = [...lanes].filter(([, { next, end }]) => next < end)
    for (const [name, lane] of silent) {
      const { topic, partition, next, end } = lane
      const bounds = await client.bounds(topic).catch(() => undefined)
      if ((bounds?.get(partition)?.low ?? 0n) < end) continue
      lane.next = end
      merge.idle(name)
      losses.add(topic, partition, next, end)
    }
    if (losses.message === '') return false
    const told = [this.status.message, losses.message].filter((text) => text !== '')
    this.status = { state: 'running', message: told.join('; ') }
    return true
  }

  /** Partitions that topics have got since: all that is in them. */
  async #newLanes(
    client: KafkaClient,
    known: ReadonlyMap<string, Lane>,
  ): Promise<ReadonlyMap<string, Lane>> {
    const lanes = new Map<string, Lane>()
    for (const topic of new Set([...known.values()].map((lane) => lane.topic))) {
      for (const [partition, { low, high }] of await client.bounds(topic)) {
        const name = laneName({ topic, partition })
        if (!known.has(name)) lanes.set(name, laneOf(topic, partition, low, high))
      }
    }
    return lanes
  }

  /**
   * What brokers are asked, again and again until they answer, or the time is over; `undefined` when the run ended before.
   * @throws KafkaError `TIMED_OUT`, `UNKNOWN_TOPIC`.
   */
  async #whenThere<T>(
    signal: AbortSignal,
    timeoutMs: number,
    ask: () => Promise<T>,
  ): Promise<T | undefined> {
    const backoff = new Backoff()
    const since = performance.now()
    while (!signal.aborted) {
      try {
        return await ask()
      } catch (cause) {
        if (cause instanceof KafkaError && cause.code === 'UNKNOWN_TOPIC') throw cause
        const message = messageOf(cause)
        this.status = { state: 'recovering', message }
        if (performance.now() - since > timeoutMs) {
          throw new KafkaError(
            'TIMED_OUT',
            `the brokers ${this.#options.brokers.join(', ')} gave no answer for ${timeoutMs} ms: ${message}; see to their address and to the login, or raise brokerTimeoutMs`,
            { cause },
          )
        }
        await backoff.wait(signal)
      }
    }
    return undefined
  }

  /** From where to where each partition is read. */
  async #lanes(client: KafkaClient): Promise<Map<string, Lane>> {
    const { subscribe, from, to } = this.#options
    const topics = [...new Set(topicsOf(subscribe).flatMap(([, keys]) => Object.keys(keys)))]
    const [missing] = await client.ensureTopics(
      topics.map((topic) => ({ topic })),
      false,
    )
    if (missing !== undefined) {
      throw new KafkaError('UNKNOWN_TOPIC', `topic "${missing}" does not exist`, { topic: missing })
    }
    const lanes = new Map<string, Lane>()
    for (const topic of topics) {
      const first = from === undefined ? undefined : await placesOf(client, topic, from)
      const last = to === undefined || to === 'live' ? undefined : await placesOf(client, topic, to)
      // Of records of one time, those of the first partition come first.
      const bounds = [...(await client.bounds(topic))].sort(([a], [b]) => a - b)
      for (const [partition, { low, high }] of bounds) {
        const start = clamp(first?.get(partition) ?? low, low, high)
        const end = clamp(last?.get(partition) ?? high, start, high)
        lanes.set(laneName({ topic, partition }), laneOf(topic, partition, start, end))
      }
    }
    return lanes
  }

  #timeOf(record: ReceivedRecord, isLive: boolean): Timestamp | undefined {
    try {
      return eventTimeOf(record, this.#options, isLive ? wallNow() : undefined)
    } catch (error) {
      this.untimed++
      this.lastUntimed = messageOf(error)
      return undefined
    }
  }
}

async function placesOf(
  client: KafkaClient,
  topic: string,
  place: ReplayPlace,
): Promise<ReadonlyMap<number, bigint>> {
  if ('time' in place) return client.offsetsAt(topic, Math.ceil(timeOf(place.time) / 1_000))
  const offsets = Object.entries(place.offsets[topic] ?? {})
  return new Map(offsets.map(([partition, offset]) => [Number(partition), BigInt(offset)]))
}

function timeOf(time: Timestamp | string): Timestamp {
  return typeof time === 'string' ? timestampOf(time) : time
}

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  return value < low ? low : value > high ? high : value
}

function dynamicOf(name: string, parsed: Edge<ParsedRecord>): unknown {
  return basketNode<string, unknown>()(name, { parsed }, ({ parsed }, out) => () => {
    const { key = '', value } = parsed.value
    if (value !== undefined) out.emit(key, value)
    else if (out.has(key)) out.remove(key)
  })
}
