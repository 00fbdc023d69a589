/** What calls have answered of late, by their ids, the oldest first: beyond a bound the oldest are forgotten. */
export class KnownAnswers<T> {
  readonly #limits: { readonly maxIds: number; readonly maxBytes: number }
  readonly #known = new Map<string, { readonly answer: T; readonly bytes: number }>()
  #bytes = 0

  constructor(limits: { readonly maxIds: number; readonly maxBytes: number }) {
    this.#limits = limits
  }

  find(id: string): T | undefined {
    return this.#known.get(id)?.answer
  }

  add(id: string, answer: T): void {
    const bytes = id.length + JSON.stringify(answer).length
    this.#known.set(id, { answer, bytes })
    this.#bytes += bytes
    const { maxIds, maxBytes } = this.#limits
    for (const [oldest, { bytes }] of this.#known) {
      if (this.#known.size <= maxIds && this.#bytes <= maxBytes) return
      this.#known.delete(oldest)
      this.#bytes -= bytes
    }
  }
}
