import type { ChannelInfo, Channels, LiveGateway } from '@gw/channels'
import { basketNode, type PushSource, push } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import { KafkaError, messageOf } from './errors.js'
import type { ReceivedRecord } from './kafka-client.js'
import { type KafkaOptions, topicsOf } from './options.js'
import { json } from './serde.js'

/** Where the records of one channel enter the graph, by key of a basket. */
interface Entrance {
  /** `undefined` removes the key of a dynamic basket. */
  push(key: string | undefined, value: unknown): void
  readonly pending: number
}

/** A channel that takes records of a topic: those with its key, or all when that is ''. */
interface Route {
  readonly info: ChannelInfo
  readonly wanted: string
  readonly entrance: Entrance
}

type Processor = (value: unknown, record: ReceivedRecord) => unknown

/** Turns records of topics into ticks of channels: declares where they enter, then checks and hands on each record. */
export class Subscriber<C extends AnyChannels> {
  readonly #options: KafkaOptions<C>
  readonly #entrances = new Map<string, Entrance>()
  readonly #routes = new Map<string, Route[]>()

  constructor(options: KafkaOptions<C>) {
    this.#options = options
  }

  /** Topics that are read. */
  get topics(): readonly string[] {
    const topics = topicsOf<string>(this.#options.subscribe)
    return [...new Set(topics.flatMap(([, keys]) => Object.keys(keys)))]
  }

  connect(channels: Channels<C>): void {
    // Twice the bound of what is in flight: a chunk that is being taken is let in whole.
    const maxPending = 2 * (this.#options.maxInFlight ?? 10_000) + 1_000
    for (const [channel] of topicsOf<string>(this.#options.subscribe)) {
      this.#entrances.set(
        channel,
        entranceOf(channels as unknown as Channels<AnyChannels>, channel, maxPending),
      )
    }
  }

  start(gateway: LiveGateway<C>): void {
    this.#routes.clear()
    const infos = new Map(gateway.channels.info.map((info) => [info.name, info]))
    for (const [channel, topics] of topicsOf<string>(this.#options.subscribe)) {
      const [info, entrance] = [infos.get(channel), this.#entrances.get(channel)]
      if (info === undefined || entrance === undefined) continue
      for (const [topic, wanted] of Object.entries(topics)) {
        const routes = this.#routes.get(topic) ?? []
        this.#routes.set(topic, [...routes, { info, wanted, entrance }])
      }
    }
  }

  /** Ticks a record on every channel that it fits. @throws KafkaError `INVALID_RECORD` when there is one that it does not fit. */
  take(record: ReceivedRecord): void {
    let misfit: KafkaError | undefined
    for (const route of this.#routes.get(record.topic) ?? []) {
      if (route.wanted !== '' && route.wanted !== record.key) continue
      try {
        this.#takeOn(route, record)
      } catch (error) {
        // Anything else, such as an engine that has ended, is no fault of the record.
        if (!(error instanceof KafkaError)) throw error
        misfit ??= error
      }
    }
    if (misfit !== undefined) throw misfit
  }

  /** Records that the engine has not taken. */
  get pending(): number {
    let pending = 0
    for (const entrance of this.#entrances.values()) pending += entrance.pending
    return pending
  }

  #takeOn({ info, entrance }: Route, record: ReceivedRecord): void {
    const { serde = json, subscribeProcessors } = this.#options
    const channel = info.name
    if (record.value === null) {
      if (info.dynamic && record.key !== null) {
        entrance.push(record.key, undefined)
      }
      return
    }
    const details = {
      channel,
      topic: record.topic,
      partition: record.partition,
      offset: record.offset,
    }
    const refuse = (why: string, cause?: unknown): never => {
      throw new KafkaError(
        'INVALID_RECORD',
        `record ${record.topic}/${record.partition}@${record.offset} does not fit channel "${channel}": ${why}`,
        { ...details, ...(cause === undefined ? {} : { cause }) },
      )
    }
    let value: unknown
    try {
      value = serde.read(record.value, record)
      const processor = subscribeProcessors?.[channel as never] as Processor | undefined
      if (processor !== undefined) value = processor(value, record)
    } catch (error) {
      return refuse(messageOf(error), error)
    }
    if (value === undefined) return
    const parsed = info.schema.safeParse(value)
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      return refuse(`${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim(), parsed.error)
    }
    if (info.kind === 'basket') {
      const key = record.key ?? refuse('a record for a basket has a key')
      if (!info.dynamic && !info.keys.includes(key)) refuse(`the basket has no key "${key}"`)
      entrance.push(key, parsed.data)
    } else {
      entrance.push(undefined, parsed.data)
    }
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
