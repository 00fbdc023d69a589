import type { ChannelTick, LiveGateway, Watch } from '@gw/channels'
import type { AnyChannels } from '@gw/protocol'
import { KafkaError } from './errors.js'
import type { KafkaProducer } from './kafka-client.js'
import { type KafkaOptions, type KeyOption, topicsOf } from './options.js'
import { json } from './serde.js'

type Processor = (value: unknown, topic: string) => unknown

/** Sends the ticks of channels to their topics, from the first tick of the run on. @returns what ends it. */
export function publish<C extends AnyChannels>(
  gateway: LiveGateway<C>,
  producer: KafkaProducer,
  options: KafkaOptions<C>,
  onFailed: (channel: string, error: unknown) => void,
): () => void {
  const { serde = json } = options
  const watches: Watch[] = []
  for (const [channel, topics] of topicsOf<KeyOption>(options.publish)) {
    const info = gateway.channels.info.find(({ name }) => name === channel)
    if (info?.provided !== true) continue
    const processor = options.publishProcessors?.[channel as never] as Processor | undefined
    const send = (tick: ChannelTick): void => {
      for (const [topic, key] of Object.entries(topics)) {
        try {
          sendTo(tick, topic, key, processor)
        } catch (error) {
          onFailed(channel, error)
        }
      }
    }
    // Ticks of the first cycles came before this module was started.
    const start = { epoch: gateway.channels.positionOf(channel).epoch, offset: 0 }
    const watch = gateway.channels.watch(channel, undefined, send, { from: start })
    watch.initial.forEach(send)
    watches.push(watch)
  }

  function sendTo(
    tick: ChannelTick,
    topic: string,
    keyOption: KeyOption,
    processor: Processor | undefined,
  ): void {
    const key = keyOf(tick, keyOption)
    if (tick.removed) {
      producer.send({ topic, key, value: null })
      return
    }
    const value = processor === undefined ? tick.value : processor(tick.value, topic)
    if (value === undefined) return
    const context = { channel: tick.channel, topic, timeMs: Math.floor(tick.time / 1_000) }
    producer.send({ topic, key, value: serde.write(textOf(tick, value), context) })
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
  const value = (tick.value as Readonly<Record<string, unknown>>)[key.attribute]
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  throw new KafkaError(
    'INVALID_RECORD',
    `a record of channel "${tick.channel}" has no attribute "${key.attribute}" for its key`,
    { channel: tick.channel },
  )
}
