// @ts-expect-error kafkajs has no types for what is inside it.
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'

interface Queue {
  readonly pending: readonly unknown[]
  readonly throttledUntil: number
  scheduleCheckPendingRequests(): void
}

let isQuiet = false

/**
 * Ends the timer of one millisecond that each idle kafkajs 2.2.4 connection runs: its delay is a negative number. It is
 * needed only while requests wait. The version is pinned; another one is left as it is where it has no such method.
 */
export function quietIdleConnections(): void {
  if (isQuiet) return
  isQuiet = true
  const prototype = (RequestQueue as { readonly prototype?: Queue }).prototype
  const schedule = prototype?.scheduleCheckPendingRequests
  if (prototype === undefined || schedule === undefined) return
  prototype.scheduleCheckPendingRequests = function (this: Queue): void {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this)
  }
}
