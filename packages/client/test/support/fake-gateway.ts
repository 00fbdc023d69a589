import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Position, SendMessage, SubscribeMessage } from '@gw/protocol'
import { type WebSocket, WebSocketServer } from 'ws'

/** An answer that a test prescribes. */
export interface Scripted {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

type Message = { readonly action: string; readonly id: number } & Record<string, unknown>

/**
 * Speaks the wire protocol over real sockets, without an engine behind it, and misbehaves on demand: it cuts connections at
 * chosen moments, goes silent, forgets its history. What a right server does is tested against the right server.
 */
export class FakeGateway {
  readonly requests: { method: string; url: string; headers: IncomingMessage['headers'] }[] = []
  readonly messages: Message[] = []
  /** Sends that took effect, each once. */
  readonly effects: unknown[] = []
  /** Answers of HTTP, by method and path; a list is used up in order, its last one stays. */
  readonly script = new Map<string, Scripted[]>()
  epoch = 'e1'
  /** Refuses handshakes with this. */
  refusal: Scripted | undefined
  /** Says nothing any more, but keeps connections open. */
  isSilent = false
  /** Cuts the connection after a send took effect, in place of the answer; so many times. */
  cutsInPlaceOfAnswers = 0
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<WebSocket>()
  readonly #logs = new Map<string, unknown[]>()
  readonly #subscriptions = new Map<WebSocket, Map<number, SubscribeMessage>>()
  readonly #messageIds = new Map<string, object>()
  #waiters: (() => void)[] = []

  private constructor() {
    const sockets = new WebSocketServer({ noServer: true, maxPayload: 1024 })
    this.#server = createServer((request, response) => {
      const { method = '', url = '', headers } = request
      this.requests.push({ method, url, headers })
      request.resume()
      const { status = 200, headers: own, body } = this.#scripted(`${method} ${url.split('?')[0]}`)
      response.writeHead(status, { 'content-type': 'application/json', ...own })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
      this.#wake()
    })
    this.#server.on('upgrade', (request, socket, head) => {
      this.connections++
      this.requests.push({ method: 'UPGRADE', url: request.url ?? '', headers: request.headers })
      if (this.refusal !== undefined) {
        socket.end(`HTTP/1.1 ${this.refusal.status} No\r\nConnection: close\r\n\r\n`)
        return this.#wake()
      }
      sockets.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket))
    })
  }

  /** Listens on a free port of the loopback, or on a UNIX socket. */
  static async start(path?: string): Promise<FakeGateway> {
    const gateway = new FakeGateway()
    await new Promise<void>((resolve) => {
      if (path === undefined) gateway.#server.listen(0, '127.0.0.1', resolve)
      else gateway.#server.listen(path, resolve)
    })
    return gateway
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Prescribes what a path answers. */
  on(methodAndPath: string, ...answers: Scripted[]): void {
    this.script.set(methodAndPath, answers)
  }

  /** Waits until something holds that requests or messages bring about. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  /** A tick on a channel, or on a key. */
  tick(channel: string, record: unknown, key?: string): void {
    const log = this.#log(channel)
    log.push(key === undefined ? record : { key, record })
    for (const [socket, subscriptions] of this.#subscriptions) {
      for (const subscription of subscriptions.values()) {
        if (subscription.channel === channel) this.#sendTick(socket, subscription, log.length)
      }
    }
  }

  /** Says something to every connection. */
  say(message: unknown): void {
    for (const socket of this.#sockets) {
      socket.send(typeof message === 'string' ? message : JSON.stringify(message))
    }
  }

  /** Breaks all connections, as a network does. */
  cut(): void {
    for (const socket of this.#sockets) socket.terminate()
  }

  /** Closes all connections, as a server does. */
  close(code: number, reason = ''): void {
    for (const socket of this.#sockets) socket.close(code, reason)
  }

  /** Forgets all ticks: what was before cannot be resumed from. */
  restart(): void {
    this.epoch = `${this.epoch}x`
    this.#logs.clear()
    this.cut()
  }

  #scripted(name: string): Scripted {
    const answers = this.script.get(name)
    if (answers === undefined) {
      return name.endsWith('/stream')
        ? { status: 200, body: [], ...this.refusal }
        : { status: 404, body: { detail: 'Not Found', code: 'NOT_FOUND' } }
    }
    return (answers.length > 1 ? answers.shift() : answers[0]) as Scripted
  }

  #accept(socket: WebSocket): void {
    this.#sockets.add(socket)
    this.#subscriptions.set(socket, new Map())
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#subscriptions.delete(socket)
      this.#wake()
    })
    socket.on('error', () => undefined)
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as Message
      this.messages.push(message)
      if (!this.isSilent) this.#answer(socket, message)
      this.#wake()
    })
    this.#wake()
  }

  #answer(socket: WebSocket, message: Message): void {
    const say = (answer: object): void => socket.send(JSON.stringify(answer))
    switch (message.action) {
      case 'subscribe':
        return this.#subscribe(socket, message as unknown as SubscribeMessage & { id: number })
      case 'unsubscribe':
        this.#subscriptions.get(socket)?.delete(message.id)
        return say({ id: message.id, ok: true })
      default: {
        const { data, channel, messageId = '' } = message as unknown as SendMessage
        let answer = this.#messageIds.get(messageId)
        if (answer === undefined) {
          this.effects.push(data)
          this.tick(channel, data)
          const offset = this.#log(channel).length
          const records = Array.isArray(data) ? data : [data]
          answer = { ok: true, epoch: this.epoch, offset, data: records, durability: 'memory' }
          this.#messageIds.set(messageId, answer)
        }
        if (this.cutsInPlaceOfAnswers > 0) {
          this.cutsInPlaceOfAnswers--
          return socket.terminate()
        }
        return say({ id: message.id, ...answer })
      }
    }
  }

  #subscribe(socket: WebSocket, message: SubscribeMessage & { readonly id: number }): void {
    const { id, channel, from } = message
    const { epoch } = this
    const say = (answer: object): void => socket.send(JSON.stringify(answer))
    if (channel === 'unknown') {
      return say({ id, ok: false, code: 'UNKNOWN_CHANNEL', detail: 'Channel not found: unknown' })
    }
    const offset = this.#log(channel).length
    this.#subscriptions.get(socket)?.set(id, message)
    const resume = typeof from === 'object' && 'epoch' in from ? (from as Position) : undefined
    const recovered = resume === undefined ? undefined : resume.epoch === epoch
    say({ id, ok: true, epoch, offset, kind: 'single', recovered })
    if (from === 'snapshot' || recovered === false) {
      const last = this.#log(channel)
        .map(entryOf)
        .findLast(({ key }) => message.key === undefined || key === message.key)
      if (last !== undefined) {
        const { key, record } = last
        const kind = 'single'
        say({ sub: id, channel, key, kind, data: [record], epoch, offset, snapshot: true })
      }
      say({ sub: id, channel, snapshotEnd: true, epoch, offset })
    } else if (resume !== undefined) {
      for (let at = resume.offset + 1; at <= offset; at++) this.#sendTick(socket, message, at)
    }
  }

  #sendTick(socket: WebSocket, subscription: SubscribeMessage, offset: number): void {
    const { id, channel } = subscription
    const { key, record } = entryOf(this.#log(channel)[offset - 1])
    if (subscription.key !== undefined && key !== subscription.key) return
    const data = [record]
    const { epoch } = this
    socket.send(JSON.stringify({ sub: id, channel, key, kind: 'single', data, epoch, offset }))
  }

  #log(channel: string): unknown[] {
    let log = this.#logs.get(channel)
    if (log === undefined) {
      log = []
      this.#logs.set(channel, log)
    }
    return log
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter()
  }
}

/** What a log holds: of a basket, records with their keys. */
function entryOf(entry: unknown): { readonly key?: string; readonly record: unknown } {
  const isKeyed = typeof entry === 'object' && entry !== null && 'record' in entry
  return isKeyed ? (entry as { key: string; record: unknown }) : { record: entry }
}
