import { randomUUID } from 'node:crypto'
import { Backoff, within } from './backoff.js'
import { KafkaError, messageOf } from './errors.js'
import type { Assignment, KafkaRecord, KafkaTransactor, Progress } from './kafka-client.js'

export interface TaskOptions {
  readonly partition: number
  readonly transactor: KafkaTransactor
  readonly signal: AbortSignal
  /** Whether the transactor commits offsets, so that they tell whether a unit was committed. */
  readonly isExact: boolean
  /** Told what a committed unit has produced; `undefined` when that is not known. */
  readonly onCommitted?: (produced: ReadonlyMap<string, bigint> | undefined) => void
  /** Told what fails while it is tried again, and `''` when it works again. */
  readonly onTrouble: (message: string) => void
}

/**
 * The work on the partitions of one number: what is consumed there, and what is produced for it, is committed together, one unit
 * after the other. A unit is committed only if the group stands where the unit begins, with the mark of the unit before it, which
 * is checked when the transactor has been opened and nobody else can move the group any more: so each record counts once, whoever
 * believes to own the partition.
 */
export class Task {
  readonly partition: number
  /** False when the group gave the partition to somebody else: its state here is gone then. */
  isOwned = true
  /** Whether its state is here, as the group's progress has it. */
  isPrepared = false
  readonly #options: TaskOptions
  readonly #backoff = new Backoff()
  #progress: Progress | undefined
  #isOpen = false
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: TaskOptions) {
    this.partition = options.partition
    this.#options = options
  }

  /** Runs `work` when what was asked before is done. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work)
    this.#last = done.catch(() => undefined)
    return done
  }

  /** How far the group has come here; others can change it no more. Tries until it knows. @throws KafkaError `FENCED`, `CLOSED`. */
  async progress(): Promise<Progress> {
    for (;;) {
      if (this.#progress !== undefined && this.#isOpen) return this.#progress
      await this.#try(async () => {
        const now = await this.#open()
        const { isExact } = this.#options
        // Others may have worked on it meanwhile; at least once, nothing tells.
        if (!isExact || this.#progress === undefined || !isSame(now, this.#progress)) {
          this.isPrepared = false
        }
        this.#progress = now
      })
    }
  }

  /**
   * Asks the group again when records of a topic, from an offset on, count as taken: they may be of a topic that was made anew, and
   * the group knows nothing of it, or was set back.
   */
  async askAgain(topic: string, offset: string): Promise<void> {
    const known = await this.progress()
    const next = known.offsets.get(topic)
    if (next === undefined || BigInt(offset) >= next) return
    this.#isOpen = false
    const now = await this.progress()
    // Who consumes commits a moment later than what it has taken.
    if (!this.#options.isExact && now.offsets.has(topic)) this.#progress = known
  }

  /** Goes on from where the state here is, when the group stands before that: a broker that was started anew may have lost a commit. */
  adopt(kept: Progress): void {
    const group = this.#progress
    // Without a mark, the group was set to where it stands by hand, or its topic was made anew.
    if (group === undefined || group.mark === '' || group.mark === kept.mark) return
    const isBehind = [...group.offsets].every(
      ([topic, offset]) => offset <= (kept.offsets.get(topic) ?? -1n),
    )
    if (isBehind) this.#progress = kept
  }

  /** How far the group will have come when a unit is committed that begins now. */
  progressAfter(consumed: ReadonlyMap<string, bigint>): Progress {
    const { offsets } = this.#known
    return { offsets: new Map([...offsets, ...consumed]), mark: randomUUID() }
  }

  /**
   * Commits a unit that began at {@link progress}: tries until it is committed.
   * @throws KafkaError `FENCED` when the group has moved on without us: what the unit did counts as not done; `CLOSED`.
   */
  async commit(records: readonly KafkaRecord[], after: Progress): Promise<void> {
    const { isExact, transactor, onCommitted } = this.#options
    // Where the unit began, whatever has become of the group meanwhile.
    const before = this.#known
    const isMarked = isExact && after.offsets.size > 0
    let isDone = false
    let isOvertaken = false
    while (!isDone) {
      await this.#try(async () => {
        if (!this.#isOpen) {
          const now = await this.#open()
          if (isMarked && now.mark === after.mark) {
            // It had been committed; only the answer was lost.
            this.#progress = now
            isDone = true
            onCommitted?.(undefined)
            return
          }
          if (!isMarked || !isSame(now, before)) {
            this.#progress = now
            isDone = true
            isOvertaken = true
            return
          }
        }
        const produced = await transactor.commit(records, after)
        this.#progress = after
        isDone = true
        onCommitted?.(produced)
      })
    }
    // What was committed without a mark may be our own: then its records come again.
    if (isOvertaken) throw this.#fenced('another member may have worked on it meanwhile')
  }

  /** @throws KafkaError `FENCED` when the partition, and its state with it, has gone to somebody else. */
  checkOwned(): void {
    if (!this.isOwned) throw this.#fenced('the group gave it away')
  }

  /** Forgets what it knows: the group may have moved. */
  reset(): void {
    this.#progress = undefined
    this.#isOpen = false
  }

  /** Ends when its work is done, or after so many milliseconds: then what it was about to commit is given up. */
  async close(timeoutMs: number = Number.POSITIVE_INFINITY): Promise<void> {
    if (timeoutMs === Number.POSITIVE_INFINITY) await this.#last
    else await within(this.#last, timeoutMs)
    await this.#options.transactor.close()
  }

  get #known(): Progress {
    if (this.#progress === undefined) throw this.#fenced('it was not opened for this unit')
    return this.#progress
  }

  async #open(): Promise<Progress> {
    const progress = await this.#options.transactor.open()
    this.#isOpen = true
    return progress
  }

  async #try(work: () => Promise<void>): Promise<void> {
    const { signal, onTrouble } = this.#options
    try {
      await work()
      this.#backoff.reset()
      onTrouble('')
    } catch (error) {
      this.#isOpen = false
      if (error instanceof KafkaError && error.code === 'FENCED') throw error
      if (!this.isOwned) throw this.#fenced(messageOf(error))
      if (signal.aborted) throw new KafkaError('CLOSED', 'the Kafka module is stopped')
      onTrouble(`partition ${this.partition}: ${messageOf(error)}`)
      await this.#backoff.wait(signal)
      if (signal.aborted) throw new KafkaError('CLOSED', 'the Kafka module is stopped')
    }
  }

  #fenced(why: string): KafkaError {
    return new KafkaError('FENCED', `partition ${this.partition} is somebody else's now: ${why}`, {
      partition: this.partition,
    })
  }
}

/** The tasks of the partitions that this member was given. */
export class Tasks {
  readonly #newTask: (partition: number) => Task
  readonly #tasks = new Map<number, Task>()
  /** Tasks that went to others and still end: who gets the partition back here waits for that. */
  readonly #ending = new Map<number, Promise<void>>()
  /** Partitions that the group gave; `undefined` before it has given any. */
  #given: ReadonlySet<number> | undefined

  constructor(newTask: (partition: number) => Task) {
    this.#newTask = newTask
  }

  /** @throws KafkaError `FENCED` for a partition that the group gave to somebody else: a new task would disturb its owner. */
  of(partition: number): Task {
    let task = this.#tasks.get(partition)
    if (task === undefined) {
      if (this.#given?.has(partition) === false) {
        throw new KafkaError('FENCED', `partition ${partition} is somebody else's now`, {
          partition,
        })
      }
      task = this.#newTask(partition)
      this.#tasks.set(partition, task)
      const ending = this.#ending.get(partition)
      if (ending !== undefined) void task.exclusively(() => ending)
    }
    return task
  }

  /** Tasks of partitions that went to others are ended. @returns their partitions. */
  assigned(assignment: Assignment): readonly number[] {
    const mine = new Set(Object.values(assignment).flat())
    this.#given = mine
    const gone = [...this.#tasks.values()].filter(({ partition }) => !mine.has(partition))
    for (const task of gone) {
      task.isOwned = false
      this.#tasks.delete(task.partition)
      const { partition } = task
      const ending = task.close().finally(() => {
        if (this.#ending.get(partition) === ending) this.#ending.delete(partition)
      })
      this.#ending.set(partition, ending)
    }
    return gone.map(({ partition }) => partition)
  }

  async close(timeoutMs: number): Promise<void> {
    const tasks = [...this.#tasks.values()]
    this.#tasks.clear()
    await Promise.all(tasks.map((task) => task.close(timeoutMs)))
  }
}

function isSame(a: Progress, b: Progress): boolean {
  return (
    a.mark === b.mark &&
    a.offsets.size === b.offsets.size &&
    [...a.offsets].every(([topic, offset]) => b.offsets.get(topic) === offset)
  )
}
