import type { Duration, Timestamp } from '@gw/core'

const LOWEST = -2_048
const HIGHEST = 8_191

/**
 * Delays, in whole minutes, of the half-open span of time `(now - span, now]`: count, mean and median, exact.
 * A histogram by minute holds the window; the median is a place in it that moves by little at each change, so a
 * departure costs O(1) amortised. Delays beyond -2,048 or 8,191 minutes count as these.
 */
export class DelayWindow {
  readonly #span: Duration
  /** Ring of the departures in the window; grows to the most that were ever in it. */
  #times = new Float64Array(1_024)
  #delays = new Int16Array(1_024)
  #first = 0
  #count = 0
  #sum = 0
  readonly #histogram = new Int32Array(HIGHEST - LOWEST + 1)
  /** Bucket of the lower median, and how many delays lie in the buckets before it. */
  #middle = 0
  #before = 0

  constructor(span: Duration) {
    this.#span = span
  }

  get count(): number {
    return this.#count
  }

  get mean(): number {
    return this.#sum / this.#count
  }

  /** Middle delay; of an even number of them, the mean of the two in the middle. */
  get median(): number {
    const rank = (this.#count - 1) >> 1
    this.#moveMiddleTo(rank)
    const low = this.#middle + LOWEST
    if (this.#count % 2 === 1) return low
    const inBucket = this.#histogram[this.#middle] as number
    if (rank + 1 < this.#before + inBucket) return low
    let next = this.#middle + 1
    while (this.#histogram[next] === 0) next++
    return (low + next + LOWEST) / 2
  }

  /** Takes in a departure and lets go of those that have left the window. */
  add(time: Timestamp, delay: number): void {
    this.#expire(time)
    const value = Math.min(Math.max(delay, LOWEST), HIGHEST)
    if (this.#count === this.#times.length) this.#grow()
    const at = (this.#first + this.#count) & (this.#times.length - 1)
    this.#times[at] = time
    this.#delays[at] = value
    this.#count++
    this.#sum += value
    this.#change(value, 1)
  }

  #expire(now: Timestamp): void {
    const oldest = now - this.#span
    while (this.#count > 0 && (this.#times[this.#first] as number) <= oldest) {
      const value = this.#delays[this.#first] as number
      this.#first = (this.#first + 1) & (this.#times.length - 1)
      this.#count--
      this.#sum -= value
      this.#change(value, -1)
    }
  }

  #change(value: number, by: 1 | -1): void {
    const bucket = value - LOWEST
    this.#histogram[bucket] = (this.#histogram[bucket] as number) + by
    if (bucket < this.#middle) this.#before += by
  }

  #moveMiddleTo(rank: number): void {
    const histogram = this.#histogram
    while (this.#before > rank) this.#before -= histogram[--this.#middle] as number
    while (this.#before + (histogram[this.#middle] as number) <= rank) {
      this.#before += histogram[this.#middle++] as number
    }
  }

  #grow(): void {
    const { length } = this.#times
    const times = new Float64Array(length * 2)
    const delays = new Int16Array(length * 2)
    for (let i = 0; i < this.#count; i++) {
      const from = (this.#first + i) & (length - 1)
      times[i] = this.#times[from] as number
      delays[i] = this.#delays[from] as number
    }
    this.#times = times
    this.#delays = delays
    this.#first = 0
  }
}
