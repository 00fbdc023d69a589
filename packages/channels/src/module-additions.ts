import { type Timestamp, timestampOf } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import {
  type ChannelDefinition,
  type Contract,
  definitionsOf,
  type StateOptions,
} from './contract.js'
import { contractProblems, isDefinition, problemOfKeys } from './contract-problems.js'
import { ChannelsError } from './errors.js'
import type { Module } from './module.js'
import { shown } from './shown.js'
import type { WiredModule } from './wired-channel.js'
import type { Wiring } from './wiring.js'

/** Gives each module a scope of its own. @throws ChannelsError `INVALID_OPTION`. */
export function wiredModules(
  modules: readonly Module<never>[],
  gatewayBlockUntil: Timestamp | undefined,
): readonly WiredModule[] {
  const counts = new Map<string, number>()
  return modules.map((module) => {
    const count = (counts.get(module.name) ?? 0) + 1
    counts.set(module.name, count)
    return {
      module,
      scope: count === 1 ? module.name : `${module.name}#${count}`,
      blockUntil: blockUntilOf(module) ?? gatewayBlockUntil,
    }
  })
}

function blockUntilOf({ name, blockSetChannelsUntil: time }: Module<never>): Timestamp | undefined {
  if (time === undefined) return undefined
  try {
    const timestamp = typeof time === 'string' ? timestampOf(time) : time
    if (Number.isSafeInteger(timestamp)) return timestamp
  } catch {
    // Told below.
  }
  throw new ChannelsError(
    'INVALID_OPTION',
    `blockSetChannelsUntil of module "${name}" is ${shown(time)}: give a timestamp, or an ISO 8601 time`,
    { module: name },
  )
}

/**
 * The contract's channels and those that modules add.
 * @throws ChannelsError `CONFLICTING_CHANNEL`, `INVALID_CONTRACT`, `MODULE_FAILED`.
 */
export function definitionsWith(
  contract: Contract<AnyChannels>,
  modules: readonly WiredModule[],
): ReadonlyMap<string, ChannelDefinition> {
  const definitions = new Map(Object.entries(definitionsOf(contract)))
  const owners = new Map<string, string>()
  for (const { module } of modules) {
    const added = Object.entries(additionsOf(module, 'dynamicChannels'))
    for (const [name, channel] of added) {
      const definition = channel as ChannelDefinition
      const before = definitions.get(name)
      if (before !== undefined && !isSame(before, definition)) {
        const other = owners.get(name)
        throw conflict(
          name,
          module.name,
          other === undefined ? 'the contract' : `module "${other}"`,
        )
      }
      if (before === undefined) {
        definitions.set(name, definition)
        owners.set(name, module.name)
      }
    }
    if (added.length === 0) continue
    const problems = contractProblems(Object.fromEntries(definitions))
    if (problems.length > 0) {
      throw new ChannelsError(
        'INVALID_CONTRACT',
        `the channels that module "${module.name}" adds cannot be served: ${problems.join('; ')}`,
        { channel: added[0]?.[0] as string, module: module.name },
      )
    }
  }
  return definitions
}

/**
 * Keys that modules give to baskets, merged in order.
 * @throws ChannelsError `UNKNOWN_CHANNEL`, `INVALID_OPTION`, `MODULE_FAILED`.
 */
export function dynamicKeysOf(
  modules: readonly WiredModule[],
  definitions: ReadonlyMap<string, ChannelDefinition>,
): ReadonlyMap<string, readonly string[]> {
  const keys = new Map<string, readonly string[]>()
  for (const { module } of modules) {
    for (const [basket, added] of Object.entries(additionsOf(module, 'dynamicKeys'))) {
      const details = { channel: basket, module: module.name }
      const definition = definitions.get(basket)
      if (
        definition?.kind !== 'basket' ||
        definition.dynamic === true ||
        definition.keys !== undefined
      ) {
        throw new ChannelsError(
          'UNKNOWN_CHANNEL',
          `module "${module.name}" announces keys of "${basket}", which is no basket that takes its keys from modules`,
          details,
        )
      }
      const problem = problemOfKeys(Array.isArray(added) ? [...new Set(added)] : added)
      if (problem !== undefined) {
        throw new ChannelsError(
          'INVALID_OPTION',
          `module "${module.name}" announces for "${basket}" ${problem}`,
          details,
        )
      }
      keys.set(basket, [...new Set([...(keys.get(basket) ?? []), ...added])])
    }
  }
  return keys
}

/** Adds the states of a module. @throws ChannelsError `UNKNOWN_CHANNEL`, `INVALID_CONTRACT`, `CONFLICTING_STATE`. */
export function addDynamicStates(wiring: Wiring, me: WiredModule): void {
  const { module } = me
  for (const [name, states] of Object.entries(additionsOf(module, 'dynamicState'))) {
    const channel = wiring.channels.get(name)
    if (channel === undefined) {
      throw new ChannelsError(
        'UNKNOWN_CHANNEL',
        `module "${module.name}" adds a state to "${name}", which nobody declares: add it to its dynamicChannels`,
        { channel: name, module: module.name },
      )
    }
    const list = (Array.isArray(states) ? states : [states]) as readonly StateOptions[]
    for (const state of list) wiring.addState(channel, state, me)
  }
}

/** What a module says that it adds. @throws ChannelsError `MODULE_FAILED`, `INVALID_OPTION`. */
function additionsOf<K extends 'dynamicChannels' | 'dynamicKeys' | 'dynamicState'>(
  module: Module<never>,
  what: K,
): ReturnType<NonNullable<Module<never>[K]>> | Record<string, never> {
  let additions: ReturnType<NonNullable<Module<never>[K]>> | undefined
  try {
    additions = module[what]?.() as typeof additions
  } catch (cause) {
    throw new ChannelsError(
      'MODULE_FAILED',
      `${what} of module "${module.name}" failed: ${cause instanceof Error ? cause.message : String(cause)}`,
      { module: module.name, cause },
    )
  }
  if (additions === undefined) return {}
  if (typeof additions !== 'object' || additions === null || additions instanceof Promise) {
    throw new ChannelsError(
      'INVALID_OPTION',
      `${what} of module "${module.name}" returns an object by channel, and at once`,
      { module: module.name },
    )
  }
  return additions
}

/** Of the same kind and schema; the options of the first count. */
function isSame(a: ChannelDefinition, b: ChannelDefinition): boolean {
  if (a === b) return true
  if (!isDefinition(b)) return false
  const isDynamic = (definition: ChannelDefinition): boolean => definition.dynamic === true
  if (a.kind !== b.kind || isDynamic(a) !== isDynamic(b)) return false
  const element = ({ schema }: ChannelDefinition): unknown =>
    schema.def.type === 'array' ? (schema.def as unknown as { element: unknown }).element : schema
  return element(a) === element(b)
}

function conflict(channel: string, module: string, other: string): ChannelsError {
  return new ChannelsError(
    'CONFLICTING_CHANNEL',
    `module "${module}" adds the channel "${channel}", which ${other} declares with another kind or schema: import one schema object in both, since two that look alike are two, or rename one`,
    { channel, module },
  )
}
