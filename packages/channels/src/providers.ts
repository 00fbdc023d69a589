import {
  collect,
  type DynamicBasket,
  type Edge,
  flatten,
  map,
  type NodeContext,
  node,
} from '@gw/core'
import { gateBasket, mergeBaskets } from './baskets.js'
import type { Provider, Slot } from './wired-channel.js'

type DynamicEdge = DynamicBasket<string, unknown>

/** Drops what comes before the time until which the provider is blocked. */
export function gate({ edge, blockUntil }: Provider, isDynamic: boolean): Edge<unknown> {
  if (blockUntil === undefined) return edge
  const isOpen = ({ now }: NodeContext): boolean => now >= blockUntil
  if (isDynamic) return gateBasket(edge as DynamicEdge, isOpen)
  return node(
    'block',
    { edge },
    ({ edge }, context) =>
      () =>
        isOpen(context) ? edge.value : undefined,
  )
}

/** All that providers tick: nothing is lost, what comes in one cycle comes out in their order. */
export function merge(edges: readonly Edge<unknown>[], { channel, key }: Slot): Edge<unknown> {
  const { isDynamic, definition } = channel
  const [only] = edges
  if (edges.length === 1 && only !== undefined) return only
  if (isDynamic) return mergeBaskets(edges as readonly DynamicEdge[])
  if (definition.kind === 'list') {
    return map(collect(edges), (lists) => {
      const [first] = lists
      if (lists.length === 1) return first
      const all = lists.flat()
      // What was sent comes first, and whoever sent it waits for what comes out.
      channel.log?.changeInFlight(key, first, all)
      return all
    })
  }
  return flatten(edges)
}
