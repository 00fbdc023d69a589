import { pause } from './backoff.js'
import { KafkaError } from './errors.js'
import type { ReceivedRecord } from './kafka-client.js'

const WAIT_MS = 5
const QUICK_TURNS = 20
/** Records that are handed to the engine before it is asked again whether there is room. */
const TOGETHER = 256
/** How long a rebalance waits for a unit of work. */
const HAND_OVER_MS = 3_000
/** How long it waits until the engine has run what it was handed: half of what kafkajs has it wait. */
const TAKE_MS = 30_000

/** A record that cannot be taken, and why. */
export interface Misfit {
  readonly record: ReceivedRecord
  readonly error: KafkaError
}

export interface IntakeOptions {
  readonly signal: AbortSignal
  /** Hands records to the engine, in order, up to one that does not fit, and goes on behind it when the next is asked for. */
  readonly take: (records: readonly ReceivedRecord[]) => Iterable<Misfit>
  /** Whether the engine has so little to run that it may be handed more. */
  readonly hasRoom: () => boolean
  /** Whether the engine has run all that it was handed. */
  readonly isIdle: () => boolean
  readonly bury: (
    record: ReceivedRecord,
    error: KafkaError,
    alive: () => Promise<void>,
  ) => Promise<void>
}

/** Hands records to the engine and waits until it has run them; one that it cannot take is buried, and those behind it are taken. */
export class Intake {
  readonly #options: IntakeOptions
  readonly #waitsSince = new Set<{ readonly ms: number }>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** How long what was read has been waiting: for the engine, a commit, or room in the queue to the broker. */
  get waitingMs(): number {
    const [longest] = this.#waitsSince
    return longest === undefined ? 0 : performance.now() - longest.ms
  }

  /** What the engine is handed can be committed then: a rebalance waits for that, or others would take it again. @returns how many were buried. */
  async take(records: readonly ReceivedRecord[], asMember: () => Promise<void>): Promise<number> {
    const { take, hasRoom, isIdle, bury } = this.#options
    const alive = patient(asMember, TAKE_MS)
    let buried = 0
    for (let at = 0; at < records.length; at += TOGETHER) {
      if (!hasRoom()) await this.until(hasRoom, alive)
      for (const { record, error } of take(records.slice(at, at + TOGETHER))) {
        buried++
        await bury(record, error, alive)
      }
    }
    await this.until(isIdle, alive)
    return buried
  }

  /** Fulfilled when the engine has run all that it was handed. @throws KafkaError `CLOSED`. */
  idle(): Promise<void> {
    return this.until(this.#options.isIdle, () => Promise.resolve())
  }

  /** Runs `work` while nobody else has the engine: what it makes meanwhile is made of these records. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work)
    this.#last = done.catch(() => undefined)
    return done
  }

  /** Waits for a condition, as a live member of the group. @throws KafkaError `CLOSED` when the module is stopped. */
  async until(condition: () => boolean, alive: () => Promise<void>): Promise<void> {
    const { signal } = this.#options
    if (condition()) return
    const since = { ms: performance.now() }
    this.#waitsSince.add(since)
    try {
      let turns = 0
      do {
        if (signal.aborted) throw new KafkaError('CLOSED', 'the Kafka module is stopped')
        // The engine mostly needs one turn of the event loop only; a broker that is down needs longer.
        await (turns++ < QUICK_TURNS ? new Promise(setImmediate) : pause(WAIT_MS, signal))
        if (turns > QUICK_TURNS) await alive()
      } while (!condition())
    } finally {
      this.#waitsSince.delete(since)
    }
  }

  /** As `work`, as a live member of the group meanwhile; a rebalance waits for it, within a bound. */
  async during<T>(work: Promise<T>, alive: () => Promise<void>): Promise<T> {
    let isDone = false
    const watched = work.finally(() => {
      isDone = true
    })
    watched.catch(() => undefined)
    await this.until(() => isDone, patient(alive, HAND_OVER_MS))
    return watched
  }
}

/** As `alive`, but it fails only when it has failed for so long. */
function patient(alive: () => Promise<void>, ms: number): () => Promise<void> {
  let sinceMs: number | undefined
  return async () => {
    try {
      await alive()
    } catch (error) {
      sinceMs ??= performance.now()
      if (performance.now() - sinceMs > ms) throw error
    }
  }
}
