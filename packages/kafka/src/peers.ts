import { timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { KafkaError, type KafkaErrorCode, messageOf } from './errors.js'

/** What a peer asks; the answer is JSON. */
export type PeerHandlers = Readonly<Record<string, (question: unknown) => Promise<unknown>>>

/** Lines that a peer is sent until it goes away. @returns what ends it. */
export type PeerStream = (question: unknown, send: (line: string) => void) => () => void

export interface PeerOptions {
  readonly host: string
  readonly port: number
  /** What peers show each other; without it everybody who reaches the port may ask. */
  readonly secret: string | undefined
  readonly timeoutMs: number
}

const MAX_BODY_BYTES = 8 * 2 ** 20
const MAX_STREAM_BYTES = 8 * 2 ** 20
const SECRET_HEADER = 'x-gateway-cluster'

/** Questions between the gateways of a cluster: JSON over HTTP, and streams of lines. */
export class Peers {
  readonly #options: PeerOptions
  readonly #handlers: PeerHandlers
  readonly #streams: Readonly<Record<string, PeerStream>>
  readonly #responses = new Set<ServerResponse>()
  #server: Server | undefined

  constructor(
    options: PeerOptions,
    handlers: PeerHandlers,
    streams: Readonly<Record<string, PeerStream>>,
  ) {
    this.#options = options
    this.#handlers = handlers
    this.#streams = streams
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

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    for (const response of this.#responses) response.destroy()
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }

  /** Asks a peer. @throws KafkaError as the peer does; `TIMED_OUT` when it does not answer in time, or cannot be reached. */
  async ask(address: string, name: string, question: unknown): Promise<unknown> {
    const { timeoutMs } = this.#options
    let response: Response
    try {
      response = await fetch(new URL(name, address), {
        method: 'POST',
        headers: this.#headers,
        body: JSON.stringify(question),
        signal: AbortSignal.timeout(timeoutMs),
      })
    } catch (error) {
      throw new KafkaError('TIMED_OUT', `${address} does not answer: ${messageOf(error)}`, {
        cause: error,
      })
    }
    const answer = (await response.json()) as {
      readonly code?: string
      readonly detail?: string
    }
    if (response.ok) return answer
    throw Object.assign(
      new KafkaError((answer.code ?? 'TIMED_OUT') as KafkaErrorCode, answer.detail ?? 'refused'),
      { isOfPeer: true },
    )
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
    const { secret } = this.#options
    return {
      'Content-Type': 'application/json',
      ...(secret === undefined ? {} : { [SECRET_HEADER]: secret }),
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#mayAsk(request))
      return end(response, 403, { code: 'REFUSED', detail: 'wrong secret' })
    const name = request.url?.slice(1) ?? ''
    const question = await bodyOf(request)
    const stream = this.#streams[name]
    if (stream !== undefined) return this.#streamTo(response, stream, question)
    const handler = Object.hasOwn(this.#handlers, name) ? this.#handlers[name] : undefined
    if (handler === undefined) return end(response, 404, { code: 'NOT_FOUND', detail: name })
    return end(response, 200, await handler(question))
  }

  #streamTo(response: ServerResponse, stream: PeerStream, question: unknown): void {
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
    response.flushHeaders()
    this.#responses.add(response)
    const stop = stream(question, (line) => {
      // A peer that does not keep up loses lines, and begins anew.
      if (response.writableLength > MAX_STREAM_BYTES) response.destroy()
      else response.write(`${line}\n`)
    })
    response.once('close', () => {
      this.#responses.delete(response)
      stop()
    })
  }

  #mayAsk(request: IncomingMessage): boolean {
    const { secret } = this.#options
    if (secret === undefined) return true
    const given = Buffer.from(String(request.headers[SECRET_HEADER] ?? ''))
    const expected = Buffer.from(secret)
    return given.length === expected.length && timingSafeEqual(given, expected)
  }
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
  const { code = 'FAILED' } = error as { readonly code?: unknown }
  end(response, code === 'NOT_OWNED' || code === 'FENCED' ? 421 : 422, {
    code,
    detail: messageOf(error),
  })
}

function end(response: ServerResponse, status: number, answer: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify(answer))
}
