import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ChannelsError } from '@gw/channels'
import { ERROR_STATUS, type ErrorCode } from '@gw/protocol'
import { within } from './backoff.js'
import { KafkaError, type KafkaErrorCode, messageOf } from './errors.js'

/** What a peer asks; the answer is JSON. */
export type PeerHandlers = Readonly<Record<string, (question: unknown) => Promise<unknown>>>

/** Lines that a peer is sent until it goes away. @returns what ends it. */
export type PeerStream = (question: unknown, send: (line: string) => void) => () => void

export interface PeerOptions {
  readonly host: string
  readonly port: number
  /** What peers show each other: who does not have it may not ask. */
  readonly secret: string
  readonly timeoutMs: number
}

const MAX_BODY_BYTES = 8 * 2 ** 20
const MAX_STREAM_BYTES = 8 * 2 ** 20
const END_MS = 1_000
const MAX_TIMEOUT_MS = 2 ** 31 - 1
const SECRET_HEADER = 'x-gateway-cluster'

/** Questions between the gateways of a cluster: JSON over HTTP, and streams of lines. */
export class Peers {
  readonly #options: PeerOptions
  readonly #handlers: () => PeerHandlers
  readonly #streams: Readonly<Record<string, PeerStream>>
  /** Streams that are open, each with what writes out the lines that wait. */
  readonly #streaming = new Map<ServerResponse, () => void>()
  #server: Server | undefined

  constructor(
    options: PeerOptions,
    handlers: () => PeerHandlers,
    streams: Readonly<Record<string, PeerStream>>,
  ) {
    this.#options = options
    this.#handlers = handlers
    this.#streams = streams
  }

  /** How long an answer may take. */
  get timeoutMs(): number {
    return this.#options.timeoutMs
  }

  /** Listens. @returns the address, such as `http://127.0.0.1:4000`. */
  async listen(): Promise<string> {
    const { host, port } = this.#options
    const server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => refuse(response, error))
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => resolve())
    })
    const address = server.address() as AddressInfo
    const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
    return `http://${name}:${address.port}`
  }

  /** Ends: what was said goes out first, within a bound. */
  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    const said = [...this.#streaming].map(([response, flush]) => {
      flush()
      return new Promise<void>((resolve) => response.end(() => resolve()))
    })
    await within(Promise.all(said), END_MS)
    server.closeAllConnections()
    await closed
  }

  /**
   * Asks a peer.
   * @throws as the peer does: ChannelsError, KafkaError; KafkaError `TIMED_OUT` when it does not answer in time, or cannot be reached.
   */
  async ask(
    address: string,
    name: string,
    question: unknown,
    timeoutMs: number = this.#options.timeoutMs,
  ): Promise<unknown> {
    let response: Response
    let answer: unknown
    try {
      response = await fetch(new URL(name, address), {
        method: 'POST',
        headers: this.#headers,
        body: JSON.stringify(question),
        signal: AbortSignal.timeout(Math.min(timeoutMs, MAX_TIMEOUT_MS)),
      })
      answer = await response.json()
    } catch (error) {
      throw new KafkaError('TIMED_OUT', `${address} does not answer: ${messageOf(error)}`, {
        cause: error,
      })
    }
    if (response.ok) return answer
    throw errorOf(answer as Refusal)
  }

  /** Hears the lines of a peer until the signal is aborted, or the peer ends them. */
  async hear(
    address: string,
    name: string,
    question: unknown,
    onLine: (line: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const response = await fetch(new URL(name, address), {
      method: 'POST',
      headers: this.#headers,
      body: JSON.stringify(question),
      signal,
    })
    if (!response.ok || response.body === null) throw new Error(`${address}: ${response.status}`)
    let rest = ''
    const decoder = new TextDecoder()
    for await (const chunk of response.body) {
      const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line !== '') onLine(line)
    }
  }

  get #headers(): Record<string, string> {
    return { 'Content-Type': 'application/json', [SECRET_HEADER]: this.#options.secret }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#mayAsk(request))
      return end(response, 403, { code: 'REFUSED', detail: 'give the secret of the cluster' })
    const name = request.url?.slice(1) ?? ''
    const question = await bodyOf(request)
    const stream = Object.hasOwn(this.#streams, name) ? this.#streams[name] : undefined
    if (stream !== undefined) return this.#streamTo(response, stream, question)
    const handlers = this.#handlers()
    const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined
    if (handler === undefined) return end(response, 404, { code: 'NOT_FOUND', detail: name })
    return end(response, 200, await handler(question))
  }

  #streamTo(response: ServerResponse, stream: PeerStream, question: unknown): void {
    let waiting = ''
    let bound = Number.POSITIVE_INFINITY
    /** What was said in one turn of the event loop is one write. */
    const flush = (): void => {
      const lines = waiting
      waiting = ''
      if (lines === '' || response.writableEnded || response.destroyed) return
      // A peer that does not keep up loses lines, and begins anew. What comes first may be as large as it is.
      if (response.writableLength > bound) response.destroy()
      else response.write(lines)
    }
    const stop = stream(question, (lines) => {
      if (waiting === '') setImmediate(flush)
      waiting += `${lines}\n`
    })
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
    response.flushHeaders()
    flush()
    bound = response.writableLength + MAX_STREAM_BYTES
    this.#streaming.set(response, flush)
    response.once('close', () => {
      this.#streaming.delete(response)
      stop()
    })
  }

  #mayAsk(request: IncomingMessage): boolean {
    const given = createHash('sha256').update(String(request.headers[SECRET_HEADER] ?? ''))
    const expected = createHash('sha256').update(this.#options.secret)
    return timingSafeEqual(given.digest(), expected.digest())
  }
}

/** An error, as it is told to a peer. */
export interface Refusal {
  readonly code?: string
  readonly detail?: string
  readonly channel?: string
}

/** The error that a peer has told of. */
export function errorOf({ code = 'TIMED_OUT', detail = 'refused', channel }: Refusal): Error {
  const details = channel === undefined ? {} : { channel }
  return Object.hasOwn(ERROR_STATUS, code)
    ? new ChannelsError(code as ErrorCode, detail, details)
    : new KafkaError(code as KafkaErrorCode, detail, details)
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes > MAX_BODY_BYTES) throw new Error(`a question of more than ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk as Buffer)
  }
  return chunks.length === 0 ? undefined : (JSON.parse(Buffer.concat(chunks).toString()) as unknown)
}

function refuse(response: ServerResponse, error: unknown): void {
  const refusal = refusalOf(error)
  const isMoving = refusal.code === 'NOT_OWNED' || refusal.code === 'FENCED'
  end(response, isMoving ? 421 : 422, refusal)
}

/** What a peer is told of an error. */
export function refusalOf(error: unknown): Refusal {
  const { code = 'FAILED', channel } = error as {
    readonly code?: string
    readonly channel?: string
  }
  return { code, detail: messageOf(error), ...(channel === undefined ? {} : { channel }) }
}

function end(response: ServerResponse, status: number, answer: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify(answer))
}
