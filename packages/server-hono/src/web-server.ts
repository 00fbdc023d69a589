import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Channels, LiveGateway, Module } from '@gw/channels'
import type { AnyChannels } from '@gw/protocol'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { createApp } from './app.js'
import { type Controls, connectControls } from './controls.js'
import type { GatewayEnv } from './http/context.js'
import { hotPath } from './http/hot-path.js'
import { createHttpServer } from './http/http-server.js'
import { listenTcp, listenUnix } from './http/listen.js'
import { type Settings, settingsOf, type WebServerOptions } from './options.js'
import { plainChannels, type Service, servedOf, Waits } from './service.js'
import { Hub } from './stream/hub.js'
import { StreamServer } from './stream/stream-server.js'

/** A module that adds routes of its own to the web server; they are guarded as all others. */
export interface RestModule<C extends AnyChannels = AnyChannels> extends Module<C> {
  rest(app: Hono<GatewayEnv>): void
}

/** The web server as a module of a gateway. */
export interface WebServer extends Module {
  /** Where it is served over TCP, such as `http://127.0.0.1:8000`; `undefined` before the start and without a port. */
  readonly url: string | undefined
  /** The app with all routes, once started. */
  readonly app: Hono<GatewayEnv> | undefined
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
  app: Hono<GatewayEnv> | undefined
  readonly #settings: Settings
  readonly #servers: Server[] = []
  readonly #open = new Set<ServerResponse>()
  #controls: Controls | undefined
  #streams: StreamServer | undefined
  #hub: Hub | undefined
  #isStopping = false

  constructor(settings: Settings) {
    this.#settings = settings
  }

  get url(): string | undefined {
    const address = this.#servers.map((server) => server.address()).find(isTcp)
    if (address === undefined) return undefined
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
    return `http://${host}:${address.port}`
  }

  connect(channels: Channels<AnyChannels>): void {
    this.#controls = connectControls(channels, this.#settings.controls)
  }

  async start(gateway: LiveGateway): Promise<void> {
    const settings = this.#settings
    this.#isStopping = false
    const channels = plainChannels(gateway)
    const hub = new Hub(channels, {
      maxQueueBytes: settings.limits.maxQueueBytes,
      slowConsumer: settings.slowConsumer,
    })
    const service: Service = {
      gateway,
      channels,
      served: servedOf(channels),
      settings,
      hub,
      controls: this.#controls,
      waits: new Waits(settings.limits.maxWaits),
    }
    const app = createApp(service)
    const streams = new StreamServer(service)
    this.app = app
    this.#hub = hub
    this.#streams = streams
    // With its own objects in place of the platform's, the listener answers some HEAD requests with 500.
    const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false })
    const hot = settings.middleware.length === 0 ? hotPath(service) : () => false
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      this.#open.add(response)
      response.once('close', () => this.#open.delete(response))
      if (this.#isStopping) response.setHeader('Connection', 'close')
      if (!hot(request, response)) void listener(request, response)
    }
    const newServer = (): Server =>
      createHttpServer(settings.limits, onRequest, (...upgrade) => streams.upgrade(...upgrade))
    try {
      if (settings.port !== false) {
        const server = newServer()
        this.#servers.push(server)
        await listenTcp(server, settings.host, settings.port)
      }
      if (settings.unix !== undefined) {
        const server = newServer()
        this.#servers.push(server)
        await listenUnix(server, settings.unix.path, settings.unix.mode)
      }
    } catch (error) {
      await this.stop()
      throw error
    }
    for (const authenticator of settings.authenticators) {
      for (const line of authenticator.announce?.() ?? []) console.error(line)
    }
  }

  /** Stops accepting, finishes the requests that are there, closes the sockets with 1001: all within the bound. */
  async stop(): Promise<void> {
    this.#isStopping = true
    const { stopTimeoutMs } = this.#settings.limits
    const servers = this.#servers.splice(0)
    const closed = Promise.all(servers.map((server) => closeServer(server, stopTimeoutMs)))
    for (const response of this.#open) {
      if (!response.headersSent) response.setHeader('Connection', 'close')
    }
    await Promise.all([this.#streams?.close(stopTimeoutMs), closed])
    this.#hub?.close()
  }
}

function isTcp(address: string | AddressInfo | null): address is AddressInfo {
  return address !== null && typeof address === 'object'
}

function closeServer(server: Server, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) {
      resolve()
      return
    }
    const timer = setTimeout(() => server.closeAllConnections(), timeoutMs)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}
