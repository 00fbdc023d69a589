import type {
  CallOptions,
  ClientCalls,
  SendOptions,
  SendReceipt,
  SubscriptionEvent,
} from '@gw/client'

/** A client of any gateway. */
export type AnyClient = Pick<ClientCalls, '$control' | '$describe'>

interface QueryParts {
  readonly where?: object
  readonly sort?: readonly string[]
  readonly limit?: number
  readonly offset?: number
  readonly select?: readonly string[]
}

type Keyed<Options> = [key: string, options?: Options] | [options?: Options]

/** The calls on a channel of which only the description is known. */
export interface UntypedChannel {
  last(...args: Keyed<CallOptions>): Promise<unknown>
  next(...args: Keyed<CallOptions>): Promise<unknown>
  lookup(id: string, options?: CallOptions): Promise<unknown>
  value(options?: CallOptions): Promise<unknown>
  query(query: QueryParts, options?: CallOptions & { readonly state?: string }): Promise<unknown[]>
  count(query: QueryParts, options?: CallOptions & { readonly state?: string }): Promise<number>
  sendAll(data: unknown, ...args: Keyed<SendOptions>): Promise<SendReceipt<unknown>>
  subscribe(
    ...args: Keyed<CallOptions & { readonly where?: object; readonly select?: readonly string[] }>
  ): {
    readonly ready: Promise<void>
    events(): AsyncIterable<SubscriptionEvent>
    close(): void
  }
  readonly stage: {
    add(record?: unknown, ids?: readonly string[], options?: CallOptions): Promise<unknown>
    remove(id?: string, ids?: readonly string[], options?: CallOptions): Promise<unknown>
    release(ids?: readonly string[], options?: CallOptions): Promise<unknown>
    contents(id?: string, options?: CallOptions): Promise<unknown>
  }
}

/** The channel, or field, of a name. */
export function channelOf(client: AnyClient, name: string): UntypedChannel {
  return (client as unknown as Readonly<Record<string, UntypedChannel>>)[name] as UntypedChannel
}

/** Arguments of a call that may name a key. */
export function keyed<Options>(key: unknown, options: Options): Keyed<Options> {
  return typeof key === 'string' ? [key, options] : [options]
}
