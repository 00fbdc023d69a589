import type { IHeaders, KafkaMessage, Message } from 'kafkajs'
import { KafkaError, messageOf } from './errors.js'
import type { KafkaRecord, ReceivedRecord } from './kafka-client.js'

const MISSING = new Set(['UNKNOWN_TOPIC_OR_PARTITION'])
const TOPIC_FAILURES = new Set([
  ...MISSING,
  'TOPIC_AUTHORIZATION_FAILED',
  'INVALID_TOPIC_EXCEPTION',
])

/** What the broker says of a record that it will never take. */
const REFUSALS = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD'])

export function messageFor({ key, value, headers, partition }: KafkaRecord): Message {
  const message: Message = {
    key,
    value:
      value instanceof Uint8Array && !Buffer.isBuffer(value)
        ? Buffer.from(value)
        : (value as Buffer | string | null),
  }
  if (headers !== undefined) message.headers = { ...headers }
  if (partition !== undefined) message.partition = partition
  return message
}

/** A record as kafkajs gives it; what nobody asks for is not decoded. */
export class KafkajsRecord implements ReceivedRecord {
  readonly topic: string
  readonly partition: number
  readonly #message: KafkaMessage

  constructor(topic: string, partition: number, message: KafkaMessage) {
    this.topic = topic
    this.partition = partition
    this.#message = message
  }

  get offset(): string {
    return this.#message.offset
  }

  get key(): string | null {
    return this.#message.key?.toString() ?? null
  }

  get value(): Buffer | null {
    return this.#message.value
  }

  get headers(): Readonly<Record<string, string>> {
    return headersOf(this.#message.headers)
  }

  get timestampMs(): number {
    return Number(this.#message.timestamp)
  }
}

/** Of most records; one for all of them. */
const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({})

function headersOf(headers: IHeaders | undefined): Readonly<Record<string, string>> {
  let texts: Record<string, string> | undefined
  for (const name in headers) {
    const value = headers[name]
    const first = Array.isArray(value) ? value[0] : value
    if (first === undefined) continue
    texts ??= {}
    // Others write headers without a value, of which the types of kafkajs know nothing.
    texts[name] = (first as Buffer | string | null)?.toString() ?? ''
  }
  return texts ?? NO_HEADERS
}

/** Whether the broker will never take it. */
export function isRefusal(error: unknown): boolean {
  return isOneOf(REFUSALS, error)
}

/** Whether it is a failure of one topic; the connection and the other topics are well. */
export function isOfTopic(error: unknown): boolean {
  return isOneOf(TOPIC_FAILURES, error)
}

/** Whether the broker answered that it is of no use to try the same again, as it does when a producer's sequence is broken. */
export function isFinal(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { type, retriable } = at as { readonly type?: unknown; readonly retriable?: unknown }
    if (typeof type === 'string' && retriable === false) return true
  }
  return false
}

/** Whether it is a topic that does not exist. */
export function isMissing(error: unknown): boolean {
  return isOneOf(MISSING, error)
}

export function topicFailure(topic: string, error: unknown): KafkaError {
  const remedy = isMissing(error) ? ': create it, or set createTopics' : ''
  return new KafkaError(
    isMissing(error) ? 'UNKNOWN_TOPIC' : 'RECORD_REFUSED',
    `topic "${topic}": ${messageOf(error)}${remedy}`,
    { topic, cause: error },
  )
}

/** Whether a failure, or what kafkajs wraps in it, is of these types. */
function isOneOf(types: ReadonlySet<string>, error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { type } = at as { readonly type?: unknown }
    if (typeof type === 'string' && types.has(type)) return true
  }
  return false
}
