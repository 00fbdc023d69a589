import { Hono } from 'hono'
import { WebServerError } from '../errors.js'
import { credentialsOf, type GatewayContext, type GatewayEnv } from '../http/context.js'
import { admitted, authenticate } from '../http/identity.js'
import type { Service } from '../service.js'

/** A module that adds routes of its own. */
interface WithRest {
  rest(app: Hono<GatewayEnv>): void
}

/**
 * Serves the routes that other modules add. They come after the gateway's own, which they cannot take over, and are
 * guarded as those: whoever has no key does not reach them. OPTIONS is answered, and 405 is, as everywhere.
 */
export function serveModules(app: Hono<GatewayEnv>, service: Service): void {
  for (const module of service.gateway.modules) {
    if (!addsRoutes(module)) continue
    const own = new Hono<GatewayEnv>()
    module.rest(own)
    const methods = new Map<string, Set<string>>()
    for (const { method, path, handler } of own.routes) {
      const known = methods.get(path) ?? new Set()
      methods.set(path, known.add(method))
      app.on(method, path, guardOf(service), handler)
    }
    for (const [path, known] of methods) {
      if (!known.has('ALL')) refuseOthers(app, path, known)
    }
  }
}

function addsRoutes(module: object): module is WithRest {
  return 'rest' in module && typeof module.rest === 'function'
}

function guardOf(service: Service) {
  return async (c: GatewayContext, next: () => Promise<void>): Promise<void> => {
    // Of several handlers of one request, the first has asked already.
    if (c.get('identity') === undefined) {
      const identity = admitted(
        await authenticate(service.settings, credentialsOf(c, service.settings)),
      )
      service.rates?.take(identity, service.settings.proxies.addressOf(c.env?.incoming))
      c.set('identity', identity)
    }
    await next()
  }
}

function refuseOthers(app: Hono<GatewayEnv>, path: string, methods: ReadonlySet<string>): void {
  const heads = methods.has('GET') ? ['HEAD'] : []
  const allow = [...methods, ...heads, 'OPTIONS'].join(', ')
  app.all(path, (c) => {
    if (c.req.method === 'OPTIONS') return c.body(null, 204, { Allow: allow })
    throw new WebServerError('METHOD_NOT_ALLOWED', 'Method Not Allowed', {
      headers: { Allow: allow },
    })
  })
}
