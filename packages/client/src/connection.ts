import type { CLOSE_CODE } from '@gw/protocol'
import { type BackoffOptions, backoffMs } from './backoff.js'
import { callSafely } from './call-safely.js'
import { GatewayClientError, type GatewayClientErrorCode } from './errors.js'
import type { WebSocketLike } from './websocket.js'

/** Where a connection stands; see SPEC.md. `idle` is before the first use, and after a while without any. */
export type ConnectionState = 'idle' | 'connecting' | 'live' | 'reconnecting' | 'closed'

/** Bounds of waits on the connection. */
export interface ConnectionOptions {
  readonly reconnect?: BackoffOptions
  /** Longest time an attempt to connect may take. @defaultValue 10_000 */
  readonly connectTimeoutMs?: number
  /** Silence after which the server is asked for a sign of life; as long again, and the connection counts as dead. @defaultValue 10_000 */
  readonly silenceMs?: number
  /** How long an unused connection stays open. @defaultValue 2_000 */
  readonly idleMs?: number
}

/** What a connection asks of those who use it. */
export interface ConnectionUser {
  /** Begins an attempt. */
  open(): Promise<WebSocketLike>
  /** Why an attempt failed, or would; what it failed with is not always told. */
  diagnose(cause: unknown): Promise<GatewayClientError>
  /** The connection is live: everything that should run on it is to be said now. */
  onLive(): void
  onMessage(text: string): void
  /** The connection was lost; another attempt follows. */
  onLost(closeCode: number): void
  /** It is over: the server does not want this client, or the client was closed. */
  onClosed(error: GatewayClientError): void
  /** A message that the server answers, whatever state it is in. */
  signOfLife(): string
}

/** The connection of a client's subscriptions and sends. */
export interface ClientConnection {
  readonly state: ConnectionState
  /** Why the last connection or attempt ended, until the next one is live. */
  readonly error: GatewayClientError | undefined
  /** Calls `listener` on each change of state. @returns what ends it */
  onState(listener: (state: ConnectionState) => void): () => void
}

const STABLE_MS = 5_000

/**
 * Keeps one socket open for as long as somebody needs it: opens it, opens it again after a loss with growing, jittered waits,
 * notices when the peer is dead, and gives up only when the server says so.
 */
export class Connection implements ClientConnection {
  state: ConnectionState = 'idle'
  error: GatewayClientError | undefined
  readonly #user: ConnectionUser
  readonly #options: ConnectionOptions
  #socket: WebSocketLike | undefined
  /** Identifies the running attempt; what belongs to an earlier one is ignored. */
  #current: object | undefined
  readonly #listeners = new Set<(state: ConnectionState) => void>()
  #needed = false
  #wasLive = false
  #attempt = 0
  #liveAt = 0
  #heardAt = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #idleTimer: ReturnType<typeof setTimeout> | undefined

  constructor(user: ConnectionUser, options: ConnectionOptions) {
    this.#user = user
    this.#options = options
  }

  onState(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Says whether anybody needs the connection. */
  need(needed: boolean): void {
    if (needed === this.#needed) return
    this.#needed = needed
    clearTimeout(this.#idleTimer)
    if (needed) {
      if (this.state === 'idle' || this.state === 'closed') this.#connect()
    } else {
      this.#idleTimer = setTimeout(() => this.#rest(), this.#options.idleMs ?? 2_000)
    }
  }

  send(text: string): void {
    this.#socket?.send(text)
  }

  /** Gives the socket up and opens another one. */
  restart(error: GatewayClientError): void {
    if (this.#socket !== undefined) this.#lose(this.#socket, 1006, error)
  }

  /** Ends it for good. */
  close(error: GatewayClientError): void {
    clearTimeout(this.#idleTimer)
    this.#drop()
    this.#needed = false
    this.#enter('closed', error)
    this.#user.onClosed(error)
  }

  #connect(): void {
    this.#drop()
    this.#enter(this.#wasLive ? 'reconnecting' : 'connecting')
    const attempt = {}
    this.#current = attempt
    const failed = (cause?: unknown): void => {
      if (this.#current === attempt) void this.#fail(attempt, cause)
    }
    this.#timer = setTimeout(failed, this.#options.connectTimeoutMs ?? 10_000)
    this.#user.open().then((socket) => {
      if (this.#current !== attempt) return discard(socket)
      this.#socket = socket
      socket.onopen = () => {
        if (this.#socket === socket) this.#live(socket)
      }
      socket.onclose = socket.onerror = () => failed()
    }, failed)
  }

  #live(socket: WebSocketLike): void {
    clearTimeout(this.#timer)
    this.#wasLive = true
    this.#liveAt = this.#heardAt = performance.now()
    socket.onmessage = (event: { readonly data: unknown }) => {
      this.#heardAt = performance.now()
      if (this.#socket === socket && typeof event.data === 'string')
        this.#user.onMessage(event.data)
    }
    socket.onclose = (event: { readonly code: number; readonly reason: string }) => {
      if (this.#socket === socket) this.#lose(socket, event.code, undefined, event.reason)
    }
    socket.onerror = () => undefined // the close that follows tells more
    this.#enter('live')
    this.#user.onLive()
    this.#listen(socket)
  }

  /** Watches for silence: asks once for a sign of life, and gives up when none comes. */
  #listen(socket: WebSocketLike, asked = false): void {
    const silenceMs = this.#options.silenceMs ?? 10_000
    const heardAt = this.#heardAt
    const dueMs = Math.max(1, asked ? silenceMs : heardAt + silenceMs - performance.now())
    this.#timer = setTimeout(() => {
      if (this.#heardAt !== heardAt) return this.#listen(socket)
      if (asked) {
        const error = new GatewayClientError('CONNECTION_FAILED', 'the gateway is silent')
        return this.#lose(socket, 1006, error)
      }
      socket.send(this.#user.signOfLife())
      this.#listen(socket, true)
    }, dueMs)
  }

  #lose(socket: WebSocketLike, code: number, cause?: GatewayClientError, reason = ''): void {
    this.#drop(socket, cause !== undefined)
    const error = cause ?? closeError(code, reason)
    const isExpired = code === KEY_EXPIRED
    if (code >= 4400 && !isExpired && code !== LIMIT_REACHED) return this.#end(error)
    if (performance.now() - this.#liveAt > STABLE_MS) this.#attempt = 0
    this.#user.onLost(code)
    if (isExpired) {
      this.#enter('reconnecting', error)
      void this.#fail({}, undefined, error) // there may be a new key
    } else this.#goOn(error)
  }

  async #fail(attempt: object, cause: unknown, lost?: GatewayClientError): Promise<void> {
    this.#drop()
    this.#current = attempt
    const diagnosis = await this.#user.diagnose(cause)
    if (this.#current !== attempt) return
    const error = lost ?? diagnosis
    if (isFinal(diagnosis)) this.#end(error)
    else this.#goOn(error)
  }

  /** Tries again after a while, not before the server wants it, if anybody needs it. */
  #goOn(error: GatewayClientError): void {
    this.error = error
    if (!this.#needed) return this.#rest()
    this.#enter(this.#wasLive ? 'reconnecting' : 'connecting')
    this.#current = undefined
    const delayMs = backoffMs(this.#attempt++, this.#options.reconnect)
    this.#timer = setTimeout(() => this.#connect(), Math.max(error.retryAfterMs ?? 0, delayMs))
    globalThis.addEventListener?.('online', this.#onOnline)
  }

  /** A browser is back on the network: there is nothing more to wait for. */
  readonly #onOnline = (): void => {
    if (this.#current === undefined) this.#connect()
  }

  /** The server does not want this client: whoever needs the connection is told; later needs try anew. */
  #end(error: GatewayClientError): void {
    this.#needed = false
    this.#wasLive = false
    this.#attempt = 0
    this.#enter('closed', error)
    this.#user.onClosed(error)
  }

  #rest(): void {
    this.#drop()
    this.#wasLive = false
    this.#attempt = 0
    this.#enter('idle')
  }

  /** Lets the socket go; of a dead peer no farewell is awaited, where the socket has a way to do without. */
  #drop(socket: WebSocketLike | undefined = this.#socket, isDead = false): void {
    clearTimeout(this.#timer)
    globalThis.removeEventListener?.('online', this.#onOnline)
    this.#current = undefined
    this.#socket = undefined
    if (socket !== undefined) discard(socket, isDead)
  }

  #enter(state: ConnectionState, error?: GatewayClientError): void {
    if (state === 'live') this.error = undefined
    if (error !== undefined) this.error = error
    if (state === this.state) return
    this.state = state
    for (const listener of this.#listeners) callSafely(listener, state)
  }
}

function discard(socket: WebSocketLike, isDead = false): void {
  socket.onopen = socket.onmessage = socket.onclose = null
  socket.onerror = () => undefined // closing before it opened is an error to some
  if (isDead && socket.terminate !== undefined) socket.terminate()
  else socket.close()
}

/** Whether there is no point in another attempt. */
function isFinal({ status, code }: GatewayClientError): boolean {
  return status === 401 || status === 403 || code === 'BAD_REQUEST'
}

// Their numbers alone: the protocol's table would go into every bundle.
type CloseCode = typeof CLOSE_CODE
const KEY_EXPIRED: CloseCode['KEY_EXPIRED'] = 4401
const LIMIT_REACHED: CloseCode['LIMIT_REACHED'] = 4429
const CODE_OF_CLOSE: { readonly [code: number]: GatewayClientErrorCode } = {
  4400: 'BAD_REQUEST',
  [KEY_EXPIRED]: 'UNAUTHORIZED',
  4403: 'FORBIDDEN',
  [LIMIT_REACHED]: 'TOO_MANY_REQUESTS',
}

function closeError(code: number, reason: string): GatewayClientError {
  const retryAfterMs = /retryAfterMs\D*(\d+)/.exec(reason)?.[1]
  return new GatewayClientError(
    CODE_OF_CLOSE[code] ?? 'CONNECTION_FAILED',
    `the connection was closed: ${reason || code}`,
    { retryAfterMs: retryAfterMs === undefined ? undefined : Number(retryAfterMs) },
  )
}
