import type { ClusterMember } from './cluster-members.js'
import type { TickStream } from './tick-stream.js'

/** Gateways that are gone, and may come back: what they are heard from on then is remembered of so many. */
const MAX_GONE = 100

/** The ticks of a channel from each of the other gateways. One that goes and comes back goes on where it was: each tick comes once. */
export class MemberStreams {
  readonly #newStream: (member: ClusterMember) => TickStream
  readonly #streams = new Map<string, TickStream>()
  readonly #gone = new Map<string, TickStream>()

  constructor(newStream: (member: ClusterMember) => TickStream) {
    this.#newStream = newStream
  }

  /** These are the other gateways now. */
  follow(members: readonly ClusterMember[]): void {
    const ids = new Set(members.map(({ id }) => id))
    for (const [id, stream] of this.#streams) {
      if (ids.has(id)) continue
      stream.close()
      this.#streams.delete(id)
      this.#gone.set(id, stream)
    }
    for (const member of members) {
      const { id, address } = member
      if (this.#streams.has(id)) continue
      const stream = this.#gone.get(id)
      stream?.reopen(address)
      this.#gone.delete(id)
      this.#streams.set(id, stream ?? this.#newStream(member))
    }
    for (const id of this.#gone.keys()) {
      if (this.#gone.size <= MAX_GONE) break
      this.#gone.delete(id)
    }
  }

  get(id: string): TickStream | undefined {
    return this.#streams.get(id)
  }

  values(): IterableIterator<TickStream> {
    return this.#streams.values()
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.close()
    this.#streams.clear()
    this.#gone.clear()
  }
}
