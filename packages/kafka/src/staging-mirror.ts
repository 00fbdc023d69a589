import {
  type ChannelInfo,
  type KeptStaging,
  type LiveChannels,
  originOf,
  type Stagings,
} from '@gw/channels'
import type { AnyChannels } from '@gw/protocol'
import { completed } from './completed.js'
import { type EntryRule, idOf } from './entry-rule.js'
import { javaPartitioner } from './partition-of-key.js'
import { KeyedStore, STAGINGS } from './store.js'

/** A staging as the store has it. */
interface Kept {
  /** They are numbered as they are opened. */
  readonly number: number
  /** By place; there is none where what was kept does not fit the contract. */
  readonly records: readonly unknown[]
}

/** A staged record as the store has it, and who staged it. */
type KeptRecord = readonly [record: unknown, origin?: string]

/**
 * The stagings of a channel as a store, so that they go to the changelog of the partition where they are held; what comes from there
 * are the stagings. A staging has an entry with its number, and one for the record at each place.
 */
export class StagingMirror {
  readonly channel: string
  readonly store: KeyedStore
  readonly stagings: Stagings
  /** Another number when the stagings have come from the changelog, or have gone. */
  restores = 0
  readonly #channels: LiveChannels<AnyChannels>
  readonly #partitions: () => number
  readonly #kept = new Map<string, Kept>()
  readonly #changed = new Set<string>()
  readonly #stop: () => void
  #opened = 0

  /** @param partitions how many there are, once that is known. */
  constructor(
    channels: LiveChannels<AnyChannels>,
    { name: channel, recordSchema }: ChannelInfo,
    partitions: () => number,
  ) {
    this.channel = channel
    this.store = new KeyedStore(`${STAGINGS}${channel}`, { rule: ruleOf(recordSchema) })
    this.stagings = channels.stagings(channel)
    this.#channels = channels
    this.#partitions = partitions
    this.#stop = channels.watchStage(channel as never, ({ stagingId }) => {
      this.#changed.add(stagingId)
    })
  }

  /** The partition where they are held, whatever the keys of records are spread by. */
  get home(): number {
    return javaPartitioner(this.channel, this.#partitions())
  }

  /** Has the stagings be those that the store holds of a partition. */
  restore(partition: number): void {
    if (partition !== this.home) return
    this.forget()
    const found = new Map<string, { number: number; readonly kept: KeptRecord[] }>()
    for (const [key, value] of this.store.of(partition)) {
      const [id, place] = placeOf(key)
      const staging = found.get(id) ?? { number: 0, kept: [] }
      found.set(id, staging)
      if (place === undefined) staging.number = value as number
      else staging.kept[place] = value as KeptRecord
    }
    const stagings: KeptStaging[] = []
    for (const [id, { number, kept }] of [...found].sort(([, a], [, b]) => a.number - b.number)) {
      this.#kept.set(id, { number, records: kept.map(([record]) => record) })
      this.#opened = number + 1
      // Leaves out places without a record.
      const all = kept.filter(() => true)
      stagings.push([id, all.map(([record]) => record), all.map(([, origin]) => origin)])
    }
    this.stagings.restore(stagings)
  }

  /** Has no stagings here. */
  forget(): void {
    this.restores++
    this.#kept.clear()
    this.#changed.clear()
    this.stagings.restore([])
  }

  /** Has the store hold what has changed: within a unit of the partition where they are held. */
  write(): void {
    for (const id of this.#changed) this.#write(id)
    this.#changed.clear()
  }

  stop(): void {
    this.#stop()
  }

  #write(id: string): void {
    const before = this.#kept.get(id)
    const records = this.#channels.stageLookup(this.channel as never, id)[id] as
      | readonly unknown[]
      | undefined
    const count = records?.length ?? 0
    for (let place = count; place < (before?.records.length ?? 0); place++) {
      this.store.delete(keyOf(id, place))
    }
    if (records === undefined) {
      if (before !== undefined) this.store.delete(keyOf(id))
      this.#kept.delete(id)
      return
    }
    const number = before?.number ?? this.#opened++
    if (before === undefined) this.store.set(keyOf(id), number)
    records.forEach((record, place) => {
      if (before?.records[place] === record) return
      const origin = originOf(record)
      const kept: KeptRecord = origin === undefined ? [record] : [record, origin]
      this.store.set(keyOf(id, place), kept)
    })
    this.#kept.set(id, { number, records })
  }
}

/** Entries are records of the channel with their origins, or numbers. */
function ruleOf(recordSchema: ChannelInfo['recordSchema']): EntryRule {
  return {
    id: idOf(recordSchema, 'with origins'),
    complete: (key, value) => {
      const [, place] = placeOf(key)
      if (place === undefined) return value
      if (!Array.isArray(value)) throw new Error('it is no staged record with its origin')
      const [record, ...origin] = value as unknown as KeptRecord
      return [completed(recordSchema, record), ...origin]
    },
  }
}

function placeOf(key: string): readonly [id: string, place?: number] {
  return JSON.parse(key) as [id: string, place?: number]
}

function keyOf(id: string, place?: number): string {
  return JSON.stringify(place === undefined ? [id] : [id, place])
}
