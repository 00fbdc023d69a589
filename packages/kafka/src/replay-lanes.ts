import { KafkaError } from './errors.js'
import type { KafkaReader, KafkaStatus, ReceivedRecord } from './kafka-client.js'
import type { TimeMerge } from './time-merge.js'

/** How often a live replay looks whether partitions have fallen silent. */
export const LOOK_MS = 20

/** A partition that is replayed. */
export interface Lane {
  readonly topic: string
  readonly partition: number
  /** Up to here it has been read; up to `seen` its records have been taken. */
  next: bigint
  seen: bigint
  readonly end: bigint
  /** Records before the end that have been taken, and wait to come out. */
  behind: number
  /** When something came last, by what {@link Listening} counts. */
  heardAtMs: number
  isPaused: boolean
  reader?: KafkaReader
}

export function laneOf(topic: string, partition: number, start: bigint, end: bigint): Lane {
  const [next, seen] = [start, start]
  return { topic, partition, next, seen, end, behind: 0, heardAtMs: 0, isPaused: false }
}

export function laneName({ topic, partition }: Pick<Lane, 'topic' | 'partition'>): string {
  return `${topic}/${partition}`
}

/** How long has been listened: not while the graph has the thread, nor while the broker is away. */
export class Listening {
  ms = 0
  #lookedAt = performance.now()

  /** Called each {@link LOOK_MS}, or so. */
  look(isConnected: boolean): void {
    const now = performance.now()
    if (isConnected) this.ms += Math.min(now - this.#lookedAt, 2 * LOOK_MS)
    this.#lookedAt = now
  }
}

/** A record has come out. @returns whether it was the last before the end that had waited. */
export function takenOf(lane: Lane | undefined, { offset }: ReceivedRecord): boolean {
  if (lane === undefined || BigInt(offset) >= lane.end) return false
  return --lane.behind === 0
}

/** Partitions that were paused are read on when there is room. */
export function resumeIn(
  lanes: ReadonlyMap<string, Lane>,
  merge: TimeMerge<unknown>,
  maxWaiting: number,
): void {
  for (const [name, lane] of lanes) {
    if (!lane.isPaused || merge.waitingOf(name) > maxWaiting / 2) continue
    lane.isPaused = false
    lane.reader?.resume(lane.topic, lane.partition)
  }
}

/** Partitions on which nothing has come for a while hold up nobody; those that are not read have more. */
export function idleIn(
  lanes: ReadonlyMap<string, Lane>,
  merge: TimeMerge<unknown>,
  sinceMs: number,
): void {
  for (const [name, { next, end, heardAtMs, isPaused }] of lanes) {
    if (next >= end && heardAtMs < sinceMs && !isPaused) merge.idle(name)
  }
}

/** The failure of a replay of which nothing comes any more. */
export function silence(
  lanes: ReadonlyMap<string, Lane>,
  ms: number,
  status: KafkaStatus,
): KafkaError {
  const [lane] = [...lanes.values()].filter(({ next, end }) => next < end)
  const { topic = '', partition = 0, next = 0n } = lane ?? {}
  const why = status.message === '' ? '' : `: ${status.message}`
  return new KafkaError(
    'TIMED_OUT',
    `${topic}/${partition} gave nothing from ${next} on for ${ms} ms${why}; see to the broker, or raise brokerTimeoutMs`,
    { topic, partition, offset: String(next) },
  )
}

/** The failure of a replay that would have to hold more than it may. */
export function crowded({ topic, partition, next }: Lane, maxWaiting: number): KafkaError {
  return new KafkaError(
    'QUEUE_FULL',
    `more than ${maxWaiting} records of ${topic}/${partition} are within latenessMs of each other: raise maxWaiting, or lower latenessMs`,
    { topic, partition, offset: String(next) },
  )
}
