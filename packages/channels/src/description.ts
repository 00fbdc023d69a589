import type { ChannelKind } from '@gw/protocol'
import type { Slot, WiredChannel } from './wired-channel.js'

/** How one channel is wired. */
export interface ChannelDescription {
  readonly name: string
  readonly kind: ChannelKind
  readonly dynamic: boolean
  readonly keys: readonly string[]
  /** Modules that get it; with the key, where it is one. */
  readonly getters: readonly string[]
  /** Modules that set it, in the order in which their ticks are merged; `send` and `stage` for the outside. */
  readonly setters: readonly string[]
  /** Modules whose edge comes a cycle later, at the same time, because it is computed from the channel itself. */
  readonly feedbacks: readonly string[]
  readonly states: readonly string[]
  readonly sendable: boolean
  readonly staged: boolean
  /** What it says when read: `wired`; `silent`, since somebody gets it and nobody sets it; `pruned`, since nobody does either. */
  readonly status: 'wired' | 'silent' | 'pruned'
}

/** How a gateway is wired. */
export interface GatewayDescription {
  readonly modules: readonly { readonly name: string; readonly enabled: boolean }[]
  readonly channels: readonly ChannelDescription[]
}

/** @internal */
export function describeChannel(channel: WiredChannel): ChannelDescription {
  const { name, definition, isDynamic, keys, allSlots, states, isStaged } = channel
  const parties = (of: (slot: Slot) => Iterable<string>): readonly string[] => [
    ...new Set(
      allSlots.flatMap((slot) =>
        [...of(slot)].map((party) => (slot.key === undefined ? party : `${party}[${slot.key}]`)),
      ),
    ),
  ]
  const getters = parties((slot) => slot.askers.keys())
  const isProvided = channel.isProvided
  return {
    name,
    kind: definition.kind,
    dynamic: isDynamic,
    keys,
    getters,
    setters: parties((slot) => slot.providers.map(({ party }) => party)),
    feedbacks: parties((slot) => slot.feedbacks),
    states: states.map((state) => state.name),
    sendable: allSlots.some((slot) => slot.isSendable),
    staged: isStaged,
    status: isProvided ? 'wired' : getters.length > 0 ? 'silent' : 'pruned',
  }
}

/** The description as a graph in the language of Graphviz: modules are boxes, channels are ellipses, cut loops are dashed. */
export function toDot({ modules, channels }: GatewayDescription): string {
  const lines = ['digraph gateway {', '  rankdir=LR']
  for (const { name, enabled } of modules) {
    lines.push(
      `  ${quote(`module ${name}`)} [shape=box, label=${quote(name)}${enabled ? '' : ', style=dashed'}]`,
    )
  }
  for (const channel of channels) {
    if (channel.status === 'pruned') continue
    const node = quote(`channel ${channel.name}`)
    lines.push(`  ${node} [label=${quote(channel.name)}]`)
    for (const setter of channel.setters) {
      const style = channel.feedbacks.includes(setter) ? ' [style=dashed, label="next cycle"]' : ''
      lines.push(`  ${quote(`module ${moduleOf(setter)}`)} -> ${node}${style}`)
    }
    for (const getter of channel.getters) {
      lines.push(`  ${node} -> ${quote(`module ${moduleOf(getter)}`)}`)
    }
  }
  return `${[...new Set(lines)].join('\n')}\n}\n`
}

/** `prices` set by `feed` for the key A is set by `feed[A]`. */
function moduleOf(party: string): string {
  const bracket = party.lastIndexOf('[')
  return bracket === -1 ? party : party.slice(0, bracket)
}

function quote(text: string): string {
  return JSON.stringify(text)
}
