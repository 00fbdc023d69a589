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
  /** Parameters; lists are joined with commas, what is undefined is left out. */
  readonly query?: Readonly<Record<string, unknown>> | undefined
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
/** Characters of an answer that is no gateway's, such as a page of HTML. */
const MAX_DETAIL = 200
const CODE_OF_STATUS: { readonly [status: number]: GatewayClientErrorCode } = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'UNAUTHORIZED',
  404: 'NOT_FOUND',
  422: 'INVALID_RECORD',
  429: 'TOO_MANY_REQUESTS',
  // Of something between the gateway and here, which does not reach it.
  502: 'CONNECTION_FAILED',
  503: 'OVERLOADED',
  504: 'CONNECTION_FAILED',
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

  /**
   * The key, as a header.
   * @throws GatewayClientError `CONNECTION_FAILED` when what gives the key fails.
   */
  async headers(): Promise<Record<string, string>> {
    try {
      const key = typeof this.#apiKey === 'function' ? await this.#apiKey() : this.#apiKey
      return key === undefined ? {} : { [HEADER.API_KEY]: key }
    } catch (cause) {
      throw new GatewayClientError('CONNECTION_FAILED', 'apiKey gave no key', { cause })
    }
  }

  /** @throws GatewayClientError with the code of the refusal, or `CONNECTION_FAILED`, `TIMEOUT`, `ABORTED`, `INVALID_ANSWER`. */
  call(request: RestRequest): Promise<RestAnswer> {
    const info: RequestInfo = { action: request.method, target: request.path }
    const abort = new AbortController()
    const bounds = { timeoutMs: this.#timeoutMs, ...request }
    return new Promise((resolve, reject) => {
      // It ends in time, whatever the caller's own `apiKey` and `fetch` do.
      const release = watchDeadline(bounds, info, (error) => {
        abort.abort(error)
        reject(error)
      })
      this.#tries(request, info, abort.signal, bounds.timeoutMs)
        .then(resolve, reject)
        .finally(release)
    })
  }

  /** A read, which a second try does not harm. */
  get(path: string, options?: CallOptions, query?: RestRequest['query']): Promise<RestAnswer> {
    return this.call({ method: 'GET', path, query, idempotent: true, ...options })
  }

  async #tries(
    request: RestRequest,
    info: RequestInfo,
    signal: AbortSignal,
    timeoutMs: number | undefined,
  ): Promise<RestAnswer> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#once(request, info, signal)
      } catch (error) {
        const { retryAfterMs = backoffMs(tries - 1) } = error as GatewayClientError
        const isTooLong = timeoutMs !== undefined && retryAfterMs >= timeoutMs
        const isLast = !request.idempotent || tries === MAX_TRIES || isTooLong
        if (isLast || !isPassing(error as GatewayClientError)) throw error
        await wait(retryAfterMs, signal)
      }
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
        body: JSON.stringify(request.body) ?? null,
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
      // Browsers take what a broken connection left of a body for all of it.
      const isCut = response.headers.get('content-type')?.includes('json')
      throw new GatewayClientError(
        isCut ? 'CONNECTION_FAILED' : 'INVALID_ANSWER',
        isCut ? 'the answer was cut off' : 'not JSON: is this a gateway?',
        { request: info, status: response.status },
      )
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

const PASSING: readonly string[] = [
  'CONNECTION_FAILED',
  'NOT_RUNNING',
  'OVERLOADED',
  'AUTH_UNAVAILABLE',
  'TOO_MANY_REQUESTS',
]

/** Whether the same request may well succeed a little later. */
export function isPassing({ code }: GatewayClientError): boolean {
  return PASSING.includes(code)
}

/** The error that an answer tells of. */
export function refusal(
  response: Response,
  body: unknown,
  text: string,
  request: RequestInfo,
): GatewayClientError {
  const { code, detail = text.slice(0, MAX_DETAIL), errors } = (body ?? {}) as Partial<ErrorBody>
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
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  return given.length === 0 ? '' : `?${new URLSearchParams(given as [string, string][])}`
}

/** `undefined` for what is no JSON. */
export function parseJson(text: string): unknown {
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
