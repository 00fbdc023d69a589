import { Backoff } from './backoff.js'
import type { KafkaRecord } from './kafka-client.js'
import { Request } from './kafkajs-request.js'

/** Records of one request at most: 500 and more a request is forty times as fast as one. */
const BATCH_RECORDS = 2_000
const BATCH_BYTES = 512 * 1_024

/** The records that wait for one topic, in order, and who waits for them. A topic that fails waits alone. */
export class TopicQueue {
  readonly topic: string
  readonly #backoff = new Backoff()
  readonly #waiting: { readonly until: number; readonly resolve: () => void }[] = []
  #records: KafkaRecord[] = []
  /** What the first records, {@link #asked} of them, are written in, as far as that is not done. */
  #requests: Request[] = []
  #asked = 0
  #queued = 0
  #settled = 0
  /** Before this time the topic is not tried again. */
  retryAtMs = 0
  /** Whether the next request was tried, and nobody knows what became of it. */
  isUnanswered = false
  /** What the topic's last failure said; empty while it takes records. */
  failure = ''

  constructor(topic: string) {
    this.topic = topic
  }

  /** Records that the broker has not acknowledged. */
  get pending(): number {
    return this.#records.length
  }

  push(record: KafkaRecord): void {
    this.#records.push(record)
    this.#queued++
  }

  /** What is to be written next: the same until it is settled or split. */
  next(): Request {
    if (this.#requests[0] !== undefined) return this.#requests[0]
    const batch = this.#batch()
    const request = new Request(batch)
    this.#requests.push(request)
    this.#asked = batch.length
    return request
  }

  /** The next request is written in these parts instead. */
  split(parts: readonly Request[]): void {
    this.#requests.splice(0, 1, ...parts)
  }

  /** The next request is acknowledged, or refused for good. @returns records that are settled: all of a request that was split, at its end. */
  settle(): readonly KafkaRecord[] {
    this.#requests.shift()
    this.isUnanswered = false
    this.#backoff.reset()
    this.retryAtMs = 0
    this.failure = ''
    if (this.#requests.length > 0) return []
    const settled = this.#records.slice(0, this.#asked)
    this.#records = this.#records.slice(this.#asked)
    this.#settled += settled.length
    while ((this.#waiting[0]?.until ?? Number.POSITIVE_INFINITY) <= this.#settled) {
      this.#waiting.shift()?.resolve()
    }
    return settled
  }

  /** The topic failed: it is tried again later, each time after a longer wait. */
  fail(message: string): void {
    this.isUnanswered = false
    this.failure = message
    this.retryAtMs = Date.now() + this.#backoff.nextMs()
  }

  /** Fulfilled when what is queued now is settled. */
  flushed(): Promise<void> {
    if (this.pending === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ until: this.#queued, resolve }))
  }

  /** The first records, as many as fit a request. */
  #batch(): readonly KafkaRecord[] {
    let bytes = 0
    let count = 0
    while (count < this.#records.length && count < BATCH_RECORDS && bytes < BATCH_BYTES) {
      bytes += sizeOf(this.#records[count++] as KafkaRecord)
    }
    return this.#records.slice(0, count)
  }
}

/** UTF-16 units stand for bytes: near enough for a bound. */
export function sizeOf({ key, value }: KafkaRecord): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + 64
}
