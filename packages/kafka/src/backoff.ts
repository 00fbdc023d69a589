import { KafkaError } from './errors.js'

const FIRST_MS = 100
const LONGEST_MS = 5_000

/** Waits between tries, longer each time, with jitter so that many do not come back at once. */
export class Backoff {
  #attempt = 0

  reset(): void {
    this.#attempt = 0
  }

  /** How long the next wait is. */
  nextMs(): number {
    const longest = Math.min(FIRST_MS * 2 ** this.#attempt++, LONGEST_MS)
    return longest / 2 + (Math.random() * longest) / 2
  }

  /** Fulfilled after the next wait, or at once when `signal` is aborted. */
  wait(signal: AbortSignal): Promise<void> {
    return pause(this.nextMs(), signal)
  }
}

/** Fulfilled after `ms`, or at once when `signal` is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timeout)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timeout = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
  })
}

/** Does `work` again and again, with so many milliseconds between, until `signal` is aborted. */
export function every(ms: number, signal: AbortSignal, work: () => Promise<void>): void {
  void (async () => {
    while (!signal.aborted) {
      await pause(ms, signal)
      if (!signal.aborted) await work()
    }
  })()
}

/** As `work`, or `false` when it takes longer than `ms`. */
export async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timeout: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<boolean>((resolve) => {
    timeout = setTimeout(() => resolve(false), ms)
  })
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    clearTimeout(timeout)
  }
}

/** As `work`. @throws KafkaError `TIMED_OUT` when it takes longer than `ms`; what it does afterwards is nobody's concern. */
export async function bounded<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  if (await within(work, ms)) return work
  work.catch(() => undefined)
  throw new KafkaError('TIMED_OUT', `${what} gave no answer in ${ms} ms: it is tried anew`)
}
