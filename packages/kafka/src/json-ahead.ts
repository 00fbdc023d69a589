import { randomInt } from 'node:crypto'
import type { ReceivedRecord } from './kafka-client.js'
import { json, type Serde } from './serde.js'

/** Records that are parsed together, and room for their texts: more make it no faster. */
const TOGETHER = 64
const room = Buffer.allocUnsafe(64 * 1_024)

/**
 * Stands between two records. Nobody outside can guess it: where it is found between all of them, each text is one value by
 * itself, and none was made whole by its neighbours.
 */
const BETWEEN = randomInt(2 ** 46, 2 ** 47)
const SEPARATOR = Buffer.from(`,${BETWEEN},`)

/** Reads JSON of records in their order as {@link json} does, some of them at once, which takes two thirds of the time. */
export class JsonAhead implements Serde {
  readonly write: Serde['write'] = json.write
  readonly #records: readonly ReceivedRecord[]
  #at = 0
  /** Records before it have been parsed: those from `#first` on together, unless one of them is no JSON. */
  #end = 0
  #first = 0
  #parsed: readonly unknown[] | undefined

  constructor(records: readonly ReceivedRecord[]) {
    this.#records = records
  }

  read(bytes: Buffer, record: ReceivedRecord): unknown {
    while (this.#records[this.#at] !== record) this.#at++
    if (this.#at >= this.#end) this.#parseFrom(this.#at)
    return this.#parsed === undefined
      ? json.read(bytes, record)
      : this.#parsed[2 * (this.#at - this.#first)]
  }

  #parseFrom(first: number): void {
    let length = 0
    let end = first
    room[length++] = 91 // [
    for (; end < this.#records.length && end < first + TOGETHER; end++) {
      const value = this.#records[end]?.value ?? NOTHING
      if (length + SEPARATOR.length + value.length >= room.length) break
      if (end > first) length += SEPARATOR.copy(room, length)
      length += value.copy(room, length)
    }
    room[length++] = 93 // ]
    this.#first = first
    // One that is too large is parsed alone.
    this.#end = Math.max(end, first + 1)
    this.#parsed = end > first ? parsed(room.toString('utf8', 0, length), end - first) : undefined
  }
}

/** Of a tombstone, which is not asked for. */
const NOTHING = Buffer.from('null')

/** What a text of so many records says; `undefined` when they are not that many. */
function parsed(text: string, count: number): readonly unknown[] | undefined {
  try {
    const values = JSON.parse(text) as unknown[]
    if (values.length !== 2 * count - 1) return undefined
    for (let at = 1; at < values.length; at += 2) if (values[at] !== BETWEEN) return undefined
    return values
  } catch {
    return undefined
  }
}
