import { basketNode, constant, type Duration, type Edge, node, unroll } from '@gw/core'
import type { AnyChannels, ChannelName, InputOf, KeyOf, TypesOf } from '@gw/protocol'
import type { ChannelDefinition, Contract } from '../contract.js'
import { definitionsOf } from '../contract.js'
import { ChannelsError } from '../errors.js'
import type { Module } from '../module.js'
import { completedIn } from './selection.js'

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
 * @throws ChannelsError `INVALID_RECORD` at once when the value is not of the channel's schema.
 * @example `initialize(channels, 'thresholds', { airport: '*', minutes: 45 })`
 */
export function initialize<C extends AnyChannels, K extends ChannelName<C>>(
  contract: Contract<C>,
  channel: K,
  value: InitialOf<C, K>,
  options: InitializeOptions = {},
): Module<C> {
  return initializer(contract, channel, [value], options)
}

/** As {@link initialize} with several values: each in a cycle of its own, in order, at one time. */
export function initializeAll<C extends AnyChannels, K extends ChannelName<C>>(
  contract: Contract<C>,
  channel: K,
  values: readonly InitialOf<C, K>[],
  options: InitializeOptions = {},
): Module<C> {
  return initializer(contract, channel, values, options)
}

function initializer<C extends AnyChannels>(
  contract: Contract<C>,
  channel: string,
  values: readonly unknown[],
  { delay = 0 }: InitializeOptions,
): Module<C> {
  const definition = definitionsOf(contract)[channel] as ChannelDefinition
  for (const value of values) check(channel, definition, value)
  return {
    name: `initialize ${channel}`,
    connect(c) {
      const set = c.setChannel.bind(c) as unknown as (
        name: string,
        edge: unknown,
        key?: string,
      ) => void
      const raw = unroll(constant(c.graph, values, delay)) as Edge<unknown>
      const complete = (pick: (value: unknown) => unknown): Edge<unknown> =>
        node('initial', { raw }, ({ raw }, context) => () => {
          const picked = pick(raw.value)
          return picked === undefined ? undefined : completedIn(context, definition.schema, picked)
        })
      if (definition.kind !== 'basket') {
        set(
          channel,
          complete((value) => value),
        )
      } else if (definition.dynamic === true) {
        const basket = basketNode<string, unknown>()(
          'initial',
          { raw },
          ({ raw }, out, context) =>
            () => {
              for (const [key, value] of Object.entries(raw.value as object)) {
                out.emit(key, completedIn(context, definition.schema, value))
              }
            },
        )
        set(channel, basket)
      } else {
        for (const key of new Set(values.flatMap((value) => Object.keys(value as object)))) {
          set(
            channel,
            complete((value) => (value as Record<string, unknown>)[key]),
            key,
          )
        }
      }
    },
  }
}

function check(channel: string, { kind, schema }: ChannelDefinition, value: unknown): void {
  for (const one of kind === 'basket' ? Object.values(value as object) : [value]) {
    const result = schema.safeParse(one)
    if (result.success) continue
    const { message = '', path = [] } = result.error.issues[0] ?? {}
    throw new ChannelsError(
      'INVALID_RECORD',
      `"${channel}" cannot be initialized with ${JSON.stringify(one)}: ${path.join('.')} ${message}`,
      { channel, issues: result.error.issues },
    )
  }
}
