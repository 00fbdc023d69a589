import type { Identity } from '@gw/protocol'
import { WebServerError } from '../errors.js'
import type { RateLimit } from '../options.js'

/** Of more than so many who ask, the one that asked first begins anew. */
const MAX_BUCKETS = 10_000

interface Bucket {
  /** What may still be taken at once. */
  tokens: number
  atMs: number
}

/** Counts what each identity asks for, as a token bucket: it fills over time, up to the burst. */
export class RateLimits {
  readonly #limit: Required<RateLimit>
  readonly #buckets = new Map<string, Bucket>()

  constructor(limit: Required<RateLimit>) {
    this.#limit = limit
  }

  /**
   * Counts one request or message of an identity; of those who have no key, by their address.
   * @throws WebServerError `TOO_MANY_REQUESTS`, with the time after which to come back.
   */
  take(identity: Identity, address: string): void {
    const { perSecond, burst } = this.#limit
    const nowMs = performance.now()
    const bucket = this.#bucketOf(
      identity.name === 'anonymous' ? `@${address}` : identity.name,
      nowMs,
    )
    const gained = ((nowMs - bucket.atMs) * perSecond) / 1_000
    bucket.tokens = Math.min(burst, bucket.tokens + gained)
    bucket.atMs = nowMs
    if (bucket.tokens >= 1) {
      bucket.tokens--
      return
    }
    const seconds = Math.max(1, Math.ceil((1 - bucket.tokens) / perSecond))
    throw new WebServerError(
      'TOO_MANY_REQUESTS',
      `more than ${perSecond} requests and messages a second: come back in ${seconds} s`,
      { headers: { 'Retry-After': String(seconds) } },
    )
  }

  #bucketOf(name: string, nowMs: number): Bucket {
    let bucket = this.#buckets.get(name)
    if (bucket === undefined) {
      if (this.#buckets.size >= MAX_BUCKETS) {
        this.#buckets.delete(this.#buckets.keys().next().value as string)
      }
      bucket = { tokens: this.#limit.burst, atMs: nowMs }
      this.#buckets.set(name, bucket)
    }
    return bucket
  }
}
