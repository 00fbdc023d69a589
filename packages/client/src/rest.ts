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
  closedError,
  GatewayClientError,
  type GatewayClientErrorCode,
  messageOf,
  type RequestInfo,
} from './errors.js'

/** The part of `fetch` that the client needs. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** A key or token, or what gives one; asked anew for each request and connection, so that it can be exchanged. */
export type ApiKey = string | (() => string | undefined | Promise<string | undefined>)

/** What a client identifies itself by, as headers of its own. */
export type CredentialHeaders = () => Promise<Record<string, string>>

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
  readonly request: RequestInfo
  readonly body: unknown
  readonly kind: ChannelKind | undefined
  readonly position: Position | undefined
  readonly headers: Headers
}

const MAX_TRIES = 3
/** Characters of an answer that is no gateway's, such as a page of HTML. */
const MAX_DETAIL = 200
const CODE_OF_STATUS: { readonly [status: number]: GatewayClientErrorCode } = {
  401: 'UNAUTHORIZED',
  403: 'UNAUTHORIZED',
  404: 'NOT_FOUND',
  429: 'TOO_MANY_REQUESTS',
  // Of something between the gateway and here, which does not reach it.
  502: 'CONNECTION_FAILED',
  503: 'OVERLOADED',
  504: 'CONNECTION_FAILED',
}

/** Calls of the gateway's REST API. What is idempotent is tried again when the connection breaks or the server is busy. */
export interface Rest {
  /** @throws GatewayClientError with the code of the refusal, or `CONNECTION_FAILED`, `TIMEOUT`, `ABORTED`, `INVALID_ANSWER`. */
  call(request: RestRequest): Promise<RestAnswer>
  /** Ends the calls that run, and those that are made from now on. */
  close(): void
  /** A read, which a second try does not harm. */
  get(path: string, options?: CallOptions, query?: RestRequest['query']): Promise<RestAnswer>
}

/** Makes calls of the API at `base`. */
export function restOf(
  base: string,
  credentials: CredentialHeaders,
  callFetch: Fetch,
  ownTimeoutMs: number,
): Rest {
  async function once(
    { method, path, query, body: data }: RestRequest,
    request: RequestInfo,
    signal: AbortSignal,
  ): Promise<RestAnswer> {
    const body = data === undefined ? null : jsonOf(data, request)
    const headers = await credentials()
    signal.throwIfAborted()
    if (body !== null) headers['content-type'] = 'application/json'
    let response: Response
    let text: string
    try {
      response = await callFetch(base + path + queryText(query), { method, headers, signal, body })
      text = await response.text()
    } catch (cause) {
      throw new GatewayClientError('CONNECTION_FAILED', 'the gateway could not be reached', {
        request,
        cause,
      })
    }
    const answer = parseJson(text)
    if (!response.ok) throw refusal(response, answer, text, request)
    const { status, headers: told } = response
    if (answer === undefined) {
      // Browsers take what a broken connection left of a body, or of the headers, for all of it.
      const isOther = told.get('content-type')?.startsWith('text/')
      throw new GatewayClientError(
        isOther ? 'INVALID_ANSWER' : 'CONNECTION_FAILED',
        isOther ? 'no answer of a gateway: no JSON' : 'the answer was cut off',
        { request, status },
      )
    }
    return {
      request,
      body: answer,
      headers: told,
      kind: (told.get(HEADER.KIND) ?? undefined) as ChannelKind | undefined,
      position: parsePosition(told.get(HEADER.POSITION) ?? ''),
    }
  }

  async function tries(
    request: RestRequest,
    info: RequestInfo,
    signal: AbortSignal,
    timeoutMs: number,
  ): Promise<RestAnswer> {
    for (let tried = 1; ; tried++) {
      try {
        return await once(request, info, signal)
      } catch (error) {
        const { retryAfterMs = backoffMs(tried - 1) } = error as GatewayClientError
        const isLast = !request.idempotent || tried === MAX_TRIES || retryAfterMs >= timeoutMs
        if (isLast || signal.aborted || !isPassing(error as GatewayClientError)) throw error
        // Who aborts has answered the call: the next attempt finds that out.
        const bounds = { signal, timeoutMs: retryAfterMs }
        await new Promise((resolve) => watchDeadline(bounds, info, resolve))
      }
    }
  }

  /** What ends the calls that run. */
  const closes = new Set<() => void>()
  let isClosed = false
  const rest: Rest = {
    close() {
      isClosed = true
      for (const close of closes) close()
    },
    call(request) {
      const info: RequestInfo = { action: request.method, target: request.path }
      const abort = new AbortController()
      const { signal, timeoutMs = ownTimeoutMs } = request
      return new Promise((resolve, reject) => {
        const end = (error: GatewayClientError): void => {
          closes.delete(close)
          abort.abort(error)
          reject(error)
        }
        const close = (): void => end(closedError(info))
        if (isClosed) return close()
        closes.add(close)
        // It ends in time, whatever the caller's own `apiKey` and `fetch` do.
        const release = watchDeadline({ signal, timeoutMs }, info, end)
        const over = (): void => {
          release()
          closes.delete(close)
        }
        tries(request, info, abort.signal, timeoutMs).then(resolve, reject).finally(over)
      })
    },
    get: (path, options, query) =>
      rest.call({ method: 'GET', path, query, idempotent: true, ...options }),
  }
  return rest
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
  const seconds = Number.parseFloat(response.headers.get('retry-after') ?? '')
  return new GatewayClientError(
    code ?? CODE_OF_STATUS[status] ?? (status < 500 ? 'BAD_REQUEST' : 'INTERNAL'),
    messageOf(detail, errors),
    {
      status,
      detail,
      errors,
      request,
      retryAfterMs: seconds >= 0 ? seconds * 1000 : undefined,
    },
  )
}

function queryText(query: RestRequest['query'] = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  return given.length > 0 ? `?${new URLSearchParams(given as [string, string][])}` : ''
}

/** @throws GatewayClientError `BAD_REQUEST` for what JSON cannot hold. */
export function jsonOf(value: unknown, request: RequestInfo): string {
  try {
    return JSON.stringify(value)
  } catch (cause) {
    throw new GatewayClientError('BAD_REQUEST', `no JSON: ${cause}`, { request, cause })
  }
}

/** `undefined` for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
