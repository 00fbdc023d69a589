/** Bounds of the wait between attempts to connect. */
export interface BackoffOptions {
  /** Longest first wait. @defaultValue 250 */
  readonly minDelayMs?: number
  /** Longest wait of all. @defaultValue 15_000 */
  readonly maxDelayMs?: number
}

/**
 * The wait before attempt number `attempt`, from 0: doubled each time, and drawn at random from the upper half, so that
 * clients which a restart has cut off do not come back all at once.
 */
export function backoffMs(attempt: number, options: BackoffOptions = {}): number {
  const { minDelayMs = 250, maxDelayMs = 15_000 } = options
  const longest = Math.min(maxDelayMs, minDelayMs * 2 ** Math.min(attempt, 30))
  return longest * (0.5 + Math.random() / 2)
}
