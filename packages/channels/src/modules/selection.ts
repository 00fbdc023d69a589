import {
  type BasketView,
  type DynamicBasket,
  type Edge,
  empty,
  type NodeContext,
  node,
} from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import type { z } from 'zod'
import type { Channels } from '../channels.js'
import { ChannelsError } from '../errors.js'
import { isoText, mintFor, withMint } from '../mint.js'

/** Which channels a module is about: those named, or all but some. */
export type ChannelSelection =
  | readonly string[]
  | { readonly include?: readonly string[]; readonly exclude?: readonly string[] }

/**
 * The selected channels, in the order of the selection, or of the contract.
 * @throws ChannelsError `UNKNOWN_CHANNEL`.
 */
export function selectChannels(
  channels: Channels<AnyChannels>,
  selection: ChannelSelection = {},
): readonly string[] {
  const names: readonly string[] = channels.names
  const { include = names, exclude = [] } = isList(selection) ? { include: selection } : selection
  const unknown = [...include, ...exclude].find((name) => !names.includes(name))
  if (unknown !== undefined) {
    throw new ChannelsError(
      'UNKNOWN_CHANNEL',
      `there is no channel ${JSON.stringify(unknown)} to select: the contract has ${names.join(', ')}`,
      { channel: unknown },
    )
  }
  return [...new Set(include)].filter((name) => !exclude.includes(name))
}

function isList(selection: ChannelSelection): selection is readonly string[] {
  return Array.isArray(selection)
}

/** What ticked on a channel: of a basket, on one key. */
export interface Entry {
  readonly key: string | undefined
  readonly value: unknown
  /** The key of a dynamic basket has gone; it has no value. */
  readonly removed?: true
}

/** What ticks on a channel in a cycle, whatever its kind. */
export function entriesOf(channels: Channels<AnyChannels>, name: string): Edge<readonly Entry[]> {
  const { kind, dynamic } = channels.definitionOf(name)
  const edge: unknown = channels.getChannel(name as never)
  if (kind !== 'basket') {
    return node('entries', { x: edge as Edge<unknown> }, ({ x }) => () => [
      { key: undefined, value: x.value },
    ])
  }
  if (dynamic === true) {
    const basket = edge as DynamicBasket<string, unknown>
    return node(
      'entries',
      { basket },
      ({ basket }) =>
        () =>
          entriesOfView(basket.value),
    )
  }
  const basket = edge as { readonly [key: string]: Edge<unknown> }
  if (Object.keys(basket).length === 0)
    return node('entries', { x: empty(channels.graph) }, () => () => [])
  return node('entries', { basket }, ({ basket }) => () => {
    const entries: Entry[] = []
    for (const key in basket) {
      const input = basket[key]
      if (input?.ticked === true) entries.push({ key, value: input.value })
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

/**
 * Validates and completes, in a node, what comes from outside: new ids are the run's, timestamps the engine's.
 * @throws ZodError
 */
export function completedIn(context: NodeContext, schema: z.ZodType, input: unknown): unknown {
  const { id } = mintFor(context.graph)
  return withMint({ id, timestamp: () => isoText(context.now) }, () => schema.parse(input))
}
