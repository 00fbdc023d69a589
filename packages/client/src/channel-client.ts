import {
  type Acknowledgement,
  type DeliveryMode,
  type From,
  filterOf,
  formatPosition,
  type Position,
  pathOf,
  type queryOf,
  type SendMessage,
} from '@gw/protocol'
import type { LastOptions, QueryOptions, SendOptions, SendReceipt } from './channel-types.js'
import type { CallOptions } from './deadline.js'
import { GatewayClientError, type RequestInfo } from './errors.js'
import type { SubscriptionEvent } from './events.js'
import type { Rest, RestAnswer, RestRequest } from './rest.js'
import { type Session, targetOf } from './session.js'
import { UntypedStageClient } from './stage-client.js'
import {
  type Begin,
  readSubscription,
  type Subscription,
  type Watch,
  watchSubscription,
} from './subscription.js'
import type { Validate } from './validate.js'
import { positionOf } from './wire-subscription.js'

type UntypedQuery = Parameters<typeof queryOf>[0]

interface UntypedWatchOptions extends CallOptions {
  readonly from?: From
  readonly where?: object
  readonly select?: readonly string[]
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
    this.stage = new UntypedStageClient(name, rest, (records) => this.#elements(records))
  }

  async value(options?: CallOptions): Promise<unknown> {
    return this.#value((await this.#rest.get(pathOf('field', this.#name), options)).body)
  }

  async last(...args: [string?, LastOptions?] | [LastOptions?]): Promise<unknown> {
    const [key, { atLeast, ...options } = {}] = keyFirst(args)
    const path = pathOf('last', this.#name, key)
    const query = { keys: wholeBasket(key), atLeast: atLeast && formatPosition(atLeast) }
    return this.#answered(await this.#rest.get(path, options, query))
  }

  async next(...args: [string?, CallOptions?] | [CallOptions?]): Promise<unknown> {
    const [key, options] = keyFirst(args)
    const path = pathOf('next', this.#name, key)
    const query = { keys: wholeBasket(key) }
    // The server's own bound applies when the caller names none. A second try could miss the tick.
    return this.#answered(
      await this.#rest.call({ method: 'GET', path, query, timeoutMs: undefined, ...options }),
    )
  }

  async lookup(id: string, options?: CallOptions): Promise<unknown> {
    const answer = await this.#rest.get(pathOf('lookup', this.#name, id), options)
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
    return this.#rest.get(pathOf('state', state), options, { ...queryParameters(query), ...more })
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
      key,
      expect,
    } as Omit<SendMessage, 'id'> // JSON leaves out what is undefined
    const bounded = { timeoutMs: this.#timeoutMs, ...call }
    const request = this.#request('send', key)
    const receipt = receiptOf(await this.#session.send(message, request, bounded))
    return { ...receipt, records: this.#elements(receipt.records) }
  }

  subscribe(
    ...args: [string?, UntypedWatchOptions?] | [UntypedWatchOptions?]
  ): Subscription<unknown, unknown, string> {
    const [key, options = {}] = keyFirst(args)
    return readSubscription(
      this.#begin(key, options),
      this.#request('subscribe', key),
      options,
      key,
    )
  }

  watch(
    ...args:
      | [string, UntypedListener, UntypedWatchOptions?]
      | [UntypedListener, UntypedWatchOptions?]
  ): Watch {
    const [key, listener, options = {}] = (
      typeof args[0] === 'string' ? args : [undefined, ...args]
    ) as [string | undefined, UntypedListener, UntypedWatchOptions?]
    return watchSubscription(
      this.#begin(key, options),
      this.#request('subscribe', key),
      listener,
      options,
    )
  }

  #request(action: string, key: string | undefined): RequestInfo {
    return targetOf(action, { channel: this.#name, key })
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
    const validate = select === undefined ? this.#validate : undefined
    return (sink) => this.#session.subscribe(spec, validate?.sink(this.#name, mode, sink) ?? sink)
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
    throw invalidAnswer('it does not say of what kind it is')
  }

  #value(value: unknown, isElement = false): unknown {
    return this.#validate === undefined ? value : this.#validate.value(this.#name, value, isElement)
  }

  #elements(records: readonly unknown[]): readonly unknown[] {
    return records.map((record) => this.#value(record, true))
  }
}

/** The parameters of a typed query: the filter as a tree, which can say everything that a filter can be. */
function queryParameters({ where, ...others }: UntypedQuery): RestRequest['query'] {
  return { ...others, where: where && JSON.stringify(filterOf(where)) }
}

/** Asks for the records of a whole basket by key. */
function wholeBasket(key: string | undefined): '1' | undefined {
  return key === undefined ? '1' : undefined
}

function keyFirst<O>(args: readonly [string?, O?] | readonly [O?]): [string | undefined, O?] {
  return (typeof args[0] === 'string' ? args : [undefined, args[0]]) as [string | undefined, O?]
}

function recordsOf({ body }: RestAnswer): readonly unknown[] {
  if (!Array.isArray(body)) throw invalidAnswer('it is no array')
  return body
}

function invalidAnswer(why: string): GatewayClientError {
  return new GatewayClientError('INVALID_ANSWER', `no answer of a gateway: ${why}`)
}

/** What the acknowledgement of a send tells. */
export function receiptOf(acknowledgement: Acknowledgement): SendReceipt<unknown> {
  const { data: records = [], durability } = acknowledgement
  return { records, position: positionOf(acknowledgement), durability }
}

/** A name for a send. Browsers offer `randomUUID` on secure pages only. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('')
}
