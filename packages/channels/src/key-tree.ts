import type { Reader } from './paths.js'

/** What is kept by key: a map by the first value of the key, of maps by the second, and so on. Absent values count as null. */
export class KeyTree<V> {
  readonly #readers: readonly Reader[]
  readonly #last: Reader
  readonly #root = new Map<unknown, unknown>()

  constructor(readers: readonly Reader[]) {
    this.#readers = readers.slice(0, -1)
    this.#last = readers.at(-1) as Reader
  }

  /** What is there for the key of a record. */
  find(record: unknown): V | undefined {
    let level: Map<unknown, unknown> | undefined = this.#root
    for (const read of this.#readers) {
      level = level?.get(read(record) ?? null) as Map<unknown, unknown> | undefined
    }
    return level?.get(this.#last(record) ?? null) as V | undefined
  }

  /** What is there for a key, given by its values. */
  get(key: readonly unknown[]): V | undefined {
    let level: unknown = this.#root
    for (let i = 0; i <= this.#readers.length; i++) {
      level = (level as Map<unknown, unknown> | undefined)?.get(key[i] ?? null)
    }
    return level as V | undefined
  }

  /** Puts what was not there. */
  set(record: unknown, value: V): void {
    let level = this.#root
    for (const read of this.#readers) {
      const step = read(record) ?? null
      let next = level.get(step) as Map<unknown, unknown> | undefined
      if (next === undefined) {
        next = new Map()
        level.set(step, next)
      }
      level = next
    }
    level.set(this.#last(record) ?? null, value)
  }

  /** Takes out what is there for the key of a record, and the maps that it leaves empty. */
  delete(record: unknown): void {
    const levels: Map<unknown, unknown>[] = [this.#root]
    const steps = [...this.#readers, this.#last].map((read) => read(record) ?? null)
    for (const step of steps.slice(0, -1)) {
      levels.push((levels.at(-1) as Map<unknown, unknown>).get(step) as Map<unknown, unknown>)
    }
    for (let i = levels.length - 1; i >= 0; i--) {
      const level = levels[i] as Map<unknown, unknown>
      level.delete(steps[i])
      if (level.size > 0) return
    }
  }
}
