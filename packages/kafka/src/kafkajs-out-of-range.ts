// @ts-expect-error kafkajs has no types for what is inside it.
import OffsetManager from 'kafkajs/src/consumer/offsetManager/index.js'

interface Place {
  readonly topic: string
  readonly partition: number
}

/** How far one member of a group has come. */
interface Manager {
  readonly memberId: string
  nextOffset(topic: string, partition: number): { toString(): string }
  setDefaultOffset(place: Place): Promise<void>
}

/** Told where a member was of a partition of which the broker has that no more. */
type Listener = (topic: string, partition: number, offset: bigint) => void

/** By the id of the member. */
const listeners = new Map<string, Listener>()
let isPatched = false

/**
 * Tells where a member of a group was when the broker had that no more: kafkajs 2.2.4 then goes to the beginning, and tells nobody
 * where from. The version is pinned; another one is left as it is where it has no such methods.
 * @returns what ends it.
 */
export function whenOutOfRange(memberId: string, listener: Listener): () => void {
  patch()
  listeners.set(memberId, listener)
  return () => {
    if (listeners.get(memberId) === listener) listeners.delete(memberId)
  }
}

function patch(): void {
  if (isPatched) return
  isPatched = true
  const prototype = (OffsetManager as { readonly prototype?: Partial<Manager> }).prototype
  const original = prototype?.setDefaultOffset
  if (prototype?.nextOffset === undefined || original === undefined) return
  prototype.setDefaultOffset = function (this: Manager, place: Place): Promise<void> {
    const { topic, partition } = place
    const offset = BigInt(this.nextOffset(topic, partition).toString())
    listeners.get(this.memberId)?.(topic, partition, offset)
    return original.call(this, place)
  }
}
