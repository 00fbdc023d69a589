/**
 * Commits of one partition, behind the work on its records: now and then, one at a time, each with the newest offset, and in
 * the end what is left.
 */
export class OffsetCommits {
  readonly #commit: (next: string) => Promise<void>
  readonly #everyMs: number
  #lastMs = performance.now()
  #next: string | undefined
  #running: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(commit: (next: string) => Promise<void>, everyMs: number) {
    this.#commit = commit
    this.#everyMs = everyMs
  }

  /** What comes before `next` is done. @throws what an earlier commit failed with. */
  add(next: string): void {
    if (this.#failure !== undefined) throw this.#failure.error
    this.#next = next
    if (performance.now() - this.#lastMs >= this.#everyMs) this.#running ??= this.#run()
  }

  /** Fulfilled when all is committed; rejected with what a commit failed with. */
  async settled(): Promise<void> {
    if (this.#failure === undefined) this.#running ??= this.#run()
    await this.#running
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #run(): Promise<void> {
    try {
      while (this.#next !== undefined) {
        const next = this.#next
        this.#next = undefined
        this.#lastMs = performance.now()
        await this.#commit(next)
      }
    } catch (error) {
      this.#failure = { error }
    }
    this.#running = undefined
  }
}
