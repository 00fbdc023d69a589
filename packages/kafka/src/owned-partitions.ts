import { Backoff, within } from './backoff.js'
import type { Changelog } from './changelog.js'
import { KafkaError, messageOf } from './errors.js'
import type { Assignment } from './kafka-client.js'
import type { Task } from './task.js'
import type { Units } from './units.js'

/** How long a stop waits for what asks the broker. */
const CLOSE_MS = 1_000

export interface OwnedPartitionsOptions {
  readonly units: () => Units | undefined
  /** Told that {@link OwnedPartitions.trouble} is another. */
  readonly onTrouble: () => void
}

/** The partitions that the group gave this gateway, and their state: restored before their records are taken, and kept. */
export class OwnedPartitions {
  /** Those that the group gave. */
  owned: readonly number[] = []
  /** Records that were read to restore state. */
  restored = 0
  readonly #options: OwnedPartitionsOptions
  readonly #ready = new Set<number>()
  #changelog: Changelog | undefined
  #signal: AbortSignal = AbortSignal.abort()
  #housekeeping: Promise<void> = Promise.resolve()
  /** By what fails, what is told of it. */
  readonly #troubles = new Map<number | 'copies', string>()

  constructor(options: OwnedPartitionsOptions) {
    this.#options = options
  }

  /** Begins a run. */
  open(changelog: Changelog, signal: AbortSignal): void {
    this.#changelog = changelog
    this.#signal = signal
    this.restored = 0
  }

  /** Those whose state is here. */
  get ready(): readonly number[] {
    return [...this.#ready].sort((a, b) => a - b)
  }

  /** What is tried again, and why; empty while all is well. */
  get trouble(): string {
    return [...this.#troubles.values()].join('; ')
  }

  /** The task of a partition that is ours. @throws KafkaError `NOT_OWNED`. */
  task(partition: number): { readonly units: Units; readonly task: Task } {
    const units = this.#options.units()
    if (units === undefined || !this.owned.includes(partition)) {
      throw new KafkaError('NOT_OWNED', `partition ${partition} is not here`, { partition })
    }
    return { units, task: units.task(partition) }
  }

  /** Has the state of a task's partition here. */
  async prepare(task: Task): Promise<void> {
    const { partition } = task
    const read = (await this.#changelog?.restore(partition)) ?? 0
    this.restored += read
    if (!task.isOwned) {
      // It went to somebody else while it was read.
      this.#changelog?.drop(partition)
      throw new KafkaError('FENCED', `partition ${partition} is somebody else's now`, { partition })
    }
    const kept = this.#changelog?.keptProgress(partition)
    if (kept !== undefined) task.adopt(kept)
    this.#ready.add(partition)
  }

  /** What the engine has done to a partition counts as not done. */
  undo(partition: number): void {
    this.#ready.delete(partition)
    this.#changelog?.drop(partition)
    void this.#makeReady(partition)
  }

  assigned(assignment: Assignment, gone: readonly number[]): void {
    this.owned = [...new Set(Object.values(assignment).flat())].sort((a, b) => a - b)
    for (const partition of gone) {
      this.#tell(partition, '')
      this.#ready.delete(partition)
      this.#changelog?.drop(partition)
    }
    for (const partition of this.owned) void this.#makeReady(partition)
  }

  /** Holds copies of these partitions of others. */
  standBy(partitions: readonly number[]): Promise<void> {
    return this.#keepHouse(async () => {
      await this.#changelog?.ready()
      // What has become ours is taken from its copy, once it can be.
      const held = this.#changelog?.copies.filter((each) => this.owned.includes(each)) ?? []
      const coming = held.filter((each) => !this.#ready.has(each))
      const others = partitions.filter((each) => !this.owned.includes(each))
      await this.#changelog?.follow([...others, ...coming])
    })
  }

  /** Commits what timers and others have changed outside of units. */
  async flush(): Promise<void> {
    const units = this.#options.units()
    for (const partition of this.#changelog?.changedPartitions ?? []) {
      if (!this.#ready.has(partition) || units === undefined) continue
      await units.run(units.task(partition), () => Promise.resolve()).catch(() => undefined)
    }
  }

  checkpoint(): Promise<void> {
    const units = this.#options.units()
    return this.#keepHouse(async () => {
      for (const partition of this.ready) {
        // It may have gone while the others were written.
        if (!this.#ready.has(partition)) continue
        await units?.task(partition).exclusively(async () => {
          if (this.#ready.has(partition)) await this.#changelog?.checkpoint(partition)
        })
      }
    })
  }

  /** Ends the run. */
  async close(): Promise<void> {
    await within(this.#housekeeping, CLOSE_MS)
    await this.#changelog?.close()
    this.owned = []
    this.#ready.clear()
    this.#troubles.clear()
  }

  /** Restores a partition at once, not only with its first record; tries again while it is ours. */
  async #makeReady(partition: number): Promise<void> {
    const units = this.#options.units()
    if (!this.owned.includes(partition)) return
    const task = units?.task(partition)
    const backoff = new Backoff()
    while (task?.isOwned === true && !this.#signal.aborted) {
      try {
        await task.exclusively(async () => units?.prepare(task))
        this.#tell(partition, '')
        return
      } catch (error) {
        if (!task.isOwned || this.#signal.aborted) return
        this.#tell(partition, `partition ${partition} is not restored yet: ${messageOf(error)}`)
        await backoff.wait(this.#signal)
      }
    }
  }

  /** Work on copies, one after the other; what fails is told, and tried again in time. */
  #keepHouse(work: () => Promise<void>): Promise<void> {
    this.#housekeeping = this.#housekeeping.then(work).then(
      () => this.#tell('copies', ''),
      (error: unknown) => this.#tell('copies', `copies of the state: ${messageOf(error)}`),
    )
    return this.#housekeeping
  }

  /** What fails now of this; nothing, when the text is empty. */
  #tell(what: number | 'copies', message: string): void {
    if ((this.#troubles.get(what) ?? '') === message) return
    if (message === '') this.#troubles.delete(what)
    else this.#troubles.set(what, message)
    this.#options.onTrouble()
  }
}
