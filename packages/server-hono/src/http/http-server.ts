import { createServer, IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Limits } from '../options.js'
import { asksForWebSocket } from './pass-over.js'
import { type Problem, problem } from './problem.js'
import { refuseSocket } from './refuse-socket.js'

/** Connections beyond the bound that are told so; those beyond these are cut off without a word. */
const REFUSED_CONNECTIONS = 64

/** How often slow requests are looked for. */
const CHECK_INTERVAL_MS = 1_000

/** Takes over a connection that asks for an upgrade. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** An HTTP server with every bound set. */
export function createHttpServer(
  limits: Limits,
  onRequest: RequestListener,
  onUpgrade: UpgradeListener,
): Server {
  const server = createServer(
    {
      IncomingMessage: GatewayRequest,
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, limits.headersTimeoutMs),
      noDelay: true,
      // Who names no host is refused in our form, by the listener.
      requireHostHeader: false,
    },
    onRequest,
  )
  server.maxConnections = limits.maxConnections + REFUSED_CONNECTIONS
  server.on('upgrade', onUpgrade)
  server.on('connect', (_, socket: Duplex) => refuseSocket(socket, noProxy()))
  server.on('clientError', refuseBroken)
  return server
}

const ASKED: unique symbol = Symbol('asked')

/**
 * A request that only an upgrade to a WebSocket takes out of HTTP. Others, such as to HTTP/2 in the clear, which Java and curl
 * ask for with every request, are passed over, as HTTP allows: Node would hand over all of them.
 */
class GatewayRequest extends IncomingMessage {
  declare private [ASKED]: unknown

  get upgrade(): boolean {
    if (this[ASKED] !== true) return false
    return this.method === 'CONNECT' || asksForWebSocket(this)
  }

  /** Set by Node: whether the headers ask for an upgrade. */
  set upgrade(value: unknown) {
    this[ASKED] = value
  }
}

function noProxy(): Problem {
  const headers = { Allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' }
  return problem('METHOD_NOT_ALLOWED', 'Method Not Allowed', undefined, headers)
}

/** What is no HTTP, too large or too slow: answered in our form, and cut off. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      refuseSocket(socket, problem('BAD_REQUEST', 'the headers are too large', undefined, {}, 431))
      return
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      refuseSocket(socket, problem('REQUEST_TIMEOUT', 'the request took too long to arrive'))
      return
    default:
      refuseSocket(socket, problem('BAD_REQUEST', 'this is no HTTP request'))
  }
}
