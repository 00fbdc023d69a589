import { KafkaError } from './errors.js'
import type { Intake } from './intake.js'
import type { Assignment, KafkaRecord, ReceivedRecord } from './kafka-client.js'
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
  /** Called when a unit was not committed although the engine has taken it. */
  readonly undo?: (task: Task) => void
}

const ALIVE = (): Promise<void> => Promise.resolve()

/** What is committed together. */
interface Unit {
  /** What the graph made between units, before this one: should it fail, the next takes that along. */
  readonly held: readonly KafkaRecord[]
  made: readonly KafkaRecord[]
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
      await this.#commit(task, await this.#make(task, work), new Map())
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
    const progress = await task.progressAt(topic, (records[0] as ReceivedRecord).offset)
    await this.prepare(task)
    const next = progress.offsets.get(topic)
    const fresh =
      next === undefined ? records : records.filter(({ offset }) => BigInt(offset) >= next)
    const last = fresh.at(-1)
    if (last === undefined) return
    const unit = await this.#make(task, async () => {
      await this.#options.intake.take(fresh, ALIVE)
    })
    await this.#commit(task, unit, new Map([[topic, behind ?? BigInt(last.offset) + 1n]]))
  }

  #make(task: Task, work: () => Promise<void>): Promise<Unit> {
    return this.#options.intake
      .alone(async () => {
        const unit: Unit = { held: this.#held, made: [] }
        const made: KafkaRecord[] = []
        this.#held = []
        this.#made = made
        try {
          // The state of a partition that has gone meanwhile is gone: what is made of none counts for nothing.
          task.checkOwned()
          this.#options.begin?.(task)
          await work()
          task.checkOwned()
          unit.made = [...made, ...(this.#options.finish?.(task) ?? [])]
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

  async #commit(task: Task, unit: Unit, consumed: ReadonlyMap<string, bigint>): Promise<void> {
    try {
      const records = [...unit.held, ...unit.made]
      if (records.length > 0 || consumed.size > 0) await task.commit(records, consumed)
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
