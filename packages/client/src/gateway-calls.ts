import type { AnyChannels } from '@gw/protocol'
import { randomId, receiptOf } from './channel-client.js'
import type { BatchSend, SendReceipt } from './channel-types.js'
import type { CallOptions } from './deadline.js'
import type { Rest, RestAnswer } from './rest.js'
import type { Session } from './session.js'
import { pathOf } from './url-path.js'

/** What the gateway tells of itself, when it is asked by a control. */
export interface ControlAnswer {
  readonly id: string
  readonly timestamp: string
  readonly name: string
  readonly status: string
  readonly data: Readonly<Record<string, unknown>>
  /** `data` as a JSON text. */
  readonly data_str: string
}

/** The description of a gateway's API, in the form of OpenAPI 3.1. */
export interface OpenApiDocument {
  readonly openapi: string
  readonly info: {
    readonly title: string
    readonly version: string
    readonly description?: string
  }
  /** Operations, by path and method. */
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly components?: {
    readonly schemas?: Readonly<Record<string, unknown>>
  }
}

/** Options of a batch. */
export interface BatchOptions extends CallOptions {
  /** Name of this batch: said again with the same name, within the server's window, it happens once. @defaultValue a random one */
  readonly messageId?: string
}

/** Calls that concern no single channel. A `$` keeps them apart from the channels' names. */
export interface GatewayCalls<C extends AnyChannels = AnyChannels> {
  /**
   * Sends to several channels: all or none, in one cycle.
   * @returns the completed records, in the order given, and the place of the last of them in its channel
   * @example
   * ```ts
   * await client.$batch([
   *   { channel: 'orders', data: order },
   *   { channel: 'prices', key: 'AAPL', data: 101.5 },
   * ])
   * ```
   */
  $batch(sends: readonly BatchSend<C>[], options?: BatchOptions): Promise<SendReceipt<unknown>>
  /** A recent record of any channel by its id. @throws GatewayClientError `UNKNOWN_ID` */
  $lookup(id: string, options?: CallOptions): Promise<unknown>
  /**
   * Asks the gateway itself: `heartbeat` goes through the engine and back, `stats` tells of process and machine, `shutdown`
   * stops it. @throws GatewayClientError `NOT_FOUND` where it is not served
   */
  $control(name: 'heartbeat' | 'stats' | 'shutdown', options?: CallOptions): Promise<ControlAnswer>
  /** What the gateway serves, with the schemas of its records. `channelsOf` of `@gw/client/describe` reads it. */
  $describe(options?: CallOptions): Promise<OpenApiDocument>
}

/** Makes the calls that concern no single channel. */
export function gatewayCalls(rest: Rest, session: Session, ownTimeoutMs: number): GatewayCalls {
  return {
    async $batch(sends, { messageId = randomId(), signal, timeoutMs = ownTimeoutMs } = {}) {
      const message = { action: 'batch', sends, messageId } as const
      const names = sends as readonly { readonly channel: string }[]
      const request = { action: 'batch', target: names.map(({ channel }) => channel).join() }
      return receiptOf(await session.send(message, request, { signal, timeoutMs }))
    },
    async $lookup(id, options) {
      return firstOf(await rest.get(pathOf('lookup', 'id', id), options))
    },
    async $control(name, options) {
      const path = pathOf('controls', name)
      const answer =
        name === 'shutdown'
          ? rest.call({ method: 'POST', path, ...options })
          : rest.get(path, options)
      return firstOf(await answer) as ControlAnswer
    },
    async $describe(options) {
      return (await rest.get('/openapi.json', options)).body as OpenApiDocument
    },
  }
}

function firstOf({ body }: RestAnswer): unknown {
  return (body as readonly unknown[])[0]
}
