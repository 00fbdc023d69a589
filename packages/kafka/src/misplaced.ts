import type { ReceivedRecord } from './kafka-client.js'

/** Looks whether records are where their keys belong: others are taken, but whoever asks for their keys asks somebody else. */
export class Misplaced {
  /** Tells of the first record that is elsewhere; empty while there is none. */
  message = ''
  readonly #topics: ReadonlySet<string>
  readonly #partitionOf: (key: string) => number

  /** `topics` are those whose records have owners. */
  constructor(topics: ReadonlySet<string>, partitionOf: (key: string) => number) {
    this.#topics = topics
    this.#partitionOf = partitionOf
  }

  /** @returns whether it is the first that is elsewhere. */
  look(record: ReceivedRecord | undefined): boolean {
    if (record === undefined || this.message !== '') return false
    const { topic, partition, offset, key } = record
    if (!this.#topics.has(topic)) return false
    const home = key === null ? undefined : this.#partitionOf(key)
    if (home === partition) return false
    const what =
      home === undefined
        ? 'has no key: its partition says nothing of who owns it; produce it with the attribute of "by" as its key'
        : `has a key that belongs to partition ${home}: give "partitioner" as those have it who produce the topic`
    this.message = `record ${topic}/${partition}@${offset} ${what}`
    return true
  }
}
