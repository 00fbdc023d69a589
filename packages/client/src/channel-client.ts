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
import type { Validate } from './validate.js'
import type { SubscriptionSink } from './wire-subscription.js'

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

/** A state at a position. */
export interface StateAt {
  readonly records: readonly unknown[]
  readonly position: Position | undefined
  /** Paths that make the key. */
  readonly by: readonly string[] | undefined
}

/** The calls on one channel. Which of them there are, and for what types, is known to the compiler alone: see `ChannelClient`. */
export class UntypedChannelClient {
  readonly stage: UntypedStageClient
  readonly #name: string
  readonly #rest: Rest
  readonly #session: Session
  readonly #timeoutMs: number
  readonly #validate: Validate | undefined

  constructor(
    name: string,
    rest: Rest,
    session: Session,
    timeoutMs: number,
    validate: Validate | undefined,
  ) {
    this.#name = name
    this.#rest = rest
    this.#session = session
    this.#timeoutMs = timeoutMs
    this.#validate = validate
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
    return this.#answered(
      await this.#rest.call({ method: 'GET', path, query, idempotent: true, ...options }),
    )
  }

  async next(...args: [string?, CallOptions?] | [CallOptions?]): Promise<unknown> {
    const [key, options] = keyFirst(args)
    const path = pathOf('next', this.#name, key)
    const query = key === undefined ? { keys: '1' } : {}
    // The server's own bound applies when the caller names none.
    return this.#answered(
      await this.#rest.call({ method: 'GET', path, query, timeoutMs: undefined, ...options }),
    )
  }

  async lookup(id: string, options?: CallOptions): Promise<unknown> {
    const path = pathOf('lookup', this.#name, id)
    const answer = await this.#rest.call({ method: 'GET', path, idempotent: true, ...options })
    return this.#elements(recordsOf(answer))[0]
  }

  async query(
    query: UntypedQuery = {},
    options?: QueryOptions<string>,
  ): Promise<readonly unknown[]> {
    const records = recordsOf(await this.#state(query, {}, options))
    return query.select === undefined ? this.#elements(records) : records
  }

  /** The whole state with what a copy of it needs. Not part of the client's types: used by `liveState`. */
  async stateAt(options?: QueryOptions<string>): Promise<StateAt> {
    const answer = await this.#state({}, {}, options)
    const records = this.#elements(recordsOf(answer))
    return { records, position: answer.position, by: answer.stateBy }
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

  async send(data: unknown, ...more: [string?, SendOptions?] | [SendOptions?]): Promise<unknown> {
    const { records } = await this.sendAll(data, ...more)
    return Array.isArray(data) ? records : records[0]
  }

  sendBasket(inputs: unknown, options: SendOptions = {}): Promise<SendReceipt<unknown>> {
    return this.sendAll(inputs, options)
  }

  async sendAll(
    data: unknown,
    ...more: [string?, SendOptions?] | [SendOptions?]
  ): Promise<SendReceipt<unknown>> {
    const [key, { messageId = randomId(), expect, ...call } = {}] = keyFirst(more)
    const message = {
      action: 'send' as const,
      channel: this.#name,
      data,
      messageId,
      ...(key === undefined ? {} : { key }),
      ...(expect === undefined ? {} : { expect }),
    }
    const bounded = { timeoutMs: this.#timeoutMs, ...call }
    const { data: records = [], ...answer } = await this.#session.send(message, bounded)
    const { durability } = answer
    return { records: this.#elements(records), position: positionOf(answer), durability }
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
    const isChecked = this.#validate !== undefined && select === undefined
    return (sink) => this.#session.subscribe(spec, isChecked ? this.#checked(sink, mode) : sink)
  }

  /** A sink that lets only right records through. */
  #checked(sink: SubscriptionSink, mode: DeliveryMode | undefined): SubscriptionSink {
    const check = (value: unknown): unknown =>
      mode === 'burst' ? this.#elements(value as readonly unknown[]) : this.#value(value)
    return {
      onReady: () => sink.onReady(),
      onError: (error) => sink.onError(error),
      onEvent: (event) => {
        try {
          sink.onEvent(event.type === 'data' ? { ...event, value: check(event.value) } : event)
        } catch (error) {
          sink.onError(error as GatewayClientError)
        }
      },
    }
  }

  /** What an answer holds, by the server's word on what it is, never by its looks. */
  #answered(answer: RestAnswer): unknown {
    const { body, kind, position } = answer
    if (kind === 'basket' && typeof body === 'object' && !Array.isArray(body)) {
      const byKey = Object.entries(body as object)
      return Object.fromEntries(byKey.map(([key, value]) => [key, this.#value(value)]))
    }
    const records = recordsOf(answer)
    if (kind === 'single') return records.length === 0 ? undefined : this.#value(records[0])
    if (kind === 'list') return position?.offset === 0 ? undefined : this.#value(records)
    throw invalidAnswer('it does not say whether it is single, a list or a basket')
  }

  #value(value: unknown): unknown {
    return this.#validate === undefined ? value : this.#validate(this.#name, value, false)
  }

  #elements(records: readonly unknown[]): readonly unknown[] {
    const validate = this.#validate
    return validate === undefined
      ? records
      : records.map((record) => validate(this.#name, record, true))
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

function recordsOf({ body }: RestAnswer): readonly unknown[] {
  if (!Array.isArray(body)) throw invalidAnswer('it is no array')
  return body
}

function invalidAnswer(why: string): GatewayClientError {
  return new GatewayClientError('INVALID_ANSWER', `the answer cannot be understood: ${why}`)
}

function positionOf({ epoch, offset }: Partial<Acknowledgement>): Position | undefined {
  return epoch === undefined || offset === undefined ? undefined : { epoch, offset }
}

/** Browsers offer `randomUUID` on secure pages only. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('')
}
