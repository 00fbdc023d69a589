import type { AnyChannels } from '@gw/protocol'
import type { Channels } from '../channels.js'
import { ChannelsError } from '../errors.js'

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
