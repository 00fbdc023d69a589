import { kafkajsTroubleOf } from './kafkajs-trouble.js'

/** Why Kafka could not do what it was asked. Stable: callers may switch on it. */
export type KafkaErrorCode =
  | 'INVALID_OPTIONS'
  | 'QUEUE_FULL'
  | 'UNKNOWN_TOPIC'
  | 'RECORD_REFUSED'
  | 'INVALID_RECORD'
  | 'CLOSED'
  | 'TIMED_OUT'
  | 'FENCED'
  | 'NOT_OWNED'
  | 'REGISTRY_FAILED'

/** Where an error happened. */
export interface KafkaErrorDetails {
  readonly topic?: string
  readonly partition?: number
  readonly offset?: string
  readonly channel?: string
  readonly cause?: unknown
}

/** The error of this package: it names topic and record where there are, and says what to do. */
export class KafkaError extends Error {
  override readonly name = 'KafkaError'
  readonly code: KafkaErrorCode
  readonly topic: string | undefined
  readonly partition: number | undefined
  readonly offset: string | undefined
  readonly channel: string | undefined

  constructor(code: KafkaErrorCode, message: string, details: KafkaErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.topic = details.topic
    this.partition = details.partition
    this.offset = details.offset
    this.channel = details.channel
  }
}

/** What to tell of a failure; of what kafkajs could not do also where, and what may be the matter. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? (kafkajsTroubleOf(error) ?? error.message) : String(error)
}
