import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

/** Headers that ask for another protocol on this connection, and what names them. */
const WISHES: ReadonlySet<string> = new Set(['upgrade', 'http2-settings'])

/** Whether a request that was handed over asks for a WebSocket, and not for what HTTP lets us pass over. */
export function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/**
 * Gives a connection back to its HTTP server, which hands over every upgrade that is asked for: the request is read again, without
 * its wish for another protocol. Java and curl ask for HTTP/2 with whatever they want.
 * @returns whether it could be done.
 */
export function passOver(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
  const { server } = socket as { readonly server?: Server }
  if (server === undefined) return false
  socket.unshift(Buffer.concat([Buffer.from(headOf(request), 'latin1'), head]))
  server.emit(socket instanceof TLSSocket ? 'secureConnection' : 'connection', socket)
  return true
}

function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2)
    const kind = name.toLowerCase()
    if (kind === 'connection') lines.push(`${name}: ${withoutWishes(value)}`)
    else if (!WISHES.has(kind)) lines.push(`${name}: ${value}`)
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}

function withoutWishes(connection: string): string {
  const options = connection.split(',').map((option) => option.trim())
  return options.filter((option) => !WISHES.has(option.toLowerCase())).join(', ')
}
