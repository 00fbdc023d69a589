import { Agent, type IncomingMessage, request } from 'node:http'
import { Readable } from 'node:stream'
import { WebSocket, type ClientOptions as WsOptions } from 'ws'
import type { ClientOptions } from './create-client.js'
import type { Fetch } from './rest.js'
import type { WebSocketConstructor } from './websocket.js'

/**
 * The options of `createClient` that reach a gateway over its UNIX socket, in Node. Needs the package `ws`.
 * @example `createClient<typeof channels>({ ...unix('/run/gateway.sock') })`
 */
export function unix(socketPath: string): Pick<ClientOptions, 'url' | 'fetch' | 'WebSocket'> {
  const agent = new Agent({ socketPath, keepAlive: true } as ConstructorParameters<typeof Agent>[0])
  class UnixWebSocket extends WebSocket {
    constructor(url: string, options?: WsOptions) {
      super(url, { ...options, agent })
    }
  }
  return {
    url: 'http://localhost',
    fetch: fetchThrough(agent),
    WebSocket: UnixWebSocket as unknown as WebSocketConstructor,
  }
}

function fetchThrough(agent: Agent): Fetch {
  return (url, { method = 'GET', headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const call = request(url, {
        agent,
        method,
        headers: headers as Record<string, string>,
        ...(signal ? { signal } : {}),
      })
      call.on('response', (response) => resolve(responseOf(response)))
      call.on('error', reject)
      call.end(body)
    })
}

function responseOf(message: IncomingMessage): Response {
  const { statusCode: status = 500, headers } = message
  const isEmpty = status === 204 || status === 304
  return new Response(isEmpty ? null : (Readable.toWeb(message) as ReadableStream), {
    status,
    headers: Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as [string, string]],
    ),
  })
}
