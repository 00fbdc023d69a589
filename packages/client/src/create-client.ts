import {
  type AnyChannels,
  type ChannelName,
  type ChannelsOf,
  type ContractType,
  type FieldName,
  HEADER,
  pathOf,
  type SocketTicket,
} from '@gw/protocol'
import { channelClient, type UntypedChannelClient } from './channel-client.js'
import type { ChannelClient } from './channel-types.js'
import type { ClientConnection } from './connection.js'
import { GatewayClientError } from './errors.js'
import { type GatewayCalls, gatewayCalls } from './gateway-calls.js'
import { type ApiKey, type Fetch, type Rest, restOf } from './rest.js'
import { Session, type SessionOptions } from './session.js'
import type { Validate } from './validate.js'
import { findWebSocket, openWebSocket, type WebSocketConstructor } from './websocket.js'

/** Options of {@link createClient}. */
export interface ClientOptions extends SessionOptions {
  /** Where the gateway is: `http://127.0.0.1:8000`, or with a path in front of `/api`. */
  readonly url: string
  /** The key, or a function that gives it; asked for each call and each connection. */
  readonly apiKey?: ApiKey | undefined
  /** An access token, such as those that `@gw/auth-oidc` takes, or a function that gives it. */
  readonly token?: ApiKey | undefined
  /** @defaultValue the global one; on Node 20, that of the package `ws` */
  readonly WebSocket?: WebSocketConstructor
  /** @defaultValue the global one */
  readonly fetch?: Fetch
  /** Bound of calls that name none themselves; `next` is bounded by the server. @defaultValue 30_000 */
  readonly timeoutMs?: number
}

/** What a client has beside its channels. A `$` keeps it apart from their names. */
export interface ClientCalls<C extends AnyChannels = AnyChannels>
  extends GatewayCalls<C>,
    AsyncDisposable {
  readonly $connection: ClientConnection
  /** Ends subscriptions and connection; calls from now on fail with `CLOSED`. */
  $close(): void
}

/** A gateway as seen from outside: a property for each channel of its contract, with the calls that the channel allows. */
export type Client<Contract extends ContractType> = ClientCalls<ChannelsOf<Contract>> & {
  readonly [K in
    | ChannelName<ChannelsOf<Contract>>
    | FieldName<ChannelsOf<Contract>>]: ChannelClient<ChannelsOf<Contract>, K>
}

/**
 * A typed client of a gateway. Nothing is opened until it is needed: reads are calls of REST; subscriptions and sends share
 * one WebSocket that comes back after a loss.
 * @throws GatewayClientError `BAD_REQUEST` for a URL that is none.
 * @example
 * ```ts
 * const client = createClient<typeof channels>({ url: 'http://127.0.0.1:8000', apiKey })
 * const last = await client.orders.last()
 * for await (const price of client.prices.subscribe('AAPL')) console.log(price.value)
 * ```
 */
export function createClient<Contract extends ContractType>(
  options: ClientOptions,
  /** @internal What `@gw/client/validation` adds. */
  validate?: Validate,
): Client<Contract> {
  const base = baseOf(options.url)
  const timeoutMs = options.timeoutMs ?? 30_000
  const callFetch: Fetch = options.fetch ?? ((url, init) => fetch(url, init))
  const credentials = (): Promise<Record<string, string>> => credentialsOf(options)
  const rest = restOf(base, credentials, callFetch, timeoutMs)
  const connectTimeoutMs = options.connectTimeoutMs ?? 10_000
  const newTicket = async (): Promise<string> => {
    const path = pathOf('auth', 'ticket')
    const { body } = await rest.call({ method: 'POST', path, timeoutMs: connectTimeoutMs })
    return (body as SocketTicket).ticket
  }
  const session = new Session(
    async () =>
      openWebSocket(options.WebSocket ?? findWebSocket(), base, await credentials(), newTicket),
    (cause) => diagnose(rest, connectTimeoutMs, cause),
    options,
  )
  const $close = async (): Promise<void> => {
    rest.close()
    session.close()
  }
  const calls: ClientCalls = {
    ...gatewayCalls(rest, session, timeoutMs),
    $connection: session.connection,
    $close,
    [Symbol.asyncDispose]: $close,
  }
  const channels = new Map<string, UntypedChannelClient>()
  return new Proxy(calls, {
    get(target, name) {
      // `then` is asked for by `await`, and no channel is called so.
      if (typeof name === 'symbol' || name.startsWith('$') || name === 'then') {
        return target[name as keyof ClientCalls]
      }
      let channel = channels.get(name)
      if (channel === undefined) {
        channel = channelClient(name, rest, session, timeoutMs, validate)
        channels.set(name, channel)
      }
      return channel
    },
  }) as Client<Contract>
}

function baseOf(url: string): string {
  const base = url.replace(/^ws/, 'http').replace(/\/+$/, '')
  if (/^https?:\/\/[^?#]+$/.test(base) && URL.canParse(base)) return base
  throw new GatewayClientError('BAD_REQUEST', `no URL of a gateway: ${JSON.stringify(url)}`)
}

/** @throws GatewayClientError `CONNECTION_FAILED` when what gives the key or token fails. */
async function credentialsOf({ apiKey, token }: ClientOptions): Promise<Record<string, string>> {
  const given = (source: ApiKey | undefined) => (typeof source === 'function' ? source() : source)
  const headers: Record<string, string> = {}
  try {
    const [key, bearer] = [await given(apiKey), await given(token)]
    if (key !== undefined) headers[HEADER.API_KEY] = key
    if (bearer !== undefined) headers.authorization = `Bearer ${bearer}`
    return headers
  } catch (cause) {
    throw new GatewayClientError('CONNECTION_FAILED', 'no key', { cause })
  }
}

/** Why a WebSocket could not be opened: it does not tell, REST does. */
async function diagnose(
  rest: Rest,
  timeoutMs: number,
  cause: unknown,
): Promise<GatewayClientError> {
  if (cause instanceof GatewayClientError) return cause
  try {
    await rest.call({ method: 'GET', path: pathOf('stream'), timeoutMs })
  } catch (error) {
    return error as GatewayClientError
  }
  const text = 'no WebSocket comes through: see @gw/client/sse'
  return new GatewayClientError('CONNECTION_FAILED', text, { cause })
}
