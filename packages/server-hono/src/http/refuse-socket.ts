import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Problem } from './problem.js'
import { problemHeaders, SECURE_HEADERS } from './respond.js'

/** How long a refused client may take to read its refusal. */
const LINGER_MS = 2_000

/** Answers a request that never became one of the HTTP server's, and ends its connection. */
export function refuseSocket(socket: Duplex, problem: Problem): void {
  if (socket.destroyed) return
  const body = JSON.stringify(problem.body)
  const headers: Record<string, string | number> = {
    ...SECURE_HEADERS,
    ...problemHeaders(problem, undefined),
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const status = `${problem.status} ${STATUS_CODES[problem.status] ?? ''}`
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(timer))
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`, () => socket.destroy())
}
