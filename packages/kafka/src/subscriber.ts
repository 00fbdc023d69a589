import type { Channels } from '@gw/channels'
import { basketNode, type PushSource, push } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import { KafkaError } from './errors.js'
import type { Misfit } from './intake.js'
import { JsonAhead } from './json-ahead.js'
import type { ReceivedRecord } from './kafka-client.js'
import { type KafkaOptions, topicsOf } from './options.js'
import { parseRecord, type Target, targetOf } from './records.js'
import { json } from './serde.js'

/** Where the records of one channel enter the graph, by key of a basket. */
interface Entrance {
  /** `undefined` removes the key of a dynamic basket. */
  push(key: string | undefined, value: unknown): void
  readonly pending: number
}

/** A channel that takes records of a topic: those with its key, or all when that is ''. */
interface Route {
  readonly target: Target
  readonly wanted: string
  readonly entrance: Entrance
}

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
    // Twice the bound of what is in flight: a chunk that is being taken is let in whole.
    const maxPending = 2 * (this.#options.maxInFlight ?? 10_000) + 1_000
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
    for (const record of records) {
      const error = takeOn(routes, record, options)
      if (error === undefined) this.taken++
      else yield { record, error }
    }
  }

  /** Records that the engine has not taken. */
  get pending(): number {
    let pending = 0
    for (const entrance of this.#entrances) pending += entrance.pending
    return pending
  }

  /** Where one channel takes all, and nobody has a say in how JSON is read, it is read some records at a time. */
  #readingAhead(records: readonly ReceivedRecord[], routes: readonly Route[]): KafkaOptions<C> {
    const { serde = json } = this.#options
    const isPlain = serde === json && routes.length === 1 && routes[0]?.wanted === ''
    return isPlain ? { ...this.#options, serde: new JsonAhead(records) } : this.#options
  }
}

/** @returns why it does not fit one of the channels. */
function takeOn<C extends AnyChannels>(
  routes: readonly Route[],
  record: ReceivedRecord,
  options: KafkaOptions<C>,
): KafkaError | undefined {
  let misfit: KafkaError | undefined
  for (const { wanted, target, entrance } of routes) {
    if (wanted !== '' && wanted !== record.key) continue
    try {
      const parsed = parseRecord(target, record, options)
      if (parsed !== undefined) entrance.push(parsed.key, parsed.value)
    } catch (error) {
      // Anything else, such as an engine that has ended, is no fault of the record.
      if (!(error instanceof KafkaError)) throw error
      misfit ??= error
    }
  }
  return misfit
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
  if (shape === 'basket' || shape === 'dynamicBasket') {
    if (shape === 'dynamicBasket') {
      const records = push<{ key: string; value: unknown }>(graph, 'nonCollapsing', {
        name: `kafka ${channel}`,
        maxPending,
      })
      const basket = basketNode<string, unknown>()(
        channel,
        { record: records.edge },
        ({ record }, out) =>
          () => {
            const { key, value } = record.value
            if (value !== undefined) out.emit(key, value)
            else if (out.has(key)) out.remove(key)
          },
      )
      channels.setChannel(channel as never, basket as never)
      return {
        push: (key, value) => records.push({ key: key as string, value }),
        get pending() {
          return records.pending
        },
      }
    }
    const sources = new Map<string, PushSource<unknown>>()
    for (const key of channels.keysOf(channel as never) as readonly string[]) {
      const keySource = source(`kafka ${channel} ${key}`)
      sources.set(key, keySource)
      channels.setChannel(channel as never, keySource.edge as never, key as never)
    }
    return {
      push: (key, value) => sources.get(key as string)?.push(value),
      get pending() {
        return [...sources.values()].reduce((sum, { pending }) => sum + pending, 0)
      },
    }
  }
  const records = source(`kafka ${channel}`)
  channels.setChannel(channel as never, records.edge as never)
  return {
    push: (_key, value) => records.push(value),
    get pending() {
      return records.pending
    },
  }
}
