import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Limits } from '../options.js'
import { createHttpServer, type UpgradeListener } from './http-server.js'

/** An HTTP server that can be stopped within a bound: its connections are known, and so is what each is busy with. */
export class Listener {
  readonly server: Server
  /** Open connections, and the responses that each still owes. */
  readonly #connections = new Map<Socket, Set<ServerResponse>>()
  #isStopping = false

  constructor(limits: Limits, onRequest: RequestListener, onUpgrade: UpgradeListener) {
    this.server = createHttpServer(
      limits,
      (request, response) => {
        this.#track(request, response)
        onRequest(request, response)
      },
      (request, socket, head) => {
        // From here on it is the stream's.
        this.#connections.delete(socket as Socket)
        onUpgrade(request, socket, head)
      },
    )
    this.server.on('connection', (socket: Socket) => {
      this.#connections.set(socket, new Set())
      socket.once('close', () => this.#connections.delete(socket))
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

function endAfter(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close')
}
