import { KafkaError } from './errors.js'
import type { Intake } from './intake.js'
import type { Assignment, KafkaRecord, Progress, ReceivedRecord } from './kafka-client.js'
import { type Task, Tasks } from './task.js'

export interface UnitsOptions {
  readonly intake: Intake
  readonly newTask: (partition: number) => Task
  /** Sends what is made of no record: of timers, or of sends. */
  readonly sendLoose: (record: KafkaRecord) => void
  /** Called before the first record of a task is taken, and again after it was fenced. */
  readonly prepare?: (task: Task) => Promise<void>
  /** Called before the engine is given the records of a unit. */
  readonly begin?: (task: Task) => void
  /** Called when the engine has run the records of a unit. @returns what is committed with it. */
  readonly finish?: (task: Task) => readonly KafkaRecord[]
  /** Called when there is something to commit. @returns what keeps, with the state, how far the group will have come. */
  readonly keep?: (task: Task, after: Progress) => readonly KafkaRecord[]
  /** Called when a unit was not committed although the engine has taken it. */
  readonly undo?: (task: Task) => void
}

const ALIVE = (): Promise<void> => Promise.resolve()

/** What is committed together. */
interface Unit {
  /** What the graph made between units, before this one: should it fail, the next takes that along. */
  readonly held: readonly KafkaRecord[]
  readonly consumed: ReadonlyMap<string, bigint>
  made: readonly KafkaRecord[]
  /** How far the group has come with it; `undefined` when there is nothing to commit. */
  after: Progress | undefined
}

/**
 * Units of work: the records that one partition gave, and all that the graph made of them in its cycles, are committed in one
 * transaction. One unit has the engine at a time; the commits of different partitions overlap.
 */
export class Units {
  readonly #options: UnitsOptions
  readonly #tasks: Tasks
  /** What the graph made since the present unit began. */
  #made: KafkaRecord[] | undefined
  /** What it made between units while one is not committed: it comes after that, so the next unit takes it along. */
  #held: KafkaRecord[] = []
  #committing = 0
  /** Whether a stop has cut off a unit while the engine ran its records: what comes of the rest is of no unit. */
  #isGivenUp = false
  /** Records of units that are under way. */
  uncommitted = 0

  constructor(options: UnitsOptions) {
    this.#options = options
    this.#tasks = new Tasks(options.newTask)
  }

  /** Takes a record that the graph has made. */
  send(record: KafkaRecord): void {
    if (this.#isGivenUp) return
    if (this.#made !== undefined) this.#made.push(record)
    else if (this.#committing > 0) this.#held.push(record)
    else this.#options.sendLoose(record)
  }

  /** What waits to be committed. */
  get pending(): number {
    return (this.#made?.length ?? 0) + this.#held.length
  }

  /** Fulfilled when the records are committed, with all that was made of them. Those that are committed already are left out. */
  async take(
    records: readonly ReceivedRecord[],
    alive: () => Promise<void>,
    next?: bigint,
  ): Promise<void> {
    const [first] = records
    if (first === undefined) return
    const task = this.#tasks.of(first.partition)
    const done = task.exclusively(() => this.#take(task, first.topic, records, next))
    this.uncommitted += records.length
    const settled = (): void => {
      this.uncommitted -= records.length
    }
    done.then(settled, settled)
    await this.#options.intake.during(done, alive)
  }

  /** The group gave this member these partitions. @returns those that it has no more. */
  assigned(assignment: Assignment): readonly number[] {
    return this.#tasks.assigned(assignment)
  }

  /** The task of a partition, to work on it beside its records. */
  task(partition: number): Task {
    return this.#tasks.of(partition)
  }

  /** What is known of how far the group has come on a partition counts for nothing. */
  begunAnew(partition: number): Promise<void> {
    const task = this.#tasks.of(partition)
    return task.exclusively(() => Promise.resolve(task.reset()))
  }

  /** Makes a task ready, unless it is. */
  async prepare(task: Task): Promise<void> {
    await task.progress()
    task.checkOwned()
    if (task.isPrepared) return
    await this.#options.prepare?.(task)
    task.isPrepared = true
  }

  /** Ends within a bound. */
  close(timeoutMs: number): Promise<void> {
    return this.#tasks.close(timeoutMs)
  }

  /** Runs what `work` does to the engine as a unit of a task, without consuming anything. */
  run(task: Task, work: () => Promise<void>): Promise<void> {
    return task.exclusively(async () => {
      await this.prepare(task)
      await this.#commit(task, await this.#make(task, new Map(), work))
    })
  }

  /** Fulfilled when the engine has run what it was given: for work of a unit that does not wait for it itself. */
  idle(): Promise<void> {
    return this.#options.intake.idle()
  }

  async #take(
    task: Task,
    topic: string,
    records: readonly ReceivedRecord[],
    behind?: bigint,
  ): Promise<void> {
    await task.askAgain(topic, (records[0] as ReceivedRecord).offset)
    await this.prepare(task)
    const next = (await task.progress()).offsets.get(topic)
    const fresh =
      next === undefined ? records : records.filter(({ offset }) => BigInt(offset) >= next)
    const last = fresh.at(-1)
    if (last === undefined) return
    const consumed = new Map([[topic, behind ?? BigInt(last.offset) + 1n]])
    const unit = await this.#make(task, consumed, async () => {
      await this.#options.intake.take(fresh, ALIVE)
    })
    await this.#commit(task, unit)
  }

  #make(
    task: Task,
    consumed: ReadonlyMap<string, bigint>,
    work: () => Promise<void>,
  ): Promise<Unit> {
    return this.#options.intake
      .alone(async () => {
        const unit: Unit = { held: this.#held, consumed, made: [], after: undefined }
        const made: KafkaRecord[] = []
        this.#held = []
        this.#made = made
        try {
          // The state of a partition that has gone meanwhile is gone: what is made of none counts for nothing.
          task.checkOwned()
          this.#options.begin?.(task)
          await work()
          task.checkOwned()
          this.#finish(task, unit, made)
          return unit
        } catch (error) {
          if (error instanceof KafkaError && error.code === 'CLOSED') this.#isGivenUp = true
          this.#undo(task, unit)
          throw error
        } finally {
          this.#committing++
          this.#made = undefined
        }
      })
      .catch((error: unknown) => {
        this.#committed()
        throw error
      })
  }

  #finish(task: Task, unit: Unit, made: readonly KafkaRecord[]): void {
    const { finish, keep } = this.#options
    unit.made = [...made, ...(finish?.(task) ?? [])]
    if (unit.consumed.size + unit.held.length + unit.made.length === 0) return
    unit.after = task.progressAfter(unit.consumed)
    unit.made = [...unit.made, ...(keep?.(task, unit.after) ?? [])]
  }

  async #commit(task: Task, unit: Unit): Promise<void> {
    try {
      const { held, made, after } = unit
      if (after !== undefined) await task.commit([...held, ...made], after)
    } catch (error) {
      this.#undo(task, unit)
      throw error
    } finally {
      this.#committed()
    }
  }

  #undo(task: Task, { held }: Unit): void {
    this.#held = [...held, ...this.#held]
    task.isPrepared = false
    this.#options.undo?.(task)
  }

  #committed(): void {
    if (--this.#committing > 0) return
    for (const record of this.#held.splice(0)) this.#options.sendLoose(record)
  }
}
