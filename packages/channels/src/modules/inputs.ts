import { basketNode, type Edge, multiNode, type NodeContext, node } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import type { Channels } from '../channels.js'
import { isPlain } from '../coerce.js'
import type { ChannelDefinition } from '../contract.js'
import { ChannelsError } from '../errors.js'
import { isoText, mintFor } from '../mint.js'
import { Validation } from '../validation.js'

/** Options of {@link setFromInputs} and {@link complete}. */
export interface InputOptions {
  /** Whether ids and timestamps that come with the inputs stay; otherwise they are new. */
  readonly keepIds: boolean
}

/**
 * Sets a channel to what comes from outside, unchecked: one input at a tick; of a basket, inputs by key, with null for a key of a
 * dynamic one that goes. Each is validated and completed with the engine's time; a wrong one is an error of the module.
 */
export function setFromInputs(
  channels: Channels<AnyChannels>,
  name: string,
  inputs: Edge<unknown>,
  options: InputOptions,
): void {
  const definition = channels.definitionOf(name)
  const take = (context: NodeContext, input: unknown): unknown =>
    complete(context, name, definition, input, options)
  const set = channels.setChannel.bind(channels) as (name: string, edge: unknown) => void
  const shape = channels.shapeOf(name as never)
  if (shape === 'dynamicBasket') {
    set(
      name,
      basketNode<string, unknown>()('complete', { inputs }, ({ inputs }, basket, context) => () => {
        for (const [key, input] of byKey(name, inputs.value)) {
          if (input !== null) basket.emit(key, take(context, input))
          else if (basket.has(key)) basket.remove(key)
        }
      }),
    )
  } else if (shape === 'basket') {
    const keys: readonly string[] = channels.keysOf(name as never)
    set(
      name,
      multiNode<Record<string, unknown>>()(
        'complete',
        { inputs },
        keys,
        ({ inputs }, outputs, context) =>
          () => {
            for (const [key, input] of byKey(name, inputs.value)) {
              const output = Object.hasOwn(outputs, key) ? outputs[key] : undefined
              if (output === undefined) throw unknownKey(name, key, keys)
              output.emit(take(context, input))
            }
          },
      ),
    )
  } else {
    set(
      name,
      node(
        'complete',
        { inputs },
        ({ inputs }, context) =>
          () =>
            take(context, inputs.value),
      ),
    )
  }
}

/**
 * Validates and completes, in a node, one value of a channel or key: new ids are the run's, new timestamps the engine's.
 * @throws ChannelsError `INVALID_RECORD`.
 */
export function complete(
  context: NodeContext,
  name: string,
  { schema }: ChannelDefinition,
  input: unknown,
  { keepIds }: InputOptions,
): unknown {
  const { id } = mintFor(context.graph)
  const validation = new Validation({ id, timestamp: () => isoText(context.now) })
  const value = validation.take({ name }, schema, keepIds ? input : withoutIds(input))
  validation.finish()
  return value
}

function withoutIds(input: unknown): unknown {
  if (Array.isArray(input)) return input.map(withoutIds)
  if (!isPlain(input)) return input
  const { id: _, timestamp: __, ...rest } = input
  return rest
}

/** The inputs of a basket. @throws ChannelsError `INVALID_RECORD`. */
export function byKey(name: string, inputs: unknown): readonly (readonly [string, unknown])[] {
  if (isPlain(inputs)) return Object.entries(inputs)
  throw new ChannelsError(
    'INVALID_RECORD',
    `"${name}" is a basket and takes an object of records by key, not ${JSON.stringify(inputs)}`,
    { channel: name },
  )
}

export function unknownKey(channel: string, key: string, keys: readonly string[]): ChannelsError {
  return new ChannelsError(
    'UNKNOWN_KEY',
    `"${channel}" has no key ${JSON.stringify(key)}: it has ${keys.join(', ')}`,
    { channel, key },
  )
}
