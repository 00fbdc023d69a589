import { ScheduledEvent } from './event-queue.js'
import type { Instance } from './instance.js'
import { type InstanceNodeContext, instanceOf } from './instance-node-context.js'
import type { NodeContext } from './node-context.js'
import type { Series } from './series.js'

/**
 * Ticks a series in the next cycle at the same time: an input of the node's own, or the output of another node.
 * At most once a cycle; unlike an alarm it allocates nothing.
 */
export class NextCycle {
  readonly #instance: Instance
  readonly #event: ScheduledEvent

  constructor(context: NodeContext, series: Series = (context as InstanceNodeContext).ownSeries()) {
    this.#instance = instanceOf(context)
    this.#event = new ScheduledEvent(this.#instance, series, undefined)
  }

  /** Whether it ticked in this cycle. */
  get ticked(): boolean {
    return this.#event.series.ticked
  }

  schedule(value: unknown): void {
    this.#event.value = value
    this.#instance.scheduleNext(this.#event)
  }
}
