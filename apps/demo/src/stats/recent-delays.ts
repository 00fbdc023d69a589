/**
 * The last few delays of an airport, in whole minutes: their sum and any quantile, exact after any number of
 * departures, since nothing is accumulated in floating point. O(capacity) a departure, over two small typed arrays.
 */
export class RecentDelays {
  #count = 0
  #sum = 0
  #next = 0
  readonly #ring: Int32Array
  readonly #sorted: Int32Array

  constructor(capacity: number) {
    this.#ring = new Int32Array(capacity)
    this.#sorted = new Int32Array(capacity)
  }

  get count(): number {
    return this.#count
  }

  get mean(): number {
    return this.#sum / this.#count
  }

  add(delay: number): void {
    const ring = this.#ring
    const sorted = this.#sorted
    const at = this.#next
    this.#next = at + 1 === ring.length ? 0 : at + 1
    // The place that the new delay takes starts where the oldest was, or at the end, and moves to where it belongs.
    let place = this.#count
    if (this.#count === ring.length) {
      const oldest = ring[at] as number
      this.#sum -= oldest
      place = this.#indexOf(oldest)
    } else {
      this.#count++
    }
    ring[at] = delay
    this.#sum += delay
    while (place > 0 && (sorted[place - 1] as number) > delay) {
      sorted[place] = sorted[place - 1] as number
      place--
    }
    while (place + 1 < this.#count && (sorted[place + 1] as number) < delay) {
      sorted[place] = sorted[place + 1] as number
      place++
    }
    sorted[place] = delay
  }

  /** Quantile by linear interpolation between ranks: position q x (n - 1) of the sorted delays. */
  quantile(q: number): number {
    const position = q * (this.#count - 1)
    const below = Math.floor(position)
    const low = this.#sorted[below] as number
    if (below === position) return low
    return low + (position - below) * ((this.#sorted[below + 1] as number) - low)
  }

  #indexOf(delay: number): number {
    let low = 0
    let high = this.#count - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#sorted[middle] as number) < delay) low = middle + 1
      else high = middle
    }
    return low
  }
}
