import type { AnyChannels } from '@gw/protocol'
import { ChannelsError } from './errors.js'
import type { GatewayOptions } from './gateway-options.js'
import type { Module } from './module.js'

/**
 * The modules that take part, and the names of those that do not.
 * @throws ChannelsError `UNKNOWN_MODULE`, `INVALID_OPTION`.
 */
export function selectModules<C extends AnyChannels>({
  modules = [],
  disable = [],
  enable = [],
}: GatewayOptions<C>): {
  readonly enabled: readonly Module<C>[]
  readonly disabled: readonly string[]
} {
  const names = new Set(modules.map(({ name }) => name))
  for (const name of [...disable, ...enable]) {
    if (names.has(name)) continue
    const known = [...names].map((other) => `"${other}"`).join(', ')
    throw new ChannelsError(
      'UNKNOWN_MODULE',
      `there is no module "${name}" to enable or disable: there are ${known}`,
      {
        module: name,
      },
    )
  }
  const both = disable.find((name) => enable.includes(name))
  if (both !== undefined) {
    throw new ChannelsError(
      'INVALID_OPTION',
      `module "${both}" is both enabled and disabled: choose one`,
      {
        module: both,
      },
    )
  }
  const isEnabled = ({ name, enabled = true }: Module<C>): boolean =>
    enable.includes(name) || (enabled && !disable.includes(name))
  for (const { name } of modules) {
    if (typeof name !== 'string' || name === '' || name.includes('/')) {
      throw new ChannelsError(
        'INVALID_OPTION',
        `a module has a name without "/", not ${JSON.stringify(name)}`,
      )
    }
  }
  return {
    enabled: modules.filter(isEnabled),
    disabled: modules.filter((module) => !isEnabled(module)).map(({ name }) => name),
  }
}
