import type { IncomingMessage, ServerResponse } from 'node:http'
import { API_PATH, type AuthResult, formatPosition, HEADER, type Identity } from '@gw/protocol'
import type { Service } from '../service.js'
import { type Answer, lastAnswer, sendAnswer, type Target } from './answers.js'
import { incomingBody, missingBody } from './body.js'
import { compressed, compressedHeaders, MIN_COMPRESSED_BYTES } from './compression.js'
import { jsonOf } from './context.js'
import { admitted, authenticate, RequestCredentials, requireScope } from './identity.js'
import { problemOf } from './problem.js'
import type { RequestCount } from './request-counts.js'
import { answerHeaders, problemHeaders, SECURE_HEADERS } from './respond.js'
import { Turn } from './turn.js'

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
  const turn = new Turn()
  return (request, response) => {
    const url = request.url as string
    const { method } = request
    const group = method === 'GET' ? LAST : method === 'POST' ? SEND : undefined
    if (group === undefined || !url.startsWith(group)) return false
    const target = plainTarget(service, url, group)
    if (target === undefined || !isPlain(request)) return false
    turn.add(() => enter(service, request, response, target))
    return true
  }
}

function enter(
  service: Service,
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
): void {
  try {
    const result = resultOf(service, request)
    if (result instanceof Promise) {
      result
        .then((outcome) => proceed(service, request, response, target, outcome))
        .catch((error: unknown) => refuse(service, request, response, error))
    } else proceed(service, request, response, target, result)
  } catch (error) {
    refuse(service, request, response, error)
  }
}

function resultOf(
  { settings }: Service,
  request: IncomingMessage,
): AuthResult | Promise<AuthResult> {
  if (settings.authenticators.length === 0) return EVERYBODY
  const { method, url, headers } = request
  const address = settings.proxies.addressOf(request)
  const credentials = new RequestCredentials(method as string, url as string, address, (name) => {
    const value = headers[name]
    return Array.isArray(value) ? value[0] : value
  })
  return authenticate(settings, credentials)
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
  const failed = (error: unknown): void => refuse(service, request, response, error, identity)
  const take = (bytes: Uint8Array): Promise<void> => {
    if (bytes.length === 0) throw missingBody()
    const body = jsonOf(bytes, request.headers['content-type'], limits)
    return sendAnswer(service, target, identity, body).then((answer) =>
      write(service.requests.sends, request, response, answer),
    )
  }
  requireScope(identity, 'send', target.info.name)
  const bytes = incomingBody(request, limits.maxBodyBytes)
  if (bytes instanceof Promise) bytes.then(take).catch(failed)
  else take(bytes).catch(failed)
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
