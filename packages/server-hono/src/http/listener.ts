import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Limits } from '../options.js'
import { createHttpServer, type UpgradeListener } from './http-server.js'
import { type Problem, problem } from './problem.js'
import { refuseSocket } from './refuse-socket.js'
import { SECURE_HEADERS } from './respond.js'

/** An HTTP server that can be stopped within a bound: its connections are known, and so is what each is busy with. */
export class Listener {
  readonly server: Server
  /** Open connections, and the responses that each still owes. */
  readonly #connections = new Map<Socket, Set<ServerResponse>>()
  /** Connections beyond the bound: whatever they ask is refused. */
  readonly #surplus = new WeakSet<Socket>()
  /** Open connections, those of the stream too. */
  #count = 0
  #isStopping = false

  constructor(limits: Limits, onRequest: RequestListener, onUpgrade: UpgradeListener) {
    this.server = createHttpServer(
      limits,
      (request, response) => {
        this.#track(request, response)
        if (this.#surplus.has(request.socket)) refuse(response)
        else onRequest(request, response)
      },
      (request, socket, head) => {
        // From here on it is the stream's.
        this.#connections.delete(socket as Socket)
        if (this.#surplus.has(socket as Socket)) refuseSocket(socket, tooMany())
        else onUpgrade(request, socket, head)
      },
    )
    this.server.on('connection', (socket: Socket) => {
      this.#connections.set(socket, new Set())
      if (++this.#count > limits.maxConnections) this.#surplus.add(socket)
      socket.once('close', () => {
        this.#count--
        this.#connections.delete(socket)
      })
    })
  }

  /** Open connections, those of the stream not counted. */
  get size(): number {
    return this.#connections.size
  }

  /** Stops accepting, lets the requests that are there finish, and cuts off what is not done in time. */
  stop(timeoutMs: number): Promise<void> {
    this.#isStopping = true
    return new Promise((resolve) => {
      if (!this.server.listening) {
        resolve()
        return
      }
      const timer = setTimeout(() => {
        for (const socket of this.#connections.keys()) socket.destroy()
      }, timeoutMs)
      this.server.close(() => {
        clearTimeout(timer)
        resolve()
      })
      for (const [socket, responses] of this.#connections) {
        if (responses.size === 0) socket.destroy()
        for (const response of responses) endAfter(response)
      }
    })
  }

  #track(request: IncomingMessage, response: ServerResponse): void {
    const responses = this.#connections.get(request.socket)
    responses?.add(response)
    if (this.#isStopping) endAfter(response)
    response.once('close', () => {
      responses?.delete(response)
      if (this.#isStopping && responses?.size === 0) request.socket.destroySoon()
    })
  }
}

function tooMany(): Problem {
  const message = 'no more connections are taken: try again later'
  return problem('OVERLOADED', message, undefined, { 'Retry-After': '5' })
}

function refuse(response: ServerResponse): void {
  const { status, body, headers } = tooMany()
  const text = JSON.stringify(body)
  response.writeHead(status, {
    ...SECURE_HEADERS,
    ...headers,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    Connection: 'close',
  })
  response.end(text)
}

function endAfter(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close')
}
