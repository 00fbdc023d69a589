import type { Message } from 'kafkajs'
import { KafkaError } from './errors.js'
import type { KafkaRecord } from './kafka-client.js'
import { messageFor } from './kafkajs-records.js'

/** What a broker says of a partition that it has written to. */
interface Acknowledged {
  readonly partition: number
}

/**
 * Records of one topic that are written together. Tried again it is the same, with the partitions that were chosen at first: a
 * broker that has it already knows it by its producer, its place and its length.
 */
export class Request {
  readonly records: readonly KafkaRecord[]
  readonly #messages: readonly Message[]

  constructor(
    records: readonly KafkaRecord[],
    messages: readonly Message[] = records.map(messageFor),
  ) {
    this.records = records
    this.#messages = messages
  }

  get messages(): Message[] {
    return [...this.#messages]
  }

  /**
   * What it is written in when the broker refused something in it: its partitions, since those of the others may be written,
   * then halves; nothing when it is one record.
   */
  parts(): readonly Request[] {
    const ofPartitions = new Map<number | undefined, number[]>()
    for (const [at, { partition }] of this.#messages.entries()) {
      const places = ofPartitions.get(partition)
      if (places === undefined) ofPartitions.set(partition, [at])
      else places.push(at)
    }
    if (ofPartitions.size > 1) return [...ofPartitions.values()].map((places) => this.#of(places))
    const { length } = this.records
    if (length < 2) return []
    const places = [...this.records.keys()]
    return [places.slice(0, length >> 1), places.slice(length >> 1)].map((some) => this.#of(some))
  }

  /**
   * What of it was not written although kafkajs says so: where a partition moves to a broker that has answered already, it asks
   * that one no more when it tries the others again. Nothing when all partitions were acknowledged.
   * @throws KafkaError `UNKNOWN_TOPIC` when nothing of it was: the topic has no such partitions, of which kafkajs says nothing, too.
   */
  unwritten(acknowledged: readonly Acknowledged[]): Request | undefined {
    const written = new Set(acknowledged.map(({ partition }) => partition))
    const places = [...this.#messages.keys()].filter((at) => {
      const { partition } = this.#messages[at] as Message
      return partition !== undefined && !written.has(partition)
    })
    if (places.length === 0) return undefined
    if (places.length === this.#messages.length) throw this.#noPartition()
    return this.#of(places)
  }

  /** The same, with partitions that are chosen anew where none was said. */
  anew(): Request {
    return new Request(this.records)
  }

  #noPartition(): KafkaError {
    const topic = this.records[0]?.topic ?? ''
    const partition = this.#messages[0]?.partition ?? 0
    return new KafkaError(
      'UNKNOWN_TOPIC',
      `topic "${topic}" has no partition ${partition}, as when it was made anew with fewer: make it with as many as it had`,
      { topic, partition },
    )
  }

  #of(places: readonly number[]): Request {
    return new Request(
      places.map((at) => this.records[at] as KafkaRecord),
      places.map((at) => this.#messages[at] as Message),
    )
  }
}
