import {
  CLOSE_CODE,
  type ClientMessage,
  type ErrorCode,
  type Position,
  parsePosition,
  type SendMessage,
  type ServerMessage,
  type SubscribeMessage,
} from '@gw/protocol'
import type { ClientOptions } from './create-client.js'
import { GatewayClientError } from './errors.js'
import { readEvents, type StreamEvent } from './event-reader.js'
import { type Fetch, parseJson, type Rest, refusal, restOf } from './rest.js'
import { pathOf } from './url-path.js'
import type { WebSocketConstructor, WebSocketLike } from './websocket.js'

/** Options of {@link sse}. */
export interface SseOptions {
  /** @defaultValue the global one */
  readonly fetch?: Fetch
}

/**
 * The options of `createClient` for where no WebSocket comes through: subscriptions are server-sent events, each a request of
 * its own, and sends are calls of REST, one after the other. All else is as over a WebSocket: what is resumed, repeated and
 * told of a loss. There is no `$batch`. Browsers open few requests to one server over HTTP/1.1 at a time (six), so give them
 * HTTP/2 where more is watched.
 * @example `createClient<typeof channels>({ url, apiKey, ...sse() })`
 */
export function sse({
  fetch: own,
}: SseOptions = {}): Required<Pick<ClientOptions, 'fetch' | 'WebSocket'>> {
  const callFetch: Fetch = own ?? ((url, init) => fetch(url, init))
  class Socket extends EventStreamSocket {
    constructor(url: string, { headers = {} }: { headers?: Record<string, string> } = {}) {
      super(url, headers, callFetch)
    }
  }
  return { fetch: callFetch, WebSocket: Socket as unknown as WebSocketConstructor }
}

/** Speaks as the socket of a gateway does, by means of event streams and of REST. */
class EventStreamSocket implements WebSocketLike {
  onopen: WebSocketLike['onopen'] = null
  onmessage: WebSocketLike['onmessage'] = null
  onclose: WebSocketLike['onclose'] = null
  onerror: WebSocketLike['onerror'] = null
  readonly #base: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #fetch: Fetch
  readonly #rest: Rest
  readonly #closed = new AbortController()
  /** Event streams, by the id of their subscription. */
  readonly #streams = new Map<unknown, AbortController>()
  /** Subscriptions that the server has not answered. */
  readonly #opening = new Set<Promise<void>>()
  /** The last send: the next one waits for it, so that they keep their order. */
  #lastSend: Promise<void> = Promise.resolve()

  constructor(url: string, headers: Readonly<Record<string, string>>, fetch: Fetch) {
    this.#base = url.replace(/^ws/, 'http').replace(/\/api\/v1\/stream$/, '')
    this.#headers = headers
    this.#fetch = fetch
    this.#rest = restOf(this.#base, async () => ({ ...headers }), fetch, 30_000)
    this.#rest.call({ method: 'GET', path: pathOf('stream'), signal: this.#closed.signal }).then(
      () => this.onopen?.({} as never),
      (error) => this.#fail(error),
    )
  }

  send(text: string): void {
    const message = JSON.parse(text) as ClientMessage & { readonly id: number }
    const { id } = message
    if (message.action === 'subscribe') {
      const opening = this.#subscribe(message, id)
      this.#opening.add(opening)
      opening.finally(() => this.#opening.delete(opening))
    } else if (message.action === 'send') {
      const before = Promise.all([this.#lastSend, ...this.#opening])
      this.#lastSend = before.then(() => this.#send(message, id))
    } else if (message.action === 'unsubscribe') {
      const stream = this.#streams.get(id)
      this.#streams.delete(id)
      stream?.abort()
      if (stream !== undefined) return this.#say({ id, ok: true })
      // The client asks for a sign of life.
      const { signal } = this.#closed
      this.#rest.get(pathOf('stream'), { signal }).then(
        () => this.#say({ id, ok: true }),
        (error) => this.#fail(error),
      )
    } else {
      this.#refuse(id, new GatewayClientError('BAD_REQUEST', 'a batch needs a WebSocket'))
    }
  }

  close(code = 1000, reason = ''): void {
    if (this.#closed.signal.aborted) return
    this.#closed.abort()
    for (const stream of this.#streams.values()) stream.abort()
    this.onclose?.({ code, reason } as never)
  }

  /** Fulfilled when the subscription is running, or refused. */
  #subscribe(message: SubscribeMessage, id: number): Promise<void> {
    return new Promise((answered) => {
      const stream = new AbortController()
      this.#streams.set(id, stream)
      this.#read(message, id, stream.signal, answered).catch((error) => {
        answered()
        if (stream.signal.aborted) return
        this.#streams.delete(id)
        if (error instanceof GatewayClientError && error.code !== 'UNAUTHORIZED') {
          this.#refuse(id, error)
        } else this.#fail(error)
      })
    })
  }

  /** Reads the stream of a subscription to its end, which is the end of the connection. */
  async #read(
    message: SubscribeMessage,
    id: number,
    signal: AbortSignal,
    answered: () => void,
  ): Promise<void> {
    const { channel, key, from } = message
    const response = await this.#fetch(
      `${this.#base}${pathOf('stream', channel, key)}?${parametersOf(message)}`,
      { headers: { ...this.#headers, accept: 'text/event-stream' }, signal },
    )
    if (!response.ok || response.body === null) {
      const text = await response.text()
      const request = { action: 'subscribe', target: channel }
      throw refusal(response, parseJson(text), text, request)
    }
    let isAnswered = false
    for await (const event of readEvents(response.body)) {
      if (signal.aborted) return
      const told = event === undefined ? undefined : messageOf(event)
      if (told === undefined) {
        this.onmessage?.({ data: '{}' } as never) // a sign of life
        continue
      }
      if (!isAnswered) {
        isAnswered = true
        // A stream from the past that lacks something says so first, as an acknowledgement does.
        const recovered = typeof from !== 'object' || !('gap' in told)
        this.#say({ id, ok: true, recovered, ...told.progress })
        answered()
        if (!recovered) continue
      }
      this.#say({ sub: id, ...told } as unknown as ServerMessage)
    }
    throw new Error('the stream has ended')
  }

  async #send({ channel, key, data, messageId, expect }: SendMessage, id: number): Promise<void> {
    const { signal } = this.#closed
    if (signal.aborted) return
    try {
      const { body, kind, position } = await this.#rest.call({
        method: 'POST',
        path: pathOf('send', channel, key),
        query: { messageId, expect: expect && `${expect.epoch}:${expect.offset}` },
        body: data,
        signal,
      })
      const records = body as readonly unknown[]
      this.#say({ id, ok: true, ...position, ...(kind && { kind }), data: records })
    } catch (error) {
      const { code } = error as GatewayClientError
      // What may have happened is said again by the client, under the same name.
      if (code === 'CONNECTION_FAILED' || code === 'TIMEOUT' || code === 'UNAUTHORIZED') {
        this.#fail(error)
      } else this.#refuse(id, error as GatewayClientError)
    }
  }

  #refuse(id: number, { code, detail, errors, message }: GatewayClientError): void {
    const refused = { id, ok: false, code: code as ErrorCode, detail: detail ?? message } as const
    this.#say(errors === undefined ? refused : { ...refused, errors })
  }

  /** Ends the connection, as the server would. */
  #fail(error: unknown): void {
    const isKey = (error as Partial<GatewayClientError>).code === 'UNAUTHORIZED'
    this.close(isKey ? CLOSE_CODE.KEY_EXPIRED : 1006, (error as Error).message)
  }

  #say(message: ServerMessage): void {
    if (!this.#closed.signal.aborted) this.onmessage?.({ data: JSON.stringify(message) } as never)
  }
}

function parametersOf({ from, where, select, mode, state }: SubscribeMessage): URLSearchParams {
  const parameters = new URLSearchParams()
  if (from !== undefined) parameters.set('from', fromText(from))
  if (where !== undefined) parameters.set('where', JSON.stringify(where))
  if (select !== undefined) parameters.set('select', select.join())
  if (mode !== undefined) parameters.set('mode', mode)
  if (state !== undefined) parameters.set('state', state)
  return parameters
}

function fromText(from: NonNullable<SubscribeMessage['from']>): string {
  if (typeof from === 'string') return from
  return 'time' in from ? from.time : `${from.epoch}:${from.offset}`
}

type Told = { readonly progress?: Position } & Readonly<Record<string, unknown>>

/** What an event tells; `undefined` when it is no message of a gateway. */
function messageOf({ data, id }: StreamEvent): Told | undefined {
  if (data !== undefined) return parseJson(data) as Told | undefined
  const progress = id === undefined ? undefined : parsePosition(id)
  return progress && { progress }
}
