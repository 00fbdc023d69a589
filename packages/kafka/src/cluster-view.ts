import { pause } from './backoff.js'
import { type ClusterMember, membersOf } from './cluster-members.js'
import type { GroupMember } from './kafka-client.js'

const LOOK_MS = 250
const MAX_LOOKS = 20

export interface ClusterViewOptions {
  /** This gateway. */
  readonly id: string
  /** Gateways that hold a copy of each partition. */
  readonly standbys: number
  /** Who is in the group, as the broker knows. */
  readonly group: () => Promise<readonly GroupMember[]>
  /** The partitions that the group gave this gateway. */
  readonly owned: () => readonly number[]
  readonly signal: () => AbortSignal
  /** Told of what was seen. */
  readonly onSeen: (others: readonly ClusterMember[], me: ClusterMember) => void
}

/** Who is in the cluster, and who has what, as this gateway sees it. */
export class ClusterView {
  members: readonly ClusterMember[] = []
  readonly #options: ClusterViewOptions
  #looking: Promise<void> | undefined

  constructor(options: ClusterViewOptions) {
    this.#options = options
  }

  /** Asks who has what, until everybody has been given something to do; who asks meanwhile is told with the rest. */
  look(): Promise<void> {
    this.#looking ??= this.#lookAnew().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #lookAnew(): Promise<void> {
    const { id, standbys, group, owned, onSeen } = this.#options
    const signal = this.#options.signal()
    for (let looks = 0; looks < MAX_LOOKS && !signal.aborted; looks++) {
      try {
        const members = membersOf(await group(), standbys)
        const me = members.find((member) => member.id === id)
        if (me !== undefined && String(me.owns) === String(owned())) {
          if (signal.aborted) return
          this.members = members
          onSeen(
            members.filter((member) => member !== me),
            me,
          )
          return
        }
      } catch {
        // The broker is not there, or the group is changing.
      }
      await pause(LOOK_MS, signal)
    }
  }
}
