/** A queue of numbers: first in, first out, at the same cost however long it is. */
export class Fifo {
  #items: number[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  get last(): number | undefined {
    return this.length === 0 ? undefined : this.#items.at(-1)
  }

  push(item: number): void {
    this.#items.push(item)
  }

  /** Takes the first one out, of those that are there. */
  shift(): number {
    const first = this.#items[this.#head++] as number
    // Giving the room back costs as much as taking what it held did.
    if (this.#head > 32 && 2 * this.#head > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return first
  }

  *[Symbol.iterator](): Iterator<number> {
    for (let i = this.#head; i < this.#items.length; i++) yield this.#items[i] as number
  }
}
