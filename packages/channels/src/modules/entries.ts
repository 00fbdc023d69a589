import { type BasketView, type DynamicBasket, type Edge, empty, node } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import type { Channels } from '../channels.js'

/** What ticked on a channel: of a basket, on one key. */
export interface Entry {
  readonly key: string | undefined
  readonly value: unknown
  /** The key of a dynamic basket has gone; it has no value. */
  readonly removed?: true
}

/** What ticks on a channel in a cycle, whatever its kind. */
export function entriesOf(channels: Channels<AnyChannels>, name: string): Edge<readonly Entry[]> {
  const shape = channels.shapeOf(name as never)
  const edge: unknown = channels.getChannel(name as never)
  if (shape === 'dynamicBasket') {
    const basket = edge as DynamicBasket<string, unknown>
    return node('entries', { basket }, (inputs) => () => entriesOfView(inputs.basket.value))
  }
  if (shape !== 'basket') {
    return node('entries', { x: edge as Edge<unknown> }, ({ x }) => () => [
      { key: undefined, value: x.value },
    ])
  }
  const basket = edge as { readonly [key: string]: Edge<unknown> }
  if (Object.keys(basket).length === 0) return empty(channels.graph)
  return node('entries', { basket }, (inputs) => () => {
    const entries: Entry[] = []
    for (const [key, input] of Object.entries(inputs.basket)) {
      if (input.ticked) entries.push({ key, value: input.value })
    }
    return entries
  })
}

function entriesOfView(view: BasketView<string, unknown>): readonly Entry[] {
  return [
    ...view.removed
      .filter((key) => !view.has(key))
      .map((key): Entry => ({ key, value: undefined, removed: true })),
    ...view.ticked.map((key): Entry => ({ key, value: view.get(key) })),
  ]
}
