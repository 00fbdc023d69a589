import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { Registry } from 'prom-client'
import { WebServerError } from './errors.js'
import type { GatewayContext, GatewayEnv } from './http/context.js'
import { corsOf } from './http/cors.js'
import { problemOf } from './http/problem.js'
import { slashRedirect } from './http/redirect.js'
import { problemHeaders, SECURE_HEADERS } from './http/respond.js'
import { serveControls } from './routes/controls.js'
import { serveDescription } from './routes/description.js'
import { serveDocs } from './routes/docs.js'
import { serveEvents } from './routes/events.js'
import { serveField } from './routes/field.js'
import { serveHealth, serveMetrics } from './routes/health.js'
import { serveLists } from './routes/lists.js'
import { hasLogin, serveLogin } from './routes/login.js'
import { serveLookup } from './routes/lookup.js'
import { serveModules } from './routes/modules.js'
import { serveStage } from './routes/stage.js'
import { serveState } from './routes/state.js'
import { serveTicket } from './routes/ticket.js'
import { serveTicks } from './routes/ticks.js'
import type { Service } from './service.js'
import type { StreamServer } from './stream/stream-server.js'

/** All routes of a gateway as a Hono app. */
export function createApp(
  service: Service,
  streams: StreamServer,
  metrics: Registry,
): Hono<GatewayEnv> {
  const { settings } = service
  const app = new Hono<GatewayEnv>()

  app.onError((error, c) => {
    // What middleware or a module's route says with Hono's own words stands.
    if (error instanceof HTTPException) return error.getResponse()
    const login = loginPath(service, c, error)
    return login === undefined ? refuse(service, c, error) : c.redirect(login, 303)
  })
  app.notFound((c) => {
    const location = slashRedirect(c)
    if (location !== undefined) return c.body(null, 307, { Location: location })
    return refuse(service, c, new WebServerError('NOT_FOUND', 'Not Found'))
  })

  app.use('*', async (c, next) => {
    await next()
    service.requests.count(c.req.method, c.req.path, c.res.status)
    for (const [name, value] of Object.entries(SECURE_HEADERS)) {
      if (!c.res.headers.has(name)) c.res.headers.set(name, value)
    }
  })
  if (settings.cors !== undefined) app.use('*', corsOf(settings.cors))
  for (const middleware of settings.middleware) app.use('*', middleware)

  serveTicks(app, service)
  serveState(app, service)
  serveLookup(app, service)
  serveStage(app, service)
  serveControls(app, service)
  serveField(app, service)
  serveLists(app, service)
  serveLogin(app, service)
  serveTicket(app, service)
  serveEvents(app, service, streams)
  serveDescription(app, service)
  serveDocs(app, service)
  serveHealth(app, service)
  serveMetrics(app, service, metrics)
  serveModules(app, service)
  return app
}

/** Where a person without a key is sent who opens a page outside the API; else undefined. */
function loginPath(service: Service, c: GatewayContext, error: unknown): string | undefined {
  if (!(error instanceof WebServerError) || error.code !== 'UNAUTHORIZED') return undefined
  if (c.req.path.startsWith('/api') || c.req.method !== 'GET') return undefined
  if (c.req.header('accept')?.includes('text/html') !== true) return undefined
  if (!hasLogin(service)) return undefined
  const { pathname, searchParams } = new URL(c.req.url)
  // A key that is not to be in a URL is not taken along to the next ones.
  for (const { secretQueryParameters = [] } of service.settings.authenticators) {
    for (const name of secretQueryParameters) searchParams.delete(name)
  }
  const search = searchParams.size === 0 ? '' : `?${searchParams}`
  return `/login?${new URLSearchParams({ next: pathname + search })}`
}

function refuse(service: Service, c: GatewayContext, error: unknown): Response {
  const problem = problemOf(error)
  const from = { address: service.settings.proxies.addressOf(c.env?.incoming), path: c.req.path }
  service.audit?.refused(problem.body.code, c.get('identity'), from)
  if (problem.fault) {
    service.settings.log.error({ err: error, path: c.req.path }, `${c.req.method} failed`)
  }
  return new Response(JSON.stringify(problem.body), {
    status: problem.status,
    headers: { ...SECURE_HEADERS, ...problemHeaders(problem, c.req.header('accept')) },
  })
}
