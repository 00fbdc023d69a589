import type { AnyChannels } from '@gw/protocol'
import { type ChannelDefinition, type Contract, definitionsOf } from './contract.js'
import { contractProblems } from './contract-problems.js'
import { ChannelsError } from './errors.js'
import type { Module } from './module.js'

/**
 * The contract's channels and those that modules add.
 * @throws ChannelsError `CONFLICTING_CHANNEL`, `INVALID_CONTRACT`, `MODULE_FAILED`.
 */
export function definitionsWith(
  contract: Contract<AnyChannels>,
  modules: readonly Module<never>[],
): ReadonlyMap<string, ChannelDefinition> {
  const definitions = new Map(Object.entries(definitionsOf(contract)))
  const added = dynamicDefinitions(modules)
  for (const [name, { definition, module }] of added) {
    const declared = definitions.get(name)
    if (declared !== undefined && !isSame(declared, definition)) {
      throw conflict(name, module, 'the contract')
    }
    definitions.set(name, declared ?? definition)
  }
  if (added.size > 0) {
    const problems = contractProblems(Object.fromEntries(definitions))
    if (problems.length > 0) {
      throw new ChannelsError(
        'INVALID_CONTRACT',
        `the channels that modules add cannot be served: ${problems.join('; ')}`,
      )
    }
  }
  return definitions
}

function dynamicDefinitions(
  modules: readonly Module<never>[],
): ReadonlyMap<string, { readonly definition: ChannelDefinition; readonly module: string }> {
  const added = new Map<string, { definition: ChannelDefinition; module: string }>()
  for (const module of modules) {
    for (const [name, channel] of Object.entries(
      asked(module, () => module.dynamicChannels?.() ?? {}),
    )) {
      const definition = channel as ChannelDefinition
      const before = added.get(name)
      if (before !== undefined && !isSame(before.definition, definition)) {
        throw conflict(name, module.name, `module "${before.module}"`)
      }
      added.set(name, before ?? { definition, module: module.name })
    }
  }
  return added
}

/** Of the same kind and schema; the options of the first count. */
function isSame(a: ChannelDefinition, b: ChannelDefinition): boolean {
  if (a === b) return true
  const isDynamic = (definition: ChannelDefinition): boolean => definition.dynamic === true
  if (a.kind !== b.kind || isDynamic(a) !== isDynamic(b)) return false
  const element = ({ schema }: ChannelDefinition): unknown =>
    schema.def.type === 'array' ? (schema.def as unknown as { element: unknown }).element : schema
  return element(a) === element(b)
}

function conflict(channel: string, module: string, other: string): ChannelsError {
  return new ChannelsError(
    'CONFLICTING_CHANNEL',
    `module "${module}" adds the channel "${channel}", which ${other} declares with another kind or schema: share the schema, or rename one`,
    { channel, module },
  )
}

/**
 * The keys that modules give to baskets, in the order of the modules.
 * @throws ChannelsError `UNKNOWN_CHANNEL` for anything but a basket that takes its keys from modules.
 */
export function dynamicKeysOf(
  modules: readonly Module<never>[],
  definitions: ReadonlyMap<string, ChannelDefinition>,
): ReadonlyMap<string, readonly string[]> {
  const keys = new Map<string, readonly string[]>()
  for (const module of modules) {
    const added = asked(module, () => module.dynamicKeys?.() ?? {})
    for (const [basket, more] of Object.entries(added)) {
      const { kind, dynamic, keys: declared } = definitions.get(basket) ?? {}
      if (kind !== 'basket' || dynamic === true || declared !== undefined) {
        throw new ChannelsError(
          'UNKNOWN_CHANNEL',
          `module "${module.name}" announces keys of "${basket}", which is no basket that takes its keys from modules`,
          { channel: basket, module: module.name },
        )
      }
      keys.set(basket, [...new Set([...(keys.get(basket) ?? []), ...more])])
    }
  }
  return keys
}

/** What a module answers before it is connected. @throws ChannelsError `MODULE_FAILED`. */
function asked<R>(module: Module<never>, ask: () => R): R {
  try {
    return ask()
  } catch (cause) {
    throw connectFailed(module.name, cause)
  }
}

/** The error of a module that could not be connected. */
export function connectFailed(module: string, cause: unknown): ChannelsError {
  if (cause instanceof ChannelsError) return cause.module === undefined ? cause.of(module) : cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ChannelsError(
    'MODULE_FAILED',
    `module "${module}" could not be connected: ${reason}`,
    { module, cause },
  )
}
