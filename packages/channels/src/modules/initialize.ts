import { constant, type Duration, type Edge, unroll } from '@gw/core'
import type { AnyChannels, ChannelName, InputOf, KeyOf, TypesOf } from '@gw/protocol'
import { type ChannelDefinition, type Contract, definitionsOf } from '../contract.js'
import { ChannelsError } from '../errors.js'
import { presentMint } from '../mint.js'
import type { Module } from '../module.js'
import { Validation } from '../validation.js'
import { byKey, setFromInputs, unknownKey } from './inputs.js'

/** What a channel is initialized with: one input; of a basket, inputs by key. */
export type InitialOf<C extends AnyChannels, K extends keyof C> = TypesOf<
  C[K]
>['kind'] extends 'basket'
  ? { readonly [Key in KeyOf<C, K>]?: InputOf<C, K> }
  : InputOf<C, K>

/** Options of {@link initialize}. */
export interface InitializeOptions {
  /** How long after the start it ticks. @defaultValue 0 */
  readonly delay?: Duration
}

/**
 * Ticks a channel once, at the start: completed with id, defaults, and the engine's time.
 * @throws ChannelsError `INVALID_RECORD`, `UNKNOWN_CHANNEL`, `UNKNOWN_KEY`, at once.
 * @example `initialize(channels, 'thresholds', { airport: '*', minutes: 45 })`
 */
export function initialize<C extends AnyChannels, K extends ChannelName<C>>(
  contract: Contract<C>,
  channel: K,
  value: InitialOf<C, K>,
  options: InitializeOptions = {},
): Module<C> {
  return initializeAll(contract, channel, [value], options)
}

/** As {@link initialize} with several values: each in a cycle of its own, in order, at one time. */
export function initializeAll<C extends AnyChannels, K extends ChannelName<C>>(
  contract: Contract<C>,
  channel: K,
  values: readonly InitialOf<C, K>[],
  options: InitializeOptions = {},
): Module<C> {
  const definition = definitionsOf(contract)[channel]
  if (definition === undefined) {
    throw new ChannelsError(
      'UNKNOWN_CHANNEL',
      `there is no channel ${JSON.stringify(channel)} to initialize`,
      { channel },
    )
  }
  check(channel, definition, values)
  return {
    name: `initialize ${channel}`,
    connect(c) {
      const inputs: Edge<unknown> = unroll(constant(c.graph, values, options.delay))
      setFromInputs(c as never, channel, inputs, { keepIds: true })
    },
  }
}

/** The same again as in the run, so that a mistake is told where it was made. */
function check(channel: string, definition: ChannelDefinition, values: readonly unknown[]): void {
  const { kind, schema, keys } = definition
  const validation = new Validation(presentMint())
  for (const value of values) {
    if (kind !== 'basket') validation.take({ name: channel }, schema, value)
    else {
      for (const [key, one] of byKey(channel, value)) {
        if (keys?.includes(key) === false) throw unknownKey(channel, key, keys)
        validation.take({ name: channel }, schema, one, [key])
      }
    }
  }
  validation.finish()
}
