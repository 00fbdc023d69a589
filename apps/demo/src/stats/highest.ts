/**
 * The key with the highest of many values that change one at a time. O(1) where the highest does not go down,
 * else one walk over the keys. Of equal values the one that was there first stays.
 */
export class Highest {
  key: string | null = null
  value: number | null = null
  readonly #values = new Map<string, number>()

  set(key: string, value: number): void {
    this.#values.set(key, value)
    if (this.value === null || value > this.value) {
      this.key = key
      this.value = value
    } else if (key === this.key && value < this.value) {
      this.#search()
    }
  }

  #search(): void {
    this.value = Number.NEGATIVE_INFINITY
    for (const [key, value] of this.#values) {
      if (value > this.value) {
        this.key = key
        this.value = value
      }
    }
  }
}
