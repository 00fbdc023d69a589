import type { Channels } from '@gw/channels'
import type { AnyChannels } from '@gw/protocol'
import type { z } from 'zod'
import { completed } from './completed.js'
import { KafkaError, messageOf } from './errors.js'
import type { ReceivedRecord } from './kafka-client.js'
import type { KafkaOptions } from './options.js'
import { atOnce, json } from './serde.js'

/** A channel that records become ticks of. */
export interface Target {
  readonly name: string
  readonly shape: 'single' | 'list' | 'basket' | 'dynamicBasket'
  /** Keys of a basket that has them in the contract. */
  readonly keys: readonly string[]
  readonly schema: z.ZodType
}

/** A tick: of a basket with its key; without a value, the key goes. */
export interface ParsedRecord {
  readonly key: string | undefined
  readonly value: unknown
}

type Processor = (value: unknown, record: ReceivedRecord) => unknown

export function targetOf(channels: Channels<AnyChannels>, name: string): Target {
  const shape = channels.shapeOf(name as never)
  return {
    name,
    shape,
    keys: shape === 'basket' ? channels.keysOf(name as never) : [],
    schema: channels.definitionOf(name).schema,
  }
}

/**
 * What a record is on a channel; `undefined` when it is nothing: a processor dropped it, or it is a tombstone where nothing can go.
 * @throws KafkaError `INVALID_RECORD` with the record's place and the reason.
 */
export function parseRecord<C extends AnyChannels>(
  { name, shape, keys, schema }: Target,
  record: ReceivedRecord,
  { serde = json, subscribeProcessors }: Pick<KafkaOptions<C>, 'serde' | 'subscribeProcessors'>,
): ParsedRecord | undefined {
  const isBasket = shape === 'basket' || shape === 'dynamicBasket'
  if (record.value === null) {
    const goes = shape === 'dynamicBasket' && record.key !== null
    return goes ? { key: record.key, value: undefined } : undefined
  }
  let value: unknown
  try {
    value = atOnce(serde.read(record.value, record), 'serde')
    const processor = subscribeProcessors?.[name as never] as Processor | undefined
    if (processor !== undefined) value = atOnce(processor(value, record), 'processor')
    if (value === undefined) return undefined
    // A check of the contract may throw, too.
    value = completed(schema, value)
  } catch (error) {
    throw misfit(name, record, messageOf(error), error)
  }
  if (!isBasket) return { key: undefined, value }
  const { key } = record
  if (key === null) throw misfit(name, record, 'a record for a basket has a key')
  if (shape === 'basket' && !keys.includes(key)) {
    throw misfit(name, record, `the basket has no key "${key}"`)
  }
  return { key, value }
}

function misfit(
  channel: string,
  { topic, partition, offset }: ReceivedRecord,
  why: string,
  cause?: unknown,
): KafkaError {
  return new KafkaError(
    'INVALID_RECORD',
    `record ${topic}/${partition}@${offset} does not fit channel "${channel}": ${why}`,
    { channel, topic, partition, offset, ...(cause === undefined ? {} : { cause }) },
  )
}
