import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { WebServerError } from './errors.js'
import type { GatewayContext, GatewayEnv } from './http/context.js'
import { problemOf } from './http/problem.js'
import { slashRedirect } from './http/redirect.js'
import { problemHeaders, SECURE_HEADERS } from './http/respond.js'
import { serveControls } from './routes/controls.js'
import { serveDescription } from './routes/description.js'
import { serveField } from './routes/field.js'
import { serveLists } from './routes/lists.js'
import { serveLogin } from './routes/login.js'
import { serveLookup } from './routes/lookup.js'
import { serveStage } from './routes/stage.js'
import { serveState } from './routes/state.js'
import { serveTicket } from './routes/ticket.js'
import { serveTicks } from './routes/ticks.js'
import type { Service } from './service.js'

/** All routes of a gateway as a Hono app. */
export function createApp(service: Service): Hono<GatewayEnv> {
  const { settings } = service
  const app = new Hono<GatewayEnv>()

  app.onError((error, c) => refuse(service, c, error))
  app.notFound((c) => {
    const location = slashRedirect(c)
    if (location !== undefined) return c.body(null, 307, { Location: location })
    return refuse(service, c, new WebServerError('NOT_FOUND', 'Not Found'))
  })

  app.use('*', async (c, next) => {
    await next()
    for (const [name, value] of Object.entries(SECURE_HEADERS)) c.res.headers.set(name, value)
  })
  if (settings.cors !== undefined) app.use('*', corsOf(settings.cors.origins))
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
  serveDescription(app, service)
  return app
}

function corsOf(origins: readonly string[] | '*'): ReturnType<typeof cors> {
  return cors({
    origin: origins === '*' ? '*' : [...origins],
    allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: ['Content-Type', 'X-API-Key', 'Authorization', 'token', 'If-None-Match'],
    exposeHeaders: [
      'ETag',
      'X-Gateway-Kind',
      'X-Gateway-Position',
      'X-Gateway-State-By',
      'Retry-After',
    ],
    credentials: origins !== '*',
    maxAge: 600,
  })
}

function refuse(service: Service, c: GatewayContext, error: unknown): Response {
  const problem = problemOf(error)
  if (problem.fault) {
    service.settings.log.error({ err: error, path: c.req.path }, `${c.req.method} failed`)
  }
  return new Response(JSON.stringify(problem.body), {
    status: problem.status,
    headers: { ...SECURE_HEADERS, ...problemHeaders(problem, c.req.header('accept')) },
  })
}
