import type { ChannelTick, LiveGateway, Watch } from '@gw/channels'
import type { AnyChannels } from '@gw/protocol'
import { KafkaError } from './errors.js'
import type { KafkaRecord } from './kafka-client.js'
import { type KafkaOptions, type KeyOption, topicsOf } from './options.js'
import { json } from './serde.js'

type Processor = (value: unknown, topic: string) => unknown
type HeadersOf = (value: unknown, topic: string) => Readonly<Record<string, string>>

/** Sends the ticks of channels to their topics, from the first tick of the run on. @returns what ends it. */
export function publish<C extends AnyChannels>(
  gateway: LiveGateway<C>,
  send: (record: KafkaRecord) => void,
  options: KafkaOptions<C>,
  onFailed: (channel: string, error: unknown) => void,
): () => void {
  const { serde = json } = options
  const watches: Watch[] = []
  for (const [channel, topics] of topicsOf<KeyOption>(options.publish)) {
    const info = gateway.channels.info.find(({ name }) => name === channel)
    if (info?.provided !== true) continue
    const processor = options.publishProcessors?.[channel as never] as Processor | undefined
    const headersOf = options.publishHeaders?.[channel as never] as HeadersOf | undefined
    const sendTick = (tick: ChannelTick): void => {
      for (const [topic, key] of Object.entries(topics)) {
        try {
          sendTo(tick, topic, key, processor, headersOf)
        } catch (error) {
          onFailed(channel, error)
        }
      }
    }
    // Ticks of the first cycles came before this module was started.
    const start = { epoch: gateway.channels.positionOf(channel).epoch, offset: 0 }
    const watch = gateway.channels.watch(channel, undefined, sendTick, { from: start })
    watch.initial.forEach(sendTick)
    watches.push(watch)
  }

  function sendTo(
    tick: ChannelTick,
    topic: string,
    keyOption: KeyOption,
    processor: Processor | undefined,
    headersOf: HeadersOf | undefined,
  ): void {
    const key = keyOf(tick, keyOption)
    if (tick.removed) {
      send({ topic, key, value: null })
      return
    }
    const value = processor === undefined ? tick.value : processor(tick.value, topic)
    if (value === undefined) return
    const headers = headersOf?.(tick.value, topic)
    const extra = headers === undefined ? {} : { headers }
    if (value === null) {
      send({ topic, key, value: null, ...extra })
      return
    }
    const context = { channel: tick.channel, topic, timeMs: Math.floor(tick.time / 1_000) }
    send({ topic, key, value: serde.write(textOf(tick, value), context), ...extra })
  }

  return () => {
    for (const watch of watches) watch.stop()
  }
}

/** The JSON of a tick is an array around a single record; an unchanged value need not be serialised again. */
function textOf(tick: ChannelTick, value: unknown): string {
  if (value !== tick.value) return JSON.stringify(value)
  return Array.isArray(value) ? tick.json : tick.json.slice(1, -1)
}

function keyOf(tick: ChannelTick, key: KeyOption): string {
  if (typeof key === 'string') return key === '' && tick.key !== undefined ? tick.key : key
  const value = attributeOf(tick.value, key.attribute)
  if (value !== undefined) return value
  throw new KafkaError(
    'INVALID_RECORD',
    `a record of channel "${tick.channel}" has no attribute "${key.attribute}" for its key`,
    { channel: tick.channel },
  )
}

/** An attribute of a record, as a text; with dots, one inside others. */
export function attributeOf(record: unknown, path: string): string | undefined {
  let value = record
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Readonly<Record<string, unknown>>)[name]
  }
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}
