import type { ChannelTick } from '@gw/channels'
import { type KafkaError, messageOf } from './errors.js'
import type { KafkaRecord, ReceivedRecord } from './kafka-client.js'

/** Characters, or bytes, that a dead letter keeps of a record that is too large. */
const TRUNCATED_LENGTH = 10_000

/** A record that could not be taken, as it was, with its place and the reason in headers. */
export function deadLetterOf(
  record: ReceivedRecord,
  error: KafkaError,
  topic: string,
): KafkaRecord {
  return {
    topic,
    key: record.key,
    value: record.value,
    headers: {
      ...record.headers,
      'gw-error': messageOf(error),
      'gw-topic': record.topic,
      'gw-partition': String(record.partition),
      'gw-offset': record.offset,
    },
  }
}

/** A tick of which no record could be made: what ticked, and why. */
export function unpublishedLetterOf(
  { channel, json }: ChannelTick,
  target: string,
  error: unknown,
  topic: string,
): KafkaRecord {
  const headers = { 'gw-error': messageOf(error), 'gw-channel': channel, 'gw-topic': target }
  return { topic, key: null, value: json, headers }
}

/**
 * The first characters of a record that the broker refused, with the reason; of a dead letter, with what it told. What was
 * truncated already is given up.
 */
export function truncatedLetterOf(
  record: KafkaRecord,
  message: string,
  topic: string,
): KafkaRecord | undefined {
  const { headers = {}, key } = record
  if (headers['gw-truncated'] !== undefined) return undefined
  const isLetter = record.topic === topic
  const value = record.value ?? ''
  return {
    topic,
    key: key?.slice(0, TRUNCATED_LENGTH) ?? null,
    value: value.slice(0, TRUNCATED_LENGTH),
    headers: {
      ...(isLetter
        ? Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('gw-')))
        : { 'gw-topic': record.topic }),
      'gw-error': isLetter ? `${headers['gw-error']}; ${message}` : message,
      'gw-truncated': String(value.length),
    },
  }
}
