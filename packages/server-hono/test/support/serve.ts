import { Gateway } from '@gw/channels'
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { type WebServer, type WebServerOptions, webServer } from '../../src/index.js'
import { channels, module, type TestChannels } from './contract.js'

/** A gateway that is served on a free port, for one test. */
export interface Served {
  readonly gateway: Gateway<TestChannels>
  readonly server: WebServer
  readonly url: string
  get(path: string, init?: RequestInit): Promise<Response>
  json(path: string, init?: RequestInit): Promise<unknown>
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>
  open(path?: string, options?: Record<string, unknown>): Promise<TestSocket>
}

export async function serve(options: WebServerOptions = {}): Promise<Served> {
  const server = webServer({ port: 0, ...options })
  const gateway = new Gateway({ channels, modules: [module, server] })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const url = server.url ?? ''
  const get = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${url}${absolute(path)}`, { redirect: 'manual', ...init })
  return {
    gateway,
    server,
    url,
    get,
    json: async (path, init) => (await get(path, init)).json(),
    post: (path, body, init = {}) =>
      get(path, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
        headers: { 'content-type': 'application/json', ...init.headers },
      }),
    open: (path = 'stream', options = {}) =>
      openSocket(`${url.replace('http', 'ws')}${absolute(path)}`, options),
  }
}

function absolute(path: string): string {
  return path.startsWith('/') ? path : `/api/v1/${path}`
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into messages of every shape
export type Heard = any

/** A client's socket that hands out what comes, in order. */
export class TestSocket {
  readonly socket: WebSocket
  /** The code with which it was closed. */
  readonly closed: Promise<number>
  readonly #messages: Heard[] = []
  readonly #waiting: ((message: Heard) => void)[] = []

  constructor(socket: WebSocket) {
    this.socket = socket
    this.closed = new Promise((resolve) => socket.on('close', resolve))
    socket.on('error', () => undefined)
    socket.on('message', (data) => {
      const message: Heard = JSON.parse(String(data))
      const first = this.#waiting.shift()
      if (first === undefined) this.#messages.push(message)
      else first(message)
    })
  }

  say(message: unknown): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  hear(): Promise<Heard> {
    const first = this.#messages.shift()
    if (first !== undefined) return Promise.resolve(first)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Hears until a message fits. */
  async hearUntil(fits: (message: Heard) => boolean): Promise<Heard> {
    for (;;) {
      const message = await this.hear()
      if (fits(message)) return message
    }
  }

  /** Says something with an id, and hears its answer. */
  async ask(message: {
    readonly id: number | string
    readonly [name: string]: unknown
  }): Promise<Heard> {
    this.say(message)
    return this.hearUntil((heard) => heard.id === message.id && 'ok' in heard)
  }

  close(): void {
    this.socket.close()
  }
}

export function openSocket(
  url: string,
  options: Record<string, unknown> = {},
): Promise<TestSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, options)
    const testSocket = new TestSocket(socket)
    onTestFinished(() => socket.terminate())
    socket.once('open', () => resolve(testSocket))
    socket.once('unexpected-response', (_, response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () => reject(new Refused(response.statusCode ?? 0, body)))
    })
  })
}

/** A handshake that was answered with a refusal. */
class Refused extends Error {
  readonly status: number
  readonly body: string

  constructor(status: number, body: string) {
    super(`${status} ${body}`)
    this.status = status
    this.body = body
  }
}
