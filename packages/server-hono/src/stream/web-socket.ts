import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { problem } from '../http/problem.js'
import { refuseSocket } from '../http/refuse-socket.js'
import type { LiveSink } from './sink.js'

/** A socket after its handshake: text comes in, frames that are ready for the wire go out. */
export interface StreamSocket extends LiveSink {
  onText(listener: (text: string) => void): void
  /** Stops reading until {@link resume}. */
  pause(): void
  resume(): void
}

/** Accepts handshakes; what comes in is checked against RFC 6455 and the bound, by `ws`. */
export interface Handshakes {
  accept(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    listener: (socket: StreamSocket) => void,
  ): void
}

/** Bytes of a reader's untaken answers beyond which its pings go unanswered. */
const MAX_UNSENT_FOR_PONG = 16 * 1024

/**
 * All that knows the library behind our WebSockets. Frames that are made once for many sockets are written to the
 * socket itself, between the library's own, which it writes as a whole.
 */
export function handshakes(maxMessageBytes: number): Handshakes {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    autoPong: false,
  })
  server.on('wsClientError', (error, socket) => {
    const headers = { 'Sec-WebSocket-Version': '13' }
    refuseSocket(socket, problem('BAD_REQUEST', error.message, undefined, headers))
  })
  return {
    accept: (request, socket, head, listener) => {
      server.handleUpgrade(request, socket, head, (webSocket) =>
        listener(new LibrarySocket(webSocket, socket)),
      )
    },
  }
}

class LibrarySocket implements StreamSocket {
  readonly #webSocket: WebSocket
  readonly #socket: Duplex

  constructor(webSocket: WebSocket, socket: Duplex) {
    this.#webSocket = webSocket
    this.#socket = socket
    // The library has closed the connection with the right code; there is nothing else to do.
    webSocket.on('error', ignore)
  }

  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  write(bytes: Buffer): void {
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#socket.write(bytes)
  }

  onDrained(listener: () => void): void {
    this.#socket.once('drain', listener)
  }

  onText(listener: (text: string) => void): void {
    this.#webSocket.on('message', (data: Buffer, isBinary: boolean) => {
      if (!isBinary) listener(data.toString())
    })
  }

  onSignOfLife(listener: () => void): void {
    const webSocket = this.#webSocket
    webSocket.on('ping', (data) => {
      listener()
      if (this.unsentBytes <= MAX_UNSENT_FOR_PONG) webSocket.pong(data, false, ignore)
    })
    webSocket.on('pong', listener)
    webSocket.on('message', listener)
  }

  onClosed(listener: () => void): void {
    this.#webSocket.on('close', listener)
  }

  ping(): void {
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.ping('', false, ignore)
  }

  pause(): void {
    this.#webSocket.pause()
  }

  resume(): void {
    this.#webSocket.resume()
  }

  close(code: number, reason: string): void {
    this.#webSocket.close(code, reason)
  }

  terminate(): void {
    this.#webSocket.terminate()
  }
}

function ignore(): void {}
