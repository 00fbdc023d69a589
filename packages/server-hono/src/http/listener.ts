import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Limits } from '../options.js'
import { tooLarge } from './body.js'
import { createHttpServer, type UpgradeListener } from './http-server.js'
import { type Problem, problem, problemOf } from './problem.js'
import { refuseSocket } from './refuse-socket.js'
import { SECURE_HEADERS } from './respond.js'

/** How often a server that stops looks for connections that have become idle. */
const IDLE_CHECK_MS = 10

/** An HTTP server that refuses what is beyond its bound in words, and can be stopped within a bound. */
export class Listener {
  readonly server: Server
  /** Connections beyond the bound: whatever they ask is refused. */
  readonly #surplus = new Set<Socket>()
  /** Open connections, those of the stream too. */
  readonly #sockets = new Set<Socket>()
  #upgraded = 0

  constructor(limits: Limits, onRequest: RequestListener, onUpgrade: UpgradeListener) {
    const take: RequestListener = (request, response) => {
      if (this.#surplus.size > 0 && this.#surplus.has(request.socket)) {
        refuse(response, tooMany())
      } else if (!namesOneHost(request)) refuse(response, badHost())
      else {
        response.on('timeout', endIfStalled)
        request.socket.setTimeout(limits.stallTimeoutMs)
        onRequest(request, response)
      }
    }
    this.server = createHttpServer(limits, take, (request, socket, head) => {
      this.#upgraded++
      socket.once('close', () => this.#upgraded--)
      if (this.#surplus.has(socket as Socket)) refuseSocket(socket, tooMany())
      else if (!namesOneHost(request)) refuseSocket(socket, badHost())
      else onUpgrade(request, socket, head)
    })
    this.server.on('checkContinue', (request, response: ServerResponse) => {
      // Who asks before it sends a body is spared one that would be refused.
      if (Number(request.headers['content-length'] ?? 0) > limits.maxBodyBytes) {
        refuse(response, problemOf(tooLarge(limits.maxBodyBytes)))
        return
      }
      response.writeContinue()
      take(request, response)
    })
    this.server.on('checkExpectation', (_, response: ServerResponse) => {
      refuse(response, problem('BAD_REQUEST', 'only 100-continue is expected', undefined, {}, 417))
    })
    this.server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      if (this.#sockets.size > limits.maxConnections) this.#surplus.add(socket)
      socket.once('close', () => {
        this.#sockets.delete(socket)
        this.#surplus.delete(socket)
      })
    })
  }

  /** Open connections, those of the stream not counted. */
  get size(): number {
    return this.#sockets.size - this.#upgraded
  }

  /** Stops accepting, lets the requests that are there finish, and cuts off what is not done in time. */
  stop(timeoutMs: number): Promise<void> {
    const { server } = this
    return new Promise((resolve) => {
      if (!server.listening) {
        resolve()
        return
      }
      const timers = [
        setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS),
        setTimeout(() => server.closeAllConnections(), timeoutMs),
      ]
      server.close(() => {
        for (const timer of timers) clearTimeout(timer)
        resolve()
      })
      server.closeIdleConnections()
      // Node counts as busy those that have said nothing yet, as browsers hold them ready.
      for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy()
    })
  }
}

/** A request may wait in silence, as `next` does, but not for a client that does not take what it was given. */
function endIfStalled(socket: Socket): void {
  if (socket.writableLength > 0) socket.destroy()
}

/** Each of several hosts may be the one that somebody on the way has gone by, so none is. */
function namesOneHost({ httpVersion, rawHeaders }: IncomingMessage): boolean {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    if (name.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count === 1 || (count === 0 && httpVersion === '1.0')
}

function badHost(): Problem {
  return problem('BAD_REQUEST', 'a request names its host, once, in the header Host')
}

function tooMany(): Problem {
  const message = 'no more connections are taken: try again later'
  return problem('OVERLOADED', message, undefined, { 'Retry-After': '5' })
}

function refuse(response: ServerResponse, { status, body, headers }: Problem): void {
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
