import type { BasketKeyOf, ChannelTypes } from '@gw/protocol'
import type { UntypedChannelClient } from './channel-client.js'
import type { Typed } from './channel-types.js'
import type { SubscriptionEvent } from './events.js'
import { type LiveStore, liveStore, type StoreFiller } from './live-store.js'
import type { KeyedValue, Watch } from './subscription.js'

/**
 * What ticked last on a channel, or on a key of a basket, always current; `undefined` before the first tick.
 * @example `const total = liveLast(client.total)`
 */
export function liveLast<T extends ChannelTypes>(
  channel: Typed<T>,
  ...[key]: T['kind'] extends 'basket' ? [key: BasketKeyOf<T>] : []
): LiveStore<T['value'] | undefined> {
  let last: unknown
  return liveStore<unknown>(
    () => last,
    (filler) =>
      followSnapshot(channel, key, filler, (event) => {
        if (event.type === 'data') last = event.value
        else if (event.type === 'snapshotStart' || event.type === 'removed') last = undefined
      }),
  )
}

/**
 * What ticked last on each key of a basket, always current, in the order of the keys.
 * @example `const prices = liveBasket(client.prices)`
 */
export function liveBasket<T extends ChannelTypes & { readonly kind: 'basket' }>(
  basket: Typed<T>,
): LiveStore<readonly KeyedValue<T['value'], BasketKeyOf<T>>[]> {
  let values = new Map<string, unknown>()
  const store = liveStore<readonly KeyedValue<unknown>[]>(
    () => [...values.keys()].sort().map((key) => ({ key, value: values.get(key) })),
    (filler) =>
      followSnapshot(basket, undefined, filler, (event) => {
        if (event.type === 'snapshotStart') values = new Map()
        else if (event.type === 'removed') values.delete(event.key)
        else if (event.type === 'data') values.set(event.key as string, event.value)
      }),
  )
  return store as LiveStore<readonly KeyedValue<T['value'], BasketKeyOf<T>>[]>
}

/** Follows a channel from a snapshot on, of which nothing is shown before it is whole. */
function followSnapshot(
  typed: unknown,
  key: string | undefined,
  filler: StoreFiller,
  apply: (event: SubscriptionEvent) => void,
): () => void {
  const channel = typed as UntypedChannelClient
  let snapshot: SubscriptionEvent[] | undefined = []
  let watch: Watch

  const onEvent = (event: SubscriptionEvent): void => {
    if (event.type === 'gap') {
      filler.setStatus('stale')
      // After a loss a new snapshot comes by itself; a reader that was too slow has to ask.
      if (event.reason === 'slow') begin()
    } else if (event.type === 'snapshotStart') {
      snapshot = [event]
    } else if (event.type === 'snapshotEnd') {
      for (const each of snapshot ?? []) apply(each)
      snapshot = undefined
      filler.changed()
      filler.setStatus('live')
    } else if (snapshot !== undefined) {
      snapshot.push(event)
    } else {
      apply(event)
      filler.changed()
    }
  }
  const begin = (): void => {
    watch?.close()
    const options = {
      from: 'snapshot',
      mode: 'lastValue',
      onError: (error: Parameters<StoreFiller['fail']>[0]) => filler.fail(error),
    } as const
    watch =
      key === undefined ? channel.watch(onEvent, options) : channel.watch(key, onEvent, options)
  }
  begin()
  return () => watch.close()
}
