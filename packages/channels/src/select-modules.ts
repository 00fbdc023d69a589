import type { AnyChannels } from '@gw/protocol'
import { isContract } from './contract.js'
import { ChannelsError } from './errors.js'
import type { GatewayOptions } from './gateway-options.js'
import type { Module } from './module.js'
import { shown } from './shown.js'

/**
 * The modules that take part, and the names of those that do not.
 * @throws ChannelsError `UNKNOWN_MODULE`, `INVALID_OPTION`.
 */
export function selectModules<C extends AnyChannels>({
  channels,
  modules = [],
  disable = [],
  enable = [],
}: GatewayOptions<C>): {
  readonly enabled: readonly Module<C>[]
  readonly disabled: readonly string[]
} {
  if (!isContract(channels)) {
    throw invalid('channels is a contract, as defineChannels() makes one')
  }
  checkModules(modules)
  checkList('disable', disable)
  checkList('enable', enable)
  const names = new Set(modules.map(({ name }) => name))
  for (const name of [...disable, ...enable]) {
    if (names.has(name)) continue
    const known = [...names].map((other) => `"${other}"`).join(', ')
    throw new ChannelsError(
      'UNKNOWN_MODULE',
      `there is no module ${shown(name)} to enable or disable: there are ${known}`,
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
  return {
    enabled: modules.filter(isEnabled),
    disabled: modules.filter((module) => !isEnabled(module)).map(({ name }) => name),
  }
}

const FUNCTIONS = [
  'connect',
  'start',
  'stop',
  'flush',
  'refusesSends',
  'answerModule',
  'metrics',
  'dynamicKeys',
  'dynamicChannels',
  'dynamicState',
] as const
const POLICIES: readonly unknown[] = ['stop', 'skip', 'deadLetter', undefined]

/** Those who write JavaScript, or leave the compiler out, are told too. */
function checkModules(modules: unknown): void {
  if (!Array.isArray(modules)) throw invalid('modules are a list')
  modules.forEach((module: Module | undefined, i) => {
    if (typeof module !== 'object' || module === null) {
      const what =
        typeof module === 'function' ? 'a function or class: make a module of it' : String(module)
      throw invalid(`module ${i + 1} of the list is no module but ${what}`)
    }
    const { name, requires, onError, enabled } = module
    if (typeof name !== 'string' || name === '' || name.includes('/')) {
      throw invalid(`a module has a name without "/", not ${shown(name)}`)
    }
    const odd = FUNCTIONS.find(
      (member) => !['function', 'undefined'].includes(typeof module[member]),
    )
    if (odd !== undefined) throw invalid(`${odd} of module "${name}" is no function`, name)
    if (requires !== undefined && !Array.isArray(requires)) {
      throw invalid(`requires of module "${name}" is a list of channels`, name)
    }
    if (!POLICIES.includes(onError)) {
      throw invalid(
        `onError of module "${name}" is "stop", "skip" or "deadLetter", not ${shown(onError)}`,
        name,
      )
    }
    if (enabled !== undefined && typeof enabled !== 'boolean') {
      throw invalid(`enabled of module "${name}" is true or false, not ${shown(enabled)}`, name)
    }
  })
}

function checkList(option: string, names: unknown): void {
  if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return
  throw invalid(`${option} is a list of names of modules, not ${shown(names)}`)
}

function invalid(message: string, module?: string): ChannelsError {
  return new ChannelsError('INVALID_OPTION', message, module === undefined ? {} : { module })
}
