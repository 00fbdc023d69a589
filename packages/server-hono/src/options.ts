import { consoleLogger, type Logger } from '@gw/channels'
import type { Authenticator, AuthFilter } from '@gw/protocol'
import type { MiddlewareHandler } from 'hono'
import { WebServerError } from './errors.js'
import { Proxies } from './http/proxies.js'

/** Bounds of a server. Times are in milliseconds. */
export interface Limits {
  /** Body of a request. @defaultValue 1 MiB */
  readonly maxBodyBytes: number
  /** Message on a WebSocket; a longer one closes it with 1009. @defaultValue 256 KiB */
  readonly maxMessageBytes: number
  /** All headers of a request. @defaultValue 16 KiB */
  readonly maxHeaderBytes: number
  /** Objects and arrays inside one another in a JSON text. @defaultValue 64 */
  readonly maxJsonDepth: number
  /** What waits for a slow reader, for each connection. @defaultValue 1 MiB */
  readonly maxQueueBytes: number
  /** Open connections, of each listener. @defaultValue 20_000 */
  readonly maxConnections: number
  /** Subscriptions of one connection. @defaultValue 1_000 */
  readonly maxSubscriptions: number
  /** Requests that wait for a next tick or a position. @defaultValue 20_000 */
  readonly maxWaits: number
  /** Until a request's headers are there, the first bytes included. @defaultValue 10_000 */
  readonly headersTimeoutMs: number
  /** Until a request's body is there too; then again until the engine has taken what it sends. @defaultValue 30_000 */
  readonly requestTimeoutMs: number
  /** Idle connection between two requests. @defaultValue 60_000 */
  readonly keepAliveTimeoutMs: number
  /** Wait of `next`, and for a position; a request can only shorten it. @defaultValue 600_000 */
  readonly nextTimeoutMs: number
  /** Between two pings to a WebSocket; one that has not answered by the next is cut off. @defaultValue 25_000 */
  readonly pingIntervalMs: number
  /**
   * Between two `progress` messages of a subscription that had nothing else, and between two looks whether the rule of rows hides
   * or shows more of a copied state than before. @defaultValue 5_000
   */
  readonly progressIntervalMs: number
  /** How long a reader of a stream, or of an answer, may take nothing at all before it is cut off. @defaultValue 30_000 */
  readonly stallTimeoutMs: number
  /** Graceful stop: requests get this long to finish. @defaultValue 5_000 */
  readonly stopTimeoutMs: number
}

const DEFAULT_LIMITS: Limits = {
  maxBodyBytes: 1024 * 1024,
  maxMessageBytes: 256 * 1024,
  maxHeaderBytes: 16 * 1024,
  maxJsonDepth: 64,
  maxQueueBytes: 1024 * 1024,
  maxConnections: 20_000,
  maxSubscriptions: 1_000,
  maxWaits: 20_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 60_000,
  nextTimeoutMs: 600_000,
  pingIntervalMs: 25_000,
  progressIntervalMs: 5_000,
  stallTimeoutMs: 30_000,
  stopTimeoutMs: 5_000,
}

/** Which of the controls are served. */
export interface ControlsOptions {
  /** `GET /controls/heartbeat`: a round trip through the engine. @defaultValue false */
  readonly heartbeat?: boolean
  /** `GET /controls/stats`: the process and the machine. @defaultValue false */
  readonly stats?: boolean
  /** `POST /controls/shutdown`: stops the gateway. @defaultValue false */
  readonly shutdown?: boolean
}

/** Which pages of other origins may read answers. */
export interface CorsOptions {
  /** Origins, exactly as browsers send them; `*` means all, without cookies. */
  readonly origins: readonly string[] | '*'
}

/** How much one identity may ask for; without keys, one address. Requests and messages count alike. */
export interface RateLimit {
  /** Requests and messages a second, over time. */
  readonly perSecond: number
  /** Requests and messages at once. @defaultValue as many as in a second */
  readonly burst?: number
}

/** What happens to a subscription whose reader is slower than its queue can bear. */
export type SlowConsumerPolicy = 'gap' | 'close'

/** Options of `webServer`. */
export interface WebServerOptions {
  /**
   * TCP port; 0 takes a free one, `false` serves none, so that `app` can be mounted in a server of your own.
   * @defaultValue the variable `GW_PORT`, or 8000
   */
  readonly port?: number | false
  /** Address to listen on. @defaultValue the variable `GW_HOST`, or 127.0.0.1 */
  readonly host?: string
  /** Path of a UNIX socket to serve too, and its file mode (0o600). */
  readonly unix?: string | { readonly path: string; readonly mode?: number }
  /** Title of the description. @defaultValue the variable `GW_TITLE`, or `Gateway` */
  readonly title?: string
  readonly description?: string
  /** Version of the served API, for the description. @defaultValue '1.0.0' */
  readonly version?: string
  /** Who may come in; of several, the first that says yes counts. @defaultValue everybody, so keep to loopback */
  readonly auth?: Authenticator | readonly Authenticator[]
  /**
   * Which rows an identity may see and send, in all calls and on all transports.
   * @defaultValue all that its scopes allow
   */
  readonly filter?: AuthFilter
  /** `true` serves heartbeat, stats and shutdown. Needs a channel named `controls`. @defaultValue none */
  readonly controls?: boolean | ControlsOptions
  /** @defaultValue no other origin */
  readonly cors?: CorsOptions
  /** Origins from which pages may open the stream, beside the server's own and those of `cors`. */
  readonly origins?: readonly string[]
  /**
   * Proxies in front, which are believed when they say in `X-Forwarded-For` where a request comes from: addresses, networks
   * such as `10.0.0.0/8`, and `unix`. @defaultValue nobody is believed
   */
  readonly proxies?: readonly string[]
  /** Middleware of Hono that runs before every route. */
  readonly middleware?: readonly MiddlewareHandler[]
  /** What a slow reader gets: a `gap` message, or a close with code 4000. @defaultValue 'gap' */
  readonly slowConsumer?: SlowConsumerPolicy
  /** Who asks for more is refused with 429 and told when to come back. @defaultValue no limit */
  readonly rateLimit?: RateLimit
  readonly limits?: Partial<Limits>
  /** @defaultValue warnings and errors on the console */
  readonly log?: Logger
}

/** The options with every default filled in. */
export interface Settings {
  readonly port: number | false
  readonly host: string
  readonly unix: { readonly path: string; readonly mode: number } | undefined
  readonly title: string
  readonly description: string | undefined
  readonly version: string
  readonly authenticators: readonly Authenticator[]
  readonly filter: AuthFilter | undefined
  readonly controls: Required<ControlsOptions>
  readonly cors: CorsOptions | undefined
  readonly origins: readonly string[]
  readonly proxies: Proxies
  readonly middleware: readonly MiddlewareHandler[]
  readonly slowConsumer: SlowConsumerPolicy
  readonly rateLimit: Required<RateLimit> | undefined
  readonly limits: Limits
  readonly log: Logger
}

/**
 * Fills in the defaults and checks every option.
 * @throws WebServerError `INVALID_OPTION` with the option named.
 */
export function settingsOf(options: WebServerOptions): Settings {
  const { unix, controls = false, auth } = options
  const settings: Settings = {
    port: options.port ?? portOf(process.env.GW_PORT),
    host: options.host ?? process.env.GW_HOST ?? '127.0.0.1',
    unix: typeof unix === 'string' ? { path: unix, mode: 0o600 } : unix && { mode: 0o600, ...unix },
    title: options.title ?? process.env.GW_TITLE ?? 'Gateway',
    description: options.description,
    version: options.version ?? '1.0.0',
    authenticators: authenticatorsOf(auth),
    filter: options.filter,
    controls: {
      heartbeat: controls === true || (controls !== false && controls.heartbeat === true),
      stats: controls === true || (controls !== false && controls.stats === true),
      shutdown: controls === true || (controls !== false && controls.shutdown === true),
    },
    cors: options.cors,
    origins: options.origins ?? [],
    proxies: proxiesOf(options.proxies),
    middleware: options.middleware ?? [],
    slowConsumer: options.slowConsumer ?? 'gap',
    rateLimit: options.rateLimit && { burst: options.rateLimit.perSecond, ...options.rateLimit },
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    log: options.log ?? consoleLogger,
  }
  check(settings)
  return settings
}

/** Nobody to ask would let everybody in, which only leaving the option out means. */
function authenticatorsOf(auth: WebServerOptions['auth']): readonly Authenticator[] {
  if (auth === undefined) return []
  const all = [auth].flat() as readonly (Authenticator | null | undefined)[]
  if (all.length === 0 || !all.every((each) => typeof each?.authenticate === 'function')) {
    throw invalidOption('auth', 'names at least one authenticator: without one everybody is let in')
  }
  return all as readonly Authenticator[]
}

function proxiesOf(trusted: readonly string[] = []): Proxies {
  try {
    return new Proxies(trusted)
  } catch (error) {
    const { message } = error as Error
    throw invalidOption('proxies', `is addresses, networks and unix: ${message}`)
  }
}

function portOf(variable: string | undefined): number {
  if (variable === undefined || variable === '') return 8_000
  return /^\d{1,5}$/.test(variable) ? Number(variable) : Number.NaN
}

function check({ port, unix, host, limits, rateLimit }: Settings): void {
  if (port !== false && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw invalidOption('port', 'is a whole number from 0 to 65535, or false')
  }
  if (host === '') throw invalidOption('host', 'is empty: name an address, such as 127.0.0.1')
  if (unix !== undefined && (unix.path === '' || Buffer.byteLength(unix.path) > 107)) {
    throw invalidOption('unix', 'is a path of 1 to 107 bytes')
  }
  if (rateLimit !== undefined && !(rateLimit.perSecond > 0 && rateLimit.burst >= 1)) {
    throw invalidOption('rateLimit', 'has perSecond above 0, and burst of at least 1')
  }
  for (const [name, value] of Object.entries(limits)) {
    if (!(value > 0)) throw invalidOption(`limits.${name}`, `is above 0, not ${value}`)
  }
}

function invalidOption(name: string, rule: string): WebServerError {
  return new WebServerError('INVALID_OPTION', `webServer: the option ${name} ${rule}`)
}
