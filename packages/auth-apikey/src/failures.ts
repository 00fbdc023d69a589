/** Bounds of failed attempts. */
export interface FailureLimits {
  /** Wrong keys in a minute, from one address or for one key id; more are refused unseen. @defaultValue 60 */
  readonly perMinute?: number
  /** Addresses and ids that are remembered; the one that was quiet longest goes. @defaultValue 10_000 */
  readonly maxRemembered?: number
}

interface Bucket {
  left: number
  atMs: number
}

/** Counts failed attempts by a name, such as an address: so many a minute, refilled bit by bit. */
export class Failures {
  readonly #perMinute: number
  readonly #maxRemembered: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(limits: FailureLimits = {}) {
    this.#perMinute = limits.perMinute ?? 60
    this.#maxRemembered = limits.maxRemembered ?? 10_000
  }

  /** How long a name has to wait until it may try again; 0 when it may. */
  waitMs(name: string, nowMs: number): number {
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) return 0
    const left = this.#refilled(bucket, nowMs)
    return left >= 1 ? 0 : Math.ceil(((1 - left) * 60_000) / this.#perMinute)
  }

  /** Counts a failure. */
  count(name: string, nowMs: number): void {
    const bucket = this.#buckets.get(name)
    const left = bucket === undefined ? this.#perMinute : this.#refilled(bucket, nowMs)
    // Put last: the first of the map is the one that was quiet longest.
    this.#buckets.delete(name)
    this.#buckets.set(name, { left: left - 1, atMs: nowMs })
    if (this.#buckets.size > this.#maxRemembered) {
      this.#buckets.delete(this.#buckets.keys().next().value as string)
    }
  }

  #refilled({ left, atMs }: Bucket, nowMs: number): number {
    const more = (Math.max(0, nowMs - atMs) * this.#perMinute) / 60_000
    return Math.min(this.#perMinute, left + more)
  }
}
