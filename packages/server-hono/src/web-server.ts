import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Channels, DeadLetter, type LiveGateway, type Module } from '@gw/channels'
import type { AnyChannels, Identity } from '@gw/protocol'
import { Hono } from 'hono'
import { createApp } from './app.js'
import { type Audit, connectAudit } from './audit.js'
import { type Controls, connectControls } from './controls.js'
import { aboveBase, belowBase } from './http/base-path.js'
import type { GatewayEnv } from './http/context.js'
import { HotPath } from './http/hot-path.js'
import { listenTcp, listenUnix } from './http/listen.js'
import { Listener } from './http/listener.js'
import { asksForWebSocket, passOver } from './http/pass-over.js'
import { type Problem, problem } from './http/problem.js'
import { RateLimits } from './http/rate-limits.js'
import { refuseSocket } from './http/refuse-socket.js'
import { RequestCounts } from './http/request-counts.js'
import { requestListener } from './http/request-listener.js'
import { StillGood } from './http/still-good.js'
import { type OtherGateways, type TicketQuestion, Tickets } from './http/tickets.js'
import { metricsOf } from './metrics.js'
import { type Settings, settingsOf, type WebServerOptions } from './options.js'
import { Access } from './rows/access.js'
import { Lasts } from './rows/lasts.js'
import { plainChannels, type Service, servedOf, sharingOf, Waits } from './service.js'
import { Hub } from './stream/hub.js'
import { StreamServer } from './stream/stream-server.js'

/**
 * A module that adds routes of its own to the web server, when that starts. They come after the gateway's own and are
 * guarded as those; `c.get('identity')` says who asks.
 */
export interface RestModule<C extends AnyChannels = AnyChannels> extends Module<C> {
  rest(app: Hono<GatewayEnv>): void
}

/** The web server as a module of a gateway. */
export interface WebServer extends Module {
  /** Where it is served over TCP, such as `http://127.0.0.1:8000`; `undefined` before the start and without a port. */
  readonly url: string | undefined
  /**
   * All routes as an app, to be mounted in another, below a path or not: `own.route('/', server.app)`. Before the start, and after the stop, it
   * answers 503.
   */
  readonly app: Hono<GatewayEnv>
  /** Takes an upgrade to a WebSocket from a server of your own: `nodeServer.on('upgrade', server.upgrade)`. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
}

/**
 * Serves a gateway over REST, WebSocket and a UNIX socket.
 * @throws WebServerError `INVALID_OPTION`; at the start `ADDRESS_IN_USE`, `ADDRESS_UNAVAILABLE`, `SOCKET_PATH_TAKEN`.
 * @example `new Gateway({ channels, modules: [totals, webServer({ port: 8000 })] })`
 */
export function webServer(options: WebServerOptions = {}): WebServer {
  return new WebServerModule(settingsOf(options))
}

class WebServerModule implements WebServer {
  readonly name = 'web-server'
  readonly requires = []
  readonly app: Hono<GatewayEnv>
  #routes: Hono<GatewayEnv> | undefined
  readonly #settings: Settings
  readonly #listeners: Listener[] = []
  #audit: Audit | undefined
  #controls: Controls | undefined
  #streams: StreamServer | undefined
  #hub: Hub | undefined
  #waits: Waits | undefined
  #tickets: Tickets | undefined
  readonly #stopSessions: (() => void)[] = []

  constructor(settings: Settings) {
    this.#settings = settings
    this.app = new Hono<GatewayEnv>()
    this.app.all('*', async (c) => {
      if (this.#routes === undefined) return notRunningResponse()
      const { base, request } = belowBase(c)
      return aboveBase(base, await this.#routes.fetch(request, c.env))
    })
  }

  readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (!asksForWebSocket(request) && passOver(request, socket, head)) return
    if (this.#streams === undefined) refuseSocket(socket, notRunning())
    else this.#streams.upgrade(request, socket, head)
  }

  get url(): string | undefined {
    const address = this.#listeners.map(({ server }) => server.address()).find(isTcp)
    if (address === undefined) return undefined
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
    return `http://${host}:${address.port}`
  }

  connect(channels: Channels<AnyChannels>): void {
    this.#controls = connectControls(channels, this.#settings.controls)
    this.#audit = connectAudit(channels, this.#settings.log)
  }

  async start(gateway: LiveGateway): Promise<void> {
    const settings = this.#settings
    const channels = plainChannels(gateway)
    const hub = new Hub(channels, {
      maxQueueBytes: settings.limits.maxQueueBytes,
      slowConsumer: settings.slowConsumer,
    })
    const served = servedOf(channels)
    const access = new Access(channels, {
      filter: settings.filter,
      channels,
      lasts: new Lasts(channels),
      audit: this.#audit,
      deadLetters: new Set(
        served.channels.items
          .filter(({ recordSchema }) => recordSchema === (DeadLetter as unknown))
          .map(({ name }) => name),
      ),
      isBasket: (name) => served.channels.exactly(name)?.kind === 'basket',
      isList: (name) => served.channels.exactly(name)?.schema.def.type === 'array',
      log: settings.log,
    })
    const tickets = new Tickets(this.#othersOf(gateway))
    this.#tickets = tickets
    const service: Service = {
      gateway,
      channels,
      access,
      audit: this.#audit,
      served,
      settings,
      hub,
      controls: this.#controls,
      waits: new Waits(settings.limits.maxWaits),
      tickets,
      stillGood: new StillGood(
        settings.authenticators,
        settings.limits.pingIntervalMs,
        settings.log,
      ),
      rates: settings.rateLimit && new RateLimits(settings.rateLimit),
      requests: new RequestCounts(),
    }
    const streams = new StreamServer(service)
    const connections = (): number => this.#listeners.reduce((sum, { size }) => sum + size, 0)
    const app = createApp(service, streams, metricsOf(service, streams, connections))
    this.#routes = app
    this.#hub = hub
    this.#waits = service.waits
    this.#streams = streams
    for (const authenticator of settings.authenticators) {
      const stop = authenticator.onSession?.((event) => this.#audit?.session(event))
      if (stop !== undefined) this.#stopSessions.push(stop)
    }
    const listener = requestListener(app)
    // The hot path answers at once, from what this gateway has itself.
    const isPlain = settings.middleware.length === 0 && channels.hear === undefined
    const hotPath = isPlain ? new HotPath(service) : undefined
    const newListener = (): Listener => {
      const added = new Listener(
        settings.limits,
        (request, response) => {
          if (hotPath?.takes(request, response) !== true) listener(request, response)
        },
        this.upgrade,
      )
      this.#listeners.push(added)
      return added
    }
    try {
      if (settings.port !== false) {
        await listenTcp(newListener().server, settings.host, settings.port)
      }
      if (settings.unix !== undefined) {
        await listenUnix(newListener().server, settings.unix.path, settings.unix.mode)
      }
    } catch (error) {
      await this.stop()
      throw error
    }
    for (const authenticator of settings.authenticators) {
      for (const line of authenticator.announce?.() ?? []) console.error(line)
    }
  }

  /** Whom a ticket stands for that a client of another gateway of the cluster has shown there. */
  answerModule(question: unknown): Identity | undefined {
    return this.#tickets?.take((question as TicketQuestion).ticket)
  }

  #othersOf(gateway: LiveGateway): OtherGateways | undefined {
    const sharing = sharingOf(gateway)
    if (sharing === undefined) return undefined
    return {
      get id() {
        return sharing.shared?.id
      },
      ask: async (id, question) => sharing.shared?.askModule(id, this.name, question),
    }
  }

  /** Stops accepting, finishes the requests that are there, closes the sockets with 1001: all within the bound. */
  async stop(): Promise<void> {
    const { stopTimeoutMs } = this.#settings.limits
    this.#waits?.end()
    for (const stop of this.#stopSessions.splice(0)) stop()
    const listeners = this.#listeners.splice(0)
    await Promise.all([
      this.#streams?.close(stopTimeoutMs),
      ...listeners.map((listener) => listener.stop(stopTimeoutMs)),
    ])
    this.#hub?.close()
    this.#routes = undefined
    this.#streams = undefined
    this.#tickets = undefined
  }
}

function notRunning(): Problem {
  return problem('NOT_RUNNING', 'the gateway does not run', undefined, { 'Retry-After': '1' })
}

function notRunningResponse(): Response {
  const { status, body, headers } = notRunning()
  return Response.json(body, { status, headers })
}

function isTcp(address: string | AddressInfo | null): address is AddressInfo {
  return address !== null && typeof address === 'object'
}
