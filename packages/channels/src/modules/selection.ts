import type { AnyChannels } from '@gw/protocol'
import type { Channels } from '../channels.js'
import { ChannelsError } from '../errors.js'
import { isObject } from '../filter.js'
import { shown } from '../shown.js'

/** Which channels a module is about: those named, or all but some. */
export type ChannelSelection =
  | readonly string[]
  | { readonly include?: readonly string[]; readonly exclude?: readonly string[] }

/**
 * The selected channels, in the order of the selection, or of the contract.
 * @throws ChannelsError `UNKNOWN_CHANNEL`, `INVALID_OPTION`.
 */
export function selectChannels(
  channels: Channels<AnyChannels>,
  selection: ChannelSelection = {},
): readonly string[] {
  checkSelection(selection)
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

function checkSelection(selection: unknown): void {
  const areNames = (names: unknown): boolean =>
    Array.isArray(names) && names.every((name) => typeof name === 'string')
  if (areNames(selection)) return
  if (isObject(selection)) {
    const { include = [], exclude = [] } = selection
    if (areNames(include) && areNames(exclude)) return
  }
  throw new ChannelsError(
    'INVALID_OPTION',
    `select is a list of channels, or { include?: a list, exclude?: a list }, not ${shown(selection)}`,
  )
}

function isList(selection: ChannelSelection): selection is readonly string[] {
  return Array.isArray(selection)
}
