import { GatewayClientError } from '@gw/client'
import { type ChannelDescription, channelsOf, namesBelow } from '@gw/client/describe'
import type { AnyClient } from './untyped-channel.js'

/** What a gateway has, as far as an assistant may see it. */
export interface GatewayCatalog {
  readonly title: string
  readonly channels: readonly ChannelDescription[]
  readonly fields: readonly string[]
  readonly controls: readonly string[]
}

/**
 * Asks a gateway what it has. With `only`, other channels do not exist.
 * @throws GatewayClientError when the gateway says no, or is not there, or has no channel of a name in `only`.
 */
export async function catalogOf(
  client: AnyClient,
  only: readonly string[] | undefined,
  signal?: AbortSignal,
): Promise<GatewayCatalog> {
  const document = await client.$describe({ signal })
  const channels = channelsOf(document)
  const unknown = only?.find((name) => !channels.some((channel) => channel.name === name))
  if (unknown !== undefined) {
    throw new GatewayClientError('UNKNOWN_CHANNEL', `the gateway has no channel ${unknown}`)
  }
  return {
    title: document.info.title,
    channels: only === undefined ? channels : channels.filter(({ name }) => only.includes(name)),
    fields: namesBelow(document, 'field'),
    controls: namesBelow(document, 'controls'),
  }
}
