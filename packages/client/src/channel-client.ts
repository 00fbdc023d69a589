import {
  type Acknowledgement,
  type DeliveryMode,
  type From,
  filterOf,
  type Position,
  pathOf,
  type queryOf,
} from '@gw/protocol'
import type { QueryOptions, SendOptions, SendReceipt } from './channel-types.js'
import type { CallOptions } from './deadline.js'
import { GatewayClientError } from './errors.js'
import type { SubscriptionEvent } from './events.js'
import type { Rest, RestAnswer } from './rest.js'
import type { Session } from './session.js'
import {
  type Begin,
  readSubscription,
  type Subscription,
  type Watch,
  watchSubscription,
} from './subscription.js'

type UntypedQuery = Parameters<typeof queryOf>[0]

interface UntypedWatchOptions {
  readonly from?: From
  readonly where?: object
  readonly select?: readonly string[]
  readonly signal?: AbortSignal
  readonly mode?: DeliveryMode
  readonly onError?: (error: GatewayClientError) => void
}

type UntypedListener = (event: SubscriptionEvent) => void

/** The calls on one channel. Which of them there are, and for what types, is known to the compiler alone: see `ChannelClient`. */
export class UntypedChannelClient {
  readonly stage: UntypedStageClient
  readonly #name: string
  readonly #rest: Rest
  readonly #session: Session
  readonly #timeoutMs: number

  constructor(name: string, rest: Rest, session: Session, timeoutMs: number) {
    this.#name = name
    this.#rest = rest
    this.#session = session
    this.#timeoutMs = timeoutMs
    this.stage = new UntypedStageClient(name, rest)
  }

  async value(options?: CallOptions): Promise<unknown> {
    const path = pathOf('field', this.#name)
    return (await this.#rest.call({ method: 'GET', path, idempotent: true, ...options })).body
  }

  async last(...args: [string?, CallOptions?] | [CallOptions?]): Promise<unknown> {
    const [key, options] = keyFirst(args)
    const path = pathOf('last', this.#name, key)
    const query = key === undefined ? { keys: '1' } : {}
    return answeredValue(
      await this.#rest.call({ method: 'GET', path, query, idempotent: true, ...options }),
    )
  }

  async next(...args: [string?, CallOptions?] | [CallOptions?]): Promise<unknown> {
    const [key, options] = keyFirst(args)
    const path = pathOf('next', this.#name, key)
    const query = key === undefined ? { keys: '1' } : {}
    // The server's own bound applies when the caller names none.
    return answeredValue(
      await this.#rest.call({ method: 'GET', path, query, timeoutMs: undefined, ...options }),
    )
  }

  async lookup(id: string, options?: CallOptions): Promise<unknown> {
    const path = pathOf('lookup', this.#name, id)
    const answer = await this.#rest.call({ method: 'GET', path, idempotent: true, ...options })
    return recordsOf(answer)[0]
  }

  async query(
    query: UntypedQuery = {},
    options?: QueryOptions<string>,
  ): Promise<readonly unknown[]> {
    return recordsOf(await this.#state(query, {}, options))
  }

  async count(query: UntypedQuery = {}, options?: QueryOptions<string>): Promise<number> {
    const { body } = await this.#state(query, { count: '1' }, options)
    if (typeof body !== 'number') throw invalidAnswer('a count is a number')
    return body
  }

  #state(
    query: UntypedQuery,
    more: Readonly<Record<string, string>>,
    { state = this.#name, ...options }: QueryOptions<string> = {},
  ): Promise<RestAnswer> {
    const path = pathOf('state', state)
    const parameters = { ...queryParameters(query), ...more }
    return this.#rest.call({ method: 'GET', path, query: parameters, idempotent: true, ...options })
  }

  async send(...args: [string, unknown, SendOptions?] | [unknown, SendOptions?]): Promise<unknown> {
    const [key, data, options] = keyBeforeData(args)
    const { records } = await this.#send(key, data, options)
    return Array.isArray(data) ? records : records[0]
  }

  sendAll(
    ...args: [string, readonly unknown[], SendOptions?] | [readonly unknown[], SendOptions?]
  ): Promise<SendReceipt<unknown>> {
    const [key, data, options] = keyBeforeData(args)
    return this.#send(key, data, options)
  }

  sendBasket(inputs: unknown, options?: SendOptions): Promise<SendReceipt<unknown>> {
    return this.#send(undefined, inputs, options)
  }

  async #send(
    key: string | undefined,
    data: unknown,
    { messageId = randomId(), expect, ...call }: SendOptions = {},
  ): Promise<SendReceipt<unknown>> {
    const message = {
      action: 'send' as const,
      channel: this.#name,
      data,
      messageId,
      ...(key === undefined ? {} : { key }),
      ...(expect === undefined ? {} : { expect }),
    }
    return receiptOf(await this.#session.send(message, this.#bounded(call)))
  }

  subscribe(
    ...args: [string?, UntypedWatchOptions?] | [UntypedWatchOptions?]
  ): Subscription<unknown, unknown, string> {
    const [key, options = {}] = keyFirst(args)
    return readSubscription(this.#begin(key, options), options, key)
  }

  watch(
    ...args:
      | [string, UntypedListener, UntypedWatchOptions?]
      | [UntypedListener, UntypedWatchOptions?]
  ): Watch {
    const [key, listener, options = {}] = (
      typeof args[0] === 'string' ? args : [undefined, ...args]
    ) as [string | undefined, UntypedListener, UntypedWatchOptions?]
    return watchSubscription(this.#begin(key, options), listener, options)
  }

  #begin(key: string | undefined, { from, where, select, mode }: UntypedWatchOptions): Begin {
    const spec = {
      channel: this.#name,
      key,
      where: where === undefined ? undefined : filterOf(where),
      select,
      mode,
      from,
    }
    return (sink) => this.#session.subscribe(spec, sink)
  }

  #bounded(options: CallOptions): CallOptions {
    return { timeoutMs: this.#timeoutMs, ...options }
  }
}

/** The calls on the staging of one channel. */
export class UntypedStageClient {
  readonly #path: string
  readonly #rest: Rest

  constructor(name: string, rest: Rest) {
    this.#path = pathOf('stage', name)
    this.#rest = rest
  }

  add(body?: unknown, ids?: readonly string[], options?: CallOptions): Promise<unknown> {
    return this.#call('POST', ids, options, body)
  }

  remove(recordId?: string, ids?: readonly string[], options?: CallOptions): Promise<unknown> {
    return this.#call('DELETE', ids, options, recordId === undefined ? undefined : { id: recordId })
  }

  release(ids?: readonly string[], options?: CallOptions): Promise<unknown> {
    return this.#call('PATCH', ids, options)
  }

  list(options?: CallOptions): Promise<unknown> {
    return this.#call('GET', undefined, options)
  }

  contents(id?: string, options?: CallOptions): Promise<unknown> {
    return this.#call('PUT', id === undefined ? undefined : [id], options)
  }

  async #call(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    ids: readonly string[] | undefined,
    options: CallOptions | undefined,
    body?: unknown,
  ): Promise<unknown> {
    const idempotent = method === 'GET' || method === 'PUT' // PUT reads, here
    const query = { id: ids?.join(',') }
    return (
      await this.#rest.call({ method, path: this.#path, query, body, idempotent, ...options })
    ).body
  }
}

/** The parameters of a typed query: the filter as a tree, which can say everything that a filter can be. */
function queryParameters(typed: UntypedQuery): Readonly<Record<string, string | undefined>> {
  const { where, sort, limit, offset, select } = typed
  return {
    where: where === undefined ? undefined : JSON.stringify(filterOf(where)),
    sort: sort?.toString(),
    limit: limit?.toString(),
    offset: offset?.toString(),
    select: select?.toString(),
  }
}

function keyFirst<O>(args: readonly [string?, O?] | readonly [O?]): [string | undefined, O?] {
  return (typeof args[0] === 'string' ? args : [undefined, args[0]]) as [string | undefined, O?]
}

/** A key stands before the data; data alone may be a text too, so the number of arguments and the type of the second decide. */
function keyBeforeData(
  args: readonly unknown[],
): [key: string | undefined, data: unknown, options: SendOptions | undefined] {
  const keyed = args.length === 3 || (args.length === 2 && typeof args[0] === 'string')
  return (keyed ? args : [undefined, ...args]) as [
    string | undefined,
    unknown,
    SendOptions | undefined,
  ]
}

/** By the server's word on what the answer is, never by its looks. */
function answeredValue(answer: RestAnswer): unknown {
  const { body, kind, position } = answer
  if (kind === 'basket' && !Array.isArray(body)) return body
  const records = recordsOf(answer)
  if (kind === 'single') return records[0]
  if (kind === 'list') return position?.offset === 0 ? undefined : records
  throw invalidAnswer('it does not say whether it is single, a list or a basket')
}

function recordsOf({ body }: RestAnswer): readonly unknown[] {
  if (!Array.isArray(body)) throw invalidAnswer('it is no array')
  return body
}

function invalidAnswer(why: string): GatewayClientError {
  return new GatewayClientError('INVALID_ANSWER', `the answer cannot be understood: ${why}`)
}

function receiptOf({
  data = [],
  epoch,
  offset,
  durability,
}: Acknowledgement): SendReceipt<unknown> {
  const position: Position | undefined =
    epoch === undefined || offset === undefined ? undefined : { epoch, offset }
  return { records: data, position, durability }
}

/** Browsers offer `randomUUID` on secure pages only. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('')
}
