import type { Channels } from '@gw/channels'
import { basketNode, batch, type Edge, type PushSource, push } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import { KafkaError } from './errors.js'
import type { Misfit } from './intake.js'
import { JsonAhead } from './json-ahead.js'
import type { ReceivedRecord } from './kafka-client.js'
import { type KafkaOptions, topicsOf } from './options.js'
import { type ParsedRecord, parseRecord, type Target, targetOf } from './records.js'
import { json } from './serde.js'

/** Where the records of one channel enter the graph. */
interface Entrance {
  /** Each ticks in a cycle of its own, in order; without a value, the key of a dynamic basket goes. */
  push(records: readonly ParsedRecord[]): void
  readonly pending: number
}

/** A channel that takes records of a topic: those with its key, or all when that is ''. */
interface Route {
  readonly target: Target
  readonly wanted: string
  readonly entrance: Entrance
}

/** Records that are let in beyond the bound, at most: each partition that is being taken has some, and all of those go in. */
const BEYOND_ROOM = 5_000

/** Turns records of topics into ticks of channels: declares where they enter, then checks and hands on each record. */
export class Subscriber<C extends AnyChannels> {
  readonly #options: KafkaOptions<C>
  #entrances: Entrance[] = []
  readonly #routes = new Map<string, Route[]>()
  /** Records that the engine was handed. */
  taken = 0

  constructor(options: KafkaOptions<C>) {
    this.#options = options
  }

  /** Topics that are read. */
  get topics(): readonly string[] {
    const topics = topicsOf<string>(this.#options.subscribe)
    return [...new Set(topics.flatMap(([, keys]) => Object.keys(keys)))]
  }

  connect(channels: Channels<C>): void {
    this.#entrances = []
    this.#routes.clear()
    const maxPending = this.#maxInFlight + BEYOND_ROOM
    for (const [channel, topics] of topicsOf<string>(this.#options.subscribe)) {
      const wired = channels as unknown as Channels<AnyChannels>
      const entrance = entranceOf(wired, channel, maxPending)
      const target = targetOf(wired, channel)
      this.#entrances.push(entrance)
      for (const [topic, wanted] of Object.entries(topics)) {
        const routes = this.#routes.get(topic) ?? []
        this.#routes.set(topic, [...routes, { target, wanted, entrance }])
      }
    }
  }

  /** Ticks records of one topic, in order, each on every channel that it fits; gives those that there is a channel they do not fit. */
  *take(records: readonly ReceivedRecord[]): IterableIterator<Misfit> {
    const routes = this.#routes.get(records[0]?.topic ?? '') ?? []
    const options = this.#readingAhead(records, routes)
    const ready = new Ready()
    for (const record of records) {
      const error = check(routes, record, options, ready)
      if (error === undefined) {
        this.taken++
      } else {
        ready.tick()
        yield { record, error }
      }
    }
    ready.tick()
  }

  /** Records that the engine has not taken. */
  get pending(): number {
    let pending = 0
    for (const entrance of this.#entrances) pending += entrance.pending
    return pending
  }

  /** Whether more may be taken. */
  get hasRoom(): boolean {
    return this.pending <= this.#maxInFlight
  }

  get #maxInFlight(): number {
    return this.#options.maxInFlight ?? 10_000
  }

  /** Where one channel takes all, and nobody has a say in how JSON is read, it is read some records at a time. */
  #readingAhead(records: readonly ReceivedRecord[], routes: readonly Route[]): KafkaOptions<C> {
    const { serde = json } = this.#options
    const isPlain = serde === json && routes.length === 1 && routes[0]?.wanted === ''
    return isPlain ? { ...this.#options, serde: new JsonAhead(records) } : this.#options
  }
}

/** Adds what a record is on each channel that it fits. @returns why it does not fit one of them. */
function check<C extends AnyChannels>(
  routes: readonly Route[],
  record: ReceivedRecord,
  options: KafkaOptions<C>,
  ready: Ready,
): KafkaError | undefined {
  let misfit: KafkaError | undefined
  for (const { wanted, target, entrance } of routes) {
    if (wanted !== '' && wanted !== record.key) continue
    try {
      const parsed = parseRecord(target, record, options)
      if (parsed !== undefined) ready.add(entrance, parsed)
    } catch (error) {
      // Anything else, such as an engine that has ended, is no fault of the record.
      if (!(error instanceof KafkaError)) throw error
      misfit ??= error
    }
  }
  return misfit
}

/** Records that are checked, in order; to check some and then tick them is faster than one by one. */
class Ready {
  #entrance: Entrance | undefined
  #records: ParsedRecord[] = []

  add(entrance: Entrance, record: ParsedRecord): void {
    if (entrance !== this.#entrance) this.tick()
    this.#entrance = entrance
    this.#records.push(record)
  }

  /** Hands them to the engine. @throws GraphError when it has ended. */
  tick(): void {
    const records = this.#records
    this.#records = []
    this.#entrance?.push(records)
  }
}

function entranceOf(
  channels: Channels<AnyChannels>,
  channel: string,
  maxPending: number,
): Entrance {
  const { graph } = channels
  const source = (name: string): PushSource<unknown> =>
    push(graph, 'nonCollapsing', { name, maxPending })
  const shape = channels.shapeOf(channel as never)
  if (shape === 'dynamicBasket') {
    const records = source(`kafka ${channel}`)
    const basket = basketNode<string, unknown>()(
      channel,
      { record: records.edge as Edge<ParsedRecord> },
      ({ record }, out) =>
        () => {
          const { key, value } = record.value as { readonly key: string; readonly value: unknown }
          if (value !== undefined) out.emit(key, value)
          else if (out.has(key)) out.remove(key)
        },
    )
    channels.setChannel(channel as never, basket as never)
    return {
      push: (parsed) =>
        batch(() => {
          for (const record of parsed) records.push(record)
        }),
      get pending() {
        return records.pending
      },
    }
  }
  if (shape === 'basket') {
    const sources = new Map<string, PushSource<unknown>>()
    for (const key of channels.keysOf(channel as never) as readonly string[]) {
      const keySource = source(`kafka ${channel} ${key}`)
      sources.set(key, keySource)
      channels.setChannel(channel as never, keySource.edge as never, key as never)
    }
    return {
      // One by one: together, what goes to different keys would tick in one cycle.
      push: (parsed) => {
        for (const { key, value } of parsed) sources.get(key as string)?.push(value)
      },
      get pending() {
        return [...sources.values()].reduce((sum, { pending }) => sum + pending, 0)
      },
    }
  }
  const records = source(`kafka ${channel}`)
  channels.setChannel(channel as never, records.edge as never)
  return {
    push: (parsed) =>
      batch(() => {
        for (const { value } of parsed) records.push(value)
      }),
    get pending() {
      return records.pending
    },
  }
}
