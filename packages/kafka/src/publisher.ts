import type { ChannelTick, LiveGateway, Watch } from '@gw/channels'
import { type AnyChannels, stepsOf } from '@gw/protocol'
import { KafkaError } from './errors.js'
import type { KafkaRecord } from './kafka-client.js'
import { type KafkaOptions, type KeyOption, topicsOf } from './options.js'
import { atOnce, json } from './serde.js'

type Processor = (value: unknown, topic: string) => unknown
type HeadersOf = (value: unknown, topic: string) => Readonly<Record<string, string>>

/** A topic that the ticks of a channel go to. */
interface Route {
  readonly topic: string
  /** @throws KafkaError `INVALID_RECORD` when the tick has no key. */
  readonly keyOf: (tick: ChannelTick) => string
}

/** Sends the ticks of channels to their topics, from the first tick of the run on. @returns what ends it. */
export function publish<C extends AnyChannels>(
  gateway: LiveGateway<C>,
  send: (record: KafkaRecord) => void,
  options: KafkaOptions<C>,
  onFailed: (tick: ChannelTick, topic: string, error: unknown) => void,
): () => void {
  const { serde = json } = options
  const watches: Watch[] = []
  for (const [channel, topics] of topicsOf<KeyOption>(options.publish)) {
    const info = gateway.channels.info.find(({ name }) => name === channel)
    if (info?.provided !== true) continue
    const processor = options.publishProcessors?.[channel as never] as Processor | undefined
    const headersOf = options.publishHeaders?.[channel as never] as HeadersOf | undefined
    const routes = Object.entries(topics).map(
      ([topic, key]): Route => ({
        topic,
        keyOf: keyOf(channel, key),
      }),
    )
    const sendTick = (tick: ChannelTick): void => {
      for (const route of routes) {
        try {
          sendTo(tick, route, processor, headersOf)
        } catch (error) {
          onFailed(tick, route.topic, error)
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
    { topic, keyOf }: Route,
    processor: Processor | undefined,
    headersOf: HeadersOf | undefined,
  ): void {
    const key = keyOf(tick)
    if (tick.removed) {
      send({ topic, key, value: null })
      return
    }
    const value =
      processor === undefined ? tick.value : atOnce(processor(tick.value, topic), 'processor')
    if (value === undefined) return
    const context = { channel: tick.channel, topic, timeMs: Math.floor(tick.time / 1_000) }
    const text = value === null ? null : bytesOf(serde.write(textOf(tick, value), context))
    const headers = checkHeaders(headersOf?.(tick.value, topic))
    send(headers === undefined ? { topic, key, value: text } : { topic, key, value: text, headers })
  }

  return () => {
    for (const watch of watches) watch.stop()
  }
}

/** The JSON of a tick is an array around a single record; an unchanged value need not be serialised again. */
function textOf(tick: ChannelTick, value: unknown): string {
  if (value !== tick.value) {
    const text = JSON.stringify(value) as string | undefined
    if (text !== undefined) return text
    throw new Error(`the processor returned a ${typeof value}, which has no JSON`)
  }
  return Array.isArray(value) ? tick.json : tick.json.slice(1, -1)
}

/** What the client would never take, and try for ever. */
function bytesOf(written: string | Uint8Array): string | Uint8Array {
  const bytes = atOnce<unknown>(written, 'serde')
  if (typeof bytes === 'string' || bytes instanceof Uint8Array) return bytes
  throw new Error(`the serde wrote neither a text nor bytes: ${typeof bytes}`)
}

function checkHeaders(
  headers: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> | undefined {
  for (const [name, text] of Object.entries(
    atOnce<object | undefined>(headers, 'publishHeaders') ?? {},
  )) {
    if (typeof text !== 'string') {
      throw new Error(`header "${name}" of publishHeaders is no text: ${typeof text}`)
    }
  }
  return headers
}

function keyOf(channel: string, option: KeyOption): (tick: ChannelTick) => string {
  if (option === '') return ({ key = '' }) => key
  if (typeof option === 'string') return () => option
  const { attribute } = option
  const path = stepsOf(attribute)
  return ({ value }) => {
    const key = textAt(value, path)
    if (key !== undefined) return key
    throw new KafkaError(
      'INVALID_RECORD',
      `a record of channel "${channel}" has no attribute "${attribute}" for its key`,
      { channel },
    )
  }
}

/** An attribute of a record, as a text; with dots, one inside others. */
export function attributeOf(record: unknown, path: string): string | undefined {
  return textAt(record, stepsOf(path))
}

/** What is inside a record, after these steps. */
export function valueAt(record: unknown, path: readonly string[]): unknown {
  let value = record
  for (const name of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Readonly<Record<string, unknown>>)[name]
  }
  return value
}

function textAt(record: unknown, path: readonly string[]): string | undefined {
  const value = valueAt(record, path)
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}
