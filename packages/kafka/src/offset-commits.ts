import type { Assignment } from './kafka-client.js'

/** How far a partition has been taken: the offset of what comes next. */
export interface Taken {
  readonly topic: string
  readonly partition: number
  readonly offset: string
}

/** Commits that have failed for so long are no matter of a moment any more. */
const FAILING_MS = 5_000

/**
 * What a member of a group has taken, and Kafka does not know of yet: it is committed now and then, beside the reading, and at once
 * before partitions go to somebody else.
 */
export class OffsetCommits {
  readonly #commit: (taken: readonly Taken[]) => Promise<void>
  readonly #everyMs: number
  /** By topic and partition, until it is committed. */
  readonly #taken = new Map<string, Taken>()
  #assigned = new Set<string>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #underWay = 0
  #failing: { readonly sinceMs: number; readonly error: unknown } | undefined

  constructor(commit: (taken: readonly Taken[]) => Promise<void>, everyMs: number) {
    this.#commit = commit
    this.#everyMs = everyMs
  }

  /**
   * The group gave this member these partitions. Of others nothing is committed any more: whoever has them has gone on.
   * @returns what is not committed of those that it kept.
   */
  assigned(assignment: Assignment): readonly Taken[] {
    this.#assigned = new Set(
      Object.entries(assignment).flatMap(([topic, partitions]) =>
        partitions.map((partition) => nameOf({ topic, partition })),
      ),
    )
    this.#failing = undefined
    for (const name of this.#taken.keys()) if (!this.#assigned.has(name)) this.#taken.delete(name)
    return [...this.#taken.values()]
  }

  /** What comes before is done. @throws what the commits of the last seconds failed with. */
  add(taken: Taken): void {
    const name = nameOf(taken)
    if (this.#assigned.has(name)) this.#taken.set(name, taken)
    this.#commitLater()
    if (this.#failing === undefined) return
    const { sinceMs, error } = this.#failing
    if (performance.now() - sinceMs > FAILING_MS) throw error
  }

  /** Commits what is not committed, at once. @throws what Kafka says; it stays to be committed. */
  async flush(): Promise<void> {
    const taken = [...this.#taken]
    if (taken.length === 0) return
    this.#underWay++
    try {
      await this.#commit(taken.map(([, one]) => one))
      this.#failing = undefined
      for (const [name, one] of taken) if (this.#taken.get(name) === one) this.#taken.delete(name)
    } catch (error) {
      this.#failing ??= { sinceMs: performance.now(), error }
      throw error
    } finally {
      this.#underWay--
    }
  }

  #commitLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      if (this.#taken.size === 0) return
      if (this.#underWay > 0) this.#commitLater()
      else this.flush().catch(() => this.#commitLater())
    }, this.#everyMs)
  }
}

function nameOf({ topic, partition }: Pick<Taken, 'topic' | 'partition'>): string {
  return `${topic}/${partition}`
}
