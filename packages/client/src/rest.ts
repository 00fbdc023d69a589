import {
  type ChannelKind,
  type ErrorBody,
  HEADER,
  type Position,
  parsePosition,
} from '@gw/protocol'
import { backoffMs } from './backoff.js'
import { type CallOptions, watchDeadline } from './deadline.js'
import {
  GatewayClientError,
  type GatewayClientErrorCode,
  messageOf,
  type RequestInfo,
} from './errors.js'

/** The part of `fetch` that the client needs. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** A key, or what gives one; asked anew for each request and connection, so that keys can be exchanged. */
export type ApiKey = string | (() => string | undefined | Promise<string | undefined>)

/** One call. */
export interface RestRequest extends CallOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly body?: unknown
  /** Whether a second try does no harm. */
  readonly idempotent?: boolean
}

/** What the server answered, and its word on what that is. */
export interface RestAnswer {
  readonly body: unknown
  readonly kind: ChannelKind | undefined
  readonly position: Position | undefined
  /** Paths that make the key of a state. */
  readonly stateBy: readonly string[] | undefined
}

const MAX_TRIES = 3
const CODE_OF_STATUS: { readonly [status: number]: GatewayClientErrorCode } = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'UNAUTHORIZED',
  404: 'NOT_FOUND',
  422: 'INVALID_RECORD',
  429: 'TOO_MANY_REQUESTS',
  503: 'OVERLOADED',
}

/** Calls of the gateway's REST API. What is idempotent is tried again when the connection breaks or the server is busy. */
export class Rest {
  readonly #base: string
  readonly #apiKey: ApiKey | undefined
  readonly #fetch: Fetch
  readonly #timeoutMs: number

  constructor(base: string, apiKey: ApiKey | undefined, fetch: Fetch, timeoutMs: number) {
    this.#base = base
    this.#apiKey = apiKey
    this.#fetch = fetch
    this.#timeoutMs = timeoutMs
  }

  /** The key, as a header. */
  async headers(): Promise<Record<string, string>> {
    const key = typeof this.#apiKey === 'function' ? await this.#apiKey() : this.#apiKey
    return key === undefined ? {} : { [HEADER.API_KEY]: key }
  }

  /** @throws GatewayClientError with the code of the refusal, or `CONNECTION_FAILED`, `TIMEOUT`, `ABORTED`, `INVALID_ANSWER`. */
  async call(request: RestRequest): Promise<RestAnswer> {
    const info: RequestInfo = { action: request.method, target: request.path }
    const abort = new AbortController()
    const options = { timeoutMs: this.#timeoutMs, ...request }
    const release = watchDeadline(options, info, (error) => abort.abort(error))
    try {
      for (let tries = 1; ; tries++) {
        try {
          return await this.#once(request, info, abort.signal)
        } catch (error) {
          if (abort.signal.aborted) throw abort.signal.reason
          if (!(error instanceof GatewayClientError)) throw error
          if (!request.idempotent || tries === MAX_TRIES || !isPassing(error)) throw error
          await wait(error.retryAfterMs ?? backoffMs(tries - 1), abort.signal)
        }
      }
    } finally {
      release()
    }
  }

  async #once(request: RestRequest, info: RequestInfo, signal: AbortSignal): Promise<RestAnswer> {
    const headers = await this.headers()
    signal.throwIfAborted()
    if (request.body !== undefined) headers['content-type'] = 'application/json'
    let response: Response
    let text: string
    try {
      response = await this.#fetch(this.#base + request.path + queryText(request.query), {
        method: request.method,
        headers,
        signal,
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      })
      text = await response.text()
    } catch (cause) {
      throw new GatewayClientError('CONNECTION_FAILED', 'the gateway could not be reached', {
        request: info,
        cause,
      })
    }
    const body = parseJson(text)
    if (!response.ok) throw refusal(response, body, text, info)
    if (body === undefined) {
      throw new GatewayClientError('INVALID_ANSWER', 'the answer is not JSON: is this a gateway?', {
        request: info,
        status: response.status,
      })
    }
    const position = response.headers.get(HEADER.POSITION)
    return {
      body,
      kind: (response.headers.get(HEADER.KIND) ?? undefined) as ChannelKind | undefined,
      position: position === null ? undefined : parsePosition(position),
      stateBy: response.headers.get(HEADER.STATE_BY)?.split(','),
    }
  }
}

/** Whether the same request may well succeed a little later. */
export function isPassing({ code }: GatewayClientError): boolean {
  return (
    code === 'CONNECTION_FAILED' ||
    code === 'NOT_RUNNING' ||
    code === 'OVERLOADED' ||
    code === 'TOO_MANY_REQUESTS'
  )
}

function refusal(
  response: Response,
  body: unknown,
  text: string,
  request: RequestInfo,
): GatewayClientError {
  const { code, detail = text, errors } = (body ?? {}) as Partial<ErrorBody>
  const { status } = response
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return new GatewayClientError(
    code ?? CODE_OF_STATUS[status] ?? (status < 500 ? 'BAD_REQUEST' : 'INTERNAL'),
    messageOf(detail, errors),
    {
      status,
      detail,
      errors,
      request,
      retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined,
    },
  )
}

function queryText(query: RestRequest['query'] = {}): string {
  const given = Object.entries(query).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason)
    })
  })
}
