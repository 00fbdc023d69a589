import type { Batch } from 'kafkajs'

/** Places that one message names. */
const MAX_NAMED = 20

/** What the broker has deleted of partitions before it was read, in the words of a status. */
export class Losses {
  #places: string[] = []
  #anew: string[] = []

  /** The records from one offset up to, and without, another are gone. */
  add(topic: string, partition: number, from: bigint, end: bigint): void {
    this.#places.push(`${topic}/${partition}@${from} to ${end - 1n}`)
    if (this.#places.length > MAX_NAMED) this.#places.shift()
  }

  /** A partition goes on at an offset before the one that it had come to. */
  addAnew(topic: string, partition: number, at: bigint): void {
    this.#anew.push(`${topic}/${partition}@${at}`)
    if (this.#anew.length > MAX_NAMED) this.#anew.shift()
  }

  get message(): string {
    const anew =
      this.#anew.length === 0
        ? ''
        : `partitions begin anew, as when their topic is made anew: ${this.#anew.join(', ')}`
    return [this.#deleted, anew].filter((text) => text !== '').join('; ')
  }

  get #deleted(): string {
    if (this.#places.length === 0) return ''
    return `records were deleted before they were read, reading goes on behind them: ${this.#places.join(', ')}; raise retention.ms of the topic`
  }
}

/**
 * From where a batch was fetched. kafkajs fetches from where it has come to, whatever compaction and transactions have left there; only
 * where the broker has that no more does it go elsewhere, and says so to nobody.
 */
export function fetchedFrom(batch: Batch): bigint {
  return BigInt((batch as Batch & { readonly fetchedOffset: string }).fetchedOffset)
}
