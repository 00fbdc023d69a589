const FIRST = 16
const MOST = 2_000
const AIM_MS = 100

/**
 * How many records are handed on together: as many as are taken in about a tenth of a second, since a member that leaves waits
 * for them.
 */
export class ChunkSize {
  records: number = FIRST

  /** So many were taken in so many milliseconds. */
  adapt(count: number, ms: number): void {
    if (ms > 2 * AIM_MS) this.records = Math.max(1, this.records >> 1)
    else if (ms < AIM_MS && count >= this.records) this.records = Math.min(2 * this.records, MOST)
  }
}
