/** Has what is done at some places begin in the order in which it was asked for, however long each takes to be ready. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Does `work` when `ready` is fulfilled, and what was asked for before at these places has begun, or failed to. */
  async take<R, T>(
    places: readonly string[],
    ready: Promise<R>,
    work: (ready: R) => Promise<T>,
  ): Promise<T> {
    // It may fail while others are waited for, which is told afterwards.
    ready.catch(() => undefined)
    const before = places.map((place) => this.#last.get(place))
    const begun = (async () => {
      await Promise.allSettled(before)
      const done = work(await ready)
      return { done }
    })()
    for (const place of places) this.#last.set(place, begun)
    try {
      return await (await begun).done
    } finally {
      for (const place of places) {
        if (this.#last.get(place) === begun) this.#last.delete(place)
      }
    }
  }
}
