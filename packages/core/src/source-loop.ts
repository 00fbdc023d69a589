import type { Agenda } from './agenda.js'
import type { ScheduledEvent } from './event-queue.js'
import type { Instance } from './instance.js'
import { type RunningCycle, STAMP_LIMIT } from './running-cycle.js'
import type { Timestamp } from './time.js'

/** Runs cycles of one source, as {@link runSource} does. */
export type SourceLoop = (most: number) => number

/** What such cycles need to know of the run. */
export interface SourceLoopParts {
  readonly cycle: RunningCycle
  readonly agenda: Agenda
  readonly end: Timestamp
  /** The graph of the run: runs the nodes that are marked. */
  readonly root: Instance
}

/**
 * Runs the cycles of the one event in the agenda, a timer's or another source's, and those that it brings about at the same
 * time, as feedback does, until something else happens: the way of most backtests. There is nothing to put in order, so
 * the event stays where it is in the queue while its time moves on, and all else that may happen sets one flag, so that
 * there is one to look at. `generateSourceLoop` writes the same for nodes that it knows.
 *
 * @param most Cycles to run at most; the first has begun.
 * @returns how many of them are left. The last one has not ended.
 */
export function runSource(
  event: ScheduledEvent,
  { cycle, agenda, end, root }: SourceLoopParts,
  most: number,
): number {
  const { instance, series } = event
  let left = most
  for (;;) {
    instance.tick(series, event.value)
    event.advance()
    for (;;) {
      root.propagate()
      const isNext = event.time > cycle.now && event.time <= end
      if (agenda.isDisturbed || !isNext || left === 1 || cycle.stamp === STAMP_LIMIT) return left
      left--
      if (agenda.soon === undefined) break
      cycle.begin(cycle.now)
      agenda.tickSoon()
    }
    cycle.stampBefore = cycle.stamp++
    cycle.now = event.time
  }
}
