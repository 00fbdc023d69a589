import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { API_PATH, type AuthResult, CLOSE_CODE, type Identity } from '@gw/protocol'
import { WebServerError } from '../errors.js'
import { admitted, authenticate, isRevokedBy, RequestCredentials } from '../http/identity.js'
import { isOriginAllowed } from '../http/origin.js'
import { problemOf } from '../http/problem.js'
import { refuseSocket } from '../http/refuse-socket.js'
import type { Service } from '../service.js'
import { Connection } from './connection.js'
import { Session } from './session.js'
import type { LiveSink } from './sink.js'
import { type Handshakes, handshakes, type StreamSocket } from './web-socket.js'

const PATH = `${API_PATH}/stream`
/** Parts of the ping interval: each connection is pinged in one of them, so that not all are at once. */
const PING_SLICES = 16
/** Between two looks for identities whose time is over. */
const EXPIRY_CHECK_MS = 1_000
/** Answers that may wait for a reader before its messages wait too. */
const MAX_WAITING_ANSWERS = 64

interface Member {
  readonly sink: LiveSink
  readonly session: Session
  readonly identity: Identity
  readonly slice: number
  isAlive: boolean
}

/** The streams of a gateway, WebSockets and events: handshakes, keep-alive, and the end of those that must not go on. */
export class StreamServer {
  readonly #service: Service
  readonly #handshakes: Handshakes
  readonly #members = new Set<Member>()
  readonly #timers: NodeJS.Timeout[]
  readonly #stopRevocations: readonly (() => void)[]
  #slice = 0
  #nextSlice = 0
  #isClosing = false

  constructor(service: Service) {
    this.#service = service
    const { limits, authenticators } = service.settings
    this.#handshakes = handshakes(limits.maxMessageBytes)
    this.#timers = [
      setInterval(() => this.#keepAlive(), limits.pingIntervalMs / PING_SLICES).unref(),
      setInterval(() => this.#endExpired(), EXPIRY_CHECK_MS).unref(),
      setInterval(() => this.#tellProgress(), limits.progressIntervalMs).unref(),
      setInterval(() => void service.hub.checkCopies(), limits.progressIntervalMs).unref(),
    ]
    this.#stopRevocations = authenticators.flatMap((authenticator) => {
      const stop = authenticator.onRevoked?.((name, credential) =>
        this.#endIdentity(name, credential),
      )
      return stop === undefined ? [] : [stop]
    })
  }

  /** Open connections. */
  get size(): number {
    return this.#members.size
  }

  /** Bytes that wait for readers. */
  get queuedBytes(): number {
    let bytes = 0
    for (const { session } of this.#members) bytes += session.queuedBytes
    return bytes
  }

  /** Subscriptions of all connections. */
  get subscriptions(): number {
    let count = 0
    for (const { session } of this.#members) count += session.subscriptions.size
    return count
  }

  /**
   * Makes what is written to `sink` a connection.
   * @throws WebServerError `OVERLOADED` when there are too many.
   */
  attach(sink: LiveSink, identity: Identity): Session {
    this.checkRoom()
    const session = new Session(this.#service.hub, sink)
    this.#nextSlice = (this.#nextSlice + 1) % PING_SLICES
    const member: Member = { sink, session, identity, slice: this.#nextSlice, isAlive: true }
    this.#members.add(member)
    sink.onSignOfLife(() => {
      member.isAlive = true
    })
    const forget = this.#service.stillGood.watch(identity, () => {
      session.close(CLOSE_CODE.KEY_EXPIRED, 'the key is good no more')
    })
    sink.onClosed(() => {
      forget()
      this.#members.delete(member)
      session.dispose()
    })
    return session
  }

  /** @throws WebServerError `OVERLOADED` when no more connections are taken. */
  checkRoom(): void {
    if (!this.#isClosing && this.#members.size < this.#service.settings.limits.maxConnections)
      return
    throw new WebServerError('OVERLOADED', 'no more connections are taken: try again later', {
      headers: { 'Retry-After': '5' },
    })
  }

  /** Takes an upgrade request: refuses it as plain HTTP with a JSON body, or makes it a connection. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', ignore)
    try {
      this.#check(request)
      const address = this.#service.settings.proxies.addressOf(request)
      const credentials = new RequestCredentials('GET', request.url ?? '/', address, (name) =>
        headerOf(request, name),
      )
      const ticket = credentials.query('ticket')
      const holder = ticket === undefined ? undefined : this.#service.tickets.take(ticket)
      if (holder !== undefined) return this.#enter(request, socket, head, holder)
      const result = this.#admit(ticket, credentials)
      const enter = (outcome: AuthResult): void => {
        this.#enter(request, socket, head, admitted(outcome))
      }
      if (!(result instanceof Promise)) enter(result)
      else result.then(enter).catch((error: unknown) => this.#refuse(request, socket, error))
    } catch (error) {
      this.#refuse(request, socket, error)
    }
  }

  /** Tells every connection that we are going away, and waits until they are gone or the time is over. */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosing = true
    for (const timer of this.#timers) clearInterval(timer)
    for (const stop of this.#stopRevocations) stop()
    this.#service.stillGood.close()
    if (this.#members.size === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        for (const { sink } of this.#members) sink.terminate()
        resolve()
      }, timeoutMs)
      for (const { session, sink } of this.#members) {
        sink.onClosed(() => {
          if (this.#members.size > 0) return
          clearTimeout(timer)
          resolve()
        })
        session.close(CLOSE_CODE.GOING_AWAY, 'the gateway stops')
      }
    })
  }

  #check(request: IncomingMessage): void {
    if (pathOf(request.url ?? '/') !== PATH) throw new WebServerError('NOT_FOUND', 'Not Found')
    if (request.method !== 'GET') {
      throw new WebServerError('METHOD_NOT_ALLOWED', 'Method Not Allowed', {
        headers: { Allow: 'GET' },
      })
    }
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
      throw new WebServerError('BAD_REQUEST', 'only an upgrade to websocket is served here')
    }
    const { settings } = this.#service
    if (!isOriginAllowed(settings, request.headers.origin, request.headers.host)) {
      throw new WebServerError(
        'ORIGIN_REFUSED',
        'pages of this origin may not open the stream: add it to the option origins',
      )
    }
    this.checkRoom()
  }

  /** Who comes with a ticket that another gateway has issued; else whom the authenticators let in. */
  #admit(
    ticket: string | undefined,
    credentials: RequestCredentials,
  ): AuthResult | Promise<AuthResult> {
    const { settings, tickets, waits } = this.#service
    if (ticket === undefined || !tickets.isElsewhere(ticket)) {
      return authenticate(settings, credentials)
    }
    return waits.during(async () => {
      const identity = await tickets.takeElsewhere(ticket)
      return identity === undefined ? authenticate(settings, credentials) : { ok: true, identity }
    })
  }

  #enter(request: IncomingMessage, socket: Duplex, head: Buffer, identity: Identity): void {
    if (socket.destroyed) return
    this.#service.rates?.take(identity, this.#service.settings.proxies.addressOf(request))
    this.#handshakes.accept(request, socket, head, (streamSocket) =>
      this.#serve(streamSocket, identity, this.#service.settings.proxies.addressOf(request)),
    )
  }

  #refuse(request: IncomingMessage, socket: Duplex, error: unknown): void {
    const problem = problemOf(error)
    const from = { address: this.#service.settings.proxies.addressOf(request), path: PATH }
    this.#service.audit?.refused(problem.body.code, undefined, from)
    if (problem.fault) this.#service.settings.log.error({ err: error }, 'a handshake failed')
    refuseSocket(socket, problem)
  }

  #serve(socket: StreamSocket, identity: Identity, address: string): void {
    let session: Session
    try {
      session = this.attach(socket, identity)
    } catch {
      // The room went to others while this one was let in.
      socket.close(CLOSE_CODE.LIMIT_REACHED, JSON.stringify({ retryAfterMs: 5_000 }))
      return
    }
    const connection = new Connection(this.#service, session, identity, address)
    socket.onText((text) => {
      const wait = connection.receive(text)
      if (wait !== undefined) {
        socket.pause()
        void wait.then(() => socket.resume())
      }
      // Who asks and does not take the answers is not asked for more.
      if (session.waitingAnswers > MAX_WAITING_ANSWERS) {
        socket.pause()
        socket.onDrained(() => socket.resume())
      }
    })
  }

  /** Each connection gets a ping an interval; one that gave no sign since the last is cut off, unless it still reads. */
  #keepAlive(): void {
    this.#slice = (this.#slice + 1) % PING_SLICES
    for (const member of this.#members) {
      const { session, sink } = member
      if (this.#isStalled(session)) sink.terminate()
      else if (member.slice === this.#slice) {
        if (!member.isAlive && !session.isBehind) sink.terminate()
        else {
          member.isAlive = false
          sink.ping()
        }
      }
    }
  }

  #endExpired(): void {
    const nowMs = Date.now()
    for (const { identity, session } of this.#members) {
      if (identity.expiresAtMs !== undefined && identity.expiresAtMs <= nowMs) {
        session.close(CLOSE_CODE.KEY_EXPIRED, 'the key has expired')
      }
    }
  }

  #isStalled({ behindSinceMs }: Session): boolean {
    const { stallTimeoutMs } = this.#service.settings.limits
    return behindSinceMs !== undefined && performance.now() - behindSinceMs > stallTimeoutMs
  }

  /** Tells subscriptions that had nothing to hear for a while where their channels are. */
  #tellProgress(): void {
    for (const group of this.#service.hub.groups()) {
      if (!group.hasSpoken) {
        for (const line of group.lines) {
          const { position } = line.source
          if (!line.wire.tellsGaps || position === undefined) continue
          const note = { type: 'progress', position } as const
          group.add(line, note, line.wire.encode(note))
        }
        group.flush()
      }
      group.hasSpoken = false
    }
  }

  /** Ends all of an identity, or those who came with one credential of it: another that replaces it goes on. */
  #endIdentity(name: string, credential: string | undefined): void {
    this.#service.tickets.revoke(name, credential)
    for (const { identity, session } of this.#members) {
      if (isRevokedBy(identity, name, credential)) {
        session.close(CLOSE_CODE.KEY_EXPIRED, 'the key is revoked')
      }
    }
  }
}

/** Path of the target of a request, which may name its host as well. */
function pathOf(target: string): string | undefined {
  return /^(?:https?:\/\/[^/?#]*)?([^?]*)/i.exec(target)?.[1]
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

function ignore(): void {}
