/** Commits of one partition, behind the work on its records: one at a time, each with the newest offset. */
export class OffsetCommits {
  readonly #commit: (next: string) => Promise<void>
  #next: string | undefined
  #running: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(commit: (next: string) => Promise<void>) {
    this.#commit = commit
  }

  /** What comes before `next` is done. @throws what an earlier commit failed with. */
  add(next: string): void {
    if (this.#failure !== undefined) throw this.#failure.error
    this.#next = next
    this.#running ??= this.#run()
  }

  /** Fulfilled when all is committed; rejected with what a commit failed with. */
  async settled(): Promise<void> {
    await this.#running
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #run(): Promise<void> {
    try {
      while (this.#next !== undefined) {
        const next = this.#next
        this.#next = undefined
        await this.#commit(next)
      }
    } catch (error) {
      this.#failure = { error }
    }
    this.#running = undefined
  }
}
