// @ts-expect-error kafkajs has no types for what is inside it.
import ConsumerGroup from 'kafkajs/src/consumer/consumerGroup.js'

interface Group {
  heartbeat(options: { readonly interval: number }): Promise<void>
  fetch(nodeId: string): Promise<unknown>
}

/** How often a member of a group says that it lives. */
export const HEARTBEAT_MS = 500

/** How often it is looked at whether that is due. */
const LOOK_MS = 100

let isPatched = false

/**
 * Has members of groups say that they live also while they wait for records: kafkajs 2.2.4 does so between two fetches only, and a
 * broker with a quota has each of them wait for longer than a session. What was read then came from no member, and was read again,
 * for ever. The version is pinned; another one is left as it is where it has no such methods.
 */
export function heartbeatWhileFetching(): void {
  if (isPatched) return
  isPatched = true
  const prototype = (ConsumerGroup as { readonly prototype?: Partial<Group> }).prototype
  const fetch = prototype?.fetch
  if (prototype?.heartbeat === undefined || fetch === undefined) return
  prototype.fetch = async function (this: Group, nodeId: string): Promise<unknown> {
    const beat = setInterval(() => {
      // Who fails learns of it at the next one, which kafkajs waits for.
      this.heartbeat({ interval: HEARTBEAT_MS }).catch(() => undefined)
    }, LOOK_MS)
    try {
      return await fetch.call(this, nodeId)
    } finally {
      clearInterval(beat)
    }
  }
}
