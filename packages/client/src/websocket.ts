import { API_PATH } from '@gw/protocol'
import { GatewayClientError } from './errors.js'

/** The part of a WebSocket that the client needs: the browsers' own, Node's, Deno's, Bun's and that of `ws` have it. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  send(data: string): void
  close(code?: number, reason?: string): void
  /** Ends it without a farewell; only that of `ws` has this. */
  terminate?(): void
}

/** What makes one. */
export type WebSocketConstructor = new (url: string, options?: never) => WebSocketLike

interface NodeProcess {
  getBuiltinModule?(name: 'node:module'): {
    createRequire(from: string): (name: 'ws') => { readonly WebSocket: WebSocketConstructor }
  }
}

/**
 * The WebSocket of this runtime: the global one, or, on Node before 22, that of the package `ws`, looked up at run time so that
 * no bundler follows.
 * @throws GatewayClientError `BAD_REQUEST` where there is none.
 */
export function findWebSocket(): WebSocketConstructor {
  const scope = globalThis as { WebSocket?: WebSocketConstructor; process?: NodeProcess }
  if (scope.WebSocket !== undefined) return scope.WebSocket
  try {
    const node = scope.process?.getBuiltinModule?.('node:module')
    if (node !== undefined) return node.createRequire(import.meta.url)('ws').WebSocket
  } catch {
    // Not installed: said below.
  }
  throw new GatewayClientError('BAD_REQUEST', 'no WebSocket here: install ws, or pass one')
}

/**
 * Opens the stream of a gateway. Servers' runtimes take headers; a browser's WebSocket refuses them, and then a ticket
 * that is good once stands in the URL, never the key.
 */
export async function openWebSocket(
  WebSocket: WebSocketConstructor,
  base: string,
  headers: Readonly<Record<string, string>>,
  newTicket: () => Promise<string>,
): Promise<WebSocketLike> {
  const url = `${base.replace(/^http/, 'ws')}${API_PATH}/stream`
  if (Object.keys(headers).length === 0) return new WebSocket(url)
  try {
    return new WebSocket(url, { headers } as never)
  } catch (error) {
    if ((error as Error).name !== 'SyntaxError') throw error
    return new WebSocket(`${url}?ticket=${encodeURIComponent(await newTicket())}`)
  }
}
