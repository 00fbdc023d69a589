import type { IncomingMessage, ServerResponse } from 'node:http'
import { API_PATH, type AuthResult, formatPosition, HEADER, type Identity } from '@gw/protocol'
import type { Service } from '../service.js'
import { type Answer, lastAnswer, sendAnswer, type Target } from './answers.js'
import { incomingBody, missingBody } from './body.js'
import { compressed, compressedHeaders, MIN_COMPRESSED_BYTES } from './compression.js'
import { jsonOf } from './context.js'
import { corsHeaders } from './cors.js'
import { admitted, authenticate, RequestCredentials, requireScope } from './identity.js'
import { problemOf } from './problem.js'
import type { RequestCount } from './request-counts.js'
import { answerHeaders, problemHeaders, SECURE_HEADERS } from './respond.js'
import { Turn } from './turn.js'

const LAST = `${API_PATH}/last/`
const SEND = `${API_PATH}/send/`

/** What our own client adds, which makes a difference to whole baskets only. */
const KEYS = '?keys=1'

const EVERYBODY: AuthResult = { ok: true, identity: { name: 'anonymous' } }

/** One request of the plainest form, and what it is about. */
interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly target: Target
}

/**
 * Answers the two requests that gateways live on, `GET last` and `POST send`, straight from Node's own request, as the
 * app would: it takes only those of their plainest form, and the functions that make the answers are the app's.
 */
export class HotPath {
  readonly #service: Service
  readonly #turn = new Turn()
  /** Headers of all answers. */
  readonly #headers: Readonly<Record<string, string>>
  /** The same, names and values in turn. */
  readonly #flatHeaders: readonly string[]

  /** The last host that was asked for. */
  #host: string | undefined

  constructor(service: Service) {
    this.#service = service
    this.#headers = { ...SECURE_HEADERS, ...corsHeaders(service.settings.cors) }
    this.#flatHeaders = Object.entries(this.#headers).flat()
  }

  /** Says whether it takes a request, which it answers then. */
  takes(request: IncomingMessage, response: ServerResponse): boolean {
    const { method, url = '' } = request
    const group = method === 'GET' ? LAST : method === 'POST' ? SEND : undefined
    if (group === undefined || !url.startsWith(group)) return false
    const target = plainTarget(this.#service, url, group)
    if (target === undefined || !this.#isPlain(request)) return false
    const exchange: Exchange = { request, response, target }
    this.#turn.add(() => this.#enter(exchange))
    return true
  }

  /** Whether nothing in the headers asks for more than a plain answer, or is to be refused. */
  #isPlain({ headers }: IncomingMessage): boolean {
    const { host } = headers
    if (host !== this.#host) {
      if (host === undefined || !isHost(host)) return false
      this.#host = host
    }
    return (
      headers.origin === undefined &&
      headers['if-none-match'] === undefined &&
      headers['idempotency-key'] === undefined &&
      headers.expect === undefined
    )
  }

  #enter(exchange: Exchange): void {
    try {
      const result = this.#authenticate(exchange.request)
      if (result instanceof Promise) {
        result
          .then((outcome) => this.#proceed(exchange, outcome))
          .catch((error: unknown) => this.#refuse(exchange, error))
      } else this.#proceed(exchange, result)
    } catch (error) {
      this.#refuse(exchange, error)
    }
  }

  #authenticate(request: IncomingMessage): AuthResult | Promise<AuthResult> {
    const { settings } = this.#service
    if (settings.authenticators.length === 0) return EVERYBODY
    const { method = '', url = '', headers } = request
    const address = settings.proxies.addressOf(request)
    const credentials = new RequestCredentials(method, url, address, (name) => {
      const value = headers[name]
      return Array.isArray(value) ? value[0] : value
    })
    return authenticate(settings, credentials)
  }

  #proceed(exchange: Exchange, result: AuthResult): void {
    const { rates, requests, settings } = this.#service
    const { request, target } = exchange
    const identity = admitted(result)
    rates?.take(identity, settings.proxies.addressOf(request))
    try {
      if (request.method === 'GET') {
        this.#answer(exchange, requests.lasts, lastAnswer(this.#service, target, identity))
      } else this.#receive(exchange, identity)
    } catch (error) {
      this.#refuse(exchange, error, identity)
    }
  }

  #receive(exchange: Exchange, identity: Identity): void {
    const { requests, settings } = this.#service
    const { request, target } = exchange
    requireScope(identity, 'send', target.info.name)
    const take = (bytes: Uint8Array): Promise<void> => {
      if (bytes.length === 0) throw missingBody()
      const body = jsonOf(bytes, request.headers['content-type'], settings.limits)
      return sendAnswer(this.#service, target, identity, body).then((answer) =>
        this.#answer(exchange, requests.sends, answer),
      )
    }
    const bytes = incomingBody(request, settings.limits.maxBodyBytes)
    const answered = bytes instanceof Promise ? bytes.then(take) : take(bytes)
    answered.catch((error: unknown) => this.#refuse(exchange, error, identity))
  }

  #refuse({ request, response }: Exchange, error: unknown, identity?: Identity): void {
    const { audit, requests, settings } = this.#service
    const { method = '', url = '', headers } = request
    const problem = problemOf(error)
    const [path = ''] = url.split('?', 1)
    const address = settings.proxies.addressOf(request)
    audit?.refused(problem.body.code, identity, { address, path })
    if (problem.fault) settings.log.error({ err: error, path }, `${method} failed`)
    requests.count(method, url, problem.status)
    const body = JSON.stringify(problem.body)
    response.writeHead(problem.status, {
      ...this.#headers,
      ...problemHeaders(problem, headers.accept),
      'Content-Length': Buffer.byteLength(body),
    })
    response.end(body)
  }

  #answer({ request, response }: Exchange, counter: RequestCount, answer: Answer): void {
    counter.count++
    const { body } = answer
    if (body.length >= MIN_COMPRESSED_BYTES) {
      const bytes = Buffer.from(body)
      const headers = answerHeaders(answer)
      const gzip = compressed(bytes, request.headers['accept-encoding'])
      if (gzip === undefined) this.#end(response, headers, bytes)
      else if (gzip instanceof Promise) {
        void gzip.then((zipped) => this.#end(response, compressedHeaders(headers), zipped))
      } else this.#end(response, compressedHeaders(headers), gzip)
      return
    }
    const length = Buffer.byteLength(body)
    response.writeHead(200, this.#headOf(answer, length) as string[])
    // Head and body are one text, and so one write: a body of bytes would be a second one.
    response.end(body, length === body.length ? 'latin1' : 'utf8')
  }

  #end(response: ServerResponse, headers: Readonly<Record<string, string>>, body: Buffer): void {
    const vary = [headers.Vary, this.#headers.Vary].filter((name) => name !== undefined).join(', ')
    response.writeHead(200, {
      ...headers,
      ...this.#headers,
      Vary: vary,
      'Content-Length': body.length,
    })
    response.end(body)
  }

  /** Names and values in turn, the form that Node takes fastest, as {@link answerHeaders} has them. */
  #headOf({ etag, kind, position }: Answer, length: number): (string | number)[] {
    const head: (string | number)[] = ['Content-Type', 'application/json']
    if (etag === undefined) head.push('Cache-Control', 'no-store')
    else head.push('Cache-Control', 'private, no-cache', 'ETag', etag)
    if (kind !== undefined) head.push(HEADER.KIND, kind)
    if (position !== undefined) head.push(HEADER.POSITION, formatPosition(position))
    head.push(...this.#flatHeaders, 'Content-Length', length)
    return head
  }
}

/** The channel that a path names, when it names nothing but a channel, as it is spelt. */
function plainTarget(service: Service, url: string, group: string): Target | undefined {
  const end = url.endsWith(KEYS) ? url.length - KEYS.length : url.length
  const info = service.served.channels.find(url.slice(group.length, end))
  return info === undefined || info.kind === 'basket' ? undefined : { info, key: undefined }
}

function isHost(text: string): boolean {
  const url = `http://${text}`
  return URL.canParse(url) && new URL(url).host === text
}
