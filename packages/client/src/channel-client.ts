import {
  type Acknowledgement,
  type DeliveryMode,
  type From,
  filterOf,
  formatPosition,
  type queryOf,
  type SendMessage,
} from '@gw/protocol'
import type { LastOptions, QueryOptions, SendOptions, SendReceipt } from './channel-types.js'
import type { CallOptions } from './deadline.js'
import { GatewayClientError, type RequestInfo } from './errors.js'
import type { SubscriptionEvent } from './events.js'
import { jsonOf, type Rest, type RestAnswer } from './rest.js'
import { type Session, targetOf } from './session.js'
import { stageClient, type UntypedStageClient } from './stage-client.js'
import {
  type Beginning,
  readSubscription,
  type Subscription,
  type Watch,
  watchSubscription,
} from './subscription.js'
import { pathOf } from './url-path.js'
import type { Validate } from './validate.js'
import { positionOf } from './wire-subscription.js'

type UntypedQuery = Parameters<typeof queryOf>[0]

interface UntypedWatchOptions extends CallOptions {
  readonly from?: From
  readonly where?: object
  readonly select?: readonly string[]
  readonly mode?: DeliveryMode
  /** Brings the events of a state, too; `true` is that of the channel. Not part of the client's types: used by `liveState`. */
  readonly state?: string | true
  readonly onError?: (error: GatewayClientError) => void
}

type Keyed<Options> = [key?: string, options?: Options] | [options?: Options]

type UntypedListener = (event: SubscriptionEvent) => void

/** Records of a state, at a position; the headers tell more of the state. */
export interface StateAt extends RestAnswer {
  readonly records: readonly unknown[]
}

/** The calls on one channel. Which of them there are, and for what types, is known to the compiler alone: see `ChannelClient`. */
export interface UntypedChannelClient {
  readonly stage: UntypedStageClient
  value(options?: CallOptions): Promise<unknown>
  last(...args: Keyed<LastOptions>): Promise<unknown>
  next(...args: Keyed<CallOptions>): Promise<unknown>
  lookup(id: string, options?: CallOptions): Promise<unknown>
  query(query?: UntypedQuery, options?: QueryOptions<string>): Promise<readonly unknown[]>
  /** A query, with what a copy of the state needs. Not part of the client's types: used by `liveState`. */
  stateAt(query: UntypedQuery, options?: QueryOptions<string>): Promise<StateAt>
  count(query?: UntypedQuery, options?: QueryOptions<string>): Promise<number>
  send(data: unknown, ...more: Keyed<SendOptions>): Promise<unknown>
  sendBasket(inputs: unknown, options?: SendOptions): Promise<SendReceipt<unknown>>
  sendAll(data: unknown, ...more: Keyed<SendOptions>): Promise<SendReceipt<unknown>>
  subscribe(...args: Keyed<UntypedWatchOptions>): Subscription<unknown, unknown, string>
  watch(listener: UntypedListener, options?: UntypedWatchOptions): Watch
  watch(key: string, listener: UntypedListener, options?: UntypedWatchOptions): Watch
}

/** Makes the calls on a channel. */
export function channelClient(
  name: string,
  rest: Rest,
  session: Session,
  ownTimeoutMs: number,
  validate: Validate | undefined,
): UntypedChannelClient {
  const checked = (value: unknown, isElement = false): unknown =>
    validate === undefined ? value : validate.value(name, value, isElement)

  const elements = (records: readonly unknown[]): readonly unknown[] =>
    records.map((record) => checked(record, true))

  const requestOf = (action: string, key: string | undefined): RequestInfo =>
    targetOf(action, { channel: name, key })

  /** What an answer holds, by the server's word on what it is, never by its looks. */
  function answered(answer: RestAnswer): unknown {
    const { body, kind, position } = answer
    if (kind === 'basket' && typeof body === 'object' && !Array.isArray(body)) {
      const byKey = Object.entries(body as object)
      return Object.fromEntries(byKey.map(([key, value]) => [key, checked(value)]))
    }
    const records = recordsOf(answer)
    if (kind === 'single') return records.length === 0 ? undefined : checked(records[0])
    if (kind === 'list') return position?.offset === 0 ? undefined : checked(records)
    throw invalidAnswer(answer, 'no kind')
  }

  /** The answer to a query: its filter goes as a tree, which can say everything that a filter can be. */
  async function stateOf(
    { where, select, ...others }: UntypedQuery,
    more: Readonly<Record<string, string>>,
    { state = name, ...options }: QueryOptions<string> = {},
  ): Promise<RestAnswer> {
    const path = pathOf('state', state)
    const filter = where && jsonOf(filterOf(where), { action: 'GET', target: path })
    return rest.get(path, options, { ...others, ...more, select: someOf(select), where: filter })
  }

  const beginning = (
    key: string | undefined,
    { from, where, select, mode, state }: UntypedWatchOptions,
  ): Beginning => {
    const spec = {
      channel: name,
      key,
      where: where && filterOf(where),
      select: someOf(select),
      mode,
      from,
      state: state === true ? name : state,
    }
    const check = spec.select === undefined ? validate : undefined
    return {
      request: requestOf('subscribe', key),
      connection: session.connection,
      begin: (sink) => session.subscribe(spec, check?.sink(name, mode, sink) ?? sink),
    }
  }

  const channel: UntypedChannelClient = {
    stage: stageClient(name, rest, elements),

    value: async (options) => checked((await rest.get(pathOf('field', name), options)).body),

    async last(...args) {
      const [key, { atLeast, ...options } = {}] = keyFirst(args)
      const query = { keys: wholeBasket(key), atLeast: atLeast && formatPosition(atLeast) }
      return answered(await rest.get(pathOf('last', name, key), options, query))
    },

    async next(...args) {
      // The server's own bound applies when the caller names none. A second try could miss the tick.
      const [key, { signal, timeoutMs = Number.POSITIVE_INFINITY } = {}] = keyFirst(args)
      const [path, query] = [pathOf('next', name, key), { keys: wholeBasket(key) }]
      return answered(await rest.call({ method: 'GET', path, query, signal, timeoutMs }))
    },

    lookup: async (id, options) =>
      elements(recordsOf(await rest.get(pathOf('lookup', name, id), options)))[0],

    query: async (query = {}, options) => (await channel.stateAt(query, options)).records,

    async stateAt(query, options) {
      const answer = await stateOf(query, {}, options)
      const records = recordsOf(answer)
      return {
        ...answer,
        records: someOf(query.select) === undefined ? elements(records) : records,
      }
    },

    async count(query = {}, options) {
      const answer = await stateOf(query, { count: '1' }, options)
      if (typeof answer.body !== 'number') throw invalidAnswer(answer, 'no number')
      return answer.body
    },

    async send(data, ...more) {
      const { records } = await channel.sendAll(data, ...more)
      return Array.isArray(data) ? records : records[0]
    },

    sendBasket: (inputs, options = {}) => channel.sendAll(inputs, options),

    async sendAll(data, ...more) {
      const [key, { messageId = randomId(), expect, signal, timeoutMs = ownTimeoutMs } = {}] =
        keyFirst(more)
      const message = {
        action: 'send' as const,
        channel: name,
        data,
        messageId,
        key,
        expect,
      } as Omit<SendMessage, 'id'> // JSON leaves out what is undefined
      const sent = session.send(message, requestOf('send', key), { signal, timeoutMs })
      const receipt = receiptOf(await sent)
      return { ...receipt, records: elements(receipt.records) }
    },

    subscribe(...args) {
      const [key, options = {}] = keyFirst(args)
      return readSubscription(beginning(key, options), options, key)
    },

    watch(...args: readonly unknown[]) {
      const [key, listener, options = {}] = keyFirst(args) as unknown as [
        string | undefined,
        UntypedListener,
        UntypedWatchOptions?,
      ]
      return watchSubscription(beginning(key, options), listener, options)
    },
  }
  return channel
}

/** No path is no selection. */
function someOf(select: readonly string[] | undefined): readonly string[] | undefined {
  return select?.length === 0 ? undefined : select
}

/** Asks for the records of a whole basket by key. */
function wholeBasket(key: string | undefined): '1' | undefined {
  return key === undefined ? '1' : undefined
}

function keyFirst<O>(args: Keyed<O> | readonly unknown[]): [string | undefined, O?] {
  return (typeof args[0] === 'string' ? args : [undefined, ...args]) as [string | undefined, O?]
}

function recordsOf(answer: RestAnswer): readonly unknown[] {
  if (!Array.isArray(answer.body)) throw invalidAnswer(answer, 'no list')
  return answer.body
}

function invalidAnswer({ request }: RestAnswer, why: string): GatewayClientError {
  return new GatewayClientError('INVALID_ANSWER', `no answer of a gateway: ${why}`, { request })
}

/** What the acknowledgement of a send tells. */
export function receiptOf(acknowledgement: Acknowledgement): SendReceipt<unknown> {
  const { data: records = [], durability } = acknowledgement
  return { records, position: positionOf(acknowledgement), durability }
}

/** A name for a send. Browsers offer `randomUUID` on secure pages only. */
export function randomId(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-')
}
