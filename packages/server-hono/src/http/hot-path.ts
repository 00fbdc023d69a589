import type { IncomingMessage, ServerResponse } from 'node:http'
import { API_PATH, type AuthResult, formatPosition, HEADER, type Identity } from '@gw/protocol'
import type { Service } from '../service.js'
import { type Answer, lastAnswer, sendAnswer, type Target } from './answers.js'
import { compressed, compressedHeaders, MIN_COMPRESSED_BYTES } from './compression.js'
import { jsonOf, missingBody, tooLarge } from './context.js'
import { admitted, authenticate, RequestCredentials, requireScope } from './identity.js'
import { problemOf } from './problem.js'
import type { RequestCount } from './request-counts.js'
import { answerHeaders, problemHeaders, SECURE_HEADERS } from './respond.js'

const LAST = `${API_PATH}/last/`
const SEND = `${API_PATH}/send/`

/** What our own client adds, which makes a difference to whole baskets only. */
const KEYS = '?keys=1'

/**
 * Answers the two requests that gateways live on, `GET last` and `POST send`, straight from Node's own request, as the
 * app would: it takes only those of their plainest form, and the functions that make the answers are the app's.
 * @returns a handler that says whether it took the request.
 */
export function hotPath(
  service: Service,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  return (request, response) => {
    const url = request.url as string
    const { method } = request
    const group = method === 'GET' ? LAST : method === 'POST' ? SEND : undefined
    if (group === undefined || !url.startsWith(group)) return false
    const target = plainTarget(service, url, group)
    if (target === undefined || !isPlain(request)) return false
    const { authenticators } = service.settings
    try {
      const result =
        authenticators.length === 0
          ? EVERYBODY
          : authenticate(
              service.settings,
              new RequestCredentials(
                method as string,
                url,
                service.settings.proxies.addressOf(request),
                (name) => {
                  const value = request.headers[name]
                  return Array.isArray(value) ? value[0] : value
                },
              ),
            )
      if (result instanceof Promise) {
        result
          .then((outcome) => proceed(service, request, response, target, outcome))
          .catch((error: unknown) => refuse(service, request, response, error))
      } else proceed(service, request, response, target, result)
    } catch (error) {
      refuse(service, request, response, error)
    }
    return true
  }
}

function proceed(
  service: Service,
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
  result: AuthResult,
): void {
  const identity = admitted(result)
  service.rates?.take(identity, service.settings.proxies.addressOf(request))
  try {
    if (request.method === 'GET') {
      write(service.requests.lasts, request, response, lastAnswer(service, target, identity))
    } else receive(service, request, response, target, identity)
  } catch (error) {
    refuse(service, request, response, error, identity)
  }
}

const EVERYBODY: AuthResult = { ok: true, identity: { name: 'anonymous' } }

/** The channel that a path names, when it names nothing but a channel, as it is spelt. */
function plainTarget(service: Service, url: string, group: string): Target | undefined {
  const end = url.endsWith(KEYS) ? url.length - KEYS.length : url.length
  const info = service.served.channels.find(url.slice(group.length, end))
  if (info?.kind === 'basket') return undefined
  return info === undefined ? undefined : { info, key: undefined }
}

/** Whether nothing in the headers asks for more than a plain answer. */
function isPlain({ headers }: IncomingMessage): boolean {
  return (
    headers.origin === undefined &&
    headers['if-none-match'] === undefined &&
    headers['idempotency-key'] === undefined &&
    headers.expect === undefined
  )
}

function receive(
  service: Service,
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
  identity: Identity,
): void {
  const { limits } = service.settings
  let first: Buffer | undefined
  let rest: Buffer[] | undefined
  let length = 0
  const end = (error?: unknown): void => {
    request.off('data', onData)
    request.off('end', onEnd)
    if (error !== undefined) refuse(service, request, response, error, identity)
  }
  const onData = (chunk: Buffer): void => {
    length += chunk.length
    if (length > limits.maxBodyBytes) end(tooLarge(limits.maxBodyBytes))
    else if (first === undefined) first = chunk
    else {
      rest ??= [first]
      rest.push(chunk)
    }
  }
  const onEnd = (): void => {
    try {
      const bytes = rest === undefined ? first : Buffer.concat(rest)
      if (bytes === undefined) throw missingBody()
      const body = jsonOf(bytes, request.headers['content-type'], limits)
      sendAnswer(service, target, identity, body).then(
        (answer) => write(service.requests.sends, request, response, answer),
        (error: unknown) => refuse(service, request, response, error, identity),
      )
    } catch (error) {
      end(error)
    }
  }
  try {
    requireScope(identity, 'send', target.info.name)
  } catch (error) {
    end(error)
    return
  }
  request.on('data', onData)
  request.on('end', onEnd)
}

function refuse(
  service: Service,
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  identity?: Identity,
): void {
  const problem = problemOf(error)
  const [path = ''] = (request.url as string).split('?', 1)
  service.audit?.refused(problem.body.code, identity, {
    address: service.settings.proxies.addressOf(request),
    path,
  })
  if (problem.fault) service.settings.log.error({ err: error }, `${request.method} failed`)
  service.requests.count(request.method as string, request.url as string, problem.status)
  const body = JSON.stringify(problem.body)
  response.writeHead(problem.status, {
    ...SECURE_HEADERS,
    ...problemHeaders(problem, request.headers.accept),
    'Content-Length': Buffer.byteLength(body),
  })
  response.end(body)
}

function write(
  counter: RequestCount,
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
): void {
  counter.count++
  const { body } = answer
  if (body.length >= MIN_COMPRESSED_BYTES) {
    const bytes = Buffer.from(body)
    const gzip = compressed(bytes, request.headers['accept-encoding'])
    if (gzip !== undefined) {
      const headers = compressedHeaders(answerHeaders(answer))
      if (gzip instanceof Promise) void gzip.then((zipped) => end(response, headers, zipped))
      else end(response, headers, gzip)
      return
    }
  }
  response.writeHead(200, headOf(answer, Buffer.byteLength(body)) as string[])
  // Head and body are one text, and so one write: a body of bytes would be a second one.
  response.end(body)
}

function end(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): void {
  response.writeHead(200, { ...headers, ...SECURE_HEADERS, 'Content-Length': body.length })
  response.end(body)
}

/** Names and values in turn, the form that Node takes fastest, as {@link answerHeaders} has them. */
function headOf({ etag, kind, position }: Answer, length: number): (string | number)[] {
  const head: (string | number)[] = ['Content-Type', 'application/json']
  if (etag === undefined) head.push('Cache-Control', 'no-store')
  else head.push('Cache-Control', 'private, no-cache', 'ETag', etag)
  if (kind !== undefined) head.push(HEADER.KIND, kind)
  if (position !== undefined) head.push(HEADER.POSITION, formatPosition(position))
  head.push(...SECURE, 'Content-Length', length)
  return head
}

const SECURE = Object.entries(SECURE_HEADERS).flat()
